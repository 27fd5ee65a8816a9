package mirror

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A claim is what a run says once before it puts anything: that the bucket is
// still as it was when its state was read.
type claim struct {
	mu   sync.Mutex
	made bool
	err  error  // why it could not be made
	raw  []byte // the state as it was read, nil if there was none
}

// claim puts the state that was read in its own place, on the condition that it
// is still there. Without this a run which another one overtook between reading
// and writing would number revisions by what it read and make its own newest
// .cabal file that of the bucket. A folder is locked from here on; where there
// is no lock the state that Publish claims is the last word.
func (b *Bucket) claim(ctx context.Context) error {
	b.claimed.mu.Lock()
	defer b.claimed.mu.Unlock()
	if b.claimed.made || b.claimed.err != nil {
		return b.claimed.err
	}
	raw := b.claimed.raw
	if raw == nil {
		raw = state.File{State: b.stored, Tool: b.tool, Updated: b.now()}.JSON()
	}
	etag, err := b.putTagged(ctx, b.key, raw, typeJSON, briefly, bucket.IfMatch(b.etag))
	if err != nil {
		b.claimed.err = b.overtaken(err) // the others who wait here need not try for themselves
		return b.claimed.err
	}
	b.etag, b.claimed.made = etag, true
	return nil
}

// overtaken explains a state that is not the one that was read.
func (b *Bucket) overtaken(err error) error {
	if !errors.Is(err, bucket.ErrConflict) {
		return err
	}
	return fmt.Errorf("another run is writing to %q; let it end, then run again: %w", b, err)
}
