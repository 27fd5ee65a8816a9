package allcabal

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// A checkout of a new branch has every file as it is stored, also with the
// settings of git for Windows.
func TestCheckoutKeepsLineEnds(t *testing.T) {
	t.Parallel()
	for _, history := range []History{Daily, Snapshot} {
		h := hackagetest.Small()
		r := newRig(t, h)
		r.options.History = history
		r.mustRun()
		r.check()
		for _, c := range r.commits() {
			if !slices.Contains(r.tree(c.id), ".gitattributes") {
				t.Errorf("%s: commit %s has no attributes", history, c.id)
			}
		}
		clone := filepath.Join(t.TempDir(), "clone")
		r.git("-c", "core.autocrlf=true", "clone", "--quiet", "--branch=hackage", r.remote, clone)
		for path, want := range h.Generation().Tree() {
			if got, err := os.ReadFile(filepath.Join(clone, path)); err != nil || string(got) != string(want) {
				t.Errorf("%s: %q is checked out as %q, %v", history, path, got, err)
			}
		}
	}
}

// A branch that is there already keeps the attributes it has, or none.
func TestExistingAttributesStay(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	const theirs = "*.cabal text\n"
	r.commitByHand(map[string][]byte{".gitattributes": []byte(theirs)})
	r.byOlderTool(h.Now(), "hackage^{tree}")
	h.Upload("new", "1", nil, nil)
	r.mustRun()
	if got := r.git("cat-file", "blob", "hackage:.gitattributes"); got != theirs {
		t.Errorf("they are %q", got)
	}
}
