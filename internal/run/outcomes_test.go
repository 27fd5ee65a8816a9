package run

import (
	"errors"
	"fmt"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

func TestOutcomesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	kept, err := newOutcomes(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kept.Close() })
	lost := errors.New("lost")
	want := map[index.Release]hashes.Digests{}
	var size int64
	for stretch := range 3 {
		came := map[index.Release]state.Outcome{{Package: "gone", Version: fmt.Sprint(stretch)}: {Err: lost}}
		for i := range 20 {
			w := hashes.NewWriter()
			fmt.Fprintf(w, "tarball %d of stretch %d", i, stretch)
			r := index.Release{Package: fmt.Sprintf("p%d", i), Version: fmt.Sprint(stretch)}
			came[r], want[r] = state.Outcome{Digests: w.Sum()}, w.Sum()
			size += w.Sum().Size
		}
		if err := kept.add(came); err != nil {
			t.Fatal(err)
		}
	}
	for r, digests := range want {
		if got, asked, err := kept.get(r); err != nil || !asked || got.Err != nil || got.Digests != digests {
			t.Fatalf("%s: %+v, asked %t, %v", r, got, asked, err)
		}
	}
	gone := index.Release{Package: "gone", Version: "1"}
	if got, asked, err := kept.get(gone); err != nil || !asked || !errors.Is(got.Err, lost) || !kept.asked(gone) {
		t.Errorf("a lost one: %+v, asked %t, %v", got, asked, err)
	}
	if _, asked, err := kept.get(index.Release{Package: "never", Version: "1"}); asked || err != nil {
		t.Errorf("one that nobody asked for: %t, %v", asked, err)
	}
	if n, bytes := kept.came(); n != len(want) || bytes != size {
		t.Errorf("%d releases of %d bytes, want %d of %d", n, bytes, len(want), size)
	}
	// A later attempt counts for more than an earlier failure, and only once.
	for range 2 {
		if err := kept.add(map[index.Release]state.Outcome{gone: {Digests: hashes.Digests{Size: 7}}}); err != nil {
			t.Fatal(err)
		}
	}
	if got, _, _ := kept.get(gone); got.Err != nil || got.Digests.Size != 7 {
		t.Errorf("after all: %+v", got)
	}
	if n, _ := kept.came(); n != len(want)+1 {
		t.Errorf("%d releases", n)
	}
}
