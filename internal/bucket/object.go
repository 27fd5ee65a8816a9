package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/hackage-mirror/hackage-mirror/internal/bounded"
)

// An Object is what Put stores: a body, and what the caller knows it to be.
type Object struct {
	// Body is read from its start.
	Body io.ReadSeeker
	// Size is the length of Body in bytes.
	Size int64
	// SHA256 is the digest of Body.
	SHA256 [sha256.Size]byte
	// Base, if its Length is not 0, says that Body has only the bytes from
	// there on, and that those before are taken from the object in place. Size
	// and SHA256 are of the whole.
	Base Base
	// CompareBytes says that other bytes were found under the key before. The store
	// then reads the object in place, whatever it knows of it without.
	CompareBytes bool
	// ContentType and CacheControl are the headers that a store which answers
	// HTTP itself gives with the object; a folder drops them. Empty is none.
	ContentType, CacheControl string
}

// NewObject returns the object that holds raw, without headers.
func NewObject(raw []byte) Object {
	return Object{Body: bytes.NewReader(raw), Size: int64(len(raw)), SHA256: sha256.Sum256(raw)}
}

// Copy writes the body to w and compares it with the declared size and digest,
// which for an object with a Base are those of both together. A body that is not
// what o declares is ErrBody; by then w has some or all of it.
func (o Object) Copy(ctx context.Context, w io.Writer) error {
	if o.Body == nil || o.Size < 0 {
		return fmt.Errorf("read body of %d bytes: no such body: %w", o.Size, ErrBody)
	}
	if err := o.checkBase(); err != nil {
		return err
	}
	if _, err := o.Body.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("rewind body: %w", err)
	}
	digest := o.Base.Resume()
	// One byte more than declared tells a longer body without reading all of it.
	limited := io.LimitReader(bounded.Reader(ctx, o.Body), o.BodySize()+1)
	n, err := io.Copy(io.MultiWriter(digest, w), limited)
	if err != nil {
		return fmt.Errorf("copy body: %w", err)
	}
	n += o.Base.Length
	if n > o.Size {
		return fmt.Errorf("read body: declared %d bytes, got more: %w", o.Size, ErrBody)
	}
	if n < o.Size {
		return fmt.Errorf("read body: declared %d bytes, got %d: %w", o.Size, n, ErrBody)
	}
	if got := [sha256.Size]byte(digest.Sum(nil)); got != o.SHA256 {
		return fmt.Errorf("read body: declared SHA-256 %x, got %x: %w", o.SHA256, got, ErrBody)
	}
	return nil
}

// Check refuses, before anything is asked of a store, what no store can put.
func (o Object) Check(ctx context.Context, c Condition) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := o.checkBase(); err != nil {
		return err
	}
	if o.Base.Length > 0 && c.Creates() {
		return fmt.Errorf("nothing may be there: %w", ErrBase)
	}
	return nil
}

// checkBase refuses what cannot be the base of the object.
func (o Object) checkBase() error {
	if !o.Base.Within(o.Size) {
		return fmt.Errorf("build %d bytes on the first %d: no such object: %w", o.Size, o.Base.Length, ErrBody)
	}
	return nil
}

// Differs is the error of IfAbsent where other bytes are in place.
func Differs(have Info, sum [sha256.Size]byte, o Object) error {
	return &Unmet{true, have, fmt.Errorf("have SHA-256 %x, want %x: %w", sum, o.SHA256, ErrDiffers)}
}

// BodySize is the length of Body in bytes: Size without that of the Base.
func (o Object) BodySize() int64 { return o.Size - o.Base.Length }

// Reads counts what a store read of its objects.
type Reads struct {
	objects atomic.Int32
	bytes   atomic.Int64
}

// Read implements Bucket.
func (r *Reads) Read() (objects int, bytes int64) { return int(r.objects.Load()), r.bytes.Load() }

// Count counts one more object, and the bytes of it as they are read. Reading fails
// once ctx is done.
func (r *Reads) Count(ctx context.Context, body io.ReadCloser) io.ReadCloser {
	r.objects.Add(1)
	return countedBody{bounded.Reader(ctx, body), body, &r.bytes}
}

type countedBody struct {
	io.Reader
	io.Closer
	bytes *atomic.Int64
}

func (b countedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.bytes.Add(int64(n))
	return n, err
}

// Digest reads r to its end and returns how much it read, and its SHA-256. It fails
// once ctx is done.
func Digest(ctx context.Context, r io.Reader) (size int64, sum [sha256.Size]byte, err error) {
	digest := sha256.New()
	size, err = io.Copy(digest, bounded.Reader(ctx, r))
	return size, [sha256.Size]byte(digest.Sum(nil)), err
}
