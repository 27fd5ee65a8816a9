// Package bucket is the contract of what stores objects under keys, what tells where
// such a store is, and what all kinds of stores share. Each kind has a room below; the
// room open chooses between them by an address.
//
// A mirror lives in a bucket by two rules. What never changes (tarballs, revisions) is
// put with IfAbsent, so that a second run finds it in place and other bytes under the
// same key are an alarm and not an update. What points at it (the index, the metadata,
// the state) is put last, with IfMatch of the version that was read. A store therefore
// promises three things:
//
//   - An object appears whole or not at all, under whatever kill or failure.
//   - An object is what was declared: Put compares the body with the size and the
//     SHA-256 of its Object and stores nothing else.
//   - A condition holds at the instant the object appears, also against other
//     writers. Where a server has no conditions, the store reads what is in place
//     before each put, and tells Options.Notify so.
//
// It need not promise that an object in place is what its writer said: a caller that
// must know the content reads it.
//
// A store embeds Reads, and hands out bodies by Reads.Count. Its Put
//
//  1. refuses what CheckKey and Object.Check refuse;
//  2. writes the body by Object.Copy to where no reader sees it, also when the object is
//     in place, for a body that is not what it declares is an error there too;
//  3. writes the beginning of an Object with a Base out of the object in place, if that
//     Base.IsPrefixOf it;
//  4. asks Condition.Decide, where nothing can change before 5, and returns its error;
//     the ErrDiffers of an object of the same size names both digests, see Differs;
//  5. makes what was written the object under the key, in one step.
//
// A store may go another way where its server does a part of that. The suite in
// buckettest.Test is this contract as tests; every store passes it.
package bucket

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
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

	// Head is Get without the content: the same Info, the same errors.
	Head(ctx context.Context, key string) (Info, error)

	// Put stores o under key if c holds. The body is read from its start; it may be
	// read more than once, and where it is left is not defined.
	//
	// An object in place with the very bytes of o is success under every
	// condition, and need not be written again: the answer to an earlier try
	// may have been lost. That is so also where an answer is unclear (none, an
	// error of the server, one that is not of the store's protocol): then the
	// object in place is looked at, and only if it is o has the put succeeded.
	//
	// A body of another size or digest than declared is ErrBody. An unmet
	// condition is an *Unmet, which is ErrDiffers (IfAbsent) or ErrConflict
	// (IfMatch) and tells what is in place. An object with a Base that cannot
	// be built is ErrBase; so is one that is to be put where there is none. One
	// that the store accepts under no circumstances, whatever becomes of others,
	// is ErrRefused. After any of these the bucket is as it was. After any other
	// error the object may or may not be in place, but never a part of it.
	//
	// After success Info is that of the object in place, so its ETag serves the
	// next put with IfMatch.
	Put(ctx context.Context, key string, o Object, c Condition) (Info, error)

	// Read returns how often an object was read so far, and how many bytes that
	// were.
	Read() (objects int, bytes int64)

	// String names the bucket in messages; it holds no secret.
	String() string
}

// A Store is a bucket that is open.
type Store interface {
	Bucket
	// Close ends its use. An error means that something put may be lost.
	io.Closer
}

// Info is what a bucket knows of an object without its content.
type Info struct {
	// Size is in bytes; -1 if the store does not say.
	Size int64
	// ETag names this version of the object, for IfMatch. It is opaque, never empty,
	// and another one for other content.
	ETag string
	// Declared is the SHA-256 that whoever put the object said it has, where the
	// store keeps that; zero is none. Other bytes are an object that was damaged or
	// changed since.
	Declared [sha256.Size]byte
	// Existed says, after a Put, that the object was in place before, as far as that
	// is known, and nothing was written.
	Existed bool
}

// Errors that callers branch on.
var (
	// ErrDiffers: IfAbsent found other bytes under the key.
	ErrDiffers = errors.New("the bucket has different bytes under this key")
	// ErrConflict: IfMatch found another version of the object than named.
	ErrConflict = errors.New("the object was changed by another writer")
	// ErrBody: the body is not what the Object declares.
	ErrBody = errors.New("the body is not the declared object")
	// ErrLocked: another writer has the bucket.
	ErrLocked = errors.New("another writer uses the bucket")
	// ErrKey: CheckKey refuses the key.
	ErrKey = errors.New("not a key of a bucket")
	// ErrRefused: the store does not accept this object, now or later.
	ErrRefused = errors.New("the store refuses this object")
)

// An Unmet is the error of a Condition that does not hold.
type Unmet struct {
	// Exists says whether there is an object, and Have what is known of it.
	Exists bool
	Have   Info

	err error // wraps ErrDiffers or ErrConflict
}

func (u *Unmet) Error() string { return u.err.Error() }

// Unwrap returns what is ErrDiffers or ErrConflict.
func (u *Unmet) Unwrap() error { return u.err }

// A Condition says when a Put has an effect. The zero Condition is Always.
type Condition struct{ kind, etag string }

const (
	ifAbsent = "if absent"
	ifNew    = "if new"
	ifMatch  = "if match"
)

// Always puts the object whatever is there.
func Always() Condition { return Condition{} }

// IfAbsent puts the object if the key has none. One with the same bytes is
// success, one with others is ErrDiffers.
func IfAbsent() Condition { return Condition{kind: ifAbsent} }

// IfNew is IfAbsent for who must know that nothing was there: any object in place,
// also one with the same bytes, is ErrConflict. So is, at times, one's own, of an
// earlier try whose answer was lost.
func IfNew() Condition { return Condition{kind: ifNew} }

// IfMatch puts the object if the one in place has this ETag, or, when etag is
// empty, if there is none. Otherwise it is ErrConflict, unless the one in place
// has the same bytes.
func IfMatch(etag string) Condition { return Condition{kind: ifMatch, etag: etag} }

// ETag returns what the object in place must have; empty if c names none.
func (c Condition) ETag() string { return c.etag }

// String describes c for messages.
func (c Condition) String() string { return strings.TrimSpace(cmp.Or(c.kind, "always") + " " + c.etag) }

// Decide says what a put has to do, given the object in place (have, if exists;
// same, if its bytes are those to be put): write it, leave the one in place because
// it is the same, or refuse with an *Unmet. A store calls it where nothing can
// change between reading have and writing.
func (c Condition) Decide(same bool, have Info, exists bool) (write bool, err error) {
	switch {
	case c.kind == ifNew && exists:
		return false, &Unmet{exists, have, ErrConflict}
	case exists && same:
		return false, nil
	case c.kind == ifAbsent && exists:
		return false, &Unmet{exists, have, ErrDiffers}
	case c.kind == ifMatch && (exists != (c.etag != "") || have.ETag != c.etag):
		return false, &Unmet{exists, have, fmt.Errorf("have version %q, want %q: %w", have.ETag, c.etag, ErrConflict)}
	}
	return true, nil
}

// Creates reports whether c holds only for a key without an object.
func (c Condition) Creates() bool {
	return c.kind == ifAbsent || c.kind == ifNew || c.kind == ifMatch && c.etag == ""
}
