// Package bounded reads what might go on for ever: until a context is done, and up to
// a number of bytes.
package bounded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Reader returns a reader that fails with the context's cause once that is done.
func Reader(ctx context.Context, r io.Reader) io.Reader { return contextReader{ctx, r} }

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// ReadAll reads to the end. More than limit bytes are an error, and are wiped.
func ReadAll(r io.Reader, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		clear(raw)
		return nil, fmt.Errorf("it is longer than %d bytes", limit)
	}
	return raw, nil
}

// ReadFile is ReadAll for a file. Its errors do not name the file.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, bare(err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	raw, err := ReadAll(f, limit)
	return raw, bare(err)
}

// bare takes the path out of an error of the file system.
func bare(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
