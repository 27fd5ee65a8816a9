package gitpack

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack/packtest"
)

func TestDeltasLeadToTheContent(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 6))
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	text := packtest.Text(60, random)
	large := packtest.Text(6000, random) // copies of more than maxCopy
	for _, c := range []struct {
		name, old, content string
		atMost             int // bytes of the delta; 0 if there shall be none
	}{
		{"edited", text, packtest.Edited(text, random), 300},
		{"the same", text, text, 10},
		{"large", large, packtest.Edited(large, random), 600},
		{"turned over", text[1000:] + text[:1000], text, 20},
		{"shorter", text, text[500:1700], 20},
		{"longer", text, text + text, 40},
		{"other line ends", text, strings.ReplaceAll(text, "\r\n", "\n"), len(text) / 2},
		{"run of one byte", strings.Repeat("a", 9000), strings.Repeat("a", 7000), 20},
		{"nothing in common", string(noise), text, 0},
		{"empty", text, "", 0},
		{"of nothing", "", text, 0},
		{"too small", "name: a\n", "name: b\n", 0},
	} {
		delta := new(deltaFinder).delta([]byte(c.old), []byte(c.content), len(c.content)/2)
		if (delta == nil) != (c.atMost == 0) || len(delta) > c.atMost {
			t.Errorf("%s: delta of %d bytes, want at most %d", c.name, len(delta), c.atMost)
		}
		if delta == nil {
			continue
		}
		if got, err := undoDelta(nil, []byte(c.old), delta); err != nil || string(got) != c.content {
			t.Errorf("%s: it leads to %d bytes, want %d, %v", c.name, len(got), len(c.content), err)
		}
	}
}

// FuzzDelta: whatever two contents are, a delta leads from one to the other, and
// one that is broken is an error.
func FuzzDelta(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 6))
	text := packtest.Text(20, random)
	f.Add([]byte(text), []byte(packtest.Edited(text, random)), 3)
	f.Add([]byte(text), []byte(text+text), 0)
	f.Add([]byte(strings.Repeat("ab", 900)), []byte(strings.Repeat("ba", 700)), 9)
	f.Add([]byte(""), []byte("x"), 1)
	s := new(deltaFinder)
	f.Fuzz(func(t *testing.T, old, content []byte, at int) {
		delta := s.delta(old, content, 2*len(content)+20)
		if delta == nil {
			if len(content) >= deltaMin && len(old) >= keyBytes {
				t.Fatal("no delta")
			}
			return
		}
		if got, err := undoDelta(nil, old, delta); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("it leads to %q, %v", got, err)
		}
		delta[uint(at)%uint(len(delta))] ^= byte(at>>8) | 1
		if got, err := undoDelta(nil, old, delta); err == nil && len(got) > MaxObject {
			t.Fatalf("%d bytes", len(got))
		} else if err != nil && !errors.Is(err, ErrObject) {
			t.Fatal(err)
		}
	})
}
