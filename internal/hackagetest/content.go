package hackagetest

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha256"
	"io"
	"math/rand/v2"
)

// content is a file of a generation: bytes, and zeros behind them, which are made
// while they are read and never held in memory.
type content struct {
	raw    []byte
	size   int64
	md5    [md5.Size]byte
	sha256 [sha256.Size]byte
}

func newContent(raw []byte) *content { return newPadded(raw, 0) }

// newPadded returns a content of at least a size.
func newPadded(raw []byte, size int64) *content {
	c := &content{raw: raw, size: max(size, int64(len(raw)))}
	m, s := md5.New(), sha256.New()
	c.copyTo(io.MultiWriter(m, s))
	m.Sum(c.md5[:0])
	s.Sum(c.sha256[:0])
	return c
}

// reader returns a reader of the whole content.
func (c *content) reader() *io.SectionReader { return io.NewSectionReader(c, 0, c.size) }

// ReadAt implements io.ReaderAt, for reader.
func (c *content) ReadAt(p []byte, offset int64) (int, error) {
	p = p[:min(int64(len(p)), c.size-offset)]
	n := copy(p, c.raw[min(offset, int64(len(c.raw))):])
	clear(p[n:])
	return len(p), nil
}

// copyTo writes all of c to a writer that cannot fail.
func (c *content) copyTo(w io.Writer) {
	if _, err := io.Copy(w, c.reader()); err != nil {
		panic("hackagetest: copy a file in memory: " + err.Error())
	}
}

// bytes returns all of c.
func (c *content) bytes() []byte {
	var out bytes.Buffer
	c.copyTo(&out)
	return out.Bytes()
}

// compressed returns the gzip of c, the same bytes for the same content.
func (c *content) compressed() *content {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	c.copyTo(z)
	if err := z.Close(); err != nil {
		panic("hackagetest: close gzip in memory: " + err.Error())
	}
	return newContent(out.Bytes())
}

// Noise returns text of so many bytes that hardly compresses, the same for the
// same seed: for an index, or a .cabal file in it, that is large when packed, too.
func Noise(seed string, size int) []byte {
	random := rand.NewChaCha8(sha256.Sum256([]byte(seed)))
	raw := make([]byte, size)
	_, _ = random.Read(raw) // never fails
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-\n"
	for i, b := range raw {
		raw[i] = letters[b%64]
	}
	return raw
}
