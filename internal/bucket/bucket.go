// Package bucket stores objects under keys: a folder here, other stores behind
// the same four methods.
//
// A mirror lives in a bucket by two rules. What never changes (tarballs,
// revisions) is put with IfAbsent, so that a second run finds it in place and
// other bytes under the same key are an alarm and not an update. What points
// at it (the index, the metadata, the position) is put last, with Always or
// IfMatch. A store therefore promises three things:
//
//   - An object appears whole or not at all, under whatever kill or failure.
//   - What arrives is what was declared: Put compares the body with the size
//     and the SHA-256 of its Object and stores nothing else.
//   - A condition holds at the instant the object appears, also against other
//     writers.
//
// The suite in buckettest.Test is this contract as tests; every store passes it.
package bucket

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// A Bucket maps keys to objects. Its methods may be called at the same time.
// All of them refuse a key that CheckKey refuses, with ErrKey, and return the
// error of a context that is done. A store may refuse a key below another one
// (a/b where a is an object), as a folder must.
type Bucket interface {
	// Get returns the object's content and what is known of it. The caller
	// closes the reader, which gives one version of the object even when the
	// object is replaced meanwhile, and fails when ctx is done.
	// A key without an object is fs.ErrNotExist; so is a mere prefix of keys.
	Get(ctx context.Context, key string) (io.ReadCloser, Info, error)

	// Head is Get without the content.
	Head(ctx context.Context, key string) (Info, error)

	// Put stores o under key if c holds. The body is read from its start; it
	// may be read more than once, and is left at any place.
	//
	// A body of another size or digest than declared is ErrBody. An unmet
	// condition is ErrDiffers (IfAbsent) or ErrConflict (IfMatch). An object
	// with a Base that cannot be built is ErrBase; nor can one that is to be
	// put where there is none. After any of these the bucket is as it was.
	// After any other error the object may or may not be in place, but never a
	// part of it.
	//
	// After success Info is that of the object in place, so its ETag serves the
	// next put with IfMatch. Bytes that are in place already need not be
	// written again.
	Put(ctx context.Context, key string, o Object, c Condition) (Info, error)

	// String names the bucket in messages; it holds no secret.
	String() string
}

// Info is what a bucket knows of an object without its content.
type Info struct {
	// Size is in bytes.
	Size int64
	// SHA256 is that of the content.
	SHA256 [sha256.Size]byte
	// ETag names this version of the object, for IfMatch. It is opaque and
	// never empty.
	ETag string
}

// Errors that callers branch on.
var (
	// ErrDiffers: IfAbsent found other bytes under the key.
	ErrDiffers = errors.New("the bucket holds other bytes under this key")
	// ErrConflict: IfMatch found another version of the object than named.
	ErrConflict = errors.New("the object was changed by another writer")
	// ErrBody: the body is not what the Object declares.
	ErrBody = errors.New("the body is not the declared object")
	// ErrLocked: another writer has the bucket.
	ErrLocked = errors.New("the bucket is in use by another writer")
	// ErrKey: CheckKey refuses the key.
	ErrKey = errors.New("not a key of a bucket")
)

// A Condition says when a Put may take effect. The zero Condition is Always.
type Condition struct {
	kind conditionKind
	etag string
}

type conditionKind uint8

const (
	always conditionKind = iota
	ifAbsent
	ifMatch
)

// Always puts the object whatever is there.
func Always() Condition { return Condition{} }

// IfAbsent puts the object if the key has none. An object with the same SHA-256
// is success, one with another is ErrDiffers.
func IfAbsent() Condition { return Condition{kind: ifAbsent} }

// IfMatch puts the object if the one in place has this ETag, or, when etag is
// empty, if there is none. Otherwise it is ErrConflict.
func IfMatch(etag string) Condition { return Condition{kind: ifMatch, etag: etag} }

// String describes c for messages of tests.
func (c Condition) String() string {
	switch c.kind {
	case ifAbsent:
		return "if absent"
	case ifMatch:
		return fmt.Sprintf("if match %q", c.etag)
	default:
		return "always"
	}
}

// Decide says what a put of an object with the digest want has to do, given the
// object in place (have, if exists): write it, leave what is there because it
// is the same, or refuse with ErrDiffers or ErrConflict. A store calls it where
// nothing can change between the look and the write.
func (c Condition) Decide(want [sha256.Size]byte, have Info, exists bool) (write bool, err error) {
	same := exists && have.SHA256 == want
	switch c.kind {
	case ifAbsent:
		if exists && !same {
			return false, fmt.Errorf("have SHA-256 %x, want %x: %w", have.SHA256, want, ErrDiffers)
		}
	case ifMatch:
		if exists != (c.etag != "") || have.ETag != c.etag {
			return false, fmt.Errorf("have version %q, want %q: %w", have.ETag, c.etag, ErrConflict)
		}
	}
	return !same, nil
}

// creates reports whether c holds only for a key without an object.
func (c Condition) creates() bool {
	return c.kind == ifAbsent || c.kind == ifMatch && c.etag == ""
}
