package bounded_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bounded"
)

func TestReaderEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	r := bounded.Reader(ctx, strings.NewReader("abc"))
	if n, err := r.Read(make([]byte, 2)); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	why := errors.New("enough")
	cancel(why)
	if rest, err := io.ReadAll(r); len(rest) > 0 || !errors.Is(err, why) {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	if raw, err := bounded.ReadFile(path, 3); err != nil || string(raw) != "abc" {
		t.Errorf("%q, %v", raw, err)
	}
	if raw, err := bounded.ReadFile(path, 2); err == nil || raw != nil || err.Error() != "it is longer than 2 bytes" {
		t.Errorf("%q, %v", raw, err)
	}
	if _, err := bounded.ReadFile(path+"x", 2); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
