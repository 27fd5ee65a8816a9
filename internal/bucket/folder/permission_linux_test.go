package folder_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/folder"
)

// unprivileged calls do as a user whom permissions bind. Root becomes another
// user for file access on this thread alone, which ends with its goroutine.
func unprivileged(t *testing.T, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		do()
		return
	}
	done := make(chan struct{})
	go func() { // owned by the wait below
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread is not to be used again
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0); errno != 0 {
			t.Errorf("become another user: %v", errno)
			return
		}
		do()
	}()
	<-done
}

// openTempDir is t.TempDir with a way in for other users.
func openTempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, part := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(part, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestNoPermission(t *testing.T) {
	t.Parallel()
	for _, inPlace := range []bool{false, true} {
		path := filepath.Join(openTempDir(t), "bucket")
		if err := os.Mkdir(path, 0o555); err != nil {
			t.Fatal(err)
		}
		target := path
		if !inPlace {
			target = filepath.Join(path, "a", "b")
		}
		f := openFolder(t, target)
		unprivileged(t, func() {
			_, err := f.Put(t.Context(), "package/a", bucket.NewObject(nil), bucket.IfAbsent())
			if !errors.Is(err, fs.ErrPermission) {
				t.Errorf("put: %v, want fs.ErrPermission", err)
				return
			}
			for _, part := range []string{"needs write permission", "uid ", path} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %q: %v", part, err)
				}
			}
		})
		if got := tree(t, path); len(got) != 1 {
			t.Errorf("there is now %q", got)
		}
	}
}

func TestNoPermissionToRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(openTempDir(t), "bucket")
	if err := os.Mkdir(path, 0); err != nil {
		t.Fatal(err)
	}
	unprivileged(t, func() {
		_, err := folder.New(path)
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "needs read permission") {
			t.Errorf("open: %v, want fs.ErrPermission", err)
		}
	})
}
