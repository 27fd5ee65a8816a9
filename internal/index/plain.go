package index

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"time"
)

// Most of the time of reading an index would go into its headers, which
// archive/tar reads with care for forms that an index does not have. So the form
// that it does have, plain ustar with octal numbers for a regular file, is read
// here, and every header that differs from it in the least is left to
// archive/tar.

// readPlain reads a header block into h, of which it sets the name, the size, the
// time and the type. It reports whether the block is such a plain header; then
// archive/tar would read the same.
func readPlain(block []byte, h *tar.Header) bool {
	if len(block) < blockSize || block[156] != tar.TypeReg ||
		string(block[257:265]) != "ustar\x0000" || string(block[508:512]) == "tar\x00" {
		return false
	}
	if !isHeader(block) {
		return false
	}
	// Nothing is done with mode, owner and device, but bad ones are an error.
	for _, field := range [5][]byte{block[100:108], block[108:116], block[116:124], block[329:337], block[337:345]} {
		if _, ok := octal(field); !ok {
			return false
		}
	}
	size, sizeOK := octal(block[124:136])
	seconds, timeOK := octal(block[136:148])
	name := text(block[0:100])
	if !sizeOK || !timeOK || bytes.HasSuffix(name, []byte("/")) {
		return false
	}
	h.Typeflag, h.Size, h.ModTime, h.Name = tar.TypeReg, size, time.Unix(seconds, 0), string(name)
	if prefix := text(block[345:500]); len(prefix) > 0 {
		h.Name = string(prefix) + "/" + h.Name
	}
	return true
}

// isHeader reports whether a block is a header of whatever form: its sum says so.
func isHeader(block []byte) bool {
	sum, ok := octal(block[148:156])
	return ok && sum == checksum(block)
}

// FirstHeader returns where the first header begins in a part of an index that begins
// at a block; the length if there is none.
func FirstHeader(part []byte) int {
	for at := 0; at+blockSize <= len(part); at += blockSize {
		if isHeader(part[at : at+blockSize]) {
			return at
		}
	}
	return len(part)
}

// text returns a field up to its first NUL.
func text(field []byte) []byte {
	if end := bytes.IndexByte(field, 0); end >= 0 {
		return field[:end]
	}
	return field
}

// octal reads a number that has only blanks and NULs around it.
func octal(field []byte) (n int64, ok bool) {
	i := 0
	for i < len(field) && blank(field[i]) {
		i++
	}
	for ; i < len(field) && field[i]&^7 == '0'; i++ {
		n = n<<3 | int64(field[i]&7)
	}
	for ; i < len(field); i++ {
		if !blank(field[i]) {
			return 0, false
		}
	}
	return n, true
}

func blank(c byte) bool { return c == ' ' || c == 0 }

// checksum is the sum of a header's bytes, with blanks for the checksum itself.
// It adds eight bytes at a time, in four lanes that have room for a whole block.
func checksum(block []byte) int64 {
	const bytesOfLanes = 0x00ff00ff00ff00ff
	var lanes uint64
	for i := 0; i < blockSize; i += 8 {
		word := binary.LittleEndian.Uint64(block[i:])
		lanes += word&bytesOfLanes + word>>8&bytesOfLanes
	}
	sum := lanes&0xffff + lanes>>16&0xffff + lanes>>32&0xffff + lanes>>48
	for _, b := range block[148:156] {
		sum += ' ' - uint64(b) // the whole does not become negative
	}
	return int64(sum)
}
