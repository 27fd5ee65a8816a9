package index_test

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// FuzzLog reads any bytes as an index. Entries must follow one another and have
// safe paths, and reading on from the place of any of them must give the rest.
func FuzzLog(f *testing.F) {
	raw, _ := pack(f, small()...)
	f.Add(raw, uint8(3))
	f.Add(raw[:1500], uint8(0))
	f.Add(slices.Concat(gnuSparse(f, 513), paxSparse(f, 2), raw), uint8(1))
	f.Add(withSize(f, base256(1<<63-1)), uint8(0))
	f.Fuzz(func(t *testing.T, raw []byte, pick uint8) {
		var offsets []int64
		for e, err := range index.NewLog(bytes.NewReader(raw), index.Position{}).Entries() {
			if err != nil {
				break
			}
			checkEntry(t, e, raw, offsets)
			offsets = append(offsets, e.Offset)
		}
		if len(offsets) == 0 {
			return
		}
		at := offsets[int(pick)%len(offsets)]
		whole := index.NewLog(bytes.NewReader(raw), index.Position{}, at)
		all, failed := run(whole)
		from, ok := whole.At(at)
		if !ok {
			t.Fatalf("an entry starts at %d, but no position is there", at)
		}
		tail := index.NewLog(bytes.NewReader(raw[at:]), from)
		rest, err := run(tail)
		if (err == nil) != (failed == nil) || !slices.Equal(rest, all[len(all)-len(rest):]) || tail.End() != whole.End() {
			t.Errorf("reading on from %d gives %q, %+v, %v; want the end of %q, %+v, %v", at, rest, tail.End(), err, all, whole.End(), failed)
		}
		size, digest := int64(len(raw)), sha256.Sum256(raw)
		if a, b := whole.Finish(size, digest), tail.Finish(size, digest); (a == nil) != (b == nil) {
			t.Errorf("verdict from the start is %v, from %d %v", a, at, b)
		}
	})
}

// checkEntry holds what is true of every entry.
func checkEntry(t *testing.T, e index.Entry, raw []byte, before []int64) {
	t.Helper()
	if len(before) > 0 && e.Offset <= before[len(before)-1] {
		t.Errorf("offset %d follows %d", e.Offset, before[len(before)-1])
	}
	if e.Offset%512 != 0 || e.End%512 != 0 || e.End < e.Offset+512+e.Size {
		t.Errorf("%q lies from %d to %d with %d bytes", e.Path(), e.Offset, e.End, e.Size)
	}
	start := (e.End - 1 - (e.Size+511)/512*512 + 512) / 512 * 512
	if e.Size > 0 && !bytes.Equal(raw[start:start+e.Size], e.Content) {
		t.Errorf("%q has other content than the index at %d", e.Path(), start)
	}
	if index.CheckPackage(e.Release.Package) != nil || e.Kind != index.Preferred && index.CheckVersion(e.Release.Version) != nil {
		t.Errorf("%+v has a bad name", e.Release)
	}
	if y := e.Time.Year(); y < 1970 || y > 9999 {
		t.Errorf("%q is of %s", e.Path(), e.Time)
	}
}
