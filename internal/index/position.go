package index

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
)

// A Position says how far into the index a destination is. The zero Position is
// the start of an index.
//
// Reading on from a Position to the end of an index must give the digest that
// the signed snapshot names; that proves the prefix without reading it.
type Position struct {
	// Prefix is whole tar blocks, without those of zeros that close an index.
	midstate.Prefix
	// Time is that of the prefix's last entry.
	Time time.Time
}

// blockSize is the unit of a tar file.
const blockSize = 512

// Closing is the length in bytes of the zero blocks that end an index as it is
// published.
const Closing = 2 * blockSize

// ErrPosition is wrapped by every refusal of a position's text form.
var ErrPosition = errors.New("not a position in an index")

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
	h := p.Resume()
	h.Write(make([]byte, rest))
	return bytes.Equal(h.Sum(nil), digest[:])
}

// NewPosition checks the parts of a stored position.
func NewPosition(length int64, last time.Time, state string) (Position, error) {
	if length == 0 {
		return Position{}, nil
	}
	p := Position{Prefix: midstate.Prefix{Length: length}, Time: last.UTC()}
	raw, err := hex.DecodeString(state)
	if err != nil || len(raw) != len(p.Midstate) {
		return Position{}, fmt.Errorf("read midstate %.80q: %w", state, ErrPosition)
	}
	if length < 0 || length%blockSize != 0 {
		return Position{}, fmt.Errorf("read length %d: %w", length, ErrPosition)
	}
	copy(p.Midstate[:], raw)
	return p, nil
}
