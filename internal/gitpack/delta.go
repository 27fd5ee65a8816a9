package gitpack

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// maxDepth is how many deltas may lead to an object, git's own default.
const maxDepth = 50

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

// undoDelta returns the object that a delta makes of an old one, in to's memory if
// that is large enough.
func undoDelta(to, old, delta []byte) ([]byte, error) {
	bad := func(why string) ([]byte, error) { return to, fmt.Errorf("undo delta: %s: %w", why, ErrObject) }
	from, n := binary.Uvarint(delta)
	if n <= 0 || from != uint64(len(old)) {
		return bad("it is to another object")
	}
	delta = delta[n:]
	size, n := binary.Uvarint(delta)
	if n <= 0 || size > MaxObject {
		return bad("size")
	}
	delta = delta[n:]
	content := slices.Grow(to[:0], int(size))
	for len(delta) > 0 {
		part, rest, ok := undoOne(old, delta)
		if !ok {
			return bad("instruction")
		}
		content, delta = append(content, part...), rest
	}
	if uint64(len(content)) != size {
		return bad("size")
	}
	return content, nil
}

// undoOne returns what the first instruction of a delta stands for.
func undoOne(old, delta []byte) (part, rest []byte, ok bool) {
	op := delta[0]
	rest = delta[1:]
	if op&0x80 == 0 {
		if op == 0 || int(op) > len(rest) {
			return nil, nil, false
		}
		return rest[:op], rest[op:], true
	}
	var at, size uint64
	for i := range 7 {
		switch {
		case op&(1<<i) == 0:
			continue
		case len(rest) == 0:
			return nil, nil, false
		case i < 4:
			at |= uint64(rest[0]) << (8 * i)
		default:
			size |= uint64(rest[0]) << (8 * (i - 4))
		}
		rest = rest[1:]
	}
	if size == 0 {
		size = maxCopy
	}
	if at+size > uint64(len(old)) {
		return nil, nil, false
	}
	return old[at : at+size], rest, true
}
