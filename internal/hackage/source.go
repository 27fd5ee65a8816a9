package hackage

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/cenkalti/backoff/v5"

	"github.com/hackage-mirror/hackage-mirror/internal/state"
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

// Files are those of a repository in a store that has a client of its own, which
// tries again by itself.
type Files interface {
	// Open begins to read a file; the caller closes it. The size is -1 if it is
	// not known. The error is fs.ErrNotExist if there is none.
	Open(ctx context.Context, key string) (io.ReadCloser, int64, error)
	// String returns the store's address, without credentials.
	String() string
}

// OpenFiles is Open for the files of a store. Parts of them are not available.
func OpenFiles(files Files, o Options) *Upstream {
	return &Upstream{src: store{files}, o: o.withDefaults()}
}

// A store is Files as a source.
type store struct{ Files }

func (s store) open(ctx context.Context, r request) (*answer, error) {
	if r.part {
		return nil, backoff.Permanent(errPart)
	}
	body, size, err := s.Open(ctx, r.key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, backoff.Permanent(state.ErrMissing)
	}
	if err != nil {
		return nil, backoff.Permanent(err)
	}
	return &answer{body: body, size: size}, nil
}

func (s store) name(key string) string { return s.String() + ": " + key }
