package allcabal

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// Whatever is odd about tag and branch, the run says what it does about it, and the
// repository is as it should be afterwards, with its history.
func TestTagThatCannotBeBuiltOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil             func(r *rig, before string)
		adopting, because string // the one or the other
	}{
		"no tag": {func(r *rig, _ string) {
			r.git("tag", "-d", "current-hackage")
		}, `it has no tag "current-hackage"`, ""},
		"tag without an object of its own": {func(r *rig, _ string) {
			r.git("update-ref", "refs/tags/current-hackage", "hackage")
		}, "one of an older tool", ""},
		"tag of an older tool": {func(r *rig, _ string) {
			r.git("-c", "user.name=A", "-c", "user.email=a@b", "tag", "-f", "-a", "-m", "Update from Hackage at 2015-03-02T12:00:00+0000", "current-hackage", "hackage")
		}, "one of an older tool", ""},
		"tag behind the branch": {func(r *rig, before string) {
			r.git("update-ref", "refs/tags/current-hackage", before)
		}, "", "the tag is behind the branch"},
		"branch behind the tag": {func(r *rig, _ string) {
			r.git("update-ref", "refs/heads/hackage", "hackage^")
		}, "", "the branch was set back"},
		"no branch": {func(r *rig, _ string) {
			r.git("update-ref", "-d", "refs/heads/hackage")
		}, "", "the branch no longer exists"},
		"foreign commits on top": {func(r *rig, _ string) {
			r.commitByHand(map[string][]byte{"alpha/0.2/alpha.cabal": []byte("name: edited\n")})
			r.commitByHand(map[string][]byte{"extra/1.0/extra.json": []byte("{}"), "extra/1.0/extra.cabal": nil})
		}, "", "somebody else committed to the branch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			r := newRig(t, h)
			before, ours := r.twice()
			h.Revise("new", "1", text(1))
			c.spoil(r, before)
			heads := r.git("for-each-ref", "--format=%(objectname)", "refs/heads/hackage")
			d := New(r.withRepo())
			if _, err := d.Load(t.Context()); err != nil || !strings.Contains(d.Adopting(), c.adopting) || !strings.Contains(d.WhyPush(), c.because) ||
				(d.Adopting() == "") != (c.adopting == "") || (d.WhyPush() == "") != (c.because == "") {
				t.Errorf("it is adopted because %q, and due because %q (%v)", d.Adopting(), d.WhyPush(), err)
			}
			r.mustRun()
			for _, commit := range append(strings.Fields(heads), ours) {
				r.git("merge-base", "--is-ancestor", commit, "hackage")
			}
			r.checkFiles()
			if d, result := r.mustRun(); result.Changed || d.WhyPush() != "" {
				t.Errorf("it is done a second time, because %q", d.WhyPush())
			}
		})
	}
}

// withRepo returns the options with the remote opened.
func (r *rig) withRepo() Options {
	r.Helper()
	o := r.options
	o.Repo = r.open()
	return o
}

// An adoption that was stopped before its push left nothing, and the next run
// does it all.
func TestInterruptedAdoptionIsContinued(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	r.commitByHand(map[string][]byte{"alpha/0.2/alpha.cabal": []byte("name: edited\n"), "NOTES.md": []byte("somebody's\n")})
	r.byOlderTool(h.Now(), "hackage^{tree}")
	h.Revise("extra", "1.0", text(1))
	hooks := filepath.Join(r.remote, "hooks")
	hook := filepath.Join(hooks, "pre-receive")
	if err := os.MkdirAll(hooks, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hook, []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	refs := r.git("for-each-ref")
	if _, _, err := r.run(); err == nil || r.git("for-each-ref") != refs {
		t.Fatalf("the push was not refused (%v), or moved something", err)
	}
	if err := os.Remove(hook); err != nil {
		t.Fatal(err)
	}
	h.Upload("new", "1", nil, nil)
	if _, result := r.mustRun(); result.Commits != 1 {
		t.Errorf("%d commits", result.Commits)
	}
	files := r.tree("hackage")
	if !slices.Contains(files, "NOTES.md") || !slices.Contains(files, "new/1/new.json") {
		t.Errorf("there is %q", files)
	}
	if got := r.git("cat-file", "blob", "hackage:alpha/0.2/alpha.cabal"); strings.Contains(got, "edited") {
		t.Error("what was edited by hand is still so")
	}
}

// An update of a repository of many packages fetches in a few steps, however
// much is new. It cannot run beside others, since it changes the PATH.
func TestUpdateFetchesInFewSteps(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	h := hackagetest.Small()
	for i := range 30 {
		h.Upload(fmt.Sprintf("many%d", i), "1", nil, nil)
	}
	r := newRig(t, h)
	r.mustRun()
	notes := filepath.Join(t.TempDir(), "notes")
	script := "#!/bin/sh\necho \"$1\" >>'" + notes + "'\nexec '" + git + "' \"$@\"\n"
	spy := filepath.Join(t.TempDir(), "git")
	if err := os.WriteFile(spy, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		h.Revise(fmt.Sprintf("many%d", i), "1", text(i))
		h.Upload(fmt.Sprintf("many%d", i+10), "2", nil, nil)
	}
	h.Replace("many3", "1", []byte("another tarball"))
	h.Prefer("many4", "many4 >1")
	t.Setenv("PATH", filepath.Dir(spy)+string(os.PathListSeparator)+os.Getenv("PATH"))
	r.mustRun()
	raw, err := os.ReadFile(notes)
	if err != nil {
		t.Fatal(err)
	}
	// The commit and the tag, the root, packages with releases, and one record.
	if n := strings.Count(string(raw), "fetch\n"); n != 4 {
		t.Errorf("%d fetches:\n%s", n, raw)
	}
	r.check()
}
