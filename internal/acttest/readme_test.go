//go:build unix

package acttest

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// readmeWorkflow is the workflow that the README prints.
func readmeWorkflow(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile("(?s)```yaml\n(name: Mirror Hackage\n.*?)```").FindStringSubmatch(read(t, filepath.Join(root(t), "README.md")))
	if m == nil {
		t.Fatal("the README prints no workflow")
	}
	return m[1]
}

// Whoever pastes it has a workflow.
func TestWorkflowOfTheREADMEIsComplete(t *testing.T) {
	t.Parallel()
	need(t, "go")
	text := readmeWorkflow(t)
	if n := strings.Count(text, "\n"); n > 20 {
		t.Errorf("it has %d lines, want at most 20", n)
	}
	file := filepath.Join(t.TempDir(), "mirror.yml")
	write(t, file, text, 0o644)
	must(t, root(t), environment(), "go", "tool", "-modfile="+filepath.Join("script", "tools", "go.mod"), "actionlint", "-no-color", "-shellcheck=", "-pyflakes=", file)
}

// The workflow is run as it is printed, with a Hackage nearby. The program comes
// from an earlier job, and git takes a folder for https://github.com/.
func TestWorkflowOfTheREADMERuns(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.mirror(true, "workflow_dispatch", "--input", "dry-run=true") // brings the program
	nearby := "          upstream: " + s.upstream.URL + "\n          root-keys: " + strings.Join(s.hackage.KeyIDs(), ",") +
		"\n          key-threshold: " + strconv.Itoa(s.hackage.Threshold()) + "\n"
	write(t, filepath.Join(s.repository, ".github", "workflows", "mirror.yml"), readmeWorkflow(t)+nearby, 0o644)
	must(t, s.repository, gitEnv(), "git", "commit", "-qam", "the README's workflow")
	host := t.TempDir()
	must(t, host, gitEnv(), "git", "init", "-q", "--bare", filepath.Join("me", "mirror.git"))
	write(t, filepath.Join(s.home, ".gitconfig"), "[url \""+host+"/\"]\n\tinsteadOf = https://github.com/\n", 0o644)
	says(t, s.mirror(true, "workflow_dispatch").String(), "kept from an earlier job")
	git := func(args ...string) string {
		return must(t, filepath.Join(host, "me", "mirror.git"), environment("GNUPGHOME="+s.keyring), "git", args...)
	}
	git("verify-tag", "current-hackage")
	git("verify-commit", "hackage")
	for name, content := range s.hackage.Generation().Tree() {
		if got := git("cat-file", "blob", "hackage:"+name); got != string(content) {
			t.Errorf("%s is %q", name, got)
		}
	}
	says(t, s.mirror(true, "workflow_dispatch").String(), "nothing new")
}
