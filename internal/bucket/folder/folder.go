// Package folder keeps a bucket in a folder of a file system, which any web server can
// serve as it is.
package folder

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/gofrs/flock"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

// A Bucket is a bucket in a folder of a file system: an object is the file whose
// path below the folder is its key, so any web server can serve it as it is.
//
// A file is written under another name in .hackage-mirror inside the bucket (the same
// file system), flushed, and only then renamed to its key. No file is ever changed in
// place: one that grows is copied, and digested in that pass. One Bucket writes at a
// time: from the first write until Close it has an advisory lock on
// .hackage-mirror/lock, and that file stays. To open or read acquires no lock.
//
// Symbolic links inside the folder are followed only if they stay inside. The
// folder itself may be a link, for its path is the operator's own word.
//
// The ETag of an object is its SHA-256; that of a large one, which takes long to
// read, is made of its size, its time of change and its place on the disk.
type Bucket struct {
	bucket.Reads

	path      string
	disk      disk
	unflushed unflushed

	// publishing is held from reading the object in place to replacing it.
	publishing sync.Mutex
	// temps counts the temporary files, for their names.
	temps atomic.Uint64

	// mu guards what follows.
	mu     sync.Mutex
	root   *os.Root // nil until the folder exists
	lock   *flock.Flock
	folds  bool // to the file system "A" and "a" are one name
	closed bool
}

// New returns the bucket in the folder path. A folder that does not exist
// is an empty bucket; the first Put makes it. The caller closes the Bucket.
func New(path string) (*Bucket, error) {
	if path == "" {
		return nil, errors.New("open folder \"\": the path is empty")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open folder %q: %w", path, err)
	}
	info, err := os.Stat(abs)
	switch {
	case err == nil && !info.IsDir():
		return nil, fmt.Errorf("open folder %q: it is a file, and a bucket needs a folder: %w", path, syscall.ENOTDIR)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open folder %q: %w", path, advise(abs, "read", err))
	}
	f := &Bucket{path: abs, disk: systemDisk()}
	if _, err := f.open(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open folder %q: %w", path, err)
	}
	return f, nil
}

// String returns the folder's absolute path.
func (f *Bucket) String() string { return "folder " + f.path }

// open returns the folder, or fs.ErrNotExist while nobody has made it.
func (f *Bucket) open() (*os.Root, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.openLocked()
}

func (f *Bucket) openLocked() (*os.Root, error) {
	if f.closed {
		return nil, fs.ErrClosed
	}
	if f.root == nil {
		root, err := os.OpenRoot(f.path)
		if err != nil {
			return nil, advise(f.path, "read", err)
		}
		f.root = root
	}
	return f.root, nil
}

// Close makes everything that was put durable, gives up the lock and closes the
// folder. A second Close does nothing.
func (f *Bucket) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	var errs []error
	if f.root != nil {
		errs = append(errs, f.unflushed.flush(f.root), f.root.Close())
	}
	if f.lock != nil {
		errs = append(errs, f.lock.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close %s: %w", f, err)
	}
	return nil
}

// Head implements Bucket.
func (f *Bucket) Head(ctx context.Context, key string) (bucket.Info, error) {
	body, info, err := f.Get(ctx, key)
	if err != nil {
		return bucket.Info{}, err
	}
	return info, body.Close()
}

// Get implements Bucket.
func (f *Bucket) Get(ctx context.Context, key string) (io.ReadCloser, bucket.Info, error) {
	name, err := localName(key)
	if errors.Is(err, bucket.ErrRefused) {
		err = errors.Join(err, fs.ErrNotExist) // what no file can be named is not here
	}
	if err != nil {
		return nil, bucket.Info{}, err
	}
	body, info, err := f.read(ctx, name)
	if err != nil {
		return nil, bucket.Info{}, fmt.Errorf("get %q: %w", key, err)
	}
	return f.Count(ctx, body), info, nil
}

// read opens the regular file name at its start. Files below the root are never
// changed in place, so its ETag holds for what is read afterwards.
func (f *Bucket) read(ctx context.Context, name string) (*os.File, bucket.Info, error) {
	root, err := f.open()
	if err = cmp.Or(ctx.Err(), err); err != nil {
		return nil, bucket.Info{}, err
	}
	// Before opening, for to open a named pipe would wait for its writer.
	if err := checkObject(root, name); err != nil {
		return nil, bucket.Info{}, err
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, bucket.Info{}, err
	}
	stat, err := file.Stat()
	var sum [sha256.Size]byte
	if err == nil && stat.Size() <= soonRead {
		sum, err = digestOf(ctx, file)
	}
	if err != nil {
		return nil, bucket.Info{}, errors.Join(err, file.Close())
	}
	return file, infoOf(stat, sum), nil
}

// soonRead is the size in bytes up to which a file is read for its ETag.
const soonRead = 1 << 20

// infoOf is what is known of a file with a digest, which does not count for a
// large one.
func infoOf(stat fs.FileInfo, sum [sha256.Size]byte) bucket.Info {
	etag := hex.EncodeToString(sum[:])
	if stat.Size() > soonRead {
		etag = fmt.Sprintf("%d-%d-%d", stat.Size(), stat.ModTime().UnixNano(), fileNumber(stat))
	}
	return bucket.Info{Size: stat.Size(), ETag: etag}
}

// digestOf reads a file to its end, and leaves it at its start.
func digestOf(ctx context.Context, file *os.File) (sum [sha256.Size]byte, err error) {
	if _, sum, err = bucket.Digest(ctx, file); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	return sum, err
}

// checkObject says fs.ErrNotExist of what would be no object in other stores: a
// folder, a path below a file, and a name that no file can have.
func checkObject(root *os.Root, name string) error {
	info, err := root.Stat(name)
	switch {
	case errors.Is(err, syscall.ENOTDIR), refusedByDisk(err):
		return fs.ErrNotExist
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("it is a folder: %w", fs.ErrNotExist)
	case !info.Mode().IsRegular():
		return fmt.Errorf("it is not a regular file (%s): %w", info.Mode().Type(), fs.ErrInvalid)
	}
	return nil
}

// localName checks key and returns its path below the folder in the system's
// own form. A key inside the private folder is no key; one that no file can have
// as its name here, such as aux on Windows, is ErrRefused.
func localName(key string) (string, error) {
	if err := bucket.CheckKey(key); err != nil {
		return "", err
	}
	if first, _, _ := strings.Cut(key, "/"); strings.EqualFold(first, privateFolder) {
		return "", fmt.Errorf("check key %q: %s is the bucket's own: %w", key, privateFolder, bucket.ErrKey)
	}
	name, err := filepath.Localize(key)
	if err != nil {
		return "", fmt.Errorf("check key %q: no file can have this name here: %w", key, bucket.ErrRefused)
	}
	return name, nil
}
