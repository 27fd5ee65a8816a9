package folder_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/folder"
)

func TestFolder(t *testing.T) {
	t.Parallel()
	buckettest.Test(t, func(t *testing.T) bucket.Bucket {
		return openFolder(t, filepath.Join(t.TempDir(), "not", "there", "yet"))
	})
}

func openFolder(t *testing.T, path string) *folder.Bucket {
	t.Helper()
	f, err := folder.New(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func put(t *testing.T, b bucket.Bucket, key, content string, c bucket.Condition) bucket.Info {
	t.Helper()
	info, err := b.Put(t.Context(), key, bucket.NewObject([]byte(content)), c)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// tree returns the content of all files and the mark "folder" for folders.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			all[filepath.ToSlash(name)] = "folder"
			return nil
		}
		content, err := os.ReadFile(path)
		all[filepath.ToSlash(name)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestReadingMakesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bucket")
	f := openFolder(t, path)
	if _, err := f.Head(t.Context(), "a"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("head: %v, want fs.ErrNotExist", err)
	}
	_, err := f.Put(t.Context(), "a", bucket.NewObject(nil), bucket.IfMatch("some"))
	if !errors.Is(err, bucket.ErrConflict) {
		t.Errorf("put: %v, want ErrConflict", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}
	if _, err := f.Head(t.Context(), "a"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("head after close: %v, want fs.ErrClosed", err)
	}
	if _, err := f.Put(t.Context(), "a", bucket.NewObject(nil), bucket.Always()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("put after close: %v, want fs.ErrClosed", err)
	}
}

func TestFolderAppearsToReader(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bucket")
	reader, writer := openFolder(t, path), openFolder(t, path)
	put(t, writer, "a", "x", bucket.IfAbsent())
	if _, err := reader.Head(t.Context(), "a"); err != nil {
		t.Errorf("head by a reader that was there first: %v", err)
	}
}

func TestOneWriter(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	first, second := openFolder(t, path), openFolder(t, path)
	put(t, first, "a", "x", bucket.IfAbsent())
	put(t, second, "a", "x", bucket.IfAbsent()) // nothing to write, so no lock
	if _, err := second.Head(t.Context(), "a"); err != nil {
		t.Errorf("head while another writes: %v", err)
	}
	_, err := second.Put(t.Context(), "b", bucket.NewObject(nil), bucket.IfAbsent())
	if !errors.Is(err, bucket.ErrLocked) || !strings.Contains(err.Error(), "lock") {
		t.Errorf("put while another writes: %v, want ErrLocked", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, second, "b", "", bucket.IfAbsent())
}

// TestSecondRunWritesNothing looks at all modification times.
func TestSecondRunWritesNothing(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	run := func() {
		f := openFolder(t, path)
		put(t, f, "package/a", "a", bucket.IfAbsent())
		put(t, f, "b", "b", bucket.Always())
		info, err := f.Head(t.Context(), "b")
		if err != nil {
			t.Fatal(err)
		}
		put(t, f, "b", "b", bucket.IfMatch(info.ETag))
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	run()
	names := []string{".", "package", "package/a", "b", ".hackage-mirror", ".hackage-mirror/lock"}
	if got := tree(t, path); len(got) != len(names) {
		t.Fatalf("the folder holds %q, want %q", got, names)
	}
	old := make(map[string]os.FileInfo)
	for _, name := range names {
		info, err := os.Lstat(filepath.Join(path, name))
		if err != nil {
			t.Fatal(err)
		}
		old[name] = info
	}
	run()
	for _, name := range names {
		info, err := os.Lstat(filepath.Join(path, name))
		if err != nil {
			t.Fatal(err)
		}
		if !info.ModTime().Equal(old[name].ModTime()) || !os.SameFile(info, old[name]) {
			t.Errorf("%q was written again", name)
		}
	}
}

func TestFolderRefusals(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := folder.New(file); !errors.Is(err, syscall.ENOTDIR) || !strings.Contains(err.Error(), "needs a folder") {
		t.Errorf("open a file: %v", err)
	}
	if _, err := folder.New(""); err == nil {
		t.Error("the empty path is taken")
	}
	f := openFolder(t, t.TempDir())
	for _, key := range []string{".hackage-mirror/lock", ".hackage-mirror", ".Hackage-Mirror/put-1"} {
		if _, err := f.Put(t.Context(), key, bucket.NewObject(nil), bucket.Always()); !errors.Is(err, bucket.ErrKey) {
			t.Errorf("put %q: %v, want ErrKey", key, err)
		}
	}
	put(t, f, "package/a", "a", bucket.Always())
	for _, c := range []bucket.Condition{bucket.Always(), bucket.IfAbsent(), bucket.IfMatch("")} {
		if _, err := f.Put(t.Context(), "package", bucket.NewObject(nil), c); err == nil {
			t.Errorf("put over a folder (%s): no error", c)
		}
		if _, err := f.Put(t.Context(), "package/a/b", bucket.NewObject(nil), c); err == nil {
			t.Errorf("put below a file (%s): no error", c)
		}
	}
}

func TestSymlinks(t *testing.T) {
	t.Parallel()
	outside, path := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(path, name)); err != nil {
			t.Skipf("symbolic links: %v", err)
		}
	}
	link(outside, "out")
	link(secret, "leak")
	f := openFolder(t, path)
	for _, key := range []string{"out/secret", "leak"} {
		if _, _, err := f.Get(t.Context(), key); err == nil || errors.Is(err, os.ErrNotExist) {
			t.Errorf("get %q: %v, want a refusal", key, err)
		}
	}
	for _, c := range []bucket.Condition{bucket.Always(), bucket.IfAbsent(), bucket.IfMatch("")} {
		if _, err := f.Put(t.Context(), "out/new", bucket.NewObject(nil), c); err == nil {
			t.Errorf("put through a link that leads outside (%s): no error", c)
		}
	}
	if got := tree(t, outside); len(got) != 2 || got["secret"] != "secret" {
		t.Errorf("outside is now %q", got)
	}

	root := filepath.Join(t.TempDir(), "link to the root")
	if err := os.Symlink(t.TempDir(), root); err != nil {
		t.Fatal(err)
	}
	put(t, openFolder(t, root), "a", "a", bucket.IfAbsent())

	shared := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(shared, ".hackage-mirror")); err != nil {
		t.Fatal(err)
	}
	if _, err := openFolder(t, shared).Put(t.Context(), "a", bucket.NewObject(nil), bucket.Always()); err == nil {
		t.Error("a private folder that is a link is taken")
	}
}

// TestOneFileTwoNames plays a file system that takes both names for one: there
// as here, both lead to the same file.
func TestOneFileTwoNames(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	f := openFolder(t, path)
	put(t, f, "package/Extra-1.0.tar.gz", "upper", bucket.IfAbsent())
	err := os.Link(filepath.Join(path, "package", "Extra-1.0.tar.gz"), filepath.Join(path, "package", "extra-1.0.tar.gz"))
	if err != nil && !errors.Is(err, os.ErrExist) { // it is such a file system
		t.Fatal(err)
	}
	_, err = f.Put(t.Context(), "package/extra-1.0.tar.gz", bucket.NewObject([]byte("lower")), bucket.IfAbsent())
	if !errors.Is(err, bucket.ErrDiffers) {
		t.Errorf("put: %v, want ErrDiffers", err)
	}
	got, err := os.ReadFile(filepath.Join(path, "package", "Extra-1.0.tar.gz"))
	if err != nil || string(got) != "upper" {
		t.Errorf("the first object is now %q (%v)", got, err)
	}
}
