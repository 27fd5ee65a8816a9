package s3

import (
	"fmt"
	"io"
)

// joined reads two things as one.
type joined struct {
	begin []byte
	rest  io.ReadSeeker
	size  int64 // of both
	at    int64
}

// Read implements io.Reader.
func (j *joined) Read(p []byte) (int, error) {
	if j.at < int64(len(j.begin)) {
		n := copy(p, j.begin[j.at:])
		j.at += int64(n)
		return n, nil
	}
	n, err := j.rest.Read(p)
	j.at += int64(n)
	return n, err
}

// Seek implements io.Seeker.
func (j *joined) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += j.at
	case io.SeekEnd:
		offset += j.size
	}
	if offset < 0 {
		return j.at, fmt.Errorf("seek to %d of %d bytes", offset, j.size)
	}
	if _, err := j.rest.Seek(max(0, offset-int64(len(j.begin))), io.SeekStart); err != nil {
		return j.at, err
	}
	j.at = offset
	return offset, nil
}

// readerAt returns a source as what several can read at a time, if it is that.
func readerAt(source io.ReadSeeker) (io.ReaderAt, bool) {
	j, ok := source.(*joined)
	if !ok {
		shared, ok := source.(io.ReaderAt)
		return shared, ok
	}
	rest, ok := j.rest.(io.ReaderAt)
	return joinedAt{j.begin, rest}, ok
}

// joinedAt is joined of what can be read from any place.
type joinedAt struct {
	begin []byte
	rest  io.ReaderAt
}

// ReadAt implements io.ReaderAt.
func (j joinedAt) ReadAt(p []byte, at int64) (int, error) {
	n := 0
	if at < int64(len(j.begin)) {
		n = copy(p, j.begin[at:])
	}
	if n == len(p) {
		return n, nil
	}
	more, err := j.rest.ReadAt(p[n:], at+int64(n)-int64(len(j.begin)))
	return n + more, err
}
