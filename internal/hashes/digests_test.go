package hashes_test

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
)

// TestNothing pins the digests of a file of no bytes to their known values.
func TestNothing(t *testing.T) {
	t.Parallel()
	w := hashes.NewWriter()
	check := func(when string) {
		t.Helper()
		d := w.Sum()
		for name, pair := range map[string][2]string{
			"MD5":    {hex.EncodeToString(d.MD5[:]), "d41d8cd98f00b204e9800998ecf8427e"},
			"SHA256": {hex.EncodeToString(d.SHA256[:]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
			"Skein": {
				hex.EncodeToString(d.Skein512[:]),
				"bc5b4c50925519c290cc634277ae3d6257212395cba733bbad37a4af0fa06af4" +
					"1fca7903d06564fea7a2d3730dbdb80c1f85562dfcc070334ea4d1d9e72cba7a",
			},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: %s of nothing is %s, want %s", when, name, pair[0], pair[1])
			}
		}
		if d.Size != 0 {
			t.Errorf("%s: size of nothing is %d", when, d.Size)
		}
	}
	check("new")
	w.Write([]byte("something"))
	w.Reset()
	check("reset")
}

// TestPieces writes the same bytes in different pieces, around the block sizes
// of the hashes and around a chunk; a Sum in between must not disturb.
func TestPieces(t *testing.T) {
	t.Parallel()
	seed := [32]byte{1}
	random := rand.NewChaCha8(seed)
	content := make([]byte, 100_000)
	random.Read(content)
	whole := hashes.NewWriter()
	whole.Write(content)
	want := whole.Sum()
	w := hashes.NewWriter()
	for _, piece := range []int{1, 63, 64, 65, 127, 128, 129, 4096, 16<<10 - 1, 16 << 10, 16<<10 + 1} {
		w.Reset()
		for rest := content; len(rest) > 0; {
			n := min(piece, len(rest))
			if m, err := w.Write(rest[:n]); m != n || err != nil {
				t.Fatalf("write of %d bytes gives %d, %v", n, m, err)
			}
			if len(rest)%1000 < piece {
				w.Sum()
			}
			rest = rest[n:]
		}
		if got := w.Sum(); got != want {
			t.Errorf("in pieces of %d: digests are %x, want %x", piece, got, want)
		}
	}
}

func BenchmarkWriter(b *testing.B) {
	content := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(content)
	w := hashes.NewWriter()
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		w.Reset()
		w.Write(content)
		w.Sum()
	}
}
