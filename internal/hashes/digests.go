package hashes

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"slices"
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

// A Writer reads a tarball once for all five digests. Make it with NewWriter; it is
// for one goroutine.
type Writer struct {
	hashes [5]hash.Hash // in the order of Digests
	size   int64
}

// NewWriter returns a Writer of nothing so far.
func NewWriter() *Writer {
	return &Writer{hashes: [...]hash.Hash{md5.New(), sha1.New(), sha256.New(), sha512.New(), newSkein()}}
}

// chunkSize is how much one hash reads before the next gets the same bytes: little
// enough to stay in the processor's first cache.
const chunkSize = 16 << 10

// Write adds p. It never fails.
func (w *Writer) Write(p []byte) (int, error) {
	for chunk := range slices.Chunk(p, chunkSize) {
		for _, h := range w.hashes {
			h.Write(chunk)
		}
	}
	w.size += int64(len(p))
	return len(p), nil
}

// Sum returns the digests of what was written so far. More may be written.
func (w *Writer) Sum() Digests {
	d := Digests{Size: w.size}
	for i, sum := range [...][]byte{d.MD5[:0], d.SHA1[:0], d.SHA256[:0], d.SHA512[:0], d.Skein512[:0]} {
		w.hashes[i].Sum(sum)
	}
	return d
}

// Reset makes w as new, to be used for another tarball.
func (w *Writer) Reset() {
	for _, h := range w.hashes {
		h.Reset()
	}
	w.size = 0
}
