package hackage

import (
	"context"
	"io"
)

// A source opens files of a repository. It does not retry, limit or check.
type source interface {
	// open begins to read a file; the caller closes the answer's body. The
	// error is ErrMissing or ErrWithdrawn when upstream says so, and is wrapped
	// by backoff.Permanent when asking again cannot help. It does not name the
	// file. When ctx ends, so do open and reads of the body.
	open(ctx context.Context, r request) (*answer, error)
	// name returns the address of a file for messages, without credentials.
	name(key string) string
	// String returns the address of the repository, without credentials.
	String() string
}

// A request is for one file.
type request struct {
	// key is the path below the root of the repository, with slashes.
	key string
	// etag, if set, is that of a copy that need not be sent again.
	etag string
	// home refuses redirects to another host: nothing signs the file, so only
	// upstream itself may say what is in it.
	home bool
	// fresh asks caches on the way to look at the origin.
	fresh bool
	// limit is the most bytes to accept.
	limit int64
	// exact says that limit is a signed length, so that fewer are wrong, too.
	exact bool
	// part says that of the file only limit bytes are wanted, those from offset
	// on. If total is not 0, the file must have so many.
	part          bool
	offset, total int64
}

// An answer is an open file.
type answer struct {
	// body is nil if the copy that the request's etag named is still current.
	body io.ReadCloser
	// size is the announced length, or -1.
	size int64
	// unframed says that nothing marks the end of the body, so that a broken
	// connection looks like it.
	unframed bool
	// etag names the version of the file, if the source has such a thing.
	etag string
}
