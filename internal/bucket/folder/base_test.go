package folder_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
)

// TestFolderBuildsOnWhatIsThere: what is there may have been changed.
func TestFolderBuildsOnWhatIsThere(t *testing.T) {
	t.Parallel()
	const from = 2 << 20
	before, after := noise(from+1024), noise(from+5000)
	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, object string)
		want      error
	}{
		"nothing happened": {func(*testing.T, string) {}, nil},
		"touched":          {func(t *testing.T, object string) { must(t, os.Chtimes(object, time.Time{}, time.Unix(1, 0))) }, nil},
		"changed": {func(t *testing.T, object string) {
			info, err := os.Stat(object)
			must(t, err)
			changed := append([]byte{before[0] + 1}, before[1:]...)
			must(t, os.WriteFile(object, changed, 0o600))
			must(t, os.Chtimes(object, time.Time{}, info.ModTime())) // it looks as it did
		}, bucket.ErrBase},
		"gone":     {func(t *testing.T, object string) { must(t, os.Remove(object)) }, bucket.ErrBase},
		"a folder": {func(t *testing.T, object string) { must(t, errors.Join(os.Remove(object), os.Mkdir(object, 0o700))) }, bucket.ErrBase},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir()
			b := openFolder(t, path)
			_, err := b.Put(t.Context(), "k", bucket.NewObject(before), bucket.Always())
			must(t, errors.Join(err, b.Close()))
			c.meanwhile(t, filepath.Join(path, "k"))
			b = openFolder(t, path)
			_, err = b.Put(t.Context(), "k", buckettest.NewObjectOn(from, after), bucket.Always())
			must(t, b.Close())
			if !errors.Is(err, c.want) {
				t.Fatalf("put: %v, want %v", err, c.want)
			}
			if err != nil {
				return
			}
			raw, err := os.ReadFile(filepath.Join(path, "k"))
			if err != nil || !bytes.Equal(raw, after) {
				t.Errorf("%d bytes are there, or other ones (%v)", len(raw), err)
			}
		})
	}
}

// TestFolderChangesNoFileInPlace: who reads the old index reads it to its end,
// and what keeps it by another name keeps it.
func TestFolderChangesNoFileInPlace(t *testing.T) {
	t.Parallel()
	const from = 2 << 20
	content := noise(from + 300_000)
	before := append(slices.Clone(content[:from]), make([]byte, 1024)...)
	path := t.TempDir()
	f := openFolder(t, path)
	_, err := f.Put(t.Context(), "k", bucket.NewObject(before), bucket.Always())
	must(t, err)
	body, info, err := f.Get(t.Context(), "k")
	must(t, err)
	must(t, os.Link(filepath.Join(path, "k"), filepath.Join(path, "link")))
	_, err = f.Put(t.Context(), "k", buckettest.NewObjectOn(from, content), bucket.IfMatch(info.ETag))
	must(t, err)
	got, err := io.ReadAll(body)
	must(t, errors.Join(err, body.Close()))
	linked, err := os.ReadFile(filepath.Join(path, "link"))
	must(t, err)
	if !bytes.Equal(got, before) || !bytes.Equal(linked, before) {
		t.Error("the old object changed")
	}
	if _, err := f.Put(t.Context(), "k", bucket.NewObject(before), bucket.IfMatch(info.ETag)); !errors.Is(err, bucket.ErrConflict) {
		t.Errorf("put on the old version: %v, want ErrConflict", err)
	}
}

// TestFolderRefusesALongName: no file can have it, and no other object is kept
// waiting for that.
func TestFolderRefusesALongName(t *testing.T) {
	t.Parallel()
	f := openFolder(t, t.TempDir())
	long := "package/" + strings.Repeat("n", 248)
	for _, key := range []string{long + "-1.0.tar.gz", long + "-1.0.0.0/revision/0.cabal"} {
		for _, c := range []bucket.Condition{bucket.Always(), bucket.IfAbsent(), bucket.IfMatch("")} {
			if _, err := f.Put(t.Context(), key, bucket.NewObject(nil), c); !errors.Is(err, bucket.ErrRefused) {
				t.Errorf("put (%s): %v, want ErrRefused", c, err)
			}
		}
		if _, err := f.Head(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("head: %v, want fs.ErrNotExist", err)
		}
	}
	put(t, f, "package/other", "x", bucket.IfAbsent())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// noise returns n bytes that do not repeat.
func noise(n int) []byte {
	content := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content) // never fails
	return content
}
