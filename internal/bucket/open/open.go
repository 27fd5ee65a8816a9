// Package open opens a bucket of whatever kind its address names.
package open

import (
	"context"
	"fmt"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/folder"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3"
)

// Bucket returns the bucket at an address of one of bucket.ParseAddress's forms. It
// makes no request, and writes nothing. The caller closes the Store.
func Bucket(ctx context.Context, address string, o s3.Options) (bucket.Store, error) {
	a, err := bucket.Check(address, o.Defaults)
	if err != nil {
		return nil, err
	}
	if a.Folder != "" {
		return folder.New(a.Folder)
	}
	store, err := s3.New(ctx, a, o)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", a, err)
	}
	return store, nil
}
