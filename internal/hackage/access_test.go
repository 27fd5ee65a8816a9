package hackage

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// spanOf is where an entry stands.
func spanOf(e hackagetest.Entry) index.Span { return index.Span{Offset: e.Offset, Size: e.Size} }

// checkEntries reads each entry of g by its place.
func checkEntries(t *testing.T, ix *Access, g *hackagetest.Generation) {
	t.Helper()
	for _, want := range g.Entries() {
		e, err := ix.Entry(t.Context(), spanOf(want))
		if err != nil || e.Path() != want.Path || !bytes.Equal(e.Content, want.Content) || e.Span() != spanOf(want) ||
			e.End != want.End || !e.Time.Equal(want.Time) {
			t.Errorf("entry at %d is %q of %d bytes: %v", want.Offset, e.Path(), len(e.Content), err)
		}
	}
}

// An entry from before the part costs one request, one within it none, and what
// was read stays as it is when the next is read.
func TestEntry(t *testing.T) {
	t.Parallel()
	h := bulky()
	h.Prefer("noise", "")
	h.Upload("last", "1.0", nil, nil)
	g := h.Generation()
	entries := g.Entries()
	both(t, h, g, hasty(h), func(t *testing.T, u *Upstream) {
		u.o.Notify = func(r Retry) { t.Errorf("told of %+v", r) }
		for _, n := range []int{0, len(entries) - 3, len(entries)} {
			ix := indexFrom(t, u, Held{Tar: after(g, n)})
			if ix.From.Length != after(g, n).Length {
				t.Errorf("index from %d", ix.From.Length)
			}
			checkEntries(t, ix, g)
			first, err := ix.Entry(t.Context(), spanOf(entries[0]))
			if _, err := ix.Entry(t.Context(), spanOf(entries[1])); err != nil {
				t.Error(err)
			}
			if err != nil || !bytes.Equal(first.Content, entries[0].Content) {
				t.Errorf("the first entry did not stay what it was: %v", err)
			}
		}
	})
}

// A long name stands in headers of its own, before the one that has the size.
func TestAccessToLongName(t *testing.T) {
	t.Parallel()
	h := bulky()
	name := strings.Repeat("x", 180)
	for _, format := range []tar.Format{tar.FormatGNU, tar.FormatPAX} {
		var raw bytes.Buffer
		w := tar.NewWriter(&raw)
		header := &tar.Header{Name: name + "/1/" + name + ".cabal", Size: 5, Mode: 0o644, Format: format}
		if err := errors.Join(w.WriteHeader(header), write(w, "bytes"), w.Flush()); err != nil {
			t.Fatal(err)
		}
		h.RawBytes(raw.Bytes())
	}
	h.Upload("last", "1", nil, nil)
	g := h.Generation()
	entries := g.Entries()
	both(t, h, g, hasty(h), func(t *testing.T, u *Upstream) {
		u.o.Notify = func(r Retry) { t.Errorf("told of %+v", r) }
		ix := indexFrom(t, u, Held{Tar: after(g, len(entries))})
		for _, want := range entries[len(entries)-4 : len(entries)-2] {
			e, err := ix.Entry(t.Context(), index.Span{Offset: want.Offset, Size: 5})
			if err != nil || e.Release.Package != name || string(e.Content) != "bytes" || e.End != want.End {
				t.Errorf("entry at %d is %q: %v", want.Offset, e.Path(), err)
			}
		}
	})
}

func TestEntryIsOneRequest(t *testing.T) {
	t.Parallel()
	h := bulky()
	g := h.Generation()
	s := serve(t, h)
	ix := indexFrom(t, open(t, s.URL, hasty(h)), whole(g))
	// Upstream may grow; what is before stays where it is.
	h.Upload("grown", "1", nil, nil)
	s.Forget()
	for _, e := range g.Entries() {
		s.Forget()
		if _, err := ix.Entry(t.Context(), spanOf(e)); err != nil {
			t.Error(err)
		}
		if s.Count("/") != 1 || s.Count(tarPath) != 1 || s.Bytes("/") > e.Size+index.AroundEntry {
			t.Errorf("entry at %d: %d requests, %d bytes", e.Offset, s.Count("/"), s.Bytes("/"))
		}
	}
}

// Where the server does not give the part, the whole index is fetched, once.
func TestEntryFallsBack(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]hackagetest.Fault{
		"ignores ranges": hackagetest.IgnoreRange(),
		"shifted":        hackagetest.ShiftRange(512),
		"wrong":          hackagetest.WrongRange(),
		"short":          hackagetest.MiscountRange(4000),
		"gone":           hackagetest.Status(410),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := bulky()
			g := h.Generation()
			s := serve(t, h)
			ix := indexFrom(t, open(t, s.URL, hasty(h)), Held{Tar: after(g, len(g.Entries()))})
			s.Fault(tarPath, fault)
			s.Forget()
			checkEntries(t, ix, g)
			if s.Count(gzPath) != 1 || s.Count(tarPath) > 2 {
				t.Errorf("%d requests for the whole, %d for parts", s.Count(gzPath), s.Count(tarPath))
			}
		})
	}
}

// A place where no such entry is, which an edited state may name, is told apart
// from an upstream that does not answer.
func TestEntryRefuses(t *testing.T) {
	t.Parallel()
	h := bulky()
	h.Raw(tar.Header{Name: "a/folder/", Typeflag: tar.TypeDir}, nil)
	g := h.Generation()
	size := int64(len(g.File(indexTarFile)))
	entries := g.Entries()
	first, last := entries[0], entries[len(entries)-1]
	both(t, h, g, hasty(h), func(t *testing.T, u *Upstream) {
		for _, have := range []Held{{}, whole(g)} {
			ix := indexFrom(t, u, have)
			for span, want := range map[index.Span]error{
				{Offset: -512, Size: first.Size}:              index.ErrNoEntry,
				{Offset: 512, Size: first.Size}:               index.ErrNoEntry,
				{Offset: 1, Size: first.Size}:                 index.ErrNoEntry,
				{Offset: 0, Size: first.Size + 1}:             index.ErrNoEntry,
				{Offset: 0, Size: -1}:                         index.ErrNoEntry,
				{Offset: 0, Size: index.MaxEntry + 1}:         index.ErrNoEntry,
				{Offset: last.Offset, Size: 0}:                index.ErrNoEntry,
				{Offset: last.End, Size: 0}:                   index.ErrNoEntry,
				{Offset: size - 512, Size: 0}:                 index.ErrNoEntry,
				{Offset: size, Size: 0}:                       index.ErrNoEntry,
				{Offset: 1 << 62, Size: 1}:                    index.ErrNoEntry,
				{Offset: 1<<63 - 1, Size: 1}:                  index.ErrNoEntry,
				{Offset: first.Offset, Size: index.MaxEntry}:  index.ErrNoEntry,
				{Offset: entries[1].Offset, Size: first.Size}: index.ErrNoEntry,
			} {
				if _, err := ix.Entry(t.Context(), span); !errors.Is(err, want) {
					t.Errorf("entry at %+v: %v", span, err)
				}
			}
		}
	})
}

func TestEntryOfAnUpstreamThatIsGone(t *testing.T) {
	t.Parallel()
	h := bulky()
	s := serve(t, h)
	o := hasty(h)
	o.Attempts = 2
	ix := indexFrom(t, open(t, s.URL, o), whole(h.Generation()))
	s.Fault("/", hackagetest.Status(503))
	if _, err := ix.Entry(t.Context(), spanOf(h.Generation().Entries()[0])); err == nil || errors.Is(err, index.ErrNoEntry) {
		t.Error(err)
	}
	if _, err := ix.Full(t.Context()); err == nil {
		t.Error("the whole came from nowhere")
	}
	// What failed once is tried again.
	s.Heal()
	checkEntries(t, ix, h.Generation())
	if _, err := ix.Full(t.Context()); err != nil {
		t.Error(err)
	}
}

// However many ask, the whole is fetched once.
func TestFullIsFetchedOnce(t *testing.T) {
	t.Parallel()
	h := bulky()
	g := h.Generation()
	s := serve(t, h)
	u := open(t, s.URL, hasty(h))
	m, dir := metadata(t, u, state.Seen{}), t.TempDir()
	data, err := u.IndexFrom(t.Context(), m, dir, whole(g))
	if err != nil {
		t.Fatal(err)
	}
	ix := u.Access(m, dir, data)
	s.Forget()
	var group errgroup.Group
	got := make([]*Access, 8)
	for i := range got {
		group.Go(func() (err error) {
			got[i], err = ix.Full(t.Context())
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, one := range got {
		if one != got[0] || one == ix {
			t.Error("not the same whole for all")
		}
	}
	if again, err := got[0].Full(t.Context()); again != got[0] || err != nil {
		t.Errorf("the whole of the whole is another: %v", err)
	}
	checkTail(t, got[0].Index, g, index.Position{})
	checkPacked(t, got[0].Index, g, midstate.Prefix{})
	// Both files remain what they were.
	checkTail(t, ix.Index, g, ix.From)
	if s.Count("/") != 1 || s.Count(gzPath) != 1 {
		t.Errorf("%d requests", s.Count("/"))
	}
	if err := ix.Close(); err != nil {
		t.Error(err)
	}
	file := got[0].Tar.Body
	if _, err := file.ReadAt(make([]byte, 1), 0); err == nil {
		t.Error("the whole is still open")
	}
}

// Who no longer waits for the whole does not keep others from it.
func TestFullCancelled(t *testing.T) {
	t.Parallel()
	h := bulky()
	s := serve(t, h)
	ix := indexFrom(t, open(t, s.URL, hasty(h)), whole(h.Generation()))
	ctx, cancel := context.WithCancel(t.Context())
	ix.busy <- struct{}{} // somebody is at it
	cancel()
	if _, err := ix.Full(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-ix.busy
	if _, err := ix.Full(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	all, err := ix.Full(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	checkTail(t, all.Index, h.Generation(), index.Position{})
}

// The whole is that of the metadata that the part was read by.
func TestFullOfAnUpstreamThatMovedOn(t *testing.T) {
	t.Parallel()
	h := bulky()
	s := serve(t, h)
	ix := indexFrom(t, open(t, s.URL, hasty(h)), whole(h.Generation()))
	h.Upload("grown", "1", nil, nil)
	if _, err := ix.Full(t.Context()); !errors.Is(err, ErrTorn) {
		t.Error(err)
	}
	if r, size := ix.Tar.Body, ix.Tar.Size; size == 0 {
		t.Error("the part is gone")
	} else if _, err := io.ReadFull(io.NewSectionReader(r, 0, size), make([]byte, size)); err != nil {
		t.Error(err)
	}
}

// Some bytes of the index come from here or from upstream, as they are needed, and
// are the same.
func TestPartsOfTheIndexAreUpstreams(t *testing.T) {
	t.Parallel()
	h := bulky()
	before := h.Generation()
	h.Upload("newer", "1.0", nil, nil)
	g := h.Generation()
	s := serve(t, h)
	for name, have := range map[string]Held{"tail": whole(before), "whole": {NeedGz: true}} {
		ix := indexFrom(t, open(t, s.URL, hasty(h)), have)
		if (name == "tail") == ix.From.IsZero() {
			t.Fatalf("%s: it begins at %d", name, ix.From.Length)
		}
		for key, part := range map[string]func(context.Context, int64, int64) ([]byte, error){
			indexTarFile: ix.TarPart, indexGzFile: ix.PackedPart,
		} {
			raw := g.File(key)
			for _, at := range []int{0, 4096, len(raw) - 100} {
				got, err := part(t.Context(), int64(at), 100)
				if err != nil || !bytes.Equal(got, raw[at:][:100]) {
					t.Errorf("%s: %s at %d: %v", name, key, at, err)
				}
			}
		}
	}
}
