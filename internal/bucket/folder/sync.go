package folder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// unflushed is the set of folders whose entries may not be on the disk yet.
//
// A file's content is flushed before it gets its name. To flush the folder too after
// each of 150,000 files would double the flushes for nothing: a tarball whose name is
// lost with the power is put again by the next run. But a pointer must not outlive what
// it points to, so all folders above new names are flushed before an object is put with
// Always or IfMatch, as pointers are, and at Close. A kill alone loses nothing.
//
// Those of objects found in place are remembered too: a writer that was killed may
// have made them and not come to flush them.
type unflushed struct {
	// flushing is held while flushing, so that a put that comes meanwhile
	// waits for the names it must not overtake.
	flushing sync.Mutex
	mu       sync.Mutex
	folders  map[string]bool
}

// flushesAtOnce bounds the folders flushed at a time; file systems gather the
// flushes of several callers into one write.
const flushesAtOnce = 8

// add remembers the folders above name.
func (u *unflushed) add(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.folders == nil {
		u.folders = make(map[string]bool)
	}
	for dir := filepath.Dir(name); !u.folders[dir]; dir = filepath.Dir(dir) {
		u.folders[dir] = true
	}
}

// flush returns when the entries of all folders remembered before are on the disk.
// Those of which it failed stay remembered.
func (u *unflushed) flush(root *os.Root) error {
	u.flushing.Lock()
	defer u.flushing.Unlock()
	u.mu.Lock()
	folders := u.folders
	u.folders = nil
	u.mu.Unlock()

	var group errgroup.Group
	group.SetLimit(flushesAtOnce)
	for dir := range folders {
		group.Go(func() error {
			if err := syncFolder(func() (*os.File, error) { return root.Open(dir) }); err != nil {
				u.add(filepath.Join(dir, "entry"))
				return fmt.Errorf("flush folder %q: %w", filepath.Join(root.Name(), dir), err)
			}
			return nil
		})
	}
	return group.Wait()
}

// syncFolder flushes the folder that open opens, where the system can.
func syncFolder(open func() (*os.File, error)) error {
	if !foldersSync {
		return nil
	}
	dir, err := open()
	if err != nil {
		return err
	}
	err = dir.Sync()
	// Some network and user-space file systems do not flush folders.
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, dir.Close())
}
