//go:build unix

package acttest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// An actionsAPI is what pace.yml and mend.yml ask of GitHub: a timer of 30 minutes,
// and this very run, which has waited for it.
type actionsAPI struct {
	mu      sync.Mutex
	started []string
}

// run is the one that asks.
func (a *actionsAPI) run() string {
	return fmt.Sprintf(`{"id":100,"status":"in_progress","created_at":%q,"updated_at":%[1]q}`, time.Now().Add(-31*time.Minute).UTC().Format(time.RFC3339))
}

func (a *actionsAPI) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	path := strings.TrimPrefix(q.URL.Path, "/repos/me/mirror/")
	switch status := q.URL.Query().Get("status"); {
	case q.Header.Get("Authorization") != "Bearer token-of-the-workflow":
		http.Error(w, `{"message":"Bad credentials"}`, http.StatusUnauthorized)
	case q.Method == http.MethodPost:
		body, _ := io.ReadAll(q.Body) // a part of it is not what is wanted
		a.started = append(a.started, path+" "+string(body))
		fmt.Fprint(w, `{"workflow_run_id":101}`)
	case path == "environments/pace":
		fmt.Fprint(w, `{"protection_rules":[{"type":"wait_timer","wait_timer":30}]}`)
	case path == "actions/workflows/pace.yml/runs" && status == "in_progress":
		fmt.Fprintf(w, `{"workflow_runs":[%s]}`, a.run())
	case strings.HasPrefix(path, "actions/runs/"):
		fmt.Fprint(w, a.run())
	case status == "":
		fmt.Fprint(w, `{"state":"active","default_branch":"main"}`)
	default:
		fmt.Fprint(w, `{"workflow_runs":[]}`)
	}
}

// The chain's workflows hand on what the program needs, and the program asks GitHub
// for the next runs.
func TestPaceAndMend(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"bash", "curl", "git", "go"} {
		need(t, program)
	}
	api := &actionsAPI{}
	server := httptest.NewServer(api)
	defer server.Close()
	files := map[string]string{}
	for _, name := range []string{"pace.yml", "mend.yml"} {
		name = filepath.Join(".github", "workflows", name)
		// act has no timers, and does not know this key of theirs.
		files[name] = strings.Replace(read(t, filepath.Join(root(t), name)), "      deployment: false\n", "", 1)
	}
	s := &stage{T: t, runner: newRunner(t, files)}
	s.secrets["GITHUB_TOKEN"] = "token-of-the-workflow"
	s.variables["UPSTREAM"], s.variables["PACE"] = server.URL, "chain"
	s.release()
	const mirror = `actions/workflows/mirror.yml/dispatches {"ref":"main","return_run_details":true}`
	for _, test := range []struct {
		file, event string
		args, want  []string
	}{
		{"pace.yml", "workflow_dispatch", nil, []string{mirror, `actions/workflows/pace.yml/dispatches {"ref":"main","return_run_details":true}`}},
		{"pace.yml", "workflow_dispatch", []string{"--input", "rest=3"}, []string{`actions/workflows/pace.yml/dispatches {"inputs":{"rest":"2"},"ref":"main","return_run_details":true}`}},
		{"mend.yml", "schedule", nil, []string{mirror}}, // the data have no good run yet, so they are late
	} {
		api.started = nil
		ok, out := s.event(test.file, test.event, append(test.args, "--env", "GITHUB_API_URL="+server.URL)...)
		if !ok || !slices.Equal(api.started, test.want) {
			t.Errorf("%s %q: success %v, started %q, want %q:\n%s", test.file, test.args, ok, api.started, test.want, out)
		}
	}
}
