package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// disk is what a test must be able to make fail or behave like another file
// system.
type disk struct {
	// create makes a new file to be written.
	create func(root *os.Root, name string) (tempFile, error)
	// names lists a folder, in no order.
	names func(root *os.Root, dir string) ([]string, error)
}

// A tempFile is a file being written.
type tempFile interface {
	io.WriteCloser
	Sync() error
}

func systemDisk() disk {
	return disk{
		create: func(root *os.Root, name string) (tempFile, error) {
			return root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		},
		names: readNames,
	}
}

func readNames(root *os.Root, dir string) ([]string, error) {
	file, err := root.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := file.Readdirnames(-1)
	return names, errors.Join(err, file.Close())
}

// adviseWrite is advise for a write into dir below the bucket's root.
func (f *Bucket) adviseWrite(dir string, err error) error {
	return advise(filepath.Join(f.path, dir), "write", err)
}

// advise adds to an error of the file system what the user can do about it.
// Access is "read" or "write".
func advise(dir, access string, err error) error {
	switch {
	case err == nil:
		return nil
	case diskFull(err):
		return fmt.Errorf("no space left for folder %q; free some and run again: %w", dir, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("folder %q is on a read-only file system: %w", dir, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s needs %s permission on folder %q: %w", whoami(), access, existing(dir), err)
	default:
		return err
	}
}

// existing returns the innermost folder of path that is there, the one whose
// permissions count for making the rest.
func existing(path string) string {
	for {
		_, err := os.Stat(path)
		above := filepath.Dir(path)
		if !errors.Is(err, fs.ErrNotExist) || above == path {
			return path
		}
		path = above
	}
}

// refusedByDisk reports whether err means that a file system accepts no file of this
// name or size, however much room there is.
func refusedByDisk(err error) bool {
	return isAny(err, append(systemRefused, syscall.ENAMETOOLONG, syscall.EFBIG))
}

// diskFull reports whether err means that a file system or a quota is used up.
func diskFull(err error) bool {
	return isAny(err, append(systemDiskFull, syscall.ENOSPC, syscall.EDQUOT))
}

func isAny(err error, targets []error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}

// whoami names the user that the system checks permissions of.
func whoami() string {
	uid := os.Geteuid()
	if uid < 0 { // Windows has no such number
		if u, err := user.Current(); err == nil {
			return "user " + u.Username
		}
		return "the user"
	}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return fmt.Sprintf("user %s (uid %d)", u.Username, uid)
	}
	return fmt.Sprintf("uid %d", uid)
}
