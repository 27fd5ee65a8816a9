package hackage_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// endOf returns the position at the end of a generation's index.
func endOf(t *testing.T, g *hackagetest.Generation) index.Position {
	t.Helper()
	log := index.NewLog(bytes.NewReader(g.File("01-index.tar")), index.Position{})
	for _, err := range log.Entries() {
		if err != nil {
			t.Fatal(err)
		}
	}
	return log.End()
}

// served opens a Hackage that is served for the test.
func served(t *testing.T, h *hackagetest.Hackage) *hackage.Upstream {
	t.Helper()
	server := h.Serve()
	t.Cleanup(server.Close)
	u, err := hackage.Open(server.URL, hackage.Options{
		Pinned: tuf.Pinned{KeyIDs: h.KeyIDs(), Threshold: h.Threshold()}, Now: h.Now, FirstWait: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestGap(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	from := endOf(t, h.Generation())
	u := served(t, h)
	gap := func(from index.Position, most int64) (hackage.Gap, error) {
		m, err := u.Metadata(t.Context(), state.Seen{})
		if err != nil {
			t.Fatal(err)
		}
		return u.Gap(t.Context(), m, from, most)
	}
	if got, err := gap(from, 1<<20); err != nil || got != (hackage.Gap{Proven: true}) {
		t.Errorf("at the end: %+v, %v", got, err)
	}
	h.Upload("newer", "1", nil, nil)
	first := h.Now()
	h.Revise("newer", "1", []byte("name: newer\nversion: 1\nx-revision: 1\n"))
	size := endOf(t, h.Generation()).Length - from.Length
	want := hackage.Gap{Bytes: size, Entries: 3, First: first, Last: h.Now(), Proven: true}
	if got, err := gap(from, 1<<20); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	// A position without a midstate is believed.
	want.Proven = false
	if got, err := gap(index.Position{Prefix: midstate.Prefix{Length: from.Length}}, 1<<20); err != nil || got != want {
		t.Errorf("without a midstate: %+v, %v, want %+v", got, err, want)
	}
	want = hackage.Gap{Bytes: size, Entries: -1, First: first}
	if got, err := gap(from, 1536); err != nil || got != want {
		t.Errorf("the beginning alone: %+v, %v, want %+v", got, err, want)
	}
	other := from
	other.Midstate[0]++
	if _, err := gap(other, 1<<20); !errors.Is(err, index.ErrDigest) {
		t.Errorf("another position: %v", err)
	}
	if _, err := gap(index.Position{Prefix: midstate.Prefix{Length: 1 << 20}}, 1<<20); !errors.Is(err, index.ErrLength) {
		t.Errorf("a position behind the end: %v", err)
	}
	h.OmitTar(true)
	h.Upload("newest", "1", nil, nil)
	if _, err := gap(from, 1<<20); !errors.Is(err, hackage.ErrNoTar) {
		t.Errorf("without 01-index.tar: %v", err)
	}
}

// Whoever knows only a time finds what is newer at the end of the index.
func TestSince(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	before := h.Now()
	u := served(t, h)
	since := func(newest time.Time, most int64) (hackage.Gap, error) {
		m, err := u.Metadata(t.Context(), state.Seen{})
		if err != nil {
			t.Fatal(err)
		}
		return u.Since(t.Context(), m, newest, most)
	}
	for _, most := range []int64{1 << 20, 5000, 4096} {
		if got, err := since(before, most); err != nil || got != (hackage.Gap{}) {
			t.Errorf("nothing newer in %d bytes: %+v, %v", most, got, err)
		}
	}
	from := endOf(t, h.Generation())
	h.Upload("newer", "1", []byte("name: newer\nversion: 1\n"), nil)
	first := h.Now()
	h.Revise("newer", "1", []byte("name: newer\nversion: 1\nx-revision: 1\n"))
	want := hackage.Gap{Bytes: endOf(t, h.Generation()).Length - from.Length, Entries: 3, First: first, Last: h.Now()}
	for _, most := range []int64{1 << 20, 7777} {
		if got, err := since(before, most); err != nil || got != want {
			t.Errorf("in %d bytes: %+v, %v, want %+v", most, got, err, want)
		}
	}
	if _, err := since(before.AddDate(-1, 0, 0), 4096); !errors.Is(err, hackage.ErrFarBack) {
		t.Errorf("further back: %v", err)
	}
}

func TestUnsigned(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	server := h.Serve()
	t.Cleanup(server.Close)
	server.Show(h.Generation().With("status.json", []byte("0123456789")))
	u, err := hackage.Open(server.URL, hackage.Options{FirstWait: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := u.Unsigned(t.Context(), "status.json", 10); err != nil || string(raw) != "0123456789" {
		t.Errorf("%q, %v", raw, err)
	}
	if _, err := u.Unsigned(t.Context(), "status.json", 9); !errors.Is(err, hackage.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if _, err := u.Unsigned(t.Context(), "none.json", 9); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	server.Fault("/status.json", hackagetest.Redirect("http://localhost:1"))
	if _, err := u.Unsigned(t.Context(), "status.json", 10); err == nil {
		t.Error("it followed a redirect to another host")
	}
}

// kept is a store in memory.
type kept struct{ *hackagetest.Generation }

func (kept) String() string { return "memory" }

func (k kept) Open(_ context.Context, key string) (io.ReadCloser, int64, error) {
	raw := k.File(key)
	if raw == nil {
		return nil, 0, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(raw)), -1, nil
}

func TestFilesOfAStoreAreVerified(t *testing.T) {
	t.Parallel()
	h := hackagetest.New(hackagetest.Options{Lifetime: time.Hour})
	o := hackage.Options{Pinned: tuf.Pinned{KeyIDs: h.KeyIDs(), Threshold: h.Threshold()}, Now: h.Now}
	open := func() (*hackage.Metadata, error) {
		return hackage.OpenFiles(kept{h.Generation()}, o).Metadata(t.Context(), state.Seen{})
	}
	m, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hackage.OpenFiles(kept{h.Generation()}, o).Gap(t.Context(), m, index.Position{Prefix: midstate.Prefix{Length: 512}}, 9); err == nil {
		t.Error("a part came")
	}
	h.Advance(2 * time.Hour)
	if _, err := open(); !errors.Is(err, tuf.ErrExpired) {
		t.Errorf("expired: %v", err)
	}
	o.AllowExpired = true
	if m, err := open(); err != nil || !m.Timestamp.Expires().Before(h.Now()) {
		t.Errorf("expired and taken: %v", err)
	}
	o.Pinned.KeyIDs = hackagetest.New(hackagetest.Options{Seed: "other"}).KeyIDs()
	if _, err := open(); !errors.Is(err, tuf.ErrThreshold) {
		t.Errorf("by other keys: %v", err)
	}
}
