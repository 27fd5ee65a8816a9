package open_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3"
)

func TestOpenTakesFolders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out")
	b, err := open.Bucket(t.Context(), path, open.Options{S3: s3.Options{Defaults: bucket.Defaults{Endpoint: "https://s3.example.org"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), "k", bucket.NewObject([]byte("one")), bucket.IfAbsent()); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if raw, err := os.ReadFile(filepath.Join(path, "k")); err != nil || string(raw) != "one" {
		t.Errorf("%q, %v", raw, err)
	}
}
