package hackage

import (
	"crypto/sha256"
	"io"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// However the bytes come, and from wherever they go on, digest and stable prefix are those
// of the whole.
func TestDigester(t *testing.T) {
	t.Parallel()
	raw := hackagetest.Noise("digester", beforeEnd+1000)
	size := int64(len(raw))
	info := tuf.FileInfo{Length: size, SHA256: sum(raw)}
	stable := stableLength(size)
	if stable != 960 {
		t.Fatalf("the stable prefix ends at %d", stable)
	}
	for _, from := range []int64{0, 64, 960, 1024, 64000} {
		for _, chunk := range []int{1, 63, 64, 65, 960, 4096, len(raw)} {
			d := newDigester(prefixOf(raw, from), size)
			for range 2 { // the second after an attempt that broke off
				d.Reset()
				for rest := raw[from:]; len(rest) > 0; {
					n := min(chunk, len(rest))
					if written, err := d.Write(rest[:n]); written != n || err != nil {
						t.Fatalf("%d of %d bytes are taken: %v", written, n, err)
					}
					rest = rest[n:]
				}
			}
			if err := d.check("a file", info); err != nil {
				t.Errorf("from %d by %d: %v", from, chunk, err)
			}
			if want := prefixOf(raw, max(from, stable)); d.stable != want {
				t.Errorf("from %d by %d: stable prefix ends at %d, or its state is wrong", from, chunk, d.stable.Length)
			}
		}
	}
}

func TestDigesterOfASmallFile(t *testing.T) {
	t.Parallel()
	d := newDigester(midstate.Prefix{}, beforeEnd+63)
	d.Reset()
	if _, err := io.WriteString(d, "small"); err != nil {
		t.Error(err)
	}
	if err := d.check("a file", tuf.FileInfo{SHA256: sha256.Sum256([]byte("small"))}); err != nil || !d.stable.IsZero() {
		t.Errorf("stable prefix is %+v: %v", d.stable, err)
	}
	if d.check("a file", tuf.FileInfo{}) == nil {
		t.Error("another digest is taken")
	}
}
