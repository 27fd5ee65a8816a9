package hackage

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/cenkalti/backoff/v5"

	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

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
