package hackage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

const (
	tarPath = "/" + indexTarFile
	gzPath  = "/" + indexGzFile
)

// bulky is a Hackage whose index is large enough, packed too, to be worth reading
// in parts.
func bulky() *hackagetest.Hackage {
	h := hackagetest.Small()
	h.Upload("noise", "1.0", hackagetest.Noise("noise", 260_000), nil)
	h.Upload("quiet", "1.0", nil, nil)
	h.Upload("quiet", "1.1", nil, nil)
	return h
}

// prefixOf is the prefix of raw with a length.
func prefixOf(raw []byte, length int64) midstate.Prefix {
	sum := sha256.New()
	sum.Write(raw[:length])
	return midstate.Of(sum)
}

// after is the position behind the first n entries of g.
func after(g *hackagetest.Generation, n int) index.Position {
	if n == 0 {
		return index.Position{}
	}
	e := g.Entries()[n-1]
	p := prefixOf(g.File(indexTarFile), e.End)
	return index.Position{Prefix: p, Time: e.Time}
}

// whole is what a destination has that was brought up to g.
func whole(g *hackagetest.Generation) Held {
	gz := g.File(indexGzFile)
	return Held{Tar: after(g, len(g.Entries())), Gz: prefixOf(gz, stableLength(int64(len(gz)))), NeedGz: true}
}

// indexFrom is IndexFrom with everything around it.
func indexFrom(t *testing.T, u *Upstream, have Held) *Access {
	t.Helper()
	m, dir := metadata(t, u, state.Seen{}), t.TempDir()
	data, err := u.IndexFrom(t.Context(), m, dir, have)
	if err != nil {
		t.Fatal(err)
	}
	ix := u.Access(m, dir, data)
	t.Cleanup(func() {
		if err := ix.Close(); err != nil {
			t.Error(err)
		}
	})
	return ix
}

// checkTail compares what an index holds from a position on with g.
func checkTail(t *testing.T, ix *Index, g *hackagetest.Generation, from index.Position) {
	t.Helper()
	raw := g.File(indexTarFile)
	r, size := ix.Tar.Body, ix.Tar.Size
	got, err := io.ReadAll(io.NewSectionReader(r, 0, size))
	if err != nil || !bytes.Equal(got, raw[ix.From.Length:]) {
		t.Errorf("from %d: %d bytes that are not upstream's: %v", ix.From.Length, len(got), err)
	}
	if ix.Tar.Info.Length != int64(len(raw)) || ix.Tar.Info.SHA256 != sum(raw) {
		t.Errorf("from %d: index is %+v", ix.From.Length, ix.Tar.Info)
	}
	var want []string
	for _, e := range g.Entries() {
		if e.Offset >= from.Length {
			want = append(want, e.Path)
		}
	}
	if _, paths := readLog(t, ix, from); !slices.Equal(paths, want) {
		t.Errorf("from %d: entries %q instead of %q", from.Length, paths, want)
	}
}

// checkPacked compares the packed index with g's, and its mark.
func checkPacked(t *testing.T, ix *Index, g *hackagetest.Generation, from midstate.Prefix) {
	t.Helper()
	p, ok := ix.Packed, ix.Packed != nil
	if !ok {
		t.Error("no packed index")
		return
	}
	raw := g.File(indexGzFile)
	got, err := io.ReadAll(io.NewSectionReader(p.Body, 0, p.Size))
	if err != nil || p.From != from || !bytes.Equal(got, raw[from.Length:]) || p.Info.Check(raw) != nil {
		t.Errorf("packed index: %d bytes from %d, want from %d: %v", len(got), p.From.Length, from.Length, err)
	}
	if want := prefixOf(raw, max(from.Length, stableLength(int64(len(raw))))); p.Stable != want {
		t.Errorf("the stable prefix ends at %d, want %d, or its state is wrong", p.Stable.Length, want.Length)
	}
}

// From each position the index is read as if it were whole, for one request.
func TestTailFromEveryPosition(t *testing.T) {
	t.Parallel()
	h := bulky()
	g := h.Generation()
	both(t, h, g, hasty(h), func(t *testing.T, u *Upstream) {
		m := metadata(t, u, state.Seen{})
		parts := 0
		for n := range len(g.Entries()) + 1 {
			at := after(g, n)
			ix, err := u.IndexFrom(t.Context(), m, t.TempDir(), Held{Tar: at})
			if err != nil {
				t.Fatal(err)
			}
			checkTail(t, ix, g, at)
			rest := int64(len(g.File(indexTarFile))) - at.Length
			if part := n > 0 && rest < int64(len(g.File(indexGzFile))); part != (ix.From == at && !at.IsZero()) {
				t.Errorf("from %d: the file begins at %d", at.Length, ix.From.Length)
			} else if part {
				parts++
				if ix.Packed != nil {
					t.Errorf("from %d: the packed index was fetched", at.Length)
				}
			}
			if err := ix.Close(); err != nil {
				t.Error(err)
			}
		}
		if parts < 5 {
			t.Errorf("only %d parts", parts)
		}
	})
}

// What is new costs one request for each file, and hardly more bytes than it has.
func TestTailCostsWhatIsNew(t *testing.T) {
	t.Parallel()
	h := bulky()
	s := serve(t, h)
	u := open(t, s.URL, hasty(h))
	have := whole(h.Generation())
	for i, size := range []int{10, 1000, 20_000, 20} {
		old := h.Generation()
		h.Upload("grown", fmt.Sprint(i), hackagetest.Noise(fmt.Sprint(i), size), nil)
		g := h.Generation()
		s.Forget()
		ix := indexFrom(t, u, have)
		checkTail(t, ix.Index, g, have.Tar)
		checkPacked(t, ix.Index, g, have.Gz)
		if ix.From != have.Tar || s.Count(tarPath) != 1 || s.Count(gzPath) != 1 {
			t.Errorf("index from %d by %d and %d requests", ix.From.Length, s.Count(tarPath), s.Count(gzPath))
		}
		before, now := old.Entries(), g.Entries()
		fresh := now[len(now)-1].End - before[len(before)-1].End
		if got := s.Bytes(tarPath); got != fresh+1024 {
			t.Errorf("%d bytes of the index for %d new ones", got, fresh)
		}
		fresh = int64(len(g.File(indexGzFile)) - len(old.File(indexGzFile)))
		if got, most := s.Bytes(gzPath), fresh+beforeEnd+64; got > most {
			t.Errorf("%d bytes of the packed index for %d new ones", got, fresh)
		}
		for _, r := range append(s.Requests(tarPath), s.Requests(gzPath)...) {
			if r.Header.Get("Range") == "" || r.Header.Get("Accept-Encoding") != "identity" || r.Header.Get("Cache-Control") != "" {
				t.Errorf("asked with %v", r.Header)
			}
		}
		packed := ix.Packed
		have = Held{Tar: after(g, len(now)), Gz: packed.Stable, NeedGz: true}
	}
}

// A destination that only lacks newer metadata still has one request.
func TestTailOfNothing(t *testing.T) {
	t.Parallel()
	h := bulky()
	h.Resign()
	g := h.Generation()
	both(t, h, g, hasty(h), func(t *testing.T, u *Upstream) {
		have := whole(g)
		ix := indexFrom(t, u, have)
		checkTail(t, ix.Index, g, have.Tar)
		checkPacked(t, ix.Index, g, have.Gz)
		if _, size := ix.Tar.Body, ix.Tar.Size; size != 1024 {
			t.Errorf("%d bytes behind the last entry", size)
		}
	})
}

// Whatever a destination says of itself, the index that it gets is upstream's.
func TestTailWithAWrongState(t *testing.T) {
	t.Parallel()
	h := bulky()
	g := h.Generation()
	last := len(g.Entries())
	raw, gz := g.File(indexTarFile), g.File(indexGzFile)
	right := whole(g)
	edited := right.Tar
	edited.Midstate[0] ^= 1
	earlier := after(g, last-1)
	earlier.Length = right.Tar.Length
	inside := prefixOf(raw, g.Entries()[last-2].Offset+blockOf)
	inEntry := index.Position{Prefix: inside}
	all := prefixOf(raw, int64(len(raw)))
	for name, test := range map[string]struct {
		have   Held
		silent bool
	}{
		"nothing":              {have: Held{}, silent: true},
		"edited midstate":      {have: Held{Tar: edited}},
		"another's midstate":   {have: Held{Tar: earlier}},
		"no midstate":          {have: Held{Tar: index.Position{Prefix: midstate.Prefix{Length: right.Tar.Length}}}},
		"within an entry":      {have: Held{Tar: inEntry}},
		"within the end":       {have: Held{Tar: index.Position{Prefix: midstate.Prefix{Length: right.Tar.Length + 512}}}},
		"at the end":           {have: Held{Tar: index.Position{Prefix: all}}, silent: true},
		"behind the end":       {have: Held{Tar: index.Position{Prefix: midstate.Prefix{Length: all.Length + 512}}}},
		"far behind":           {have: Held{Tar: index.Position{Prefix: midstate.Prefix{Length: 1 << 62}}}},
		"packed, nothing":      {have: Held{Tar: right.Tar, NeedGz: true}, silent: true},
		"packed, behind":       {have: Held{Tar: right.Tar, Gz: midstate.Prefix{Length: int64(len(gz)+64) &^ 63}, NeedGz: true}, silent: true},
		"packed, half a block": {have: Held{Tar: right.Tar, Gz: midstate.Prefix{Length: right.Gz.Length + 1}, NeedGz: true}, silent: true},
		"packed, negative":     {have: Held{Tar: right.Tar, Gz: midstate.Prefix{Length: -64}, NeedGz: true}, silent: true},
		"packed, too short":    {have: Held{Tar: after(g, 1), Gz: prefixOf(gz, 64), NeedGz: true}, silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := &notes{}
			o := hasty(h)
			o.Notify = told.add
			both(t, h, g, o, func(t *testing.T, u *Upstream) {
				ix := indexFrom(t, u, test.have)
				if !ix.From.IsZero() {
					t.Errorf("index from %d", ix.From.Length)
				}
				checkTail(t, ix.Index, g, index.Position{})
				checkPacked(t, ix.Index, g, midstate.Prefix{})
				if silent := len(told.all()) == 0; silent != test.silent {
					t.Errorf("told of %v", told.all())
				}
			})
		})
	}
}

// blockOf is a block of a tar file.
const blockOf = 512

// An index that does not go on from the one before is fetched whole, and its log
// says that the position is not one of it.
func TestTailOfAnotherHistory(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(h *hackagetest.Hackage){
		"shrunk":              func(h *hackagetest.Hackage) { h.Truncate(2) },
		"shrunk and grown":    func(h *hackagetest.Hackage) { h.Truncate(2); h.Upload("other", "1", nil, nil) },
		"first entry":         func(h *hackagetest.Hackage) { h.Rewrite(0) },
		"last entry":          func(h *hackagetest.Hackage) { h.Rewrite(-1) },
		"rewritten and grown": func(h *hackagetest.Hackage) { h.Rewrite(3); h.Upload("other", "1", nil, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := bulky()
			old := h.Generation()
			change(h)
			g := h.Generation()
			both(t, h, g, hasty(h), func(t *testing.T, u *Upstream) {
				have := whole(old)
				ix := indexFrom(t, u, have)
				checkTail(t, ix.Index, g, index.Position{})
				tails, err := index.ScanEach(ix.Log(index.Position{}), nil, have.Tar, index.Position{})
				if err != nil || tails[0] != nil || tails[1] == nil {
					t.Errorf("tails %v: %v", tails, err)
				}
			})
		})
	}
}

// Without a signed 01-index.tar nothing could prove a part.
func TestTailNeedsASignedTar(t *testing.T) {
	t.Parallel()
	h := bulky()
	have := whole(h.Generation())
	g := h.Generation()
	h.OmitTar(true)
	both(t, h, h.Generation(), hasty(h), func(t *testing.T, u *Upstream) {
		checkTail(t, indexFrom(t, u, have).Index, g, index.Position{})
	})
}

// A snapshot that upstream has moved on from is torn, as with the whole index;
// the next set of metadata gives the part.
func TestTailWhileUpstreamPublishes(t *testing.T) {
	t.Parallel()
	h := bulky()
	s := serve(t, h)
	have := whole(h.Generation())
	h.Upload("grown", "1", nil, nil)
	u := open(t, s.URL, hasty(h))
	m := metadata(t, u, state.Seen{})
	h.Upload("grown", "2", nil, nil)
	dir := t.TempDir()
	_, err := u.IndexFrom(t.Context(), m, dir, have)
	if !errors.Is(err, ErrTorn) || !errors.Is(err, state.ErrMismatch) {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%d files are left: %v", len(left), err)
	}
	s.Forget()
	ix := indexFrom(t, u, have)
	checkTail(t, ix.Index, h.Generation(), have.Tar)
	if ix.From != have.Tar || s.Count(gzPath) != 1 {
		t.Errorf("index from %d", ix.From.Length)
	}
}

// A run that is stopped fetches nothing else in its place.
func TestTailCancelled(t *testing.T) {
	t.Parallel()
	h := bulky()
	s := serve(t, h)
	for _, path := range []string{tarPath, gzPath} {
		ctx, cancel := context.WithCancel(t.Context())
		o := hasty(h)
		o.Notify = func(r Retry) { t.Errorf("told of %+v", r) }
		network := &http.Transport{}
		o.transport = roundTrip(func(req *http.Request) (*http.Response, error) {
			if req.URL.Path == path {
				cancel()
			}
			return network.RoundTrip(req)
		})
		s.Forget()
		dir := t.TempDir()
		u := open(t, s.URL, o)
		if _, err := u.IndexFrom(ctx, metadata(t, u, state.Seen{}), dir, whole(h.Generation())); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%d files are left: %v", len(left), err)
		}
		if s.Count(gzPath) > 1 {
			t.Error("the whole was asked for")
		}
		network.CloseIdleConnections()
	}
}
