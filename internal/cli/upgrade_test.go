package cli

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// firstVersion is the last commit whose tags say neither kind nor branch.
const firstVersion = "1dcca92"

// buildFirstVersion builds the program of that commit out of this clone's history.
func buildFirstVersion(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run := func(folder, name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
	}
	if err := exec.Command("git", "-c", "safe.directory=*", "cat-file", "-e", firstVersion+"^{commit}").Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("commit %s is not in this clone; make a whole one (fetch-depth: 0)", firstVersion)
		}
		t.Skipf("commit %s is not in this clone: git fetch --unshallow brings it", firstVersion)
	}
	tar := filepath.Join(dir, "source.tar")
	run("../..", "git", "-c", "safe.directory=*", "archive", "--output="+tar, firstVersion)
	source := filepath.Join(dir, "source")
	if err := os.Mkdir(source, 0o700); err != nil {
		t.Fatal(err)
	}
	run(source, "tar", "-xf", tar)
	program := filepath.Join(dir, "hackage-mirror")
	run(source, "go", "build", "-buildvcs=false", "-o", program, ".")
	return program
}

// runProgram runs another build of the program as run does.
func (w *world) runProgram(program string, args ...string) (int, string) {
	w.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "INPUT_SIGNING-KEY="+string(w.key), "HOME="+w.dir)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		w.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// TestUpgradeAndRollback: what one version wrote the other goes on from, to and
// fro, with a release that is owed meanwhile.
func TestUpgradeAndRollback(t *testing.T) {
	t.Parallel()
	needShell(t)
	first := buildFirstVersion(t)
	w := newWorld(t, hackagetest.Small())
	w.hackage.Withdraw("tool", "0", http.StatusNotFound)
	old := func() string {
		t.Helper()
		code, said := w.runProgram(first, w.args()...)
		if code != CodeDone {
			t.Fatalf("the first version ended with %d:\n%s", code, said)
		}
		return said
	}
	incremental := func(said string) {
		t.Helper()
		for _, bad := range []string{"compar", "adopt", "repaired"} {
			if strings.Contains(said, bad) {
				t.Errorf("it does not go on from the other version:\n%s", said)
			}
		}
	}
	old()
	w.hackage.Revise("tool", "0", []byte("name: tool\nversion: 0\nx-revision: 1\n"))
	incremental(w.sync(CodeDone))
	w.checkAll(release("tool", "0"))
	w.says(w.git(w.files(), "cat-file", "tag", "current-hackage"), "\nRepository: files\n", "\nBranch: hackage\n")
	w.says(w.sync(CodeDone), "nothing new")
	w.grow()
	incremental(old())
	w.checkAll(release("tool", "0"))
	w.hackage.Upload("later", "1", nil, nil)
	incremental(w.sync(CodeDone))
	w.hackage.Reinstate("tool", "0")
	incremental(w.sync(CodeDone))
	w.checkAll()
	incremental(old())
	w.says(w.sync(CodeDone), "nothing new")
}
