package gitrepo

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
)

// packVersion is the version of the pack form that all of git uses.
const packVersion = 2

// encodePack writes whole objects (no deltas) as a pack, by git's
// gitformat-pack: "PACK", version, count, the objects, and the SHA-1 over all
// that.
func encodePack(objects []object) (io.Reader, error) {
	var b bytes.Buffer
	b.WriteString("PACK")
	b.Write(binary.BigEndian.AppendUint32(nil, packVersion))
	b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(objects))))
	z := zlib.NewWriter(&b)
	for _, o := range objects {
		head, err := packHeader(o)
		if err != nil {
			return nil, err
		}
		b.Write(head)
		z.Reset(&b)
		if _, err := z.Write(o.content); err != nil {
			return nil, fmt.Errorf("pack %s: %w", o.kind, err)
		}
		if err := z.Close(); err != nil {
			return nil, fmt.Errorf("pack %s: %w", o.kind, err)
		}
	}
	sum := sha1.Sum(b.Bytes())
	b.Write(sum[:])
	return &b, nil
}

// packHeader writes type and size: three bits of type and four of size in the
// first byte, seven of size in each further one, lowest first; the top bit says
// that another byte follows.
func packHeader(o object) ([]byte, error) {
	kinds := map[string]byte{"commit": 1, "tree": 2, "blob": 3, "tag": 4}
	kind, ok := kinds[o.kind]
	if !ok {
		return nil, fmt.Errorf("pack %q: %w", o.kind, ErrObject)
	}
	size := uint64(len(o.content))
	current := kind<<4 | byte(size&0x0f)
	var head []byte
	for size >>= 4; size > 0; size >>= 7 {
		head = append(head, current|0x80)
		current = byte(size & 0x7f)
	}
	return append(head, current), nil
}
