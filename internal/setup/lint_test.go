package setup

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// actionlint fails the test unless the tool of that name takes the files.
func actionlint(t *testing.T, files ...string) {
	t.Helper()
	tool := []string{"tool", "-modfile=" + filepath.Join("..", "..", "script", "tools", "go.mod"), "actionlint"}
	if out, err := exec.Command("go", append(tool, "-version")...).CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("actionlint does not start, and in CI every test runs: %v\n%s", err, out)
		}
		t.Skipf("not tested: actionlint does not start: %v", err)
	}
	if out, err := exec.Command("go", append(append(tool, "-no-color", "-shellcheck=", "-pyflakes="), files...)...).CombinedOutput(); err != nil {
		t.Errorf("actionlint: %v\n%s", err, out)
	}
}
