package bucket

import (
	"context"
	"errors"
	"hash/crc64"

	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
)

// A Base is the beginning of an object in place, which a put builds on: what
// grows at its end, as an index does, is not sent whole each time. The zero Base
// is none.
//
// From the prefix and from all that follows the digest of the whole can be computed.
// Only its bytes prove that an object in place begins with the prefix. A store that
// copies them itself, as a folder does, compares them by IsPrefixOf. One whose server
// copies gives CRC64 to a server that compares the checksum of the whole, or else reads
// the Sample back.
type Base struct {
	midstate.Prefix
	// CRC64 is its CRC-64/NVME; 0 if it is not known.
	CRC64 uint64
	// Sample returns some bytes of it, and where they begin. Nil is none.
	Sample func(ctx context.Context) (at int64, content []byte, err error)
}

// nvme is the table of CRC-64/NVME, the checksum that S3 can make of a whole object.
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// CRC64 goes on with a CRC-64/NVME, which is 0 of nothing.
func CRC64(sum uint64, more []byte) uint64 { return crc64.Update(sum, nvme, more) }

// ErrBase: a put has nothing to build on. The object in place does not begin
// with the Base, or nothing proves that it does, or the store cannot copy. The
// bucket is as it was, and a put of the whole object may succeed.
var ErrBase = errors.New("the bucket has nothing to build this object on")
