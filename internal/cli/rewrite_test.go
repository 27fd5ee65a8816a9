package cli

import (
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// heads returns the commits at the heads of the two repositories.
func (w *world) heads() (files, hashes string) {
	w.Helper()
	return strings.TrimSpace(w.git(w.files(), "rev-parse", "hackage")), strings.TrimSpace(w.git(w.hashes(), "rev-parse", "hackage"))
}

// continues fails the test if the branches do not go on from earlier heads, by
// so many commits.
func (w *world) continues(files, hashes string, commits int) {
	w.Helper()
	for repository, head := range map[string]string{w.files(): files, w.hashes(): hashes} {
		if out, err := w.tryGit(repository, "merge-base", "--is-ancestor", head, "hackage"); err != nil {
			w.Errorf("%s lost its history: %s", repository, out)
		}
		if got := strings.Fields(w.git(repository, "rev-list", head+"..hackage")); len(got) != commits {
			w.Errorf("%s has %d new commits, want %d", repository, len(got), commits)
		}
	}
}

// rewritten lists ways in which upstream can break with its past.
var rewritten = map[string]func(h *hackagetest.Hackage){
	"shorter":              func(h *hackagetest.Hackage) { h.Truncate(3) },
	"an older time":        func(h *hackagetest.Hackage) { h.Rewrite(0) },
	"the last entry":       func(h *hackagetest.Hackage) { h.Rewrite(-1) },
	"longer, another past": func(h *hackagetest.Hackage) { h.Rewrite(2); h.Upload("new", "1.0", nil, nil) },
}

func TestRewrittenIndexIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	for name, rewrite := range rewritten {
		t.Run(name, func(t *testing.T) {
			w := w.sub(t)
			other := w.hackage.Clone()
			rewrite(other)
			w.server.Show(other.Generation())
			w.refused("the index was rewritten", "nothing was written to it", "--accept-rewrite",
				w.bucket(), w.files(), w.hashes())
		})
	}
	w.server.Show(nil)
	w.hackage.Upload("new", "1.0", nil, nil)
	w.sync(CodeDone)
	w.checkAll()
}

func TestAcceptedRewriteKeepsTheHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	files, hashes := w.heads()
	w.hackage.Rewrite(2)
	w.sync(CodeError)
	w.sync(CodeDone, "--accept-rewrite")
	w.checkAll()
	w.continues(files, hashes, 0)
	w.hackage.Rewrite(2)
	w.hackage.Upload("new", "1.0", nil, nil)
	w.hackage.Prefer("alpha", "")
	w.server.Forget()
	w.sync(CodeDone, "--accept-rewrite")
	w.checkAll()
	w.continues(files, hashes, 1)
	before := w.holdings()
	w.says(w.sync(CodeDone), "nothing new")
	w.unchanged(before)
	w.hackage.Upload("newer", "1.0", nil, nil)
	w.sync(CodeDone)
	w.checkAll()
	w.continues(files, hashes, 2)
}

func TestAcceptedRewriteBringsItsOwnRevisions(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	w := newWorld(t, h)
	h.Revise("alpha", "0.2", revision(alpha(), "one"))
	w.sync(CodeDone)
	files, hashes := w.heads()
	h.Truncate(1)
	h.Revise("alpha", "0.2", revision(alpha(), "another one"))
	w.refused("the index was rewritten")
	repositories := append(w.upstreamArgs(), "--files-repository", w.files(), "--hashes-repository", w.hashes(),
		"--public-url", "https://mirror.example/hackage", "--accept-rewrite")
	if code, said := w.run(repositories...); code != CodeDone {
		t.Errorf("exit code %d:\n%s", code, said)
	}
	w.checkFiles(h.Generation())
	w.checkHashes(h.Generation(), nil)
	w.continues(files, hashes, 1)
}

func TestAcceptRewriteDoesNothingToAnIndexThatGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	files, hashes := w.heads()
	w.hackage.Upload("new", "1.0", nil, nil)
	w.server.Forget()
	w.sync(CodeDone, "--accept-rewrite")
	w.checkAll()
	w.continues(files, hashes, 1)
	if n := w.server.Count("/package/"); n != 1 {
		t.Errorf("%d tarballs were fetched for one new release", n)
	}
}

func TestKeysOfRolesRotate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	w.hackage.RotateKeys()
	w.hackage.Upload("new", "1.0", nil, nil)
	w.sync(CodeDone)
	w.checkAll()
}

func TestRootKeysRotateAlongTheChain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	w.hackage.RotateRoot()
	w.hackage.Upload("once", "1.0", nil, nil)
	w.sync(CodeDone)
	w.checkAll()
	w.hackage.Resign()
	w.sync(CodeDone)
	// Now the bucket holds a root that the pinned keys vouch for, and which
	// itself vouches for one that they do not.
	w.hackage.RotateRoot()
	w.hackage.Upload("twice", "1.0", nil, nil)
	w.sync(CodeDone)
	w.checkAll()
}

func TestRootKeysThatNobodyVouchesForAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	w.hackage.RotateRoot()
	w.hackage.RotateRoot()
	w.refused("verify root.json with pinned keys", "set them with root-keys")
	args := strings.Join(w.args(), "\n")
	args = strings.Replace(args, strings.Join(w.hackage.KeyIDs(), ","), strings.Join(w.hackage.RootKeyIDs(), ","), 1)
	if code, said := w.run(strings.Split(args, "\n")...); code != CodeDone {
		t.Errorf("exit code %d with the new keys:\n%s", code, said)
	}
	w.checkAll()
}
