package index

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"io"
	"strconv"
	"strings"
)

// maxHeaders bounds the headers of one entry, in bytes.
const maxHeaders = 2 << 20

// header reads the headers of the next entry, and returns how many bytes its content
// has in the index. The error is io.EOF at the end of the log.
func (l *Log) header() (h *tar.Header, size int64, err error) {
	if err := l.read(io.Discard, l.end-l.in.pos); err != nil {
		return nil, 0, err
	}
	block, err := l.in.peek(blockSize)
	switch {
	case err != nil:
		return nil, 0, err
	case len(block) == 0:
		return nil, 0, io.EOF
	case len(block) < blockSize:
		return nil, 0, io.ErrUnexpectedEOF
	case readPlain(block, &l.plain):
		return &l.plain, l.plain.Size, l.in.copyTo(io.Discard, blockSize)
	case firstNonZero(block) < blockSize:
		return l.otherHeader()
	}
	return nil, 0, l.closing()
}

// closing looks at what follows a block of zeros: one more, or the end of the file.
func (l *Log) closing() error {
	blocks, err := l.in.peek(Closing)
	switch {
	case err != nil:
		return err
	case len(blocks)%blockSize != 0:
		return io.ErrUnexpectedEOF
	case firstNonZero(blocks) < len(blocks):
		return tar.ErrHeader
	}
	return io.EOF
}

// otherHeader is header for all forms that are not plain. archive/tar parses them, of
// bytes that are collected before: it shall not read the log itself, because how much
// it reads, and how, is its own affair, and the end of an entry must be known.
func (l *Log) otherHeader() (*tar.Header, int64, error) {
	size, err := l.collectHeaders()
	if err != nil {
		return nil, 0, err
	}
	var content []byte
	if bytes.Contains(l.headers.Bytes(), []byte("GNU.sparse.")) {
		// A sparse file's map may stand where its content begins.
		if content, err = l.in.peek(l.in.src.Size()); err != nil {
			return nil, 0, err
		}
	}
	h, err := tar.NewReader(io.MultiReader(&l.headers, bytes.NewReader(content))).Next()
	switch {
	case err == io.EOF:
		return nil, 0, io.ErrUnexpectedEOF // a long name, and no entry
	case h == nil: // tar.ErrInsecurePath comes with a header, and only when GODEBUG asks for it
		return nil, 0, err
	}
	return h, contentSize(h, size), nil
}

// collectHeaders reads the headers of an entry into l.headers: those that tell more of
// it, such as a long name, with their content, its own, and the further ones of a
// sparse file. It returns the size that the entry's own names.
func (l *Log) collectHeaders() (int64, error) {
	l.headers.Reset()
	for l.headers.Len() < maxHeaders {
		block, err := l.collect(blockSize)
		if err != nil {
			return 0, err
		}
		kind, size := block[156], number(block[124:136])
		switch kind {
		case tar.TypeXHeader, tar.TypeXGlobalHeader, tar.TypeGNULongName, tar.TypeGNULongLink:
			if size < 0 || size > maxHeaders {
				return 0, tar.ErrHeader
			}
			if _, err := l.collect(padded(0, size)); err != nil {
				return 0, err
			}
			if kind == tar.TypeXGlobalHeader {
				return 0, nil // an entry of its own
			}
			continue
		case tar.TypeGNUSparse:
			for more := block[482] != 0; more && l.headers.Len() < maxHeaders; more = block[504] != 0 {
				if block, err = l.collect(blockSize); err != nil {
					return 0, err
				}
			}
		}
		return size, nil
	}
	return 0, tar.ErrHeader
}

// collect reads n bytes into l.headers and returns them.
func (l *Log) collect(n int64) ([]byte, error) {
	before := l.headers.Len()
	err := l.in.copyTo(&l.headers, n)
	return l.headers.Bytes()[before:], err
}

// number reads a number that is octal or, as GNU has it for large ones, binary. One
// that is neither is negative.
func number(field []byte) int64 {
	if field[0]&0x80 != 0 {
		return int64(binary.BigEndian.Uint64(field[len(field)-8:]))
	}
	if n, ok := octal(field); ok {
		return n
	}
	return -1
}

// contentSize returns how many bytes an entry's content has in the index, where its
// own header names a size. archive/tar knows better, but not of a file with holes:
// there it tells the size with them.
func contentSize(h *tar.Header, size int64) int64 {
	switch h.Typeflag {
	case tar.TypeXGlobalHeader, tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo:
		return 0
	}
	if !isSparse(h) {
		return h.Size
	}
	if n, err := strconv.ParseInt(h.PAXRecords["size"], 10, 64); err == nil {
		return n
	}
	return size
}

// isSparse reports whether an entry is a file with holes, in GNU's old form or
// in that of PAX.
func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}
