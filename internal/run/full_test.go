package run

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// TestFullRunPutsBackWhatIsLost: a run believes a destination's position, so
// somebody who lost a part of a bucket has to say so.
func TestFullRunPutsBackWhatIsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	files, hashes := w.heads()
	for _, name := range []string{"package/alpha-0.2.tar.gz", "package/alpha-0.2/revision/0.cabal", "01-index.tar.gz", "timestamp.json"} {
		if err := os.Remove(filepath.Join(w.bucket(), filepath.FromSlash(name))); err != nil {
			t.Fatal(err)
		}
	}
	w.says(w.sync(CodeDone), "nothing new")
	w.sync(CodeDone, "--full")
	w.checkAll()
	w.continues(files, hashes, 0)
	before := w.holdings()
	w.says(w.sync(CodeDone), "nothing new")
	w.unchanged(before)
}
