package setup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// newMark begins the names of files that are not finished. A run that was killed
// leaves one behind at most, and the next takes it away.
const newMark = ".hackage-mirror-new-"

// maxKey bounds a file that is read, in bytes.
const maxKey = 1 << 20

// openKeys makes the folder for the keys, which git is told to leave out before
// there is anything in it.
func openKeys(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder for the keys: %w", err)
	}
	if err := clean(dir); err != nil {
		return err
	}
	_, err := create(filepath.Join(dir, ".gitignore"), []byte("*\n"), 0o644)
	return err
}

// clean takes away what a killed run left in a folder.
func clean(dir string) error {
	leftovers, err := filepath.Glob(filepath.Join(globQuote(dir), newMark+"*"))
	for _, file := range leftovers {
		err = errors.Join(err, os.Remove(file))
	}
	if err != nil {
		return fmt.Errorf("clean folder %q: %w", dir, err)
	}
	return nil
}

// globQuote takes the meaning from what Glob would take for patterns.
func globQuote(dir string) string {
	if os.PathSeparator == '\\' {
		return dir // there it has no quoting, and such names are rare
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// create makes a file with all its content, or leaves one that is there as it
// is and returns false.
func create(path string, content []byte, mode fs.FileMode) (made bool, err error) {
	temporary, err := stage(path, content, mode)
	if err != nil {
		return false, err
	}
	defer func() { _ = os.Remove(temporary) }() // after a link, the second name
	err = os.Link(temporary, path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = moveNew(temporary, path) // a file system without links
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("write %q: %w", path, err)
	}
	return true, nil
}

// createBeside makes a file that was not there, and its folder.
func createBeside(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the folder of %q: %w", path, err)
	}
	made, err := create(path, content, 0o644)
	if err == nil && !made {
		err = fmt.Errorf("write %q: another program has just created it; run this again", path)
	}
	return err
}

// moveNew gives a file its name unless there is one of that name.
func moveNew(from, to string) error {
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fs.ErrExist)
	}
	return os.Rename(from, to)
}

// replace makes a file with all its content in the place of one that is there.
func replace(path string, content []byte, mode fs.FileMode) error {
	temporary, err := stage(path, content, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		_ = os.Remove(temporary)
		return fmt.Errorf("write %q: %w", path, err)
	}
	return nil
}

// stage writes a file beside its place and returns its name.
func stage(path string, content []byte, mode fs.FileMode) (temporary string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), newMark+"*") // 0600 from its start
	if err != nil {
		return "", fmt.Errorf("write %q: %w", path, err)
	}
	_, err = f.Write(content)
	if err == nil && mode != 0o600 {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name())
		return "", fmt.Errorf("write %q: %w", path, err)
	}
	return f.Name(), nil
}

// readFile reads a small file; nil if there is none.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	raw, err := io.ReadAll(io.LimitReader(f, maxKey+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %q: %w", path, err)
	case len(raw) > maxKey:
		return nil, fmt.Errorf("read %q: it is longer than %d bytes", path, maxKey)
	case raw == nil:
		raw = []byte{}
	}
	return raw, nil
}
