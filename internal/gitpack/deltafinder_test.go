package gitpack

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// edited returns a text with some lines changed, moved, put in or taken away.
func edited(text string, random *rand.Rand) string {
	lines := strings.SplitAfter(text, "\n")
	for range 1 + random.IntN(4) {
		at, other := random.IntN(len(lines)), random.IntN(len(lines))
		switch random.IntN(4) {
		case 0:
			lines[at] = fmt.Sprintf("line: %d\r\n", random.Int())
		case 1:
			lines[at], lines[other] = lines[other], lines[at]
		case 2:
			lines = append(lines[:at:at], append([]string{fmt.Sprintf("new: %d\n", random.Int())}, lines[at:]...)...)
		case 3:
			lines[at] = ""
		}
	}
	return strings.Join(lines, "")
}

// textOf is a text of so many lines, of which many are alike.
func textOf(lines int, random *rand.Rand) string {
	var text strings.Builder
	for range lines {
		fmt.Fprintf(&text, "    build-depends: base >= %d && < %d\r\n", random.IntN(9), random.Uint32())
	}
	return text.String()
}

func TestDeltasLeadToTheContent(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 6))
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	text := textOf(60, random)
	large := textOf(6000, random) // copies of more than maxCopy
	for _, c := range []struct {
		name, old, content string
		atMost             int // bytes of the delta; 0 if there shall be none
	}{
		{"edited", text, edited(text, random), 300},
		{"the same", text, text, 10},
		{"large", large, edited(large, random), 600},
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
	text := textOf(20, random)
	f.Add([]byte(text), []byte(edited(text, random)), 3)
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
