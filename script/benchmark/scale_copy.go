package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// s3Address is where a bucket is, behind the gate.
func (b *scaleBench) s3Address(name string) string {
	query := url.Values{"endpoint": {b.gate.server.URL}, "region": {region}, "path-style": {"true"}}
	return "s3://" + name + "?" + query.Encode()
}

// copiesAtOnce is how many objects are copied at a time.
const copiesAtOnce = 8

// copyBucket makes a bucket on the S3 server that a run takes for the folder's:
// it holds the index, the metadata, the state, and those releases of which the
// entries from one number to another tell. A run looks at no others.
func (b *scaleBench) copyBucket(ctx context.Context, folder, name string, from, to int) error {
	if err := os.Mkdir(filepath.Join(b.gateway.folder, name), 0o755); err != nil {
		return err
	}
	store, err := open.Bucket(ctx, b.s3Address(name), s3.Options{
		Credentials: s3.Credentials{ID: "benchmark", Secret: b.gateway.secret},
	})
	if err != nil {
		return err
	}
	names, err := b.namesFor(ctx, folder, from, to)
	group, copying := errgroup.WithContext(ctx)
	group.SetLimit(copiesAtOnce)
	for _, name := range names {
		group.Go(func() error { return copyObject(copying, store, folder, name) })
	}
	return errors.Join(err, group.Wait(), store.Close())
}

// namesFor returns the paths of the files that copyBucket takes.
func (b *scaleBench) namesFor(ctx context.Context, folder string, from, to int) ([]string, error) {
	releases := map[string]bool{}
	err := b.corpus.between(ctx, from, to, func(_ int, e index.Entry) error {
		if e.Kind != index.Preferred {
			releases[e.Release.String()] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	patterns := []string{"*.*"}
	for _, release := range slices.Sorted(maps.Keys(releases)) {
		for _, rest := range []string{".tar.gz", ".json", "/*.cabal", "/revision/*.cabal"} {
			patterns = append(patterns, "package/"+release+rest)
		}
	}
	var names []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(folder, filepath.FromSlash(pattern)))
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// copyObject puts a file of a folder under the key that it has there.
func copyObject(ctx context.Context, store bucket.Store, folder, path string) error {
	key, err := filepath.Rel(folder, path)
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	sum := sha256.New()
	size, err := io.Copy(sum, file)
	if err != nil {
		return err
	}
	_, err = store.Put(ctx, filepath.ToSlash(key), bucket.Object{Body: file, Size: size, SHA256: [sha256.Size]byte(sum.Sum(nil))}, bucket.Always())
	return err
}
