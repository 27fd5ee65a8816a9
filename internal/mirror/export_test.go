package mirror

import (
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// mustLoad loads a bucket whose state can be read.
func (b *Bucket) mustLoad(t *testing.T) state.State {
	t.Helper()
	s, err := b.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}
