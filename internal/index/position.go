package index

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"time"
)

// A Position says how far into the index a destination is. The zero Position is
// the start of an index.
//
// Length is a multiple of the tar block size, so SHA-256 has no partial block
// at that point and its whole state is the eight chaining words and the length.
// Reading on from a Position to the end of an index must give the digest that
// the signed snapshot names; that proves the prefix without reading it.
type Position struct {
	// Length is the prefix's length in bytes, without closing zero blocks.
	Length int64
	// Time is that of the prefix's last entry.
	Time time.Time
	// Midstate is SHA-256's chaining state over the prefix.
	Midstate [sha256.Size]byte
}

// blockSize is the unit of a tar file.
const blockSize = 512

// Closing is the length in bytes of the zero blocks that end an index as it is
// published.
const Closing = 2 * blockSize

// ErrPosition is wrapped by every refusal of a position's text form.
var ErrPosition = errors.New("not a position in an index")

// IsZero reports whether p is the start of an index.
func (p Position) IsZero() bool { return p.Length == 0 }

// MidstateHex returns the midstate as 64 lower-case hexadecimal digits.
func (p Position) MidstateHex() string { return hex.EncodeToString(p.Midstate[:]) }

// maxPadding bounds the zero bytes behind the last entry that Ends looks at: tar
// writes two blocks, some tools fill up to twenty.
const maxPadding = 1 << 16

// Ends reports whether p is at the end of the index of this length and digest:
// whether nothing but zero blocks is missing. It needs no byte of the index.
func (p Position) Ends(length int64, digest [sha256.Size]byte) bool {
	rest := length - p.Length
	if rest < 0 || rest > maxPadding {
		return false
	}
	h := p.resume()
	h.Write(make([]byte, rest))
	return bytes.Equal(h.Sum(nil), digest[:])
}

// NewPosition checks the parts of a stored position.
func NewPosition(length int64, last time.Time, midstate string) (Position, error) {
	if length == 0 {
		return Position{}, nil
	}
	p := Position{Length: length, Time: last.UTC()}
	raw, err := hex.DecodeString(midstate)
	if err != nil || len(raw) != len(p.Midstate) {
		return Position{}, fmt.Errorf("read midstate %.80q: %w", midstate, ErrPosition)
	}
	if length < 0 || length%blockSize != 0 {
		return Position{}, fmt.Errorf("read length %d: %w", length, ErrPosition)
	}
	copy(p.Midstate[:], raw)
	return p, nil
}

// The binary form of crypto/sha256's state: a magic word, the chaining words, a
// partial block, the length.
const (
	digestMagic = "sha\x03"
	stateSize   = len(digestMagic) + sha256.Size + sha256.BlockSize + 8
)

// resume returns a SHA-256 that has taken in the prefix of p.
func (p Position) resume() hash.Hash { return Resume(p.Length, p.Midstate) }

// Resume returns a SHA-256 that has taken in a prefix of length bytes, a
// multiple of 64, which left it in the given state. Length 0 is a new one.
func Resume(length int64, state [sha256.Size]byte) hash.Hash {
	h := sha256.New()
	if length == 0 {
		return h
	}
	raw := make([]byte, 0, stateSize)
	raw = append(raw, digestMagic...)
	raw = append(raw, state[:]...)
	raw = append(raw, make([]byte, sha256.BlockSize)...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(length))
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(raw); err != nil {
		// Only another Go release with another form could come here, and
		// the tests of this room hold the form fast.
		panic("index: crypto/sha256 does not take its own state: " + err.Error())
	}
	return h
}

// Midstate returns the chaining state of a SHA-256 that has taken in a multiple
// of 64 bytes, for Resume.
func Midstate(h hash.Hash) [sha256.Size]byte {
	var scratch [stateSize]byte
	return midstate(h, &scratch)
}

// midstate returns the chaining state of h, which has taken in whole blocks. It
// writes the state's binary form into scratch, so that a caller who asks at
// every entry allocates nothing.
func midstate(h hash.Hash, scratch *[stateSize]byte) (state [sha256.Size]byte) {
	raw, err := h.(encoding.BinaryAppender).AppendBinary(scratch[:0])
	if err != nil || len(raw) != stateSize || string(raw[:len(digestMagic)]) != digestMagic {
		panic("index: crypto/sha256 has another state form")
	}
	copy(state[:], raw[len(digestMagic):])
	return state
}
