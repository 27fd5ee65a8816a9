// Package midstate knows the beginning of a file by its length and by the state
// that SHA-256 is in behind it.
//
// After a multiple of 64 bytes SHA-256 has no partial block, so its whole state is
// eight words, the midstate, and the length. Whoever kept them goes on from there:
// what follows the beginning must lead to the digest of the whole file, and that
// proves both, although nobody read the beginning again.
package midstate

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
	"io"
)

// A Prefix is the beginning of a file. The zero Prefix is that of no bytes.
type Prefix struct {
	// Length is in bytes, a multiple of 64.
	Length int64
	// Midstate is SHA-256's chaining state behind them.
	Midstate [sha256.Size]byte
}

// IsZero reports whether p is of no bytes.
func (p Prefix) IsZero() bool { return p.Length == 0 }

// Within reports whether a file of size bytes can begin with p.
func (p Prefix) Within(size int64) bool {
	return p.Length >= 0 && p.Length%sha256.BlockSize == 0 && p.Length <= size
}

// The binary form of crypto/sha256's state: a magic word, the chaining words, a
// partial block, the length.
const (
	magic    = "sha\x03"
	atBlock  = len(magic) + sha256.Size
	atLength = atBlock + sha256.BlockSize
	formSize = atLength + 8
)

// Resume returns a SHA-256 that has read p.
func (p Prefix) Resume() hash.Hash {
	h := sha256.New()
	if p.IsZero() {
		return h
	}
	form := make([]byte, atBlock, formSize)
	copy(form, magic)
	copy(form[len(magic):], p.Midstate[:])
	form = binary.BigEndian.AppendUint64(form[:atLength], uint64(p.Length))
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(form); err != nil {
		// Only another Go release with another form could come here, and the
		// tests of this room hold the form fast.
		panic("midstate: crypto/sha256 does not read its own state: " + err.Error())
	}
	return h
}

// Of returns what h has read, which must be whole blocks of a SHA-256.
func Of(h hash.Hash) Prefix {
	form, err := h.(encoding.BinaryAppender).AppendBinary(make([]byte, 0, formSize))
	if err != nil || len(form) != formSize || string(form[:len(magic)]) != magic {
		panic("midstate: crypto/sha256 has another state form")
	}
	return Prefix{int64(binary.BigEndian.Uint64(form[atLength:])), [sha256.Size]byte(form[len(magic):])}
}

// IsPrefixOf reports whether what r holds begins with p, and reads as much of it.
func (p Prefix) IsPrefixOf(r io.Reader) (bool, error) {
	h := sha256.New()
	n, err := io.CopyN(h, r, p.Length)
	if n < p.Length {
		if err == io.EOF {
			err = nil
		}
		return false, err
	}
	return p.IsZero() || Of(h) == p, nil
}
