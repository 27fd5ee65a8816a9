package index_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

func TestEntriesOfBothForms(t *testing.T) {
	t.Parallel()
	raw, ends := pack(t, small()...)
	l := index.NewLog(bytes.NewReader(raw), index.Position{})
	var want []string
	start := int64(0)
	for i, f := range small() {
		if i != 5 && i != 7 && i != 10 {
			want = append(want, fmt.Sprintf("%d-%d %s %d %q", start, ends[i], f.name, f.second, f.body))
		}
		start = ends[i]
	}
	if diff := cmp.Diff(want, mustRun(t, l)); diff != "" {
		t.Errorf("entries differ (-want +got):\n%s", diff)
	}
	end := l.End()
	if end.Length != start || end.Time != time.Unix(1007, 0).UTC() {
		t.Errorf("log ends at %d, %s; want %d at second 1007", end.Length, end.Time, start)
	}
	reasons := map[string]int{"other file name": 1, "not a regular file": 2}
	if p := l.Skipped(); p.Count != 3 || !maps.Equal(p.ByReason, reasons) {
		t.Errorf("skipped %+v, want %v", p, reasons)
	}
	if err := l.Finish(int64(len(raw)), sha256.Sum256(raw)); err != nil {
		t.Error(err)
	}
}

// TestResumeAnywhere splits the index at each boundary: the tail must yield the
// same entries, end at the same position and have the same verdict, however the
// bytes come.
func TestResumeAnywhere(t *testing.T) {
	t.Parallel()
	raw, ends := pack(t, small()...)
	digest := sha256.Sum256(raw)
	whole := index.NewLog(bytes.NewReader(raw), index.Position{}, append(slices.Clone(ends), 0, 512)...)
	all := mustRun(t, whole)
	for i, at := range append([]int64{0}, ends...) {
		from, ok := whole.At(at)
		if !ok || from.Length != at {
			t.Fatalf("position at boundary %d is %+v, %v", at, from, ok)
		}
		stored, err := index.NewPosition(from.Length, from.Time, from.MidstateHex())
		if err != nil || stored != from {
			t.Fatalf("position %+v comes back as %+v, %v", from, stored, err)
		}
		r := []io.Reader{
			bytes.NewReader(raw[at:]),
			iotest.OneByteReader(bytes.NewReader(raw[at:])),
			iotest.DataErrReader(bytes.NewReader(raw[at:])),
		}[i%3]
		tail := index.NewLog(r, stored, at)
		got := mustRun(t, tail)
		if want := all[len(all)-len(got):]; !slices.Equal(got, want) {
			t.Errorf("tail from %d yields %q, want %q", at, got, want)
		}
		if tail.End() != whole.End() {
			t.Errorf("tail from %d ends at %+v, want %+v", at, tail.End(), whole.End())
		}
		if p, ok := tail.At(at); !ok || p != from {
			t.Errorf("tail from %d has %+v there, %v", at, p, ok)
		}
		if err := tail.Finish(int64(len(raw)), digest); err != nil {
			t.Errorf("tail from %d: %v", at, err)
		}
	}
}

func TestAtKnowsBoundariesOnly(t *testing.T) {
	t.Parallel()
	raw, ends := pack(t, small()...)
	within := ends[0] - 512 // behind the first header
	l := index.NewLog(bytes.NewReader(raw), index.Position{}, int64(len(raw)), within, ends[1], ends[1])
	mustRun(t, l)
	for _, length := range []int64{within, int64(len(raw)), ends[0] /* not asked for */, 1 << 40} {
		if p, ok := l.At(length); ok {
			t.Errorf("length %d is said to be a boundary, %+v", length, p)
		}
	}
	if _, ok := l.At(ends[1]); !ok {
		t.Errorf("length %d is not known as a boundary", ends[1])
	}
}

// TestEditedPosition resumes with a state that was tampered with, and with the
// state of another index.
func TestEditedPosition(t *testing.T) {
	t.Parallel()
	raw, ends := pack(t, small()...)
	digest := sha256.Sum256(raw)
	whole := index.NewLog(bytes.NewReader(raw), index.Position{}, ends[2])
	mustRun(t, whole)
	good, _ := whole.At(ends[2])
	edited := good
	edited.Midstate[31] ^= 1
	l := index.NewLog(bytes.NewReader(raw[ends[2]:]), edited)
	mustRun(t, l)
	if err := l.Finish(int64(len(raw)), digest); !errors.Is(err, index.ErrDigest) {
		t.Errorf("edited state: error is %v, want ErrDigest", err)
	}

	rewritten := bytes.Replace(raw, []byte("name: foo"), []byte("name: FOO"), 1)
	l = index.NewLog(bytes.NewReader(rewritten), index.Position{}, ends[2])
	mustRun(t, l)
	if p, ok := l.At(ends[2]); !ok || p == good || p.Length != good.Length {
		t.Errorf("rewritten index has position %+v, %v; want another state than %+v", p, ok, good)
	}
	if err := l.Finish(int64(len(raw)), sha256.Sum256(rewritten)); err != nil {
		t.Errorf("rewritten index read from its start: %v", err)
	}
	l = index.NewLog(bytes.NewReader(rewritten[ends[2]:]), good)
	mustRun(t, l)
	if err := l.Finish(int64(len(raw)), sha256.Sum256(rewritten)); !errors.Is(err, index.ErrDigest) {
		t.Errorf("rewritten index read from an old position: error is %v, want ErrDigest", err)
	}
}

// TestLeavingEarly takes the loop up again after each entry.
func TestLeavingEarly(t *testing.T) {
	t.Parallel()
	raw, _ := pack(t, small()...)
	want := mustRun(t, index.NewLog(bytes.NewReader(raw), index.Position{}))
	l := index.NewLog(bytes.NewReader(raw), index.Position{})
	var got []string
	for range want {
		for e, err := range l.Entries() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%d-%d %s %d %q", e.Offset, e.End, e.Path(), e.Time.Unix(), e.Content))
			break
		}
	}
	if err := l.Finish(int64(len(raw)), sha256.Sum256(raw)); err == nil {
		t.Error("a log that was not read to its end is finished")
	}
	got = append(got, mustRun(t, l)...)
	if !slices.Equal(got, want) {
		t.Errorf("entries one by one are %q, want %q", got, want)
	}
	if again := mustRun(t, l); len(again) != 0 {
		t.Errorf("a log that was read yields %q", again)
	}
	if err := l.Finish(int64(len(raw)), sha256.Sum256(raw)); err != nil {
		t.Error(err)
	}
}

func TestFinishVerdicts(t *testing.T) {
	t.Parallel()
	raw, ends := pack(t, small()...)
	bare := raw[:ends[len(ends)-1]]
	zeros := make([]byte, 9000)
	for name, c := range map[string]struct {
		raw  []byte
		more int64 // what the signed length has above the real one
		want error
		text string
	}{
		"as signed":              {raw: raw},
		"no closing blocks":      {raw: bare},
		"one closing block":      {raw: raw[:len(bare)+512]},
		"more zeros":             {raw: slices.Concat(raw, zeros)},
		"nothing":                {raw: nil},
		"zeros alone":            {raw: zeros[:1024]},
		"shorter than signed":    {raw: raw, more: 1, want: index.ErrLength},
		"longer than signed":     {raw: raw, more: -1, want: index.ErrLength},
		"much longer":            {raw: slices.Concat(raw, zeros), more: -9000, want: index.ErrLength},
		"something behind":       {raw: slices.Concat(raw, zeros, []byte("x")), want: index.ErrDamaged, text: fmt.Sprint("offset ", len(raw)+len(zeros))},
		"an entry behind zeros":  {raw: slices.Concat(raw, raw), want: index.ErrDamaged, text: fmt.Sprint("offset ", len(raw))},
		"negative signed length": {raw: raw, more: -1 << 40, want: index.ErrLength},
	} {
		l := index.NewLog(bytes.NewReader(c.raw), index.Position{})
		mustRun(t, l)
		err := l.Finish(int64(len(c.raw))+c.more, sha256.Sum256(c.raw))
		if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: verdict is %v, want %v with %q", name, err, c.want, c.text)
		}
	}
	l := index.NewLog(bytes.NewReader(raw), index.Position{})
	mustRun(t, l)
	if err := l.Finish(int64(len(raw)), sha256.Sum256(bare)); !errors.Is(err, index.ErrDigest) {
		t.Errorf("another digest: verdict is %v, want ErrDigest", err)
	}
}

// TestEveryCut cuts the index at every length: a cut between entries is too
// short for the signed length, any other is refused with the entry's offset.
func TestEveryCut(t *testing.T) {
	t.Parallel()
	raw, ends := pack(t, small()[3:9]...)
	digest := sha256.Sum256(raw)
	last := ends[len(ends)-1]
	for cut := range len(raw) {
		l := index.NewLog(bytes.NewReader(raw[:cut]), index.Position{})
		_, err := run(l)
		at := int64(cut)
		_, boundary := slices.BinarySearch(ends, at)
		if boundary || at == 0 || at == last+512 {
			if err != nil || l.End().Length != min(at, last) {
				t.Errorf("cut at boundary %d: end is %d, %v", cut, l.End().Length, err)
			}
			if err := l.Finish(int64(len(raw)), digest); !errors.Is(err, index.ErrLength) {
				t.Errorf("cut at boundary %d: verdict is %v, want ErrLength", cut, err)
			}
			continue
		}
		i, _ := slices.BinarySearch(ends, at)
		start := int64(0)
		if i > 0 {
			start = ends[i-1]
		}
		if !errors.Is(err, index.ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprintf("offset %d:", start)) {
			t.Errorf("cut at %d: error is %v, want ErrDamaged with offset %d", cut, err, start)
		}
		if again := l.Finish(int64(len(raw)), digest); !errors.Is(again, index.ErrDamaged) {
			t.Errorf("cut at %d: finish after the error gives %v", cut, again)
		}
	}
}

// TestEveryFlippedByte changes each byte of the index by one bit.
func TestEveryFlippedByte(t *testing.T) {
	t.Parallel()
	raw, _ := pack(t, small()[1:7]...)
	digest := sha256.Sum256(raw)
	for i := range raw {
		raw[i] ^= 1 << (i % 8)
		l := index.NewLog(bytes.NewReader(raw), index.Position{})
		_, err := run(l)
		if err == nil {
			err = l.Finish(int64(len(raw)), digest)
		}
		raw[i] ^= 1 << (i % 8)
		if err == nil {
			t.Errorf("byte %d is changed, and nobody sees it", i)
		}
	}
}

func TestSourceFails(t *testing.T) {
	t.Parallel()
	raw, ends := pack(t, small()...)
	broken := errors.New("wire broken")
	for _, at := range []int64{0, 100, ends[0], ends[4] - 1, int64(len(raw))} {
		for _, failing := range []io.Reader{iotest.ErrReader(broken), &failsOnce{broken}} {
			r := io.MultiReader(bytes.NewReader(raw[:at]), failing)
			l := index.NewLog(r, index.Position{})
			_, err := run(l)
			if err == nil {
				err = l.Finish(int64(len(raw)), sha256.Sum256(raw))
			}
			if !errors.Is(err, broken) || errors.Is(err, index.ErrDamaged) || !strings.Contains(err.Error(), fmt.Sprint("offset ", at)) {
				t.Errorf("source fails at %d: error is %v", at, err)
			}
		}
	}
}

// failsOnce is a source that later claims to have come to its end.
type failsOnce struct{ err error }

func (f *failsOnce) Read([]byte) (int, error) {
	err := f.err
	f.err = io.EOF
	return 0, err
}

// TestTimes holds times within what RFC 3339 can say.
func TestTimes(t *testing.T) {
	t.Parallel()
	for second, want := range map[int64]string{
		0:       "1970-01-01T00:00:00Z",
		-5:      "1970-01-01T00:00:00Z",
		1 << 40: "9999-12-31T23:59:59Z",
	} {
		raw, _ := pack(t, file{name: "a/1/a.cabal", second: second, format: tar.FormatGNU})
		l := index.NewLog(bytes.NewReader(raw), index.Position{})
		mustRun(t, l)
		if got := l.End().Time.Format(time.RFC3339Nano); got != want {
			t.Errorf("time of second %d is %s, want %s", second, got, want)
		}
	}
}
