package mirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A telling store says of its state which digest the bytes had that were put.
type telling struct {
	bucket.Bucket
	put []byte
}

func (s telling) Get(ctx context.Context, key string) (io.ReadCloser, bucket.Info, error) {
	body, info, err := s.Bucket.Get(ctx, key)
	return sayer{body, sha256.Sum256(s.put)}, info, err
}

type sayer struct {
	io.ReadCloser
	sum [sha256.Size]byte
}

func (s sayer) Said() [sha256.Size]byte { return s.sum }

// A state in which a bit was flipped is not one, although it can be read.
func TestStateOfOtherBytesThanWerePutIsNotRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.mustRun()
	whole := r.store.Contents()[StateKey]
	b := New(telling{r.store, whole}, "test", noon)
	if _, err := b.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Replace(whole, []byte(`"tool": "t`), []byte(`"tool": "u`), 1)
	if bytes.Equal(damaged, whole) {
		t.Fatalf("nothing to damage in %s", whole)
	}
	r.store.Set(StateKey, damaged)
	if _, err := b.Load(t.Context()); !errors.Is(err, state.ErrForm) || !b.State().Position.IsZero() {
		t.Errorf("it is read, to %+v, %v", b.State().Position, err)
	}
}
