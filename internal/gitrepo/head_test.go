package gitrepo

import (
	"path/filepath"
	"testing"
)

// TestClonesCheckSomethingOut: HEAD of a folder that a plain git init made leads
// to the initial branch, and one that leads somewhere stays.
func TestClonesCheckSomethingOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ made, want string }{
		"nowhere":         {"master", "refs/heads/display"},
		"what is pushed":  {"data", "refs/heads/data"},
		"made beforehand": {"display", "refs/heads/display"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			remote := filepath.Join(t.TempDir(), "remote.git")
			plainGit(t, t.TempDir(), "init", "--quiet", "--bare", "--initial-branch="+c.made, remote)
			r := openWith(t, Options{Dir: t.TempDir(), URL: remote, Create: true, InitialBranch: "display"})
			shown := commitFiles(t, r, "", map[string]string{"README.md": "hi\n"})
			data := commitFiles(t, r, "", map[string]string{"a": "1"})
			for _, u := range []Update{{Ref: "refs/heads/display", New: shown}, {Ref: "refs/heads/data", New: data}} {
				if err := r.Push(t.Context(), u); err != nil {
					t.Fatal(err)
				}
			}
			if head := plainGit(t, remote, "symbolic-ref", "HEAD"); head != c.want {
				t.Errorf("HEAD is %s, want %s", head, c.want)
			}
			clone := filepath.Join(t.TempDir(), "clone")
			plainGit(t, t.TempDir(), "clone", "--quiet", remote, clone)
			if files := plainGit(t, clone, "ls-files"); files == "" {
				t.Error("a clone checks nothing out")
			}
		})
	}
}

// TestHeadOfAWorkTreeIsItsOwners: what somebody works in is left alone.
func TestHeadOfAWorkTreeIsItsOwners(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	plainGit(t, work, "init", "--quiet", "--initial-branch=theirs")
	r := openWith(t, Options{Dir: t.TempDir(), URL: work, InitialBranch: "display"})
	shown := commitFiles(t, r, "", map[string]string{"README.md": "hi\n"})
	for _, ref := range []string{"refs/heads/display", "refs/heads/data"} {
		if err := r.Push(t.Context(), Update{Ref: ref, New: shown}); err != nil {
			t.Fatal(err)
		}
	}
	if head := plainGit(t, work, "symbolic-ref", "HEAD"); head != "refs/heads/theirs" {
		t.Errorf("HEAD is %s", head)
	}
}
