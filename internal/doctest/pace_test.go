//go:build unix

package doctest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The table of lags is what the simulation prints.
func TestLagsAreThoseOfTheSimulation(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "run", "./script/freshness")
	cmd.Dir = root
	said, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(said), "\n\n")
	if strings.Count(table, "\n") != 4 || !strings.Contains(read(t, "docs/pace.md"), "\n\n"+table+"\n") {
		t.Errorf("docs/pace.md lacks\n%s", table)
	}
}

// An index that says too little is refused in a sentence.
func TestLagsNeedUploads(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "01-index.tar")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "run", "./script/freshness", "--index", empty)
	cmd.Dir = root
	if said, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(said), "has 0 uploads in its last year, and 100 are the least") || strings.Contains(string(said), "panic") {
		t.Errorf("%v: %s", err, said)
	}
}

// The timer's unit sends GitHub what it wants. Its token comes from a file, never
// from a command line, which others can read.
func TestTimerStartsTheWorkflow(t *testing.T) {
	t.Parallel()
	need(t, "curl")
	asked := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body) // a part of it is not what is wanted
		asked = q.Method + " " + q.URL.Path + " " + q.Header.Get("Authorization") + " " + string(body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	unit := strings.ReplaceAll(blocks(read(t, "docs/pace.md"), "ini")[0], "\\\n", "")
	_, command, _ := strings.Cut(unit, "\nExecStart=")
	command, _, _ = strings.Cut(command, "\n")
	if strings.Contains(command, "Bearer") {
		t.Errorf("it runs %s", command)
	}
	r := newReader(t)
	if err := os.WriteFile(filepath.Join(r.home, "header"), []byte("Authorization: Bearer TOKEN\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.run(r.home, "bash", "-c", strings.NewReplacer("%d", r.home, "https://api.github.com", server.URL, "--retry 2", "--noproxy 127.0.0.1").Replace(command))
	if want := `POST /repos/me/hackage-mirror/actions/workflows/mirror.yml/dispatches Bearer TOKEN {"ref":"main"}`; asked != want {
		t.Errorf("it asks\n%s, want\n%s", asked, want)
	}
}
