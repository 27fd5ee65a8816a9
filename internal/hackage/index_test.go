package hackage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// readLog reads a log to its verified end.
func readLog(t *testing.T, ix *Index, from index.Position, checkpoints ...int64) (*index.Log, []string) {
	t.Helper()
	l := ix.Log(from, checkpoints...)
	var paths []string
	for e, err := range l.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, e.Path())
	}
	if err := l.Finish(ix.Tar.Info.Length, ix.Tar.Info.SHA256); err != nil {
		t.Fatal(err)
	}
	return l, paths
}

func TestIndexIsVerbatimAndReadable(t *testing.T) {
	t.Parallel()
	for name, noTar := range map[string]bool{"tar is signed": false, "tar is not signed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			h.OmitTar(noTar)
			g := h.Generation()
			both(t, h, g, hasty(h), func(t *testing.T, u *Upstream) {
				dir := t.TempDir()
				ix, err := u.Index(t.Context(), metadata(t, u, state.Seen{}), dir)
				if err != nil {
					t.Fatal(err)
				}
				checkIndex(t, ix, g, dir)
				if err := ix.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func checkIndex(t *testing.T, ix *Index, g *hackagetest.Generation, dir string) {
	t.Helper()
	if packed, err := os.ReadFile(ix.Packed.file.Name()); err != nil || !bytes.Equal(packed, g.File(indexGzFile)) {
		t.Errorf("packed index is not upstream's: %v", err)
	}
	if ix.Packed.file.Name() != filepath.Join(dir, indexGzFile) {
		t.Errorf("packed index lies at %s", ix.Packed.file.Name())
	}
	r, size := ix.Tar.Body, ix.Tar.Size
	unpacked, err := io.ReadAll(io.NewSectionReader(r, 0, size))
	if err != nil || ix.Tar.Info.Length != size || ix.Tar.Info.SHA256 != sum(unpacked) {
		t.Errorf("unpacked index is %d bytes, not %+v: %v", len(unpacked), ix.Tar.Info, err)
	}
	entries := g.Entries()
	half := entries[len(entries)/2].Offset
	l, paths := readLog(t, ix, index.Position{}, half)
	if len(paths) != len(entries) || len(paths) == 0 {
		t.Errorf("%d entries instead of %d", len(paths), len(entries))
	}
	at, ok := l.At(half)
	if _, rest := readLog(t, ix, at); !ok || len(rest) != len(paths)-len(entries)/2 {
		t.Errorf("%d entries behind the middle", len(rest))
	}
	for _, e := range entries {
		got, err := ix.Entry(index.Span{Offset: e.Offset, Size: e.Size})
		if err != nil || !bytes.Equal(got.Content, e.Content) {
			t.Errorf("entry %s: %v", e.Path, err)
		}
	}
}

// Where the file on disk begins is no concern of those who read the index.
func TestIndexFromAPosition(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	g := h.Generation()
	both(t, h, g, hasty(h), func(t *testing.T, u *Upstream) {
		dir := t.TempDir()
		ix, err := u.Index(t.Context(), metadata(t, u, state.Seen{}), dir)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ix.Close() }()
		entries := g.Entries()
		half := entries[len(entries)/2].Offset
		l, _ := readLog(t, ix, index.Position{}, half)
		at, _ := l.At(half)
		tail, err := os.Create(filepath.Join(dir, "tail"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tail.Close() }()
		n, err := io.Copy(tail, io.NewSectionReader(ix.Tar.Body, half, ix.Tar.Size-half))
		if err != nil {
			t.Fatal(err)
		}
		part := &Index{From: at, Tar: Part{Body: tail, Size: n, Info: ix.Tar.Info, file: tail}}
		if _, paths := readLog(t, part, at); len(paths) != len(entries)-len(entries)/2 {
			t.Errorf("%d entries in the tail", len(paths))
		}
		last := entries[len(entries)-1]
		got, err := part.Entry(index.Span{Offset: last.Offset, Size: last.Size})
		if err != nil || !bytes.Equal(got.Content, last.Content) {
			t.Errorf("last entry: %v", err)
		}
		if _, err := part.Entry(index.Span{Offset: 0, Size: entries[0].Size}); err == nil {
			t.Error("an entry before the tail was read")
		}
		for _, err := range part.Log(index.Position{}).Entries() {
			if err == nil || !strings.Contains(err.Error(), "lies before") {
				t.Errorf("a log from before the tail: %v", err)
			}
		}
	})
}

func TestIndexRefusesOffsets(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	both(t, h, h.Generation(), hasty(h), func(t *testing.T, u *Upstream) {
		ix, err := u.Index(t.Context(), metadata(t, u, state.Seen{}), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ix.Close() }()
		size := ix.Tar.Info.Length
		for _, err := range ix.Log(index.Position{Prefix: midstate.Prefix{Length: size + 512}}).Entries() {
			if !errors.Is(err, index.ErrLength) {
				t.Errorf("a log from behind the end: %v", err)
			}
		}
		first := h.Generation().Entries()[0].Size
		for _, span := range []index.Span{
			{Offset: -512, Size: first},
			{Offset: 512, Size: first},
			{Offset: size, Size: first},
			{Offset: size + 512, Size: first},
			{Offset: 0, Size: first + 1},
			{Offset: 0, Size: -1},
			{Offset: 0, Size: index.MaxEntry + 1},
		} {
			if _, err := ix.Entry(span); err == nil {
				t.Errorf("an entry at %+v was read", span)
			}
		}
	})
}

// A long name stands in headers of its own before the entry's.
func TestEntryWithLongName(t *testing.T) {
	t.Parallel()
	var raw bytes.Buffer
	w := tar.NewWriter(&raw)
	for _, format := range []tar.Format{tar.FormatPAX, tar.FormatGNU} {
		long := strings.Repeat("x", 180)
		h := &tar.Header{Name: long + "/1/" + long + ".cabal", Size: 5, Mode: 0o644, Format: format}
		if err := errors.Join(w.WriteHeader(h), write(w, "bytes")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "tar")
	if err := os.WriteFile(name, raw.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	ix := &Index{Tar: Part{Body: file, Size: int64(raw.Len()), Info: tuf.FileInfo{Length: int64(raw.Len())}, file: file}}
	if got, err := ix.Entry(index.Span{Offset: 0, Size: 5}); err != nil || string(got.Content) != "bytes" {
		t.Errorf("got %q: %v", got.Content, err)
	}
}

func write(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

// An index that does not fit is fetched once more past the caches; then both
// names of the fault are given and nothing stays on disk.
func TestIndexRefuses(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	before := h.Generation()
	h.Upload("newer", "1.0", nil, nil)
	g := h.Generation()
	packed := g.File(indexGzFile)
	flipped := bytes.Clone(packed)
	flipped[len(flipped)/2] ^= 1
	for name, raw := range map[string][]byte{
		"flipped":      flipped,
		"cut":          packed[:len(packed)-1],
		"longer":       append(bytes.Clone(packed), 0),
		"older":        before.File(indexGzFile),
		"recompressed": recompress(t, g.File(indexTarFile)),
		"empty":        {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, h, g.With(indexGzFile, raw), hasty(h), func(t *testing.T, u *Upstream) {
				dir := t.TempDir()
				_, err := u.Index(t.Context(), metadata(t, u, state.Seen{}), dir)
				if !errors.Is(err, state.ErrMismatch) || !errors.Is(err, ErrTorn) || !strings.Contains(err.Error(), indexGzFile) {
					t.Error(err)
				}
				if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
					t.Errorf("%d files are left: %v", len(left), err)
				}
			})
		})
	}
}

func recompress(t *testing.T, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.HuffmanOnly)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(raw)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestIndexFromAStaleCache(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	s := serve(t, h)
	s.Fault("/"+indexGzFile, hackagetest.Stale(h.Generation()))
	h.Upload("newer", "1.0", nil, nil)
	u := open(t, s.URL, hasty(h))
	ix, err := u.Index(t.Context(), metadata(t, u, state.Seen{}), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ix.Close() }()
	if s.Count("/"+indexGzFile) != 2 {
		t.Errorf("%d requests", s.Count("/"+indexGzFile))
	}
	readLog(t, ix, index.Position{})
}

// A connection that breaks within the index is an attempt, not a mismatch, and
// leaves nothing of itself in the file.
func TestIndexCutShort(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	s := serve(t, h)
	s.Fault("/"+indexGzFile, hackagetest.Cut(700).Times(2))
	o := hasty(h)
	told := &notes{}
	o.Notify = told.add
	u := open(t, s.URL, o)
	dir := t.TempDir()
	ix, err := u.Index(t.Context(), metadata(t, u, state.Seen{}), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ix.Close() }()
	checkIndex(t, ix, h.Generation(), dir)
	if len(told.all()) != 2 {
		t.Errorf("told of %v", told.all())
	}
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	one := recompress(t, []byte("one"))
	two := append(bytes.Clone(one), recompress(t, []byte("two"))...)
	broken := bytes.Clone(one)
	broken[len(broken)-5] ^= 1 // in the checksum
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	if _, err := w.Write(make([]byte, 1<<20)); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		raw   []byte
		limit int64
		want  string
		fails error
	}{
		"exact":             {raw: one, limit: 3, want: "one"},
		"several members":   {raw: two, limit: 6, want: "onetwo"},
		"beyond the limit":  {raw: two, limit: 5, fails: ErrTooLarge},
		"bomb":              {raw: bomb.Bytes(), limit: 1 << 10, fails: ErrTooLarge},
		"cut":               {raw: one[:len(one)-1], limit: 3, fails: io.ErrUnexpectedEOF},
		"cut, limit beyond": {raw: one[:len(one)-1], limit: 9, fails: io.ErrUnexpectedEOF},
		"broken checksum":   {raw: broken, limit: 3, fails: gzip.ErrChecksum},
		"not gzip":          {raw: []byte("a tar file, perhaps"), limit: 100, fails: gzip.ErrHeader},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var to bytes.Buffer
			info, err := unpack(t.Context(), &to, bytes.NewReader(test.raw), test.limit)
			if test.fails != nil {
				if err == nil || !errors.Is(err, test.fails) && !strings.Contains(err.Error(), strings.TrimPrefix(test.fails.Error(), "gzip: ")) {
					t.Errorf("error %v instead of %v", err, test.fails)
				}
				if int64(to.Len()) > test.limit {
					t.Errorf("%d bytes were written", to.Len())
				}
				return
			}
			if err != nil || to.String() != test.want || info.Check([]byte(test.want)) != nil {
				t.Errorf("got %q, %+v: %v", to.String(), info, err)
			}
		})
	}
}

// A signed index that unpacks to more than was signed, or to something else, is
// refused; one whose tar is not signed may grow only so far.
func TestIndexBomb(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	h.OmitTar(true)
	h.Raw(tar.Header{Name: "zeros", Size: 64 << 20}, nil)
	both(t, h, h.Generation(), hasty(h), func(t *testing.T, u *Upstream) {
		dir := t.TempDir()
		_, err := u.Index(t.Context(), metadata(t, u, state.Seen{}), dir)
		if !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%d files are left: %v", len(left), err)
		}
	})
}

func TestIndexCancelled(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	both(t, h, h.Generation(), hasty(h), func(t *testing.T, u *Upstream) {
		m := metadata(t, u, state.Seen{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := u.Index(ctx, m, t.TempDir()); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, err := unpack(ctx, io.Discard, bytes.NewReader(recompress(t, []byte("x"))), 9); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestIndexWithoutAFolder(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	both(t, h, h.Generation(), hasty(h), func(t *testing.T, u *Upstream) {
		if _, err := u.Index(t.Context(), metadata(t, u, state.Seen{}), filepath.Join(t.TempDir(), "none")); err == nil {
			t.Error("an index was put into a folder that is not there")
		}
	})
}
