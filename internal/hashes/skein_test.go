package hashes_test

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/aead/skein"

	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
)

// TestSkeinOfOneByte pins the first example that Skein's authors publish for 512
// bits of state and of output.
func TestSkeinOfOneByte(t *testing.T) {
	t.Parallel()
	w := hashes.NewWriter()
	w.Write([]byte{0xff})
	const want = "71b7bce6fe6452227b9ced6014249e5bf9a9754c3ad618ccc4e0aae16b316cc8" +
		"ca698d864307ed3e80b6ef1570812ac5272dc409b5a012df2a579102f340617a"
	digests := w.Sum()
	if got := hex.EncodeToString(digests.Skein512[:]); got != want {
		t.Errorf("Skein of the byte ff is %s, want %s", got, want)
	}
}

// TestSkeinAsTheLibrary holds ours against another's, at all lengths around the
// ends of blocks and at some beyond.
func TestSkeinAsTheLibrary(t *testing.T) {
	t.Parallel()
	content := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{2}).Read(content)
	w, library := hashes.NewWriter(), skein.New512(nil)
	for n := 0; n <= len(content); n = next(n) {
		w.Reset()
		w.Write(content[:n])
		library.Reset()
		library.Write(content[:n])
		if got, want := w.Sum().Skein512, library.Sum(nil); !bytes.Equal(got[:], want) {
			t.Fatalf("Skein of %d bytes is %x, want %x", n, got, want)
		}
	}
}

// next goes on by one in the beginning, then in strides of no round number.
func next(n int) int {
	if n < 1000 {
		return n + 1
	}
	return n + 4099
}
