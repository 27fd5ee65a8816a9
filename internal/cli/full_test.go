package cli

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
	w.says(w.sync(CodeDone, "--full", "--json"), `"releases": 1,`, `"repaired": [`, "had lost 1 tarball, and has what was lost again: alpha-0.2")
	w.checkAll()
	w.says(w.sync(CodeDone, "--full"), "done: 0 releases, 0 revisions, 0 B in", "bucket: 0 tarballs, 0 revisions, ")
	w.continues(files, hashes, 0)
	before := w.holdings()
	w.says(w.sync(CodeDone), "nothing new")
	w.unchanged(before)
}
