// Package temp makes the program's temporary folders, and removes those that runs
// left behind which were killed.
//
// A folder is hackage-mirror-NUMBER, private to its user. While the run lives it
// holds a lock on the file of that name with .lock at its end, which is made first:
// so whoever gets the lock knows that the run is dead. Versions of this program
// without locks left folders without that file; such a folder is removed when
// nothing has been made in it for a day.
package temp

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

const (
	prefix  = "hackage-mirror-"
	lockEnd = ".lock"
	// lockless is how long a folder without a lock is left alone.
	lockless = 24 * time.Hour
)

// A Folder is a temporary folder, mode 0700.
type Folder struct {
	Path string // absolute: programs that use it have working folders of their own
	lock *flock.Flock
}

// Make makes a folder where the system has them, after it removed what dead runs of
// the same user left there.
func Make() (*Folder, error) {
	parent := os.TempDir()
	sweepLockless(parent)
	return MakeIn(parent)
}

// MakeIn is Make for another place. There only folders with a lock are removed,
// since others may be somebody's.
func MakeIn(parent string) (*Folder, error) {
	parent, err := filepath.Abs(parent)
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	sweep(parent)
	f, err := lock(parent)
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	if err := os.Mkdir(f.Path, 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("make a temporary folder: %w", err), f.unlock())
	}
	return f, nil
}

// lock takes a new name and its lock. On a file system without locks there is none.
func lock(parent string) (*Folder, error) {
	for {
		file, err := os.CreateTemp(parent, prefix+"*"+lockEnd)
		if err == nil {
			err = file.Close()
		}
		if err != nil {
			return nil, err
		}
		f := &Folder{Path: strings.TrimSuffix(file.Name(), lockEnd), lock: flock.New(file.Name())}
		got, err := f.lock.TryLock()
		if got {
			return f, nil
		}
		if err != nil {
			return f, f.unlock()
		}
		// Another run took the file for a dead run's, and removes it.
		if err := f.lock.Close(); err != nil {
			return nil, err
		}
	}
}

// Close removes the folder with all that is in it.
func (f *Folder) Close() error { return errors.Join(os.RemoveAll(f.Path), f.unlock()) }

func (f *Folder) unlock() error {
	err := f.lock.Close()
	if gone := os.Remove(f.lock.Path()); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// named are the names that os.MkdirTemp and os.CreateTemp give.
var named = regexp.MustCompile(`^` + prefix + `[0-9]{4,10}(` + lockEnd + `)?$`)

// leftovers are what bears such a name and is ours. What goes wrong in a sweep is
// nobody's error.
func leftovers(parent string) iter.Seq2[string, fs.FileInfo] {
	return func(yield func(string, fs.FileInfo) bool) {
		entries, _ := os.ReadDir(parent)
		for _, entry := range entries {
			if !named.MatchString(entry.Name()) {
				continue
			}
			info, err := entry.Info()
			if err == nil && ours(info) && !yield(filepath.Join(parent, entry.Name()), info) {
				return
			}
		}
	}
}

// sweep removes what dead runs left that had locks.
func sweep(parent string) {
	for path, info := range leftovers(parent) {
		if path, locked := strings.CutSuffix(path, lockEnd); locked && info.Mode().IsRegular() {
			removeDead(path)
		}
	}
}

// sweepLockless removes what dead runs left that had none.
func sweepLockless(parent string) {
	for path, info := range leftovers(parent) {
		_, err := os.Lstat(path + lockEnd)
		if errors.Is(err, fs.ErrNotExist) && private(info) && time.Since(info.ModTime()) > lockless {
			_ = os.RemoveAll(path)
		}
	}
}

// removeDead removes a folder and its lock, if that is free.
func removeDead(path string) {
	f := &Folder{Path: path, lock: flock.New(path+lockEnd, flock.SetFlag(os.O_RDWR))}
	if free, err := f.lock.TryLock(); !free || err != nil {
		return
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_ = f.unlock()
	case err == nil && private(info) && ours(info):
		_ = f.Close()
	default:
		_ = f.lock.Close()
	}
}

// private reports whether it is a folder, and no link to one, that nobody else may
// look into. Windows has no such modes.
func private(info fs.FileInfo) bool {
	return info.IsDir() && (info.Mode().Perm() == 0o700 || !modes)
}
