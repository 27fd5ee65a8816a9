package run

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
)

// actionsAPI is a GitHub whose environment has a timer and whose run 5 of pace.yml
// has waited for it.
type actionsAPI struct {
	t       *testing.T
	timer   int
	mirrors string // JSON of those that run
	started []string
}

func (a *actionsAPI) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if q.Header.Get("Authorization") != "Bearer ghs_secret" {
		a.t.Errorf("%s comes with %q", q.URL, q.Header.Get("Authorization"))
	}
	path := strings.TrimPrefix(q.URL.Path, "/repos/me/mirror/")
	switch status := q.URL.Query().Get("status"); {
	case path == "environments/pace":
		fmt.Fprintf(w, `{"protection_rules":[{"type":"wait_timer","wait_timer":%d}]}`, a.timer)
	case path == "actions/workflows/pace.yml/runs" && status == "in_progress":
		fmt.Fprintf(w, `{"workflow_runs":[{"id":5,"status":"in_progress","created_at":%q,"updated_at":%[1]q}]}`, time.Now().Add(-31*time.Minute).UTC().Format(time.RFC3339))
	case path == "actions/workflows/mirror.yml/runs" && status == "in_progress":
		fmt.Fprintf(w, `{"workflow_runs":[%s]}`, a.mirrors)
	case strings.HasSuffix(path, "/runs"):
		_, _ = io.WriteString(w, `{"workflow_runs":[]}`)
	case q.Method == http.MethodPost:
		body, _ := io.ReadAll(q.Body)
		a.started = append(a.started, path+" "+string(body))
		_, _ = io.WriteString(w, `{"workflow_run_id":6}`)
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
		"the chain":     {nil, actionsAPI{timer: 30}, CodeDone, []string{mirror, next}, "The next run of the chain waits (run 6)."},
		"a busy mirror": {nil, actionsAPI{timer: 30, mirrors: `{"id":4,"status":"in_progress","created_at":"` + now + `","updated_at":"` + now + `"}`}, CodeDone, []string{next}, "Run 4 of mirror.yml is in progress."},
		"a rest":        {[]string{"--rest", "2"}, actionsAPI{timer: 30}, CodeDone, []string{`actions/workflows/pace.yml/dispatches {"inputs":{"rest":"1"},"ref":"main","return_run_details":true}`}, "It is after this many waits more: 2."},
		"no timer":      {nil, actionsAPI{}, CodeError, nil, "the chain ends here: the environment \"pace\" has a wait timer of 0 minutes"},
		"a short timer": {nil, actionsAPI{timer: 9}, CodeError, nil, "10 is the least"},
		"a skipped one": {nil, actionsAPI{timer: 60}, CodeError, nil, "and the timer says 1h0m0s; in a private repository"},
		"the mender":    {[]string{"--mend"}, actionsAPI{timer: 30}, CodeDone, []string{mirror}, "Run 5 of pace.yml is in progress."},
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
