package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

// object is a small object to put.
func object(raw []byte, contentType, cache string) bucket.Object {
	o := bucket.NewObject(raw)
	o.ContentType, o.CacheControl = contentType, cache
	return o
}

// errContent: an object is there, and its content does not come.
var errContent = errors.New("it arrives incomplete")

// readSmall reads an object of at most so many bytes. One that is longer is cut.
func (b *Bucket) readSmall(ctx context.Context, key string, limit int64) (content []byte, etag string, err error) {
	content, etag, _, err = b.read(ctx, key, limit)
	return content, etag, err
}

// read is readSmall that also reports whether the bytes are others than were put, as
// far as the store tells.
func (b *Bucket) read(ctx context.Context, key string, limit int64) (content []byte, etag string, damaged bool, err error) {
	body, info, err := b.store.Get(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", false, nil
	}
	if err != nil {
		return nil, "", false, err
	}
	content, err = io.ReadAll(io.LimitReader(body, limit))
	if err = errors.Join(err, body.Close()); err != nil {
		return nil, "", false, fmt.Errorf("read %q: %w: %w", key, errContent, err)
	}
	if s, ok := body.(bucket.Sayer); ok && s.Said() != [sha256.Size]byte{} {
		damaged = s.Said() != sha256.Sum256(content)
	}
	return content, info.ETag, damaged, nil
}

// maxTries bounds how often a pointer is put anew because puts of a run that was
// overtaken came between. Such a run has one for each pointer.
const maxTries = 4

// point puts a pointer over the version that this run knows of it; "" is none.
// Where another one is in place with other bytes, this run stops if it was
// overtaken. If it was not, that version is one that it may put its own over,
// unless found, if that is not nil, says otherwise.
func (b *Bucket) point(ctx context.Context, key string, o bucket.Object, etag string, found func(context.Context) error) (string, error) {
	for try := 1; ; try++ {
		info, err := b.store.Put(ctx, key, o, bucket.IfMatch(etag))
		if err == nil {
			if !info.Kept {
				b.count(0, 0, o.Size-o.Base.Length)
			}
			return info.ETag, nil
		}
		unmet, ok := errors.AsType[*bucket.Unmet](err)
		if !ok || try == maxTries {
			return "", err
		}
		if err := b.ours(ctx); err != nil {
			return "", err
		}
		if found != nil {
			if err := found(ctx); err != nil {
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
	if err := b.claim(ctx); err != nil {
		return err
	}
	etag, err := b.etagOf(ctx, key)
	if err == nil {
		err = b.ours(ctx)
	}
	if err == nil {
		_, err = b.point(ctx, key, o, etag, nil)
	}
	return err
}

// etagOf looks an object up, and returns "" if there is none.
func (b *Bucket) etagOf(ctx context.Context, key string) (string, error) {
	info, err := b.store.Head(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return info.ETag, err
}

// put writes one small object that is most likely not there yet.
func (b *Bucket) put(ctx context.Context, key string, o bucket.Object, c bucket.Condition) error {
	_, err := b.putOne(ctx, key, o, c, 0, 0)
	return err
}

// putOne is put of what counts as so many tarballs or revisions. It reports whether
// the bucket held the object already: then nothing counts.
func (b *Bucket) putOne(ctx context.Context, key string, o bucket.Object, c bucket.Condition, tarballs, revisions int) (kept bool, err error) {
	info, err := b.store.Put(ctx, key, o, c)
	if err == nil && !info.Kept {
		b.count(tarballs, revisions, o.Size)
	}
	return info.Kept, err
}
