package setup

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// actionlint reads YAML, GitHub's expressions and the inputs of known actions.
func TestWorkflowsPassActionlint(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "*.yml"))
	if err != nil || len(files) != len(plans(t)) {
		t.Fatalf("%d workflows of %d plans, %v", len(files), len(plans(t)), err)
	}
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
