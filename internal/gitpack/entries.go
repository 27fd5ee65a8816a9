package gitpack

import "encoding/binary"

// entries are the objects of a pack under way, by slots in the order in which they
// came. Hundreds of thousands are held at a time: they are found by a table of
// slots alone, which takes a fifth of what a map by ids does. Ids are digests, so
// they need no other hash.
type entries struct {
	list  []packEntry
	table []uint32 // slot and one more, 0 for nothing; its length is a power of two
}

// firstTable is the length of a new table.
const firstTable = 1 << 10

// find returns the slot of an id.
func (e *entries) find(id ID) (slot int, ok bool) {
	if len(e.table) == 0 {
		return 0, false
	}
	at := e.seek(id)
	return int(e.table[at]) - 1, e.table[at] > 0
}

// seek returns where in the table an id is, or would be.
func (e *entries) seek(id ID) int {
	mask := len(e.table) - 1
	at := int(binary.LittleEndian.Uint32(id[:])) & mask
	for e.table[at] > 0 && e.list[e.table[at]-1].id != id {
		at = (at + 1) & mask
	}
	return at
}

// add enters an id that is not there and returns its slot.
func (e *entries) add(id ID) int {
	e.list = append(e.list, packEntry{id: id})
	if len(e.list)*4 > len(e.table)*3 {
		e.table = make([]uint32, max(firstTable, 2*len(e.table)))
		for slot, entry := range e.list[:len(e.list)-1] {
			e.table[e.seek(entry.id)] = uint32(slot + 1)
		}
	}
	e.table[e.seek(id)] = uint32(len(e.list))
	return len(e.list) - 1
}

// clear takes all out and keeps the memory.
func (e *entries) clear() {
	e.list = e.list[:0]
	clear(e.table)
}
