package gitpack

import "encoding/binary"

// maxDepth is how many deltas may lead to an object, git's own default.
const maxDepth = 50

// deltaKind is the type of an object in a pack that is a delta to an earlier
// one of the same pack (OFS_DELTA).
const deltaKind = 6

// Bounds of one instruction of a delta. Longer copies exist in the form, but
// git itself never writes them.
const (
	maxCopy   = 1 << 16
	maxInsert = 127
)

// A deltaWriter writes one object as a delta to another: the sizes of both, and
// then what to copy from the old one and what to insert (gitformat-pack).
type deltaWriter struct {
	ops []byte
	// from and to are a range of the old object that is to be copied.
	from, to int
	size     int // of the new object
}

// copy takes bytes from..to of the old object.
func (d *deltaWriter) copy(from, to int) {
	if d.to != from {
		d.flush()
		d.from = from
	}
	d.to = to
	d.size += to - from
}

// insert takes new bytes.
func (d *deltaWriter) insert(content []byte) {
	d.flush()
	d.size += len(content)
	for len(content) > 0 {
		n := min(len(content), maxInsert)
		d.ops = append(d.ops, byte(n))
		d.ops = append(d.ops, content[:n]...)
		content = content[n:]
	}
}

// flush writes the copy under way: a byte whose top bit is set and whose others
// say which bytes of offset and size follow, zero ones being left out.
func (d *deltaWriter) flush() {
	for d.from < d.to {
		n := min(d.to-d.from, maxCopy)
		op := len(d.ops)
		d.ops = append(d.ops, 0x80)
		for i := range 4 {
			if b := byte(d.from >> (8 * i)); b != 0 {
				d.ops[op] |= 1 << i
				d.ops = append(d.ops, b)
			}
		}
		for i := range 2 { // the size maxCopy is written as none
			if b := byte(n >> (8 * i)); b != 0 {
				d.ops[op] |= 0x10 << i
				d.ops = append(d.ops, b)
			}
		}
		d.from += n
	}
}

// end returns the delta to an object of the old size.
func (d *deltaWriter) end(old int) []byte {
	d.flush()
	head := binary.AppendUvarint(nil, uint64(old))
	head = binary.AppendUvarint(head, uint64(d.size))
	return append(head, d.ops...)
}

// appendDistance writes how far back the base of a delta stands: seven bits a
// byte, highest first, each further byte standing for one more than it says.
func appendDistance(head []byte, distance int64) []byte {
	coded := []byte{byte(distance & 0x7f)}
	for distance >>= 7; distance > 0; distance >>= 7 {
		distance--
		coded = append(coded, byte(distance&0x7f)|0x80)
	}
	for i := len(coded) - 1; i >= 0; i-- {
		head = append(head, coded[i])
	}
	return head
}
