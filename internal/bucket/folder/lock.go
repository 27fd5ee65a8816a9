package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

const (
	// privateFolder is the bucket's own folder, below its root.
	privateFolder = ".hackage-mirror"
	// lockFile is never removed: a writer that waits for a file which another
	// one removes would hold a lock that nobody else sees.
	lockFile = "lock"
	// tempPrefix starts the names of temporary files in privateFolder.
	tempPrefix = "put-"
)

// writable returns the folder with the lock held; the first call makes the
// folder, acquires the lock and sweeps what a killed writer left.
func (f *Bucket) writable() (*os.Root, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lock != nil && !f.closed {
		return f.root, nil
	}
	root, err := f.openLocked()
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeRoot(f.path); err != nil {
			return nil, err
		}
		root, err = f.openLocked()
	}
	if err != nil {
		return nil, err
	}
	lock, err := f.acquireLock(root)
	if err != nil {
		return nil, err
	}
	if err := f.sweep(root); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	f.lock, f.folds = lock, foldsCase(root)
	return root, nil
}

// makeRoot makes the folder path and what is missing above it, durably.
func makeRoot(path string) error {
	above := existing(filepath.Dir(path))
	if err := os.MkdirAll(path, 0o755); err != nil {
		return advise(above, "write", err)
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if err := syncFolder(func() (*os.File, error) { return os.Open(dir) }); err != nil {
			return fmt.Errorf("flush folder %q: %w", dir, err)
		}
		if dir == above {
			return nil
		}
	}
}

// acquireLock acquires the advisory lock, or returns ErrLocked at once.
func (f *Bucket) acquireLock(root *os.Root) (*flock.Flock, error) {
	if err := makePrivate(root); err != nil {
		return nil, f.adviseWrite(".", err)
	}
	name := filepath.Join(privateFolder, lockFile)
	// The root makes the file and so keeps it inside; flock, which knows only
	// paths, then finds it made.
	file, err := root.OpenFile(name, os.O_CREATE|os.O_RDONLY, 0o644)
	if err != nil {
		return nil, f.adviseWrite(privateFolder, err)
	}
	made, err := file.Stat()
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	path := filepath.Join(f.path, name)
	lock := flock.New(path, flock.SetPermissions(0o644))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %q: %w", path, f.adviseWrite(privateFolder, err))
	}
	if !held {
		return nil, fmt.Errorf("lock %q: another run is writing here; wait until it ends, or stop it: %w", path, bucket.ErrLocked)
	}
	if locked, err := lock.Stat(); err != nil || !os.SameFile(locked, made) {
		return nil, errors.Join(fmt.Errorf("lock %q: the folder was moved or replaced during the run; run again", path), err, lock.Close())
	}
	return lock, nil
}

// makePrivate makes the private folder. It must not be a link: two buckets must
// not share one.
func makePrivate(root *os.Root) error {
	err := root.Mkdir(privateFolder, 0o755)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := root.Lstat(privateFolder)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("use %q: it is not a folder; remove it", filepath.Join(root.Name(), privateFolder))
	}
	return nil
}

// sweep removes the temporary files of a writer that was killed. The lock is
// held, so no one else is at them.
func (f *Bucket) sweep(root *os.Root) error {
	names, err := readNames(root, privateFolder)
	if err != nil {
		return f.adviseWrite(privateFolder, err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, tempPrefix) {
			continue
		}
		if err := root.Remove(filepath.Join(privateFolder, name)); err != nil {
			return f.adviseWrite(privateFolder, err)
		}
	}
	return nil
}

// foldsCase reports whether the file system finds the lock file under its name
// in capitals.
func foldsCase(root *os.Root) bool {
	lower, err := root.Lstat(filepath.Join(privateFolder, lockFile))
	if err != nil {
		return false
	}
	upper, err := root.Lstat(filepath.Join(privateFolder, strings.ToUpper(lockFile)))
	return err == nil && os.SameFile(lower, upper)
}
