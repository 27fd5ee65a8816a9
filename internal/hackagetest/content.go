package hackagetest

import (
	"compress/gzip"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
)

// content is a file of a generation. It may hold long runs of zeros that are
// only made while they are read.
type content struct {
	parts  []stretch
	size   int64
	md5    [md5.Size]byte
	sha256 [sha256.Size]byte
}

// stretch is a piece of a content: data, then zeros, from an offset on.
type stretch struct {
	offset int64
	data   []byte
	zeros  int64
}

func (s stretch) end() int64 { return s.offset + int64(len(s.data)) + s.zeros }

// newContent returns the content of a file held in memory.
func newContent(raw []byte) *content {
	return &content{
		parts:  []stretch{{data: raw}},
		size:   int64(len(raw)),
		md5:    md5.Sum(raw),
		sha256: sha256.Sum256(raw),
	}
}

// inMemory is the longest run of zeros that is simply stored.
const inMemory = 1 << 20

// newIndex joins entries into a tar file with its two closing blocks.
func newIndex(entries []entry) *content {
	var parts []stretch
	var run stretch
	for _, e := range append(slices.Clip(entries), entry{zeros: 2 * blockSize}) {
		run.data = append(run.data, e.data...)
		if e.zeros <= inMemory {
			run.data = append(run.data, make([]byte, e.zeros)...)
			continue
		}
		run.zeros = e.zeros
		parts = append(parts, run)
		run = stretch{offset: run.end()}
	}
	parts = append(parts, run)
	c := &content{parts: parts, size: run.end()}
	m, s := md5.New(), sha256.New()
	c.copyTo(io.MultiWriter(m, s))
	m.Sum(c.md5[:0])
	s.Sum(c.sha256[:0])
	return c
}

// compressed returns the gzip of c, the same bytes for the same content.
func (c *content) compressed() *content {
	var out growing
	z := gzip.NewWriter(&out)
	c.copyTo(z)
	if err := z.Close(); err != nil {
		panic("hackagetest: close gzip in memory: " + err.Error())
	}
	return newContent(out)
}

// growing is a buffer that is a byte slice.
type growing []byte

func (g *growing) Write(p []byte) (int, error) {
	*g = append(*g, p...)
	return len(p), nil
}

// copyTo writes all of c to a writer that cannot fail.
func (c *content) copyTo(w io.Writer) {
	if _, err := io.Copy(w, c.reader()); err != nil {
		panic("hackagetest: copy a file in memory: " + err.Error())
	}
}

// reader returns a reader of the whole content.
func (c *content) reader() *io.SectionReader { return io.NewSectionReader(c, 0, c.size) }

// ReadAt implements io.ReaderAt.
func (c *content) ReadAt(p []byte, offset int64) (n int, err error) {
	if offset < 0 {
		return 0, errors.New("read before the start of a file")
	}
	for _, part := range c.parts {
		if len(p) == n {
			return n, nil
		}
		if at := offset + int64(n); at < part.end() {
			n += part.readAt(p[n:], at-part.offset)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s stretch) readAt(p []byte, at int64) (n int) {
	if at < int64(len(s.data)) {
		n = copy(p, s.data[at:])
	}
	zeros := s.end() - s.offset - at - int64(n)
	rest := p[n:]
	rest = rest[:min(int64(len(rest)), zeros)]
	clear(rest)
	return n + len(rest)
}

// bytes returns all of c. A file that is too large to be held panics: the test
// should read it from a server or a folder.
func (c *content) bytes() []byte {
	if c.size > 256<<20 {
		panic(fmt.Sprintf("hackagetest: a file of %d bytes is not held in memory", c.size))
	}
	raw := make([]byte, c.size)
	if _, err := io.ReadFull(c.reader(), raw); err != nil {
		panic("hackagetest: read a file in memory: " + err.Error())
	}
	return raw
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
