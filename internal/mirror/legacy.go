package mirror

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// newest is where the index holds the newest content of a path.
type newest struct {
	span index.Span
	time time.Time
}

// WriteLegacy writes 00-index.tar.gz, the index of clients from before secure
// repositories: the newest .cabal file of each release and the newest
// preferred-versions, sorted by path. The same index gives the same bytes: the
// times are those of the entries, the owner is nobody, and gzip's header is
// empty.
func WriteLegacy(ctx context.Context, path string, ix *hackage.Index, selected func(pkg string) bool) (err error) {
	paths, err := newestPaths(ctx, ix.Log(index.Position{}), selected)
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make 00-index: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffered := bufio.NewWriterSize(file, 1<<20)
	zipped := gzip.NewWriter(buffered)
	archive := tar.NewWriter(zipped)
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := writeLegacyEntry(archive, ix, name, paths[name]); err != nil {
			return err
		}
	}
	for _, close := range []func() error{archive.Close, zipped.Close, buffered.Flush} {
		if err := close(); err != nil {
			return fmt.Errorf("write 00-index: %w", err)
		}
	}
	return nil
}

// newestPaths reads a whole index and keeps where each path stands last.
func newestPaths(ctx context.Context, log *index.Log, selected func(pkg string) bool) (map[string]newest, error) {
	paths := map[string]newest{}
	for e, err := range log.Entries() {
		if err != nil {
			return nil, fmt.Errorf("read index for 00-index: %w", err)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if e.Kind == index.PackageJSON || !selected(e.Release.Package) {
			continue
		}
		paths[e.Path()] = newest{index.Span{Offset: e.Offset, Size: int64(len(e.Content))}, e.Time}
	}
	return paths, nil
}

// writeLegacyEntry copies one entry.
func writeLegacyEntry(archive *tar.Writer, ix *hackage.Index, name string, n newest) error {
	e, err := ix.Entry(n.span)
	if err != nil {
		return fmt.Errorf("read %q for 00-index: %w", name, err)
	}
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: e.Size,
		Mode: 0o644, ModTime: n.time, // in the oldest form of tar that can hold them
	}
	if err := archive.WriteHeader(header); err != nil {
		return fmt.Errorf("write %q into 00-index: %w", name, err)
	}
	if _, err := archive.Write(e.Content); err != nil {
		return fmt.Errorf("write %q into 00-index: %w", name, err)
	}
	return nil
}
