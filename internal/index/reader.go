package index

import (
	"bufio"
	"hash"
	"io"
	"math"
)

// A hashingReader reads an index once: it counts and hashes each byte that it moves
// over.
type hashingReader struct {
	src *bufio.Reader
	sum hash.Hash
	// pos counts the bytes read, from the start of the whole index.
	pos int64
	// err is what reading src ended with, unless it was io.EOF.
	err error
}

// bufferSize makes the reads of src large: entries are small, and there are hundreds
// of thousands. More than this makes no difference that can be measured.
const bufferSize = 128 << 10

// peek returns the next n bytes without moving on, fewer at the end.
func (r *hashingReader) peek(n int) ([]byte, error) {
	next, err := r.src.Peek(n)
	if err != nil && err != io.EOF && r.err == nil {
		r.err = err
	}
	return next, r.err
}

// chunk returns at least one and at most limit bytes that lie ahead.
func (r *hashingReader) chunk(limit int64) ([]byte, error) {
	if r.src.Buffered() == 0 {
		if next, err := r.peek(1); len(next) == 0 {
			if err == nil {
				err = io.EOF
			}
			return nil, err
		}
	}
	return r.src.Peek(int(min(limit, int64(r.src.Buffered()))))
}

// pass moves behind a chunk.
func (r *hashingReader) pass(chunk []byte) {
	r.sum.Write(chunk) // a hash.Hash never fails
	r.pos += int64(len(chunk))
	_, _ = r.src.Discard(len(chunk)) // the bytes are in the buffer, so this cannot fail
}

// copyTo copies n bytes to a writer that cannot fail.
func (r *hashingReader) copyTo(w io.Writer, n int64) error {
	for n > 0 {
		chunk, err := r.chunk(n)
		if err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		n -= int64(len(chunk))
		_, _ = w.Write(chunk)
		r.pass(chunk)
	}
	return nil
}

// reached is where the source has come to.
func (r *hashingReader) reached() int64 { return r.pos + int64(r.src.Buffered()) }

// padded returns the end of the block in which size bytes from pos end. A size
// that no file has gives the largest end there is, and the file will then turn
// out to be cut.
func padded(pos, size int64) int64 {
	if size > math.MaxInt64-blockSize-pos {
		return math.MaxInt64 - math.MaxInt64%blockSize
	}
	end := pos + size + blockSize - 1
	return end - end%blockSize
}

// firstNonZero returns the place of p's first byte that is not zero, or its
// length.
func firstNonZero(p []byte) int {
	for i, b := range p {
		if b != 0 {
			return i
		}
	}
	return len(p)
}
