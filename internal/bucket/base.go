package bucket

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"io"
)

// A Base is the beginning of an object in place, which a put builds on: what
// grows at its end, as an index does, is not sent whole each time. The zero Base
// is none.
//
// SHA-256 has no partial block after a multiple of 64 bytes, so its state there
// is eight words, the midstate. From it and from all that follows the digest of
// the whole can be computed. That an object in place begins with the Base takes
// its bytes to prove. A folder reads them, for it copies them anyhow. Elsewhere
// a server that has a checksum of whole objects compares it with ours; of one
// that has none, a sample is read back.
type Base struct {
	// Length is in bytes, a multiple of 64.
	Length int64
	// Midstate is SHA-256's chaining state after them.
	Midstate [sha256.Size]byte
	// CRC64 is their CRC-64/NVME; 0 if it is not known.
	CRC64 uint64
	// Sample returns some of them, and where they begin. Nil is none.
	Sample func(ctx context.Context) (at int64, content []byte, err error)
}

// NVMe is the table of CRC-64/NVME, the checksum that S3 can make of a whole object.
var NVMe = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// CRC64 goes on with a CRC-64/NVME, which is 0 of nothing.
func CRC64(sum uint64, more []byte) uint64 { return crc64.Update(sum, NVMe, more) }

// ErrBase: a put has nothing to build on. The object in place does not begin
// with the Base, or nothing proves that it does, or the store cannot copy. The
// bucket is as it was; put whole, the object may go in.
var ErrBase = errors.New("the bucket has nothing to build this object on")

// The binary form of crypto/sha256's state: a magic word, the chaining words, a
// partial block, the length.
const (
	digestMagic = "sha\x03"
	stateSize   = len(digestMagic) + sha256.Size + sha256.BlockSize + 8
)

// resume returns a SHA-256 that has taken in the base.
func (b Base) resume() hash.Hash {
	h := sha256.New()
	if b.Length == 0 {
		return h
	}
	raw := make([]byte, 0, stateSize)
	raw = append(raw, digestMagic...)
	raw = append(raw, b.Midstate[:]...)
	raw = append(raw, make([]byte, sha256.BlockSize)...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(b.Length))
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(raw); err != nil {
		// Only another Go release with another form could come here, and the
		// suite of all stores holds the form fast.
		panic("bucket: crypto/sha256 does not take its own state: " + err.Error())
	}
	return h
}

// Begins reports whether r, which is read so far, begins with the base.
func (b Base) Begins(ctx context.Context, r io.Reader) (bool, error) {
	h := sha256.New()
	n, err := io.CopyN(h, contextReader{ctx, r}, b.Length)
	if err != nil && err != io.EOF || n < b.Length {
		return false, errors.Join(ignoreEOF(err), ctx.Err())
	}
	raw, err := h.(encoding.BinaryAppender).AppendBinary(nil)
	if err != nil || len(raw) != stateSize {
		panic("bucket: crypto/sha256 has another state form")
	}
	return [sha256.Size]byte(raw[len(digestMagic):]) == b.Midstate, nil
}

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// check refuses what cannot be the base of an object.
func (b Base) check(size int64) error {
	if b.Length < 0 || b.Length%sha256.BlockSize != 0 || b.Length > size {
		return fmt.Errorf("build %d bytes on the first %d: no such object: %w", size, b.Length, ErrBody)
	}
	return nil
}
