package index_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// TestStoredPositionStaysGood pins the midstate of a fixed prefix: positions
// that were stored once must be good for ever.
func TestStoredPositionStaysGood(t *testing.T) {
	t.Parallel()
	raw, ends := pack(t, file{name: "a/1.0/a.cabal", body: "fixed", second: 1})
	l := index.NewLog(bytes.NewReader(raw), index.Position{})
	mustRun(t, l)
	const want = "2deb0042ad8172f7a8d3b6b40623683944566ccfe8a5ce6b2a16bd115e555c36"
	if got := l.End().MidstateHex(); l.End().Length != ends[0] || got != want {
		t.Errorf("midstate is %s at %d, want %s at %d", got, l.End().Length, want, ends[0])
	}
}

func TestEnds(t *testing.T) {
	t.Parallel()
	raw, ends := pack(t, small()...)
	l := index.NewLog(bytes.NewReader(raw), index.Position{}, ends[0])
	mustRun(t, l)
	early, _ := l.At(ends[0])
	edited := l.End()
	edited.Midstate[0] ^= 1
	long := append(bytes.Clone(raw), make([]byte, 1<<20)...)
	for name, c := range map[string]struct {
		p    index.Position
		raw  []byte
		want bool
	}{
		"its own index":       {l.End(), raw, true},
		"without zero blocks": {l.End(), raw[:l.End().Length], true},
		"more zeros":          {l.End(), long[:len(raw)+10240-1024], true},
		"far too many zeros":  {l.End(), long, false},
		"entries are missing": {early, raw, false},
		"shorter index":       {l.End(), raw[:ends[0]], false},
		"edited state":        {edited, raw, false},
		"start of an index":   {index.Position{}, raw, false},
		"start of nothing":    {index.Position{}, make([]byte, 1024), true},
	} {
		if got := c.p.Ends(int64(len(c.raw)), sha256.Sum256(c.raw)); got != c.want {
			t.Errorf("%s: position ends the index: %v, want %v", name, got, c.want)
		}
	}
}

func TestNewPosition(t *testing.T) {
	t.Parallel()
	state := strings.Repeat("0f", 32)
	now := time.Date(2026, 11, 22, 6, 0, 0, 0, time.FixedZone("", 3600))
	p, err := index.NewPosition(1024, now, state)
	if err != nil || p.Length != 1024 || p.MidstateHex() != state || p.Time != now.UTC() {
		t.Errorf("position is %+v, %v", p, err)
	}
	if p, err := index.NewPosition(0, now, ""); err != nil || !p.IsZero() {
		t.Errorf("position at the start is %+v, %v", p, err)
	}
	for name, c := range map[string]struct {
		length int64
		state  string
	}{
		"negative":      {-512, state},
		"within block":  {1000, state},
		"short state":   {1024, state[2:]},
		"long state":    {1024, state + "00"},
		"no state":      {1024, ""},
		"odd digits":    {1024, state[1:]},
		"not hex":       {1024, "zz" + state[2:]},
		"state too big": {1024, strings.Repeat("00", 1<<16)},
	} {
		if p, err := index.NewPosition(c.length, now, c.state); !errors.Is(err, index.ErrPosition) || len(err.Error()) > 300 {
			t.Errorf("%s: position is %+v, %v; want ErrPosition", name, p, err)
		}
	}
}
