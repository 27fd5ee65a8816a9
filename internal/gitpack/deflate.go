package gitpack

import (
	"bytes"
	"encoding/binary"
	"hash/adler32"

	"github.com/klauspost/compress/zlib"
)

// deflateLevel is where more work for .cabal files and the like hardly makes
// them smaller.
const deflateLevel = 3

// storedBytes is the size up to which an object is stored as it is: it is a
// tree or a delta, most of which are ids, and no code for it would be shorter.
const storedBytes = 96

// A deflater makes zlib streams, one after the other.
type deflater struct {
	out bytes.Buffer
	z   *zlib.Writer
}

func newDeflater() *deflater {
	d := &deflater{}
	d.z, _ = zlib.NewWriterLevel(&d.out, deflateLevel) // there is such a level
	return d
}

// pack returns content as a zlib stream, valid until the next call.
func (d *deflater) pack(content []byte) ([]byte, error) {
	d.out.Reset()
	if len(content) <= storedBytes {
		d.store(content)
		return d.out.Bytes(), nil
	}
	d.z.Reset(&d.out)
	if _, err := d.z.Write(content); err != nil {
		return nil, err
	}
	err := d.z.Close()
	return d.out.Bytes(), err
}

// store writes a stream of one stored block, by RFC 1950 and 1951: the header
// for a window of 32 KiB, last block and type 0, length, its complement, the
// bytes, and the Adler-32 of them.
func (d *deflater) store(content []byte) {
	n := uint16(len(content))
	head := []byte{0x78, 0x01, 0x01}
	head = binary.LittleEndian.AppendUint16(head, n)
	head = binary.LittleEndian.AppendUint16(head, ^n)
	d.out.Write(head)
	d.out.Write(content)
	d.out.Write(binary.BigEndian.AppendUint32(nil, adler32.Checksum(content)))
}
