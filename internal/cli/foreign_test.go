package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
)

// The bucket's own files are the index's: a run that finds a revision
// overwritten by somebody else repairs it and tells a person once.
func TestForeignRevisionIsRepairedWithAnAlarm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	place := filepath.Join(w.bucket(), "package", "alpha-0.2", "revision")
	writeFile(t, filepath.Join(place, "1.cabal"), []byte("not from Hackage"))
	w.hackage.Revise("alpha", "0.2", []byte("name: alpha\nversion: 0.2\nx-revision: 1\n"))
	// The next run takes the foreign file for a revision unless it counts.
	writeFile(t, filepath.Join(place, "0.cabal"), w.hackage.Generation().Revisions(release("alpha", "0.2"))[0])
	if err := os.Remove(filepath.Join(w.bucket(), mirror.StateKey)); err != nil {
		t.Fatal(err)
	}
	said := w.sync(CodeDegraded)
	w.says(said, "repaired", "package/alpha-0.2/revision/1.cabal", "find out who else can write there")
	w.checkAll()
	w.sync(CodeDone)
}

// An accepted rewrite reaches what the bucket holds, and that is no alarm.
func TestAcceptedRewriteReachesRevisionsAndTarballs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.New(hackagetest.Options{Seed: "twice"}))
	w.hackage.Upload("same", "1.0", []byte("name: same\nversion: 1.0\nsynopsis: before\n"), nil)
	w.sync(CodeDone)
	other := hackagetest.New(hackagetest.Options{Seed: "twice"})
	other.Upload("same", "1.0", []byte("name: same\nversion: 1.0\nsynopsis: after\n"), nil)
	other.Upload("more", "1.0", nil, nil)
	w.hackage = other
	w.server.Show(other.Generation())
	w.sync(CodeError)
	said := w.sync(CodeDone, "--accept-rewrite")
	w.says(said, "done: 2 releases")
	w.checkAll()
	w.sync(CodeDone)
}
