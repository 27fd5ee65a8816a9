package gitpack

import (
	"encoding/binary"
	"math/bits"
)

// Bounds of the search for what two contents have in common. A copy takes about four
// bytes that do not compress, as much as ten of compressed text.
const (
	keyBytes  = 8  // what a match is found by
	matchMin  = 12 // the shortest that is copied
	matchTry  = 24 // how many places of the same key are looked at
	tableBits = 13 // of the keys' table
	deltaMin  = 64 // a smaller content is not worth a delta
	tableSize = 1 << tableBits
)

// A deltaFinder finds deltas between contents that are similar, such as two
// versions of a file. It keeps its memory.
type deltaFinder struct {
	last  [tableSize]int32 // of a key: the place in the old content, and one more
	prior []int32          // of a place: the one before it with the same key
}

// delta writes content as a delta to old; nil if that takes more than limit bytes.
func (s *deltaFinder) delta(old, content []byte, limit int) []byte {
	if len(content) < deltaMin || len(old) < keyBytes {
		return nil
	}
	s.index(old)
	var d deltaWriter
	fresh := 0 // from there to at nothing was found
	for at := 0; at+keyBytes <= len(content); {
		from, n := s.match(old, content[at:])
		if n < matchMin {
			at++
			continue
		}
		back := commonSuffix(old[:from], content[fresh:at])
		d.insert(content[fresh : at-back])
		d.copy(from-back, from+n)
		at += n
		fresh = at
		if len(d.ops) > limit {
			return nil
		}
	}
	d.insert(content[fresh:])
	if delta := d.end(len(old)); len(delta) <= limit {
		return delta
	}
	return nil
}

// index enters the places of the old content.
func (s *deltaFinder) index(old []byte) {
	clear(s.last[:])
	if cap(s.prior) < len(old) {
		s.prior = make([]int32, len(old))
	}
	s.prior = s.prior[:len(old)]
	for at := len(old) - keyBytes; at >= 0; at-- {
		k := bucketOf(old[at:])
		s.prior[at], s.last[k] = s.last[k], int32(at+1)
	}
}

// match returns where in the old content the longest match of content begins.
func (s *deltaFinder) match(old, content []byte) (from, n int) {
	next := s.last[bucketOf(content)]
	for try := 0; next > 0 && try < matchTry; try++ {
		at := int(next) - 1
		next = s.prior[at]
		if at+n < len(old) && n < len(content) && old[at+n] == content[n] {
			if m := commonPrefix(old[at:], content); m > n {
				from, n = at, m
			}
		}
	}
	return from, n
}

// bucketOf is the place of content's start in the table.
func bucketOf(content []byte) uint64 {
	return binary.LittleEndian.Uint64(content) * 0x9e3779b97f4a7c15 >> (64 - tableBits)
}

// commonPrefix returns how many bytes at the start of both are the same.
func commonPrefix(a, b []byte) int {
	end := min(len(a), len(b))
	n := 0
	for ; n+8 <= end; n += 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
	}
	for n < end && a[n] == b[n] {
		n++
	}
	return n
}

// commonSuffix is commonPrefix for the ends.
func commonSuffix(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}
