package hackage

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// beforeEnd is how far before the end of a file its stable prefix ends. Two editions of
// upstream's packed index differ from about 64 KiB before the end of the older one on.
const beforeEnd = 128 << 10

// stableLength returns the length of the stable prefix of a file of some length; 0 if
// the file is too short.
func stableLength(length int64) int64 {
	at := max(0, length-beforeEnd)
	return at - at%sha256.BlockSize
}

// A digester is SHA-256 over a file from a prefix on, which keeps its own state where
// the stable prefix ends. It must be Reset before it is first used.
type digester struct {
	hash.Hash
	from   midstate.Prefix
	stable midstate.Prefix // its Length is given, its Midstate is found
	pos    int64
}

// newDigester returns a digester with its stable prefix ending near the end of a file of some
// length, but not before its start.
func newDigester(from midstate.Prefix, length int64) *digester {
	stable := from
	if at := stableLength(length); at > from.Length {
		stable = midstate.Prefix{Length: at}
	}
	return &digester{from: from, stable: stable}
}

// Reset starts again behind the prefix.
func (d *digester) Reset() {
	d.Hash = d.from.Resume()
	d.pos = d.from.Length
}

func (d *digester) Write(p []byte) (int, error) {
	n := len(p)
	if left := d.stable.Length - d.pos; left > 0 && left <= int64(n) {
		d.Hash.Write(p[:left]) // a hash.Hash never fails
		d.stable = midstate.Of(d.Hash)
		p = p[left:]
	}
	d.Hash.Write(p)
	d.pos += int64(n)
	return n, nil
}

// before lets the digester see what each sink gets.
func (d *digester) before(sink func() io.Writer) func() io.Writer {
	return func() io.Writer {
		d.Reset()
		return io.MultiWriter(d, sink())
	}
}

// check compares the digest of what was written of a file with the signed one.
func (d *digester) check(name string, info tuf.FileInfo) error {
	if got := d.Sum(nil); !bytes.Equal(got, info.SHA256[:]) {
		return fmt.Errorf("fetch %s: %w", name, &worded{fmt.Sprintf("SHA-256 is %x, signed is %x", got, info.SHA256), tuf.ErrDigest})
	}
	return nil
}
