package mirror

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A claim is what a run says once before it puts anything: that the bucket is
// still as it was when its state was read, and that this run is the last that
// came.
//
// It is no lock. Another run may claim the bucket at any time, if it read what is
// there by then. What never changes all of them may put. What points at it goes
// by the rule that keeps a slow run from undoing a newer one:
//
//   - a pointer is put only over what the run knew of it when it claimed, or saw
//     of it later, and
//   - after it saw that, it saw that the bucket was still its own.
//
// So whoever claims later finds each pointer of an earlier run in place, or that
// run's put fails. Who is overtaken stops; who is not puts his own over it.
type claim struct {
	mu   sync.Mutex
	made bool
	err  error     // why it could not be made
	last time.Time // when the state was put
}

// claim puts the state that was read in its own place, on the condition that it
// is still there, with a name for this run, and without the index: what is in
// place is not known from now on until Publish is through, and a run that finds
// the state so publishes all of it anew. A folder is locked from here on.
func (b *Bucket) claim(ctx context.Context) error {
	b.claimed.mu.Lock()
	defer b.claimed.mu.Unlock()
	if b.claimed.made || b.claimed.err != nil {
		return b.claimed.err
	}
	b.state.Nonce, b.state.Seen.Index = rand.Text(), ""
	b.told.Health = ""
	claimed := b.stored
	claimed.Nonce, claimed.Seen.Index = b.state.Nonce, ""
	// The others who wait here need not try for themselves.
	b.claimed.err = b.putState(ctx, claimed)
	if errors.Is(b.claimed.err, bucket.ErrConflict) && b.onlyTold(ctx) {
		claimed.Notified, b.state.Notified = b.stored.Notified, b.stored.Notified
		b.claimed.err = b.putState(ctx, claimed)
	}
	b.claimed.made = b.claimed.err == nil
	return b.claimed.err
}

// Begin makes the claim before anything is put. A bucket that cannot be written is
// found out by that.
func (b *Bucket) Begin(ctx context.Context) error { return b.claim(ctx) }

// note writes what the bucket is at by now into its state, if nobody else wrote
// there since this run did.
func (b *Bucket) note(ctx context.Context) error {
	if err := b.claim(ctx); err != nil {
		return err
	}
	return b.putState(ctx, b.state)
}

// stateEvery is how often a state is put at most, see Pace.
const stateEvery = time.Second

// Pace lets the bucket wait so that it puts its state at most once a second:
// Cloudflare's R2 takes no more of one name. A folder needs none of it.
func (b *Bucket) Pace(pause func(context.Context, time.Duration) error) { b.pause = pause }

// putState puts a state in the place of the one that this run knows.
func (b *Bucket) putState(ctx context.Context, s state.State) error {
	size, err := b.writeState(ctx, s)
	b.count(0, 0, size)
	return err
}

// writeState is putState that is not counted as a change of the mirror. It returns
// how many bytes were put.
func (b *Bucket) writeState(ctx context.Context, s state.State) (int64, error) {
	if wait := stateEvery - b.now().Sub(b.claimed.last); wait > 0 {
		if err := b.pause(ctx, min(wait, stateEvery)); err != nil {
			return 0, err
		}
	}
	s.Told = b.told
	raw := state.File{State: s, Tool: b.tool, Updated: b.now()}.JSON()
	info, err := b.store.Put(ctx, b.key, object(raw, typeJSON, briefly), bucket.IfMatch(b.etag))
	b.claimed.last = b.now()
	if errors.Is(err, bucket.ErrConflict) {
		return 0, b.overtaken(ctx, err)
	}
	if err != nil {
		return 0, err
	}
	b.stored, b.etag, b.known = s, info.ETag, true
	b.stored.Pointers = maps.Clone(s.Pointers) // the run goes on to change its own
	return int64(len(raw)), nil
}

// ours returns an error if another run has claimed the bucket since this one did.
func (b *Bucket) ours(ctx context.Context) error {
	there, err := b.readState(ctx, b.key)
	if err != nil && !errors.Is(err, state.ErrForm) {
		return err
	}
	if there.file.State.Nonce != b.state.Nonce {
		return b.overtaken(ctx, bucket.ErrConflict)
	}
	return nil
}

// overtaken explains a state that is not the one that this run read or wrote.
func (b *Bucket) overtaken(ctx context.Context, err error) error {
	who := "somebody removed its state"
	if there, readErr := b.readState(ctx, b.key); readErr == nil && there.etag != "" {
		who = fmt.Sprintf("a run of %s, whose state is of %s, has claimed it", there.file.Tool, there.file.Updated.UTC().Format(time.RFC3339))
	}
	return fmt.Errorf("another run is writing to it: %s; this run stopped before it could undo anything. Wait until the other one ends, then run again: %w", who, err)
}
