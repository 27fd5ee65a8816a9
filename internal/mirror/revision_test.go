package mirror

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

func cabalText(hint string, n int) []byte {
	return fmt.Appendf(nil, "name: p\nversion: 1\n%s-- %d\n", hint, n)
}

// Revisions are numbered by their place in the index, whatever they say of
// themselves, and however many come at once.
func TestRevisionsAreNumberedByTheIndex(t *testing.T) {
	t.Parallel()
	for name, hint := range map[string]string{
		"right": "", "missing": "", "wrong": "x-revision: 1\n", "large": "x-revision: 999\n",
		"too large": "x-revision: 99999999999999999999\n", "negative": "x-revision: -1\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, hackagetest.Small())
			r.hackage.Upload("p", "1", cabalText(hint, 0), nil)
			r.mustRun()
			number := 0
			for _, together := range []int{1, 3, 2, 1} {
				for range together {
					number++
					if name == "right" {
						hint = fmt.Sprintf("x-revision: %d\n", number)
					}
					r.hackage.Revise("p", "1", cabalText(hint, number))
				}
				r.store.ResetCounts()
				r.mustRun()
				r.check()
				if n := r.store.Count(buckettest.Head, ""); n > 30 {
					t.Errorf("%d revisions took %d looks", together, n)
				}
			}
		})
	}
}

// An index may repeat a content that it had before. A first run numbers the
// repeats, and so do runs that see them one by one.
func TestRepeatedContentIsARevisionOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, contents := range map[string][]int{
		"the first again": {0, 0}, "the last again": {0, 1, 1}, "an older one": {0, 1, 0, 2}, "thrice": {0, 0, 0, 1},
	} {
		for first := 1; first < len(contents); first++ {
			t.Run(fmt.Sprintf("%s after %d", name, first), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, hackagetest.New(hackagetest.Options{}))
				r.hackage.Upload("p", "1", cabalText("", contents[0]), nil)
				for _, content := range contents[1:first] {
					r.hackage.Revise("p", "1", cabalText("", content))
				}
				r.mustRun()
				for _, content := range contents[first:] {
					r.hackage.Revise("p", "1", cabalText("", content))
				}
				r.mustRun()
				r.check()
			})
		}
	}
}

// A package.json that comes again makes a release look new.
func TestRepeatedPackageJSONDoesNotRestartTheNumbers(t *testing.T) {
	t.Parallel()
	for _, together := range []int{0, 1, 2, 3} {
		t.Run(fmt.Sprintf("%d revisions", together), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, hackagetest.Small())
			r.hackage.Revise("alpha", "0.2", cabalText("", 1))
			r.mustRun()
			r.hackage.AddTargets("alpha", "0.2")
			for n := range together {
				r.hackage.Revise("alpha", "0.2", cabalText("", 2+n))
			}
			r.mustRun()
			r.check()
			if n := len(New(r.store, Options{Now: noon}).mustLoad(t).Ledger); n != 0 {
				t.Errorf("%d releases are owed", n)
			}
		})
	}
}

func TestUnsignedReleaseIsTakenWhenItIsSigned(t *testing.T) {
	t.Parallel()
	bare := index.Release{Package: "bare", Version: "1.0"}
	r := newRig(t, hackagetest.Small())
	r.mustRun()
	r.hackage.Upload("bare", "1.0", nil, nil, hackagetest.Unsigned())
	r.mustRun()
	r.check(bare)
	ledger := New(r.store, Options{Now: noon}).mustLoad(t).Ledger
	if ledger[bare].Reason != "unsigned" {
		t.Errorf("ledger %+v", ledger)
	}
	r.hackage.Revise("bare", "1.0", cabalText("", 1))
	r.mustRun()
	r.check(bare)
	r.hackage.AddTargets("bare", "1.0")
	r.mustRun()
	r.check()
	if ledger := New(r.store, Options{Now: noon}).mustLoad(t).Ledger; len(ledger) != 0 {
		t.Errorf("ledger %+v", ledger)
	}
}

// A run that is called off must not look like one that put everything.
func TestCalledOffRunIsBroken(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.mustRun()
	for n := range 3 {
		r.hackage.Revise("alpha", "0.2", cabalText("", n))
	}
	u := r.upstream()
	m, err := u.Metadata(t.Context(), state.Seen{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	data, err := u.Index(t.Context(), m, dir)
	if err != nil {
		t.Fatal(err)
	}
	ix := u.Access(m, dir, data)
	defer func() { _ = ix.Close() }()
	b := New(r.store, Options{Tool: "test", Now: noon})
	before := b.mustLoad(t)
	tail, err := index.Scan(ix.Log(before.Position), all)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.store.Hook = func(op buckettest.Op, key string) (bool, error) {
		if key == "package/alpha-0.2/revision/2.cabal" {
			cancel() // the put goes on
		}
		return true, nil
	}
	writer := NewBucketWriter(ctx, b, ix, tail, "", tail.To.Length)
	writer.EndBatch(tail.To.Length, &Publication{Metadata: m})
	if err := writer.Close(); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that was called off ends with %v", err)
	}
	r.store.Hook = nil
	if after := New(r.store, Options{Now: noon}).mustLoad(t); after.Position != before.Position {
		t.Error("a run that was called off moved the position")
	}
}
