package mirror

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
)

// spoolMemory is how much of a tarball is held in memory; four of five fit.
const spoolMemory = 256 << 10

// A spool holds one download until every bucket has it: a small one in memory, a
// larger one in a file of a private folder. Its memory is used again for the
// next download.
type spool struct {
	dir  string
	mem  []byte
	file *os.File
	size int64
	err  error
}

// Write adds to the spool. An error stays: it is of this machine, not of the
// download, so it must not be taken for a tarball that could not be downloaded.
func (s *spool) Write(p []byte) (n int, err error) {
	defer func() { s.err = cmp.Or(s.err, err) }()
	if s.file == nil {
		if len(s.mem)+len(p) <= spoolMemory {
			s.mem = append(s.mem, p...)
			s.size += int64(len(p))
			return len(p), nil
		}
		if err := s.spill(); err != nil {
			return 0, err
		}
	}
	n, err = s.file.Write(p)
	s.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("write temporary file %q: %w", s.file.Name(), err)
	}
	return n, nil
}

// spill moves what is in memory to a file, unless it is in one. The memory is
// given up, because a spool that is spilled is one of many.
func (s *spool) spill() error {
	if s.file != nil {
		return nil
	}
	file, err := os.CreateTemp(s.dir, "tarball-")
	if err != nil {
		return fmt.Errorf("make temporary file in %q: %w", s.dir, err)
	}
	s.file = file
	if _, err := file.Write(s.mem); err != nil {
		return fmt.Errorf("write temporary file %q: %w", file.Name(), err)
	}
	s.mem = nil
	return nil
}

// reset empties the spool.
func (s *spool) reset() error {
	s.mem, s.size = s.mem[:0], 0
	if s.file == nil {
		return nil
	}
	file := s.file
	s.file = nil
	if err := errors.Join(file.Close(), os.Remove(file.Name())); err != nil {
		return fmt.Errorf("remove temporary file %q: %w", file.Name(), err)
	}
	return nil
}

// reader returns a reader of the whole spool. Several may be in use at once.
func (s *spool) reader() io.ReadSeeker {
	if s.file == nil {
		return bytes.NewReader(s.mem)
	}
	return io.NewSectionReader(s.file, 0, s.size)
}
