package bucket_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

func TestCheckKeyAllowsMax(t *testing.T) {
	t.Parallel()
	if err := bucket.CheckKey(strings.Repeat("a", 1024)); err != nil {
		t.Error(err)
	}
	if err := bucket.CheckKey(strings.Repeat("a", 1024+1)); !errors.Is(err, bucket.ErrKey) {
		t.Errorf("one more: %v, want ErrKey", err)
	}
}
