package s3

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

// A checkedBody is a piece of an object's body on its way to a server. Its last
// bytes are given only once all of it is known to be what was declared, so a
// request with another body is never complete, and no server takes it, whether
// it checks anything itself or not.
//
// It can be sent anew from its start; other seeks only tell its length.
type checkedBody struct {
	ctx    context.Context
	source io.ReadSeeker
	start  int64 // of the piece, in source
	size   int64
	want   [sha256.Size]byte
	last   bool // nothing may follow the piece in source

	digest hash.Hash
	at     int64 // where the next Read begins, from start
	read   int64 // how much of the piece the digest has
	starts int   // how often the piece was read from its start
	err    error // why it could not be read
}

func newCheckedBody(ctx context.Context, source io.ReadSeeker, start, size int64, want [sha256.Size]byte, last bool) *checkedBody {
	return &checkedBody{ctx: ctx, source: source, start: start, size: size, want: want, last: last, digest: sha256.New()}
}

// Seek implements io.Seeker.
func (b *checkedBody) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 || offset > b.size {
		return b.at, fmt.Errorf("seek to %d of %d bytes", offset, b.size)
	}
	b.at = offset
	return offset, nil
}

// Read implements io.Reader.
func (b *checkedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.at == b.size || len(p) == 0 {
		return 0, io.EOF
	}
	n, err := b.next(p)
	if err != nil {
		b.err = bodyError{err}
		return 0, b.err
	}
	return n, nil
}

func (b *checkedBody) next(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.at == 0 {
		b.starts++
		b.read = 0
		b.digest.Reset()
		if _, err := b.source.Seek(b.start, io.SeekStart); err != nil {
			return 0, fmt.Errorf("rewind body: %w", err)
		}
	}
	if b.at != b.read {
		return 0, fmt.Errorf("read body from byte %d on: it is at %d", b.at, b.read)
	}
	n, err := b.source.Read(p[:min(int64(len(p)), b.size-b.at)])
	b.digest.Write(p[:n])
	b.at += int64(n)
	b.read = b.at
	switch {
	case b.at == b.size:
		return n, b.check()
	case err == io.EOF:
		return 0, fmt.Errorf("read body: declared %d bytes, got %d: %w", b.start+b.size, b.start+b.at, bucket.ErrBody)
	}
	return n, err
}

// check compares the piece with what was declared.
func (b *checkedBody) check() error {
	if got := [sha256.Size]byte(b.digest.Sum(nil)); got != b.want {
		return fmt.Errorf("read body: declared SHA-256 %x, got %x: %w", b.want, got, bucket.ErrBody)
	}
	if !b.last {
		return nil
	}
	var more [1]byte
	for {
		n, err := b.source.Read(more[:])
		switch {
		case n > 0:
			return fmt.Errorf("read body: declared %d bytes, got more: %w", b.start+b.size, bucket.ErrBody)
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// A bodyError is the fault of what is to be sent, so sending again is in vain.
type bodyError struct{ error }

func (e bodyError) Unwrap() error { return e.error }

// blame returns why a request with this body failed. The body's own error comes
// first: a server that is left without the rest says something else.
func (b *checkedBody) blame(err error) error {
	if err != nil && b.err != nil {
		return b.err
	}
	return err
}
