package hackage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// How much of the index comes as a part in the end.
const (
	wholeIndex = iota
	tarAndGzParts
	tarPartOnly
)

// A server that lies about a part is found out, and the whole comes instead; one
// that is unwell for a while is asked again.
func TestServersThatLie(t *testing.T) {
	t.Parallel()
	h := bulky()
	before := h.Generation()
	have := whole(before)
	h.Upload("grown", "1", hackagetest.Noise("grown", 3000), nil)
	for name, test := range map[string]struct {
		fault hackagetest.Fault
		// What comes if the fault is on 01-index.tar, and if it is on the .gz.
		tar, gz int
	}{
		"ignores ranges":      {hackagetest.IgnoreRange(), wholeIndex, tarPartOnly},
		"wrong range":         {hackagetest.WrongRange(), wholeIndex, tarPartOnly},
		"shifted by a block":  {hackagetest.ShiftRange(512), wholeIndex, tarPartOnly},
		"shifted by a byte":   {hackagetest.ShiftRange(-1), wholeIndex, tarPartOnly},
		"too short":           {hackagetest.MiscountRange(1), wholeIndex, tarPartOnly},
		"empty":               {hackagetest.MiscountRange(1 << 40), wholeIndex, tarPartOnly},
		"too long":            {hackagetest.MiscountRange(-1), wholeIndex, tarPartOnly},
		"far too long":        {hackagetest.MiscountRange(-1 << 20), wholeIndex, tarPartOnly},
		"last byte flipped":   {hackagetest.Corrupt(-1).OfRanges(), wholeIndex, tarPartOnly},
		"refuses":             {hackagetest.Status(416).OfRanges(), wholeIndex, tarPartOnly},
		"does not have it":    {hackagetest.Status(404).OfRanges(), wholeIndex, tarPartOnly},
		"not implemented":     {hackagetest.Status(501).OfRanges(), wholeIndex, tarPartOnly},
		"breaks off":          {hackagetest.Cut(9).OfRanges(), wholeIndex, tarPartOnly},
		"breaks off once":     {hackagetest.Cut(9).OfRanges().Times(1), tarAndGzParts, tarAndGzParts},
		"unwell once":         {hackagetest.Status(503).OfRanges().Times(1), tarAndGzParts, tarAndGzParts},
		"old copy in a cache": {hackagetest.Stale(before), tarAndGzParts, tarAndGzParts},
		"short once":          {hackagetest.MiscountRange(1).Times(1), tarAndGzParts, tarAndGzParts},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for path, want := range map[string]int{tarPath: test.tar, gzPath: test.gz} {
				s := serve(t, h)
				s.Fault(path, test.fault)
				checkLies(t, open(t, s.URL, unhurried(h)), h.Generation(), have, want)
			}
		})
	}
	for path, want := range map[string]int{tarPath: wholeIndex, gzPath: tarPartOnly} {
		t.Run("stalls at "+path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := unhurried(h)
				serveInMemory(t, h, &o).Fault(path, hackagetest.Stall(9).OfRanges())
				checkLies(t, open(t, inMemory, o), h.Generation(), have, want)
			})
		})
	}
}

// unhurried are options for few attempts.
func unhurried(h *hackagetest.Hackage) Options {
	o := hasty(h)
	o.Attempts = 2
	return o
}

func checkLies(t *testing.T, u *Upstream, g *hackagetest.Generation, have Held, want int) {
	t.Helper()
	told := &notes{}
	u.o.Notify = told.add
	ix := indexFrom(t, u, have)
	tar, gz := have.Tar, have.Gz
	switch want {
	case wholeIndex:
		tar, gz = index.Position{}, midstate.Prefix{}
	case tarPartOnly:
		gz = midstate.Prefix{}
	}
	if ix.From != tar {
		t.Errorf("%s: index from %d instead of %d", u, ix.From.Length, tar.Length)
	}
	checkTail(t, ix.Index, g, have.Tar)
	checkPacked(t, ix.Index, g, gz)
	if len(told.all()) == 0 {
		t.Error("told of nothing")
	}
	if ix.Packed.From.IsZero() == (want == tarAndGzParts) {
		t.Errorf("packed index from %d", ix.Packed.From.Length)
	}
}

// If upstream has packed the same index anew, all of that comes, and holds the
// whole index for who wants it.
func TestTailOfAnIndexPackedAnew(t *testing.T) {
	t.Parallel()
	h := bulky()
	have := whole(h.Generation())
	have.Gz = prefixOf(recompress(t, h.Generation().File(indexTarFile)), have.Gz.Length)
	g := h.Generation()
	s := serve(t, h)
	u := open(t, s.URL, hasty(h))
	ix := indexFrom(t, u, have)
	if ix.From != have.Tar || s.Count(gzPath) != 2 || s.Count(tarPath) != 1 {
		t.Errorf("index from %d, %d and %d requests", ix.From.Length, s.Count(tarPath), s.Count(gzPath))
	}
	checkPacked(t, ix.Index, g, midstate.Prefix{})
	s.Forget()
	all, err := ix.Full(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	checkTail(t, all.Index, g, index.Position{})
	checkPacked(t, all.Index, g, midstate.Prefix{})
	if s.Count("/") != 0 {
		t.Errorf("%d requests for what was there", s.Count("/"))
	}
}

// What a server says of a part is believed only if it is the part.
func TestContentRange(t *testing.T) {
	t.Parallel()
	const asked = "bytes=10-19"
	for header, good := range map[string]bool{
		"bytes 10-19/30":                   true,
		"bytes 10-19/*":                    true,
		"bytes 10-19/31":                   false,
		"bytes 10-19/":                     false,
		"bytes 10-19":                      false,
		"bytes 9-18/30":                    false,
		"bytes 10-18/30":                   false,
		"bytes 10-20/30":                   false,
		"bytes */30":                       false,
		"bytes -10-19/30":                  false,
		"bytes 10-19/-1":                   false,
		"bytes 10-99999999999999999999/30": false,
		"lines 10-19/30":                   false,
		"10-19/30":                         false,
		"bytes=10-19/30":                   false,
		"":                                 false,
	} {
		o := hasty(hackagetest.Small())
		o.transport = roundTrip(func(req *http.Request) (*http.Response, error) {
			if req.Header.Get("Range") != asked {
				t.Errorf("asked for %q", req.Header.Get("Range"))
			}
			return respond(req, 206, strings.NewReader("0123456789"), "Content-Range", header), nil
		})
		var got bytes.Buffer
		r := request{key: "file", offset: 10, limit: 10, total: 30}
		err := open(t, "https://upstream.example", o).fetchPart(t.Context(), r, func() io.Writer { return &got })
		if good != (err == nil) || good != (got.Len() == 10) {
			t.Errorf("%q: %d bytes: %v", header, got.Len(), err)
		}
	}
}

// untouched fails the test when it is read.
type untouched struct {
	t      *testing.T
	closed bool
}

func (u *untouched) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}

func (u *untouched) Close() error {
	u.closed = true
	return nil
}

// Of a whole file that comes where a part was asked for, only the header is read.
func TestFullInsteadOfAPartIsNotRead(t *testing.T) {
	t.Parallel()
	for status, header := range map[int]string{200: "", 206: "bytes 0-999999999/1000000000", 416: "bytes */30"} {
		body := &untouched{t: t}
		o := hasty(hackagetest.Small())
		o.transport = roundTrip(func(req *http.Request) (*http.Response, error) {
			resp := respond(req, status, nil, "Content-Range", header)
			resp.Body = body
			return resp, nil
		})
		r := request{key: "file", offset: 10, limit: 10, total: 30}
		err := open(t, "https://upstream.example", o).fetchPart(t.Context(), r, func() io.Writer { return io.Discard })
		if err == nil || !body.closed {
			t.Errorf("status %d: closed is %v: %v", status, body.closed, err)
		}
	}
}

// A folder gives parts as a server does.
func TestPartOfAFolder(t *testing.T) {
	t.Parallel()
	h := bulky()
	dir := t.TempDir()
	if err := h.Write(dir); err != nil {
		t.Fatal(err)
	}
	u := open(t, dir, hasty(h))
	raw := h.Generation().File(indexTarFile)
	size := int64(len(raw))
	for _, test := range []struct {
		offset, limit, total int64
		good                 bool
	}{
		{0, size, size, true},
		{0, 1, 0, true},
		{size - 1, 1, size, true},
		{512, 700, size, true},
		{512, 700, size + 1, false},
		{size, 1, size, false},
		{size - 1, 2, size, false},
		{1 << 60, 1, 0, false},
	} {
		var got bytes.Buffer
		r := request{key: indexTarFile, offset: test.offset, limit: test.limit, total: test.total}
		err := u.fetchPart(t.Context(), r, func() io.Writer { got.Reset(); return &got })
		switch {
		case test.good != (err == nil):
			t.Errorf("%+v: %v", test, err)
		case test.good && !bytes.Equal(got.Bytes(), raw[test.offset:test.offset+test.limit]):
			t.Errorf("%+v: %d other bytes", test, got.Len())
		case !test.good && got.Len() > 0:
			t.Errorf("%+v: %d bytes", test, got.Len())
		}
	}
	if err := u.fetchPart(t.Context(), request{key: "none", limit: 1}, func() io.Writer { return io.Discard }); !errors.Is(err, state.ErrMissing) {
		t.Error(err)
	}
	if _, err := u.src.open(t.Context(), request{key: indexTarFile, part: true, offset: size, limit: 1}); !errors.Is(err, errPart) {
		t.Error(fmt.Errorf("behind the end: %w", err))
	}
}
