package hackagetest

import (
	"archive/tar"
	"fmt"
	"strings"
)

// blockSize is the unit of a tar file.
const blockSize = 512

// entry is one entry of a tar file.
type entry struct {
	header  tar.Header
	content []byte
	data    []byte // as it stands in the file: header and content, then zeros up to the next header
}

// newEntry renders an entry. A size in the header that is larger than the
// content stands for zeros behind it.
func newEntry(h tar.Header, content []byte) entry {
	h.Size = max(h.Size, int64(len(content)))
	block := block(h)
	e := entry{header: h, content: content}
	e.data = make([]byte, blockSize+h.Size+-h.Size&(blockSize-1))
	copy(e.data[copy(e.data, block[:]):], content)
	return e
}

// newTar joins entries into a tar file with its two closing blocks.
func newTar(entries ...entry) *content {
	var raw []byte
	for _, e := range entries {
		raw = append(raw, e.data...)
	}
	return newContent(append(raw, make([]byte, 2*blockSize)...))
}

// block renders a ustar header. Unlike archive/tar it accepts any name, since
// refusing bad ones is the business of the reader under test.
func block(h tar.Header) (block [blockSize]byte) {
	name, prefix := splitName(h.Name)
	copy(block[0:100], name)
	octal(block[100:108], h.Mode)
	octal(block[108:116], int64(h.Uid))
	octal(block[116:124], int64(h.Gid))
	octal(block[124:136], h.Size)
	octal(block[136:148], h.ModTime.Unix())
	// The checksum is counted with blanks in its place.
	copy(block[148:156], "        ")
	block[156] = h.Typeflag
	copy(block[157:257], h.Linkname)
	copy(block[257:265], "ustar\x0000")
	copy(block[265:297], h.Uname)
	copy(block[297:329], h.Gname)
	octal(block[329:337], 0)
	octal(block[337:345], 0)
	copy(block[345:500], prefix)
	var sum int64
	for _, b := range block {
		sum += int64(b)
	}
	octal(block[148:155], sum)
	return block
}

// octal fills a field with a number and its closing zero byte.
func octal(field []byte, n int64) {
	copy(field, fmt.Sprintf("%0*o\x00", len(field)-1, n))
}

// splitName cuts a name that is longer than its field at a slash, the rest
// going into the prefix field.
func splitName(name string) (last, prefix string) {
	if len(name) <= 100 {
		return name, ""
	}
	cut := strings.IndexByte(name[len(name)-101:], '/')
	if cut < 0 || len(name)-101+cut > 155 {
		panic(fmt.Sprintf("hackagetest: name %.60q... does not fit a ustar header; use RawBytes", name))
	}
	cut += len(name) - 101
	return name[cut+1:], name[:cut]
}
