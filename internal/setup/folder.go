package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/bounded"
)

// newMark begins the names of files that are not finished. A run that was killed
// leaves one behind at most, and the next takes it away.
const newMark = ".hackage-mirror-new-"

// maxKey bounds a file that is read, in bytes.
const maxKey = 1 << 20

// makeKeysFolder makes the folder for the keys, which git is told to leave out
// before there is anything in it.
func makeKeysFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder for the keys: %w", err)
	}
	if err := removeUnfinished(dir); err != nil {
		return err
	}
	ignore := filepath.Join(dir, ".gitignore")
	if there, err := readFile(ignore); err != nil || there != nil {
		return err
	}
	return create(ignore, []byte("*\n"), 0o644)
}

// removeUnfinished takes away what a killed run left in a folder.
func removeUnfinished(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), newMark) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, entry.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("clean folder %q: %w", dir, err)
	}
	return nil
}

// create makes a file with all its content where there is none, and its folder.
func create(path string, content []byte, mode fs.FileMode) error {
	err := write(path, content, mode, linkNew)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write %q: another program has just created it; run this again", path)
	}
	return err
}

// linkNew gives a file its name unless there is one of that name.
func linkNew(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) { // a file system without links
		return errors.Join(err, fs.ErrExist)
	}
	return os.Rename(from, to)
}

// write makes a file beside where it belongs, and gives it its name when all is in it.
func write(path string, content []byte, mode fs.FileMode, name func(from, to string) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %q: %w", path, err)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), newMark+"*") // 0600 from its start
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // not there any more, or after a link the second name
	_, err = f.Write(content)
	if err == nil && mode != 0o600 {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return name(f.Name(), path)
}

// readFile reads a small file; nil if there is none.
func readFile(path string) ([]byte, error) {
	raw, err := bounded.ReadFile(path, maxKey)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	return raw, nil
}
