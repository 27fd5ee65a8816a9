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

// A declaringStore keeps of its state which digest the bytes had that were put.
type declaringStore struct {
	bucket.Bucket
	put []byte
}

func (s declaringStore) Get(ctx context.Context, key string) (io.ReadCloser, bucket.Info, error) {
	body, info, err := s.Bucket.Get(ctx, key)
	info.Declared = sha256.Sum256(s.put)
	return body, info, err
}

// A state in which a bit was flipped is not one, although it can be read.
func TestStateOfOtherBytesThanWerePutIsNotRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.mustRun()
	whole := r.store.Contents()[StateKey]
	b := New(declaringStore{r.store, whole}, Options{Tool: "test", Now: noon})
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
