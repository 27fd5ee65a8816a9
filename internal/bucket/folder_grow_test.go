package bucket_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
)

// growInFolder puts an object and then a longer one on its beginning into a folder that
// grows files of any length in place, unless a nil clone says that copies share
// their blocks. It returns the file before and after.
func growInFolder(t *testing.T, from int, before, after []byte, clone error, meanwhile func(object string)) (old, now os.FileInfo, err error) {
	t.Helper()
	path := t.TempDir()
	folder, err := bucket.NewFolder(path)
	must(t, err)
	folder.GrowFrom(1, clone)
	_, err = folder.Put(t.Context(), "k", bucket.NewObject(before), bucket.Always())
	must(t, err)
	object := filepath.Join(path, "k")
	old, err = os.Stat(object)
	must(t, err)
	if meanwhile != nil {
		meanwhile(object)
	}
	_, err = folder.Put(t.Context(), "k", buckettest.NewObjectOn(from, after), bucket.Always())
	must(t, folder.Close())
	now, statErr := os.Stat(object)
	must(t, statErr)
	want := after
	if err != nil {
		want = before
	}
	if raw, readErr := os.ReadFile(object); readErr != nil || !bytes.Equal(raw, want) {
		t.Errorf("%d bytes are there, or other ones, want %d (%v)", len(raw), len(want), readErr)
	}
	return old, now, err
}

// closed is content with closing zeros.
func closed(content []byte) []byte { return append(slices.Clone(content), make([]byte, 1024)...) }

func TestFolderGrowsAFileInPlace(t *testing.T) {
	t.Parallel()
	const from = 2 * mebi
	content := noise(from + 300_000)
	for _, size := range []int{from + 512, from + 1024, from + 300_000} {
		old, now, err := growInFolder(t, from, closed(content[:from]), closed(content[:size]), errors.ErrUnsupported, nil)
		if err != nil || !os.SameFile(old, now) {
			t.Errorf("%d bytes: the file is another one (%v)", size, err)
		}
	}
}

// TestFolderCopiesWhatItMustNotGrow: what is there is no such file as a run
// leaves, or it is somebody else's, too.
func TestFolderCopiesWhatItMustNotGrow(t *testing.T) {
	t.Parallel()
	const from = 2 * mebi
	content := noise(from + 300_000)
	after := closed(content)
	t.Run("another end", func(t *testing.T) {
		t.Parallel()
		old, now, err := growInFolder(t, from, content[:from+1024], after, errors.ErrUnsupported, nil)
		if err != nil || os.SameFile(old, now) {
			t.Errorf("it was grown (%v)", err)
		}
	})
	t.Run("copies share their blocks", func(t *testing.T) {
		t.Parallel()
		old, now, err := growInFolder(t, from, closed(content[:from]), after, nil, nil)
		if err != nil || os.SameFile(old, now) {
			t.Errorf("it was grown (%v)", err)
		}
	})
	t.Run("a second name", func(t *testing.T) {
		t.Parallel()
		link := filepath.Join(t.TempDir(), "link")
		before := closed(content[:from])
		old, now, err := growInFolder(t, from, before, after, errors.ErrUnsupported, func(object string) { must(t, os.Link(object, link)) })
		if err != nil || os.SameFile(old, now) {
			t.Errorf("it was grown (%v)", err)
		}
		if raw, err := os.ReadFile(link); err != nil || !bytes.Equal(raw, before) {
			t.Errorf("the other name has %d bytes, or other ones (%v)", len(raw), err)
		}
	})
	t.Run("a writer was killed", func(t *testing.T) {
		t.Parallel()
		_, _, err := growInFolder(t, from, closed(content[:from]), after, errors.ErrUnsupported, func(object string) {
			file, err := os.OpenFile(object, os.O_WRONLY|os.O_APPEND, 0)
			must(t, err)
			_, err = file.Write(content[from+1024 : from+9000])
			must(t, errors.Join(err, file.Close()))
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestFolderGrowsNoFileByAWrongBody(t *testing.T) {
	t.Parallel()
	const from = 2 * mebi
	content := noise(from + 9000)
	path := t.TempDir()
	folder, err := bucket.NewFolder(path)
	must(t, err)
	t.Cleanup(func() { must(t, folder.Close()) })
	folder.GrowFrom(1, errors.ErrUnsupported)
	before := closed(content[:from])
	_, err = folder.Put(t.Context(), "k", bucket.NewObject(before), bucket.Always())
	must(t, err)
	o := buckettest.NewObjectOn(from, closed(content))
	o.SHA256[0]++
	if _, err := folder.Put(t.Context(), "k", o, bucket.Always()); !errors.Is(err, bucket.ErrBody) {
		t.Errorf("put: %v", err)
	}
	if raw, err := os.ReadFile(filepath.Join(path, "k")); err != nil || !bytes.Equal(raw, before) {
		t.Errorf("%d bytes are there, or other ones (%v)", len(raw), err)
	}
}
