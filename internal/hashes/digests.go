package hashes

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
)

// Digests are the five digests of a tarball, and its size in bytes.
type Digests struct {
	MD5      [md5.Size]byte
	SHA1     [sha1.Size]byte
	SHA256   [sha256.Size]byte
	SHA512   [sha512.Size]byte
	Skein512 [skeinSize]byte
	Size     int64
}

// A Writer computes of a tarball, in one pass, all five digests. Make it with
// NewWriter; it is for one goroutine.
type Writer struct {
	md5, sha1, sha256, sha512, skein hash.Hash
	size                             int64
}

// NewWriter returns a Writer of no bytes.
func NewWriter() *Writer {
	w := &Writer{
		md5:    md5.New(),
		sha1:   sha1.New(),
		sha256: sha256.New(),
		sha512: sha512.New(),
		skein:  newSkein(),
	}
	w.Reset()
	return w
}

// chunk is how much one hash reads before the next gets the same bytes: little
// enough to stay in the processor's first cache.
const chunk = 16 << 10

// Write adds p to all five. It never fails.
func (w *Writer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		part := p[:min(len(p), chunk)]
		for _, h := range w.all() {
			h.Write(part)
		}
		p = p[len(part):]
	}
	w.size += int64(n)
	return n, nil
}

// Sum returns the digests of what was written so far. More may be written.
func (w *Writer) Sum() Digests {
	d := Digests{Size: w.size}
	w.md5.Sum(d.MD5[:0])
	w.sha1.Sum(d.SHA1[:0])
	w.sha256.Sum(d.SHA256[:0])
	w.sha512.Sum(d.SHA512[:0])
	w.skein.Sum(d.Skein512[:0])
	return d
}

// Reset makes w as new, to be used for another tarball.
func (w *Writer) Reset() {
	for _, h := range w.all() {
		h.Reset()
	}
	w.size = 0
}

func (w *Writer) all() [5]hash.Hash {
	return [...]hash.Hash{w.md5, w.sha1, w.sha256, w.sha512, w.skein}
}
