package gitpack

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

// writeIndex writes the index of a pack, version 2 of git's gitformat-pack: a
// mark, the version, how many ids begin with at most each byte, the sorted ids,
// the CRC-32 of what stands in the pack for each, the offsets, and the
// checksums of the pack and of all that. It sorts the entries.
func writeIndex(to io.Writer, entries []packEntry, pack [sha1.Size]byte) error {
	slices.SortFunc(entries, func(a, b packEntry) int { return bytes.Compare(a.id[:], b.id[:]) })
	sum := sha1.New()
	out := bufio.NewWriterSize(io.MultiWriter(to, sum), 1<<16)
	number := func(n uint32) { _, _ = out.Write(binary.BigEndian.AppendUint32(out.AvailableBuffer(), n)) } // Flush says what fails
	_, _ = out.WriteString("\xfftOc\x00\x00\x00\x02")
	next := 0
	for first := range 256 {
		for next < len(entries) && int(entries[next].id[0]) <= first {
			next++
		}
		number(uint32(next))
	}
	for _, e := range entries {
		_, _ = out.Write(e.id[:])
	}
	for _, e := range entries {
		number(e.crc)
	}
	for _, e := range entries {
		number(e.offset)
	}
	_, _ = out.Write(pack[:])
	err := out.Flush()
	_, last := to.Write(sum.Sum(nil))
	return errors.Join(err, last)
}
