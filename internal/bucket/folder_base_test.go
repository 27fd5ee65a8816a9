package bucket_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
)

// TestFolderBuildsOnWhatIsThere: the notes of digests may be lost, damaged or
// void, and what they stand for may have been changed.
func TestFolderBuildsOnWhatIsThere(t *testing.T) {
	t.Parallel()
	const from = 2 * mebi
	before, after := noise(from+1024), noise(from+5000)
	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, object, notes string)
		want      error
	}{
		"nothing happened": {func(*testing.T, string, string) {}, nil},
		"notes lost":       {func(t *testing.T, _, notes string) { must(t, os.Remove(notes)) }, nil},
		"notes damaged":    {func(t *testing.T, _, notes string) { must(t, os.WriteFile(notes, []byte(`{"k":{"size":`), 0o600)) }, nil},
		"notes of nothing": {func(t *testing.T, _, notes string) { must(t, os.WriteFile(notes, []byte("null"), 0o600)) }, nil},
		"notes that lie": {func(t *testing.T, object, notes string) {
			must(t, os.WriteFile(notes, []byte(`{"k":{"size":2098176,"changed":1000000000,"sha256":"00"}}`), 0o600))
			must(t, os.Chtimes(object, time.Time{}, time.Unix(1, 0)))
		}, nil},
		"touched": {func(t *testing.T, object, _ string) { must(t, os.Chtimes(object, time.Time{}, time.Unix(1, 0))) }, nil},
		"changed": {func(t *testing.T, object, _ string) {
			changed := append([]byte{before[0] + 1}, before[1:]...)
			must(t, os.WriteFile(object, changed, 0o600))
			must(t, os.Chtimes(object, time.Time{}, time.Unix(1, 0)))
		}, bucket.ErrBase},
		"gone":     {func(t *testing.T, object, _ string) { must(t, os.Remove(object)) }, bucket.ErrBase},
		"a folder": {func(t *testing.T, object, _ string) { must(t, errors.Join(os.Remove(object), os.Mkdir(object, 0o700))) }, bucket.ErrBase},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := t.TempDir()
			b := openAt(t, path, bucket.Options{})
			_, err := b.Put(t.Context(), "k", bucket.NewObject(before), bucket.Always())
			must(t, errors.Join(err, b.Close()))
			c.meanwhile(t, filepath.Join(path, "k"), filepath.Join(path, ".hackage-mirror", "digests"))
			b = openAt(t, path, bucket.Options{})
			info, err := b.Put(t.Context(), "k", buckettest.NewObjectOn(from, after), bucket.Always())
			must(t, b.Close())
			if !errors.Is(err, c.want) {
				t.Fatalf("put: %v, want %v", err, c.want)
			}
			if err != nil {
				return
			}
			raw, err := os.ReadFile(filepath.Join(path, "k"))
			if err != nil || bucket.NewObject(raw).SHA256 != info.SHA256 || len(raw) != len(after) {
				t.Errorf("%d bytes are there, or other ones (%v)", len(raw), err)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
