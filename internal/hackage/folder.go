package hackage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cenkalti/backoff/v5"

	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A folder is a repository on disk. Reads go through os.Root: a symbolic link
// may point to another place in the folder, not out of it, so that a folder
// filled by someone else cannot have other files published.
type folder struct{ path string }

// openFolder refuses what is not a repository, so that a mistyped path is said
// to be one instead of ending in a missing file.
func openFolder(path string) (*folder, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open upstream %q: there is no such folder: %s", path, allowed)
	}
	if err != nil {
		return nil, fmt.Errorf("open upstream %q: %w", path, err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("open upstream %q: it is not a folder: %s", path, allowed)
	}
	if _, err := os.Stat(filepath.Join(path, rootFile)); err != nil {
		return nil, fmt.Errorf("open upstream %q: the folder holds no readable %s, so it is not a Hackage repository: %s", path, rootFile, allowed)
	}
	return &folder{path: path}, nil
}

func (f *folder) open(ctx context.Context, r request) (*answer, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(f.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	path := filepath.FromSlash(r.key)
	// Looked at before it is opened, because opening a pipe would wait for a
	// writer for ever.
	info, err := root.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, backoff.Permanent(state.ErrMissing)
	}
	if err != nil {
		return nil, backoff.Permanent(fmt.Errorf("look at it (links may not leave the folder): %w", err))
	}
	if !info.Mode().IsRegular() {
		return nil, backoff.Permanent(errors.New("it is not a regular file"))
	}
	file, err := root.Open(path)
	if err != nil {
		return nil, backoff.Permanent(err)
	}
	if !r.part {
		return &answer{body: file, size: info.Size()}, nil
	}
	a, err := cut(file, info.Size(), r)
	if err != nil {
		_ = file.Close() // it was only read
	}
	return a, err
}

// cut makes an answer of the part of a file that was asked for.
func cut(file *os.File, size int64, r request) (*answer, error) {
	if err := r.checkTotal(size); err != nil {
		return nil, backoff.Permanent(err)
	}
	if size < r.offset+r.limit {
		return nil, backoff.Permanent(fmt.Errorf("it has %d bytes: %w", size, errPart))
	}
	if _, err := file.Seek(r.offset, io.SeekStart); err != nil {
		return nil, backoff.Permanent(err)
	}
	return &answer{body: partFile{io.LimitReader(file, r.limit), file}, size: r.limit}, nil
}

// A partFile is a part of a file, closed with it.
type partFile struct {
	io.Reader
	io.Closer
}

func (f *folder) name(key string) string { return filepath.Join(f.path, filepath.FromSlash(key)) }

func (f *folder) String() string { return f.path }
