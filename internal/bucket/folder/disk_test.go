package folder

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
)

func newFolder(t *testing.T) *Bucket {
	t.Helper()
	f, err := New(t.TempDir())
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

// privateNames returns what lies in the private folder.
func privateNames(t *testing.T, f *Bucket) []string {
	t.Helper()
	root, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	names, err := readNames(root, privateFolder)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A faultyFile fails to write after room bytes, or at Sync.
type faultyFile struct {
	tempFile
	room    int
	write   error
	syncing error
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if len(p) > f.room {
		n, _ := f.tempFile.Write(p[:f.room])
		f.room -= n
		return n, f.write
	}
	f.room -= len(p)
	return f.tempFile.Write(p)
}

func (f *faultyFile) Sync() error {
	return errors.Join(f.syncing, f.tempFile.Sync())
}

func TestDiskFaultLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault faultyFile
		want  error
		says  string
	}{
		{"full while writing", faultyFile{room: 3, write: syscall.ENOSPC}, syscall.ENOSPC, "no space left"},
		{"quota", faultyFile{room: 3, write: syscall.EDQUOT}, syscall.EDQUOT, "no space left"},
		{"full while flushing", faultyFile{room: 100, syncing: syscall.ENOSPC}, syscall.ENOSPC, "no space left"},
		{"broken", faultyFile{room: 3, write: syscall.EIO}, syscall.EIO, ""},
		{"read-only", faultyFile{room: 3, write: syscall.EROFS}, syscall.EROFS, "read-only file system"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFolder(t)
			create := f.disk.create
			f.disk.create = func(root *os.Root, name string) (tempFile, error) {
				file, err := create(root, name)
				fault := c.fault
				fault.tempFile = file
				return &fault, err
			}
			_, err := f.Put(t.Context(), "package/a", bucket.NewObject([]byte("content")), bucket.IfAbsent())
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || c.says != "" && !strings.Contains(err.Error(), f.path) {
				t.Errorf("put: %v, want %v and %q", err, c.want, c.says)
			}
			if _, err := f.Head(t.Context(), "package/a"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("head: %v, want fs.ErrNotExist", err)
			}
			if names := privateNames(t, f); len(names) != 1 || names[0] != lockFile {
				t.Errorf("left behind: %q", names)
			}
			f.disk.create = create
			if _, err := f.Put(t.Context(), "package/a", bucket.NewObject([]byte("content")), bucket.IfAbsent()); err != nil {
				t.Errorf("put again with room: %v", err)
			}
		})
	}
}

// TestCreatedMeanwhile puts another object in place between the first look and
// the one that counts.
func TestCreatedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		content string
		c       bucket.Condition
		want    error
	}{
		{"same", bucket.IfAbsent(), nil},
		{"other", bucket.IfAbsent(), bucket.ErrDiffers},
		{"same", bucket.IfMatch(""), nil},
		{"other", bucket.IfMatch(""), bucket.ErrConflict},
		{"other", bucket.IfNew(), bucket.ErrConflict},
	} {
		f := newFolder(t)
		create := f.disk.create
		f.disk.create = func(root *os.Root, name string) (tempFile, error) {
			if err := root.WriteFile("a", []byte(c.content), 0o644); err != nil {
				return nil, err
			}
			return create(root, name)
		}
		_, err := f.Put(t.Context(), "a", bucket.NewObject([]byte("same")), c.c)
		if !errors.Is(err, c.want) {
			t.Errorf("put (%s) where %q came first: %v, want %v", c.c, c.content, err, c.want)
		}
		content, err := os.ReadFile(filepath.Join(f.path, "a"))
		if err != nil || string(content) != c.content {
			t.Errorf("the object is now %q (%v), want %q", content, err, c.content)
		}
	}
}

// TestReplaceKeepsTwin plays a file system that ignores case: it finds a name
// that its folder lists in another spelling.
func TestReplaceKeepsTwin(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	const key, twin = "package/extra-1.0/extra.cabal", "Extra-1.0"
	if _, err := f.Put(t.Context(), key, bucket.NewObject([]byte("one")), bucket.Always()); err != nil {
		t.Fatal(err)
	}
	f.folds = true
	if _, err := f.Put(t.Context(), key, bucket.NewObject([]byte("two")), bucket.Always()); err != nil {
		t.Fatalf("replace it under its own name: %v", err)
	}
	f.disk.names = func(root *os.Root, dir string) ([]string, error) {
		names, err := readNames(root, dir)
		for i, name := range names {
			if name == "extra-1.0" {
				names[i] = twin
			}
		}
		return names, err
	}
	if _, err := f.Put(t.Context(), key, bucket.NewObject([]byte("three")), bucket.Always()); !errors.Is(err, bucket.ErrDiffers) {
		t.Errorf("replace the twin: %v, want ErrDiffers", err)
	}
	content, err := os.ReadFile(filepath.Join(f.path, filepath.FromSlash(key)))
	if err != nil || string(content) != "two" {
		t.Errorf("the twin is now %q (%v)", content, err)
	}
}

// TestFoldersAboveAreRemembered checks which folders are flushed, and that those of
// a failed flush stay remembered.
func TestFoldersAboveAreRemembered(t *testing.T) {
	t.Parallel()
	f := newFolder(t)
	if _, err := f.Put(t.Context(), "package/a/b", bucket.NewObject(nil), bucket.IfAbsent()); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{".", "package", filepath.Join("package", "a")} {
		if !f.unflushed.folders[dir] {
			t.Errorf("folder %q is not remembered: %v", dir, f.unflushed.folders)
		}
	}
	if _, err := f.Put(t.Context(), "pointer", bucket.NewObject(nil), bucket.Always()); err != nil {
		t.Fatal(err)
	}
	if n := len(f.unflushed.folders); n != 1 || !f.unflushed.folders["."] {
		t.Errorf("after a pointer, remembered: %v, want only its own folder", f.unflushed.folders)
	}
	if !foldersSync {
		return
	}
	f.unflushed.add(filepath.Join("missing", "a"))
	if _, err := f.Put(t.Context(), "pointer", bucket.NewObject([]byte("x")), bucket.Always()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("put a pointer though the flush failed: %v", err)
	}
	if !f.unflushed.folders["missing"] {
		t.Error("the folder of a failed flush is forgotten")
	}
	f.unflushed.folders = nil
}

// TestFaultsOfAPutOnABase lets the disk fail at each stage of a put on a base, before
// the bytes are written or once they are, while others read.
func TestFaultsOfAPutOnABase(t *testing.T) {
	t.Parallel()
	before := []byte(strings.Repeat("what is there. ", 10_000))[:128<<10]
	after := append(bytes.Clone(before), "what is new"...)
	for name, fault := range map[string]faultyFile{
		"base lost":        {room: 1000, write: syscall.EIO},
		"base kept":        {room: len(before), write: syscall.EIO},
		"body lost":        {room: len(before) + 3, write: syscall.EIO},
		"flush lost":       {room: len(after), syncing: syscall.EIO},
		"base lost, full":  {room: 1000, write: syscall.ENOSPC},
		"flush lost, full": {room: len(after), syncing: syscall.ENOSPC},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolder(t)
			if _, err := f.Put(t.Context(), "k", bucket.NewObject(before), bucket.Always()); err != nil {
				t.Fatal(err)
			}
			holds := func(want []byte) {
				t.Helper()
				if raw, err := os.ReadFile(filepath.Join(f.path, "k")); err != nil || !bytes.Equal(raw, want) {
					t.Errorf("a reader gets %d bytes, or other ones: %v", len(raw), err)
				}
			}
			create := f.disk.create
			f.disk.create = func(root *os.Root, name string) (tempFile, error) {
				file, err := create(root, name)
				faulty := fault
				faulty.tempFile = file
				holds(before)
				return &faulty, err
			}
			if _, err := f.Put(t.Context(), "k", buckettest.NewObjectOn(len(before), after), bucket.Always()); err == nil {
				t.Error("the disk fails, and the put does not")
			}
			holds(before)
			if names := privateNames(t, f); len(names) != 1 || names[0] != lockFile {
				t.Errorf("left behind: %q", names)
			}
			f.disk.create = create
			if _, err := f.Put(t.Context(), "k", buckettest.NewObjectOn(len(before), after), bucket.Always()); err != nil {
				t.Error(err)
			}
			holds(after)
		})
	}
}
