package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

// requestsAtOnce is how many requests a bucket gets at a time. Concurrency spares
// upstream; a bucket is the user's own, and most of a request is waiting.
const requestsAtOnce = 64

// concurrently calls do for each number below n, many at a time.
func concurrently(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(requestsAtOnce)
	for i := range n {
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// object is a small object to put.
func object(raw []byte, contentType, cache string) bucket.Object {
	o := bucket.NewObject(raw)
	o.ContentType, o.CacheControl = contentType, cache
	return o
}

// errContent: an object is there, and its content does not come.
var errContent = errors.New("it arrives incomplete")

// readSmall reads an object of at most so many bytes. One that is longer is cut.
func (b *Bucket) readSmall(ctx context.Context, key string, limit int64) (readFile, error) {
	there, _, err := b.read(ctx, key, limit)
	return there, err
}

// read is readSmall that also reports whether the bytes are others than were put, as
// far as the store tells.
func (b *Bucket) read(ctx context.Context, key string, limit int64) (there readFile, damaged bool, err error) {
	body, info, err := b.store.Get(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return readFile{}, false, nil
	}
	if err != nil {
		return readFile{}, false, err
	}
	content, err := io.ReadAll(io.LimitReader(body, limit))
	if err = errors.Join(err, body.Close()); err != nil {
		return readFile{}, false, fmt.Errorf("read %q: %w: %w", key, errContent, err)
	}
	damaged = info.Declared != [sha256.Size]byte{} && info.Declared != sha256.Sum256(content)
	return readFile{content, info.ETag}, damaged, nil
}

// A readFile is an object that was read; without an ETag there is none.
type readFile struct {
	raw  []byte
	etag string
}

// etagOf looks an object up, and returns "" if there is none.
func (b *Bucket) etagOf(ctx context.Context, key string) (string, error) {
	info, err := b.store.Head(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return info.ETag, err
}

// maxTries bounds how often a pointer is put anew because puts of a run that was
// overtaken came between. Such a run has one for each pointer.
const maxTries = 4

// putPointer puts a pointer over the version that this run knows of it; "" is none.
// Where another one is in place with other bytes, this run stops if it was
// overtaken. If it was not, that version is one that it may put its own over,
// unless mayReplace, if that is not nil, says otherwise.
func (b *Bucket) putPointer(ctx context.Context, key string, o bucket.Object, etag string, mayReplace func(context.Context) error) (string, error) {
	for try := 1; ; try++ {
		info, err := b.store.Put(ctx, key, o, bucket.IfMatch(etag))
		if err == nil {
			if !info.Existed {
				b.count(0, 0, o.Size-o.Base.Length)
			}
			return info.ETag, nil
		}
		unmet, ok := errors.AsType[*bucket.Unmet](err)
		if !ok || try == maxTries {
			return "", err
		}
		if err := b.checkClaim(ctx); err != nil {
			return "", err
		}
		if mayReplace != nil {
			if err := mayReplace(ctx); err != nil {
				return "", err
			}
		}
		if o.Base.Length > 0 {
			// What is there is not what was put last, so it is nothing to build on.
			return "", errors.Join(err, bucket.ErrBase)
		}
		etag = unmet.Have.ETag
	}
}

// replace puts an object over one that is to be no more.
func (b *Bucket) replace(ctx context.Context, key string, o bucket.Object) error {
	if err := b.Acquire(ctx); err != nil {
		return err
	}
	etag, err := b.etagOf(ctx, key)
	if err == nil {
		err = b.checkClaim(ctx)
	}
	if err == nil {
		_, err = b.putPointer(ctx, key, o, etag, nil)
	}
	return err
}

// put writes one object that is most likely not there yet. It reports whether the
// bucket held the object already: then it does not count as put.
func (b *Bucket) put(ctx context.Context, key string, o bucket.Object, c bucket.Condition) (kept bool, err error) {
	info, err := b.store.Put(ctx, key, o, c)
	if err == nil && !info.Existed {
		b.count(0, 0, o.Size)
	}
	return info.Existed, err
}
