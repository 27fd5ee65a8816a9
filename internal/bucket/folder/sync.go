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

// pending is the set of folders whose entries may not be on the disk yet.
//
// A file's content is flushed before it gets its name, each file by itself. A
// name is an entry of a folder, and to flush the folder after each of 150,000
// files would double the flushes for nothing: a tarball whose name is lost with
// the power is a tarball not fetched yet, which the next run puts again. What
// must not happen is that a pointer outlives what it points to. So names are
// only noted, and all noted folders are flushed before an object is put with
// Always or IfMatch, which is how pointers are put, and at Close. A kill alone
// loses nothing, for the system has the names then.
//
// All folders above a name are noted, and those of objects found in place too:
// a writer that was killed may have made them and not come to flush them.
type pending struct {
	// settling is held while flushing, so that a put that comes meanwhile
	// waits for the names it must not overtake.
	settling sync.Mutex
	mu       sync.Mutex
	folders  map[string]bool
}

// settleLimit bounds the folders flushed at a time; file systems gather the
// flushes of several callers into one write.
const settleLimit = 8

// add notes the folders above name.
func (p *pending) add(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.folders == nil {
		p.folders = make(map[string]bool)
	}
	for dir := filepath.Dir(name); !p.folders[dir]; dir = filepath.Dir(dir) {
		p.folders[dir] = true
	}
}

// settle returns when the entries of all folders noted before are on the disk.
func (p *pending) settle(root *os.Root) error {
	p.settling.Lock()
	defer p.settling.Unlock()
	p.mu.Lock()
	folders := p.folders
	p.folders = nil
	p.mu.Unlock()

	var group errgroup.Group
	group.SetLimit(settleLimit)
	for dir := range folders {
		group.Go(func() error {
			if err := syncFolder(func() (*os.File, error) { return root.Open(dir) }); err != nil {
				return fmt.Errorf("flush folder %q: %w", filepath.Join(root.Name(), dir), err)
			}
			return nil
		})
	}
	err := group.Wait()
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.folders == nil {
			p.folders = make(map[string]bool, len(folders))
		}
		for dir := range folders {
			p.folders[dir] = true
		}
	}
	return err
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
