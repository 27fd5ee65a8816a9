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
	for batch := range 3 {
		came := map[state.Tarball]state.Outcome{of(index.Release{Package: "gone", Version: fmt.Sprint(batch)}, hashes.Digests{}): {Err: lost}}
		for i := range 20 {
			w := hashes.NewWriter()
			fmt.Fprintf(w, "tarball %d of batch %d", i, batch)
			r := index.Release{Package: fmt.Sprintf("p%d", i), Version: fmt.Sprint(batch)}
			came[of(r, w.Sum())], want[r] = state.Outcome{Digests: w.Sum()}, w.Sum()
			size += w.Sum().Size
		}
		if err := kept.add(came, never); err != nil {
			t.Fatal(err)
		}
	}
	for r, digests := range want {
		if got, asked, err := kept.get(r); err != nil || !asked || got.Err != nil || got.Digests != digests {
			t.Fatalf("%s: %+v, asked %t, %v", r, got, asked, err)
		}
	}
	gone := index.Release{Package: "gone", Version: "1"}
	if got, asked, err := kept.get(gone); err != nil || !asked || !errors.Is(got.Err, lost) || !mustAsk(t, kept, of(gone, hashes.Digests{})) {
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
		seven := hashes.Digests{Size: 7}
		if err := kept.add(map[state.Tarball]state.Outcome{of(gone, seven): {Digests: seven}}, never); err != nil {
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

// of is a release's tarball with these digests.
func of(r index.Release, d hashes.Digests) state.Tarball {
	return state.Tarball{Release: r, Target: index.Target{Length: d.Size, SHA256: d.SHA256}}
}

func never(state.Tarball) bool { return false }

func mustAsk(t *testing.T, kept *outcomes, tarball state.Tarball) bool {
	t.Helper()
	asked, err := kept.asked(tarball)
	if err != nil {
		t.Fatal(err)
	}
	return asked
}

// A bucket may have been told another tarball of a release than the hashes
// repository was.
func TestOutcomesOfAnotherTarballAreNotTaken(t *testing.T) {
	t.Parallel()
	r := index.Release{Package: "p", Version: "1"}
	signed, foreign := hashes.Digests{Size: 1, SHA256: [32]byte{1}}, hashes.Digests{Size: 2, SHA256: [32]byte{2}}
	asked := func(tarball state.Tarball) bool { return tarball == of(r, signed) }
	for _, lost := range []error{nil, errors.New("lost")} {
		for range 10 { // the order within a map is not the same each time
			kept, err := newOutcomes(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = kept.Close() })
			if err := kept.add(map[state.Tarball]state.Outcome{of(r, foreign): {Digests: foreign}}, asked); err != nil {
				t.Fatal(err)
			}
			if mustAsk(t, kept, of(r, signed)) {
				t.Fatal("the foreign tarball is taken for the signed one")
			}
			err = kept.add(map[state.Tarball]state.Outcome{of(r, foreign): {Digests: foreign}, of(r, signed): {Digests: signed, Err: lost}}, asked)
			if err != nil {
				t.Fatal(err)
			}
			if got, _, _ := kept.get(r); lost == nil && got.Digests != signed {
				t.Fatalf("of two tarballs %+v is taken", got)
			}
		}
	}
}
