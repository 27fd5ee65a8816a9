package hackagetest

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha256"
	"math/rand/v2"
)

// content is a file of a generation.
type content struct {
	raw    []byte
	md5    [md5.Size]byte
	sha256 [sha256.Size]byte
}

func newContent(raw []byte) *content {
	return &content{raw: raw, md5: md5.Sum(raw), sha256: sha256.Sum256(raw)}
}

// newIndex joins entries into a tar file with its two closing blocks.
func newIndex(entries []entry) *content {
	var raw []byte
	for _, e := range entries {
		raw = append(raw, e.data...)
	}
	return newContent(append(raw, make([]byte, 2*blockSize)...))
}

// compressed returns the gzip of c, the same bytes for the same content.
func (c *content) compressed() *content {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(c.raw); err != nil {
		panic("hackagetest: write gzip in memory: " + err.Error())
	}
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
