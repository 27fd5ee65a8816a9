package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// actionsAPI is a GitHub whose environment has a timer and whose run 5 of pace.yml
// has waited for it.
type actionsAPI struct {
	t       *testing.T
	timer   int
	mirrors string // JSON of those that run
	off     string // a workflow that is disabled
	bucket  bool   // there is a public one, which is up to date
	started []string
}

// run is run 5 of pace.yml.
func (a *actionsAPI) run() string {
	return fmt.Sprintf(`{"id":5,"status":"in_progress","created_at":%q,"updated_at":%[1]q}`, time.Now().Add(-31*time.Minute).UTC().Format(time.RFC3339))
}

func (a *actionsAPI) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if q.URL.Path == "/bucket/status.json" { // of another host than GitHub's API, usually
		if q.Header.Get("Authorization") != "" {
			a.t.Error("the token leaves GitHub")
		}
		_, _ = w.Write((&status.Status{Version: status.Version, Checked: time.Now()}).JSON())
		return
	}
	if q.Header.Get("Authorization") != "Bearer ghs_secret" {
		a.t.Errorf("%s comes with %q", q.URL, q.Header.Get("Authorization"))
	}
	path := strings.TrimPrefix(q.URL.Path, "/repos/me/mirror/")
	switch status := q.URL.Query().Get("status"); {
	case path == "environments/pace":
		fmt.Fprintf(w, `{"protection_rules":[{"type":"wait_timer","wait_timer":%d}]}`, a.timer)
	case path == "" || path == "/repos/me/mirror":
		_, _ = io.WriteString(w, `{"default_branch":"main"}`)
	case path == "actions/runs/5":
		_, _ = io.WriteString(w, a.run())
	case path == "actions/workflows/pace.yml/runs" && status == "in_progress":
		fmt.Fprintf(w, `{"workflow_runs":[%s]}`, a.run())
	case path == "actions/workflows/mirror.yml/runs" && status == "in_progress":
		fmt.Fprintf(w, `{"workflow_runs":[%s]}`, a.mirrors)
	case strings.HasSuffix(path, "/runs"):
		_, _ = io.WriteString(w, `{"workflow_runs":[]}`)
	case q.Method == http.MethodPost:
		body, _ := io.ReadAll(q.Body)
		a.started = append(a.started, path+" "+string(body))
		_, _ = io.WriteString(w, `{"workflow_run_id":6}`)
	case path == "actions/workflows/"+a.off:
		_, _ = io.WriteString(w, `{"state":"disabled_inactivity"}`)
	case strings.HasPrefix(path, "actions/workflows/"):
		_, _ = io.WriteString(w, `{"state":"active"}`)
	default:
		http.NotFound(w, q)
	}
}

// What pace.yml and mend.yml run asks GitHub as it is to be asked, and says on the
// page of the run what it did.
func TestPace(t *testing.T) {
	t.Parallel()
	const mirror = `actions/workflows/mirror.yml/dispatches {"ref":"main","return_run_details":true}`
	const next = `actions/workflows/pace.yml/dispatches {"ref":"main","return_run_details":true}`
	now := time.Now().UTC().Format(time.RFC3339)
	for name, test := range map[string]struct {
		args    []string
		api     actionsAPI
		code    int
		started []string
		says    string
	}{
		"the chain":               {nil, actionsAPI{timer: 30}, CodeDone, []string{mirror, next}, "The next run of the chain waits (run 6)."},
		"a busy mirror":           {nil, actionsAPI{timer: 30, mirrors: `{"id":4,"status":"in_progress","created_at":"` + now + `","updated_at":"` + now + `"}`}, CodeDone, []string{next}, "Run 4 of mirror.yml is in progress."},
		"a rest":                  {[]string{"--rest", "2"}, actionsAPI{timer: 30}, CodeDone, []string{`actions/workflows/pace.yml/dispatches {"inputs":{"rest":"1"},"ref":"main","return_run_details":true}`}, "It is after this many waits more: 2."},
		"no timer":                {nil, actionsAPI{}, CodeError, nil, "the chain ends here: the environment \"pace\" has a wait timer of 0 minutes"},
		"a short timer":           {nil, actionsAPI{timer: 9}, CodeError, nil, "10 is the least"},
		"a rest that is too long": {[]string{"--rest", "1000000"}, actionsAPI{timer: 30}, CodeDone, []string{`actions/workflows/pace.yml/dispatches {"inputs":{"rest":"6"},"ref":"main","return_run_details":true}`}, "It is after this many waits more: 7."},
		"another timer":           {nil, actionsAPI{timer: 60}, CodeDone, []string{mirror, next}, "The next run of the chain waits (run 6)."},
		"no mender":               {nil, actionsAPI{timer: 30, off: "mend.yml"}, CodeDone, []string{mirror, next}, "mend.yml is disabled, and that is obeyed (disabled_inactivity). So nothing restarts the chain"},
		"no mirror":               {nil, actionsAPI{timer: 30, off: "mirror.yml"}, CodeDone, nil, "mirror.yml is disabled, and that is obeyed (disabled_inactivity): the chain ends here."},
		"the mender":              {[]string{"--mend"}, actionsAPI{timer: 30}, CodeDone, []string{mirror}, "Run 5 of pace.yml is in progress."},
		"fresh data":              {[]string{"--mend"}, actionsAPI{timer: 30, bucket: true}, CodeDone, nil, "Run 5 of pace.yml is in progress."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.api.t = t
			server := httptest.NewServer(&test.api)
			defer server.Close()
			w := newWorld(t, hackagetest.Small())
			w.wait = func(context.Context, time.Duration) error { return nil }
			maps.Copy(w.env, map[string]string{
				"GITHUB_REPOSITORY": "me/mirror", "GITHUB_REF_NAME": "main", "GITHUB_API_URL": server.URL, "GITHUB_RUN_ID": "5",
				"HACKAGE_MIRROR_TOKEN": "ghs_secret", "HACKAGE_MIRROR_UPSTREAM": w.server.URL, "GITHUB_STEP_SUMMARY": w.path("summary"),
			})
			if test.api.bucket {
				w.env["HACKAGE_MIRROR_PUBLIC_URL"] = server.URL + "/bucket/"
			}
			code, said := w.run(append([]string{"pace"}, test.args...)...)
			if code != test.code || strings.Contains(said, "ghs_secret") {
				t.Errorf("exit code %d:\n%s", code, said)
			}
			if !slices.Equal(test.api.started, test.started) {
				t.Errorf("it started %q, want %q", test.api.started, test.started)
			}
			summary, err := os.ReadFile(w.path("summary"))
			if err != nil || !strings.Contains(string(summary), test.says) {
				t.Errorf("the summary lacks %q: %q, %v", test.says, summary, err)
			}
		})
	}
}

// What cannot be told to be quiet, or to be fresh, is not taken for it.
func TestLooksOfThePacer(t *testing.T) {
	t.Parallel()
	checked := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	file := func(health status.Word) string {
		return string((&status.Status{Version: status.Version, Health: health, Checked: checked}).JSON())
	}
	answer := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Last-Modified", "Sun, 01 Mar 2026 12:00:00 GMT")
		if answer == "" || q.URL.Path != "/x/status.json" && q.URL.Path != "/x/01-index.tar.gz" {
			w.WriteHeader(http.StatusBadGateway)
		}
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	for health, good := range map[status.Word]bool{status.Good: true, status.Look: true, status.Failed: false} {
		answer = file(health)
		if at, err := lastChecked(t.Context(), server.Client(), server.URL+"/x/"); (err == nil) != good || good && !at.Equal(checked) {
			t.Errorf("%s: %s, %v", health, at, err)
		}
	}
	if at, err := indexChanged(t.Context(), server.Client(), server.URL+"/x"); err != nil || !at.Equal(checked) {
		t.Errorf("upstream: %s, %v", at, err)
	}
	for _, answer = range []string{"", "<html>", strings.Repeat(" ", status.MaxSize) + file(status.Good)} {
		if at, err := lastChecked(t.Context(), server.Client(), server.URL+"/x"); err == nil {
			t.Errorf("%.10q: %s", answer, at)
		}
	}
	answer = ""
	if at, err := indexChanged(t.Context(), server.Client(), server.URL+"/x"); err == nil {
		t.Errorf("an upstream that is down: %s", at)
	}
}

// By hand it says what it is for.
func TestPaceIsForWorkflows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	code, said := w.run("pace")
	if code != CodeUsage {
		t.Errorf("exit code %d", code)
	}
	w.says(said, "pace.yml and mend.yml")
}
