// Package open opens a bucket of whatever kind its address names.
package open

import (
	"context"
	"fmt"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/folder"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3"
)

// Options are what an address does not say, for each kind of bucket that has some.
type Options struct {
	S3 s3.Options
}

// Bucket returns the bucket at an address of one of bucket.ParseAddress's forms. It
// makes no request, and writes nothing. The caller closes the Store.
func Bucket(ctx context.Context, address string, o Options) (bucket.Store, error) {
	a, err := bucket.Check(address, o.S3.Defaults)
	if err != nil {
		return nil, err
	}
	if a.Folder != "" {
		return folder.New(a.Folder)
	}
	store, err := s3.New(ctx, a, o.S3)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", a, err)
	}
	return store, nil
}
