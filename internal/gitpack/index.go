package gitpack

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"slices"
)

// packIndex writes the index of a pack, version 2 of git's gitformat-pack: a
// mark, the version, how many ids begin with at most each byte, the sorted ids,
// the CRC-32 of what stands in the pack for each, the offsets, and the
// checksums of the pack and of all that. It sorts the entries.
func packIndex(entries []packEntry, pack [sha1.Size]byte) []byte {
	slices.SortFunc(entries, func(a, b packEntry) int { return bytes.Compare(a.id[:], b.id[:]) })
	const perEntry = len(ID{}) + 4 + 4
	out := make([]byte, 0, 8+256*4+len(entries)*perEntry+2*sha1.Size)
	out = append(out, "\xfftOc\x00\x00\x00\x02"...)
	next := 0
	for first := range 256 {
		for next < len(entries) && int(entries[next].id[0]) <= first {
			next++
		}
		out = binary.BigEndian.AppendUint32(out, uint32(next))
	}
	for _, e := range entries {
		out = append(out, e.id[:]...)
	}
	for _, e := range entries {
		out = binary.BigEndian.AppendUint32(out, e.crc)
	}
	for _, e := range entries {
		out = binary.BigEndian.AppendUint32(out, e.offset)
	}
	out = append(out, pack[:]...)
	sum := sha1.Sum(out)
	return append(out, sum[:]...)
}
