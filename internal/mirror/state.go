package mirror

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// StateKey is where a bucket carries its state.
const StateKey = "hackage-mirror.json"

// MaxState bounds what is read as a state, in bytes: some 100,000 ledger lines.
const MaxState = 32 << 20

// A storedState is a state as the store has it. Without one it has no ETag.
type storedState struct {
	state.File
	etag     string
	readable bool      // there is one, and it can be read
	put      time.Time // when this run put it, if it did
}

// Load reads the bucket's state. A bucket without one is at the start of the
// index. One that cannot be read back is state.ErrForm: see Forget.
func (b *Bucket) Load(ctx context.Context) (state.State, error) {
	b.Forget("")
	var err error
	b.claim = newClaim()
	if b.stored, err = b.readState(ctx, b.stateKey()); err != nil {
		return state.State{}, err
	}
	if b.isShard() {
		whole, err := b.readState(ctx, StateKey)
		if err == nil && whole.State.Position.Length > b.stored.State.Position.Length {
			b.stored.State = whole.State // a share of what is there already is done
		}
	}
	b.resume(b.stored.State)
	b.announced = b.stored.State.Announced
	return b.state, nil
}

// stateKey is where the bucket's state is, and isShard reports whether that is one of a
// shard.
func (b *Bucket) stateKey() string { return b.options.Shard.stateKey() }
func (b *Bucket) isShard() bool    { return b.stateKey() != StateKey }

// resume goes on from a state.
func (b *Bucket) resume(s state.State) { b.state, b.start = s, s.Position }

// Forget puts the bucket back to the start of the index, keeping what it holds.
// The run then puts everything again; what is there already is left as it is.
func (b *Bucket) Forget(string) { b.resume(state.State{Ledger: state.Ledger{}}) }

// readState reads a state. One that cannot be read back comes with its ETag and
// state.ErrForm.
func (b *Bucket) readState(ctx context.Context, key string) (storedState, error) {
	read, damaged, err := b.read(ctx, key, MaxState)
	if errors.Is(err, errContent) {
		err = fmt.Errorf("%w; if this happens again, remove it: the next run then compares everything, and keeps what is right", err)
	}
	there := storedState{File: state.File{State: state.State{Ledger: state.Ledger{}}}, etag: read.etag}
	switch {
	case err != nil || read.etag == "":
		return there, err
	case damaged:
		return there, fmt.Errorf("read state %q: its bytes are not the ones that were put: %w", key, state.ErrForm)
	}
	file, err := state.ParseFile(read.raw)
	if err != nil {
		return there, fmt.Errorf("read state %q: %w", key, err)
	}
	return storedState{File: file, etag: read.etag, readable: true}, nil
}

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
	busy  chan struct{} // of one, held by whoever makes it, or asks what follows
	tried bool
	err   error  // why it could not be made
	nonce string // the name for this run
}

func newClaim() *claim { return &claim{busy: make(chan struct{}, 1)} }

// Acquire makes the claim, once. It puts the state that was read in its own place,
// on the condition that it is still there, with a name for this run, and without the
// index: what is in place is not known from now on until Publish is through, and a
// run that finds the state so publishes all of it anew. A folder is locked from here
// on. A bucket that cannot be written is found out by this.
func (b *Bucket) Acquire(ctx context.Context) error {
	c := b.claim
	c.busy <- struct{}{}
	defer func() { <-c.busy }()
	if c.tried { // which need not be tried again
		return c.err
	}
	c.tried, c.nonce = true, rand.Text()
	b.announced.Health = ""
	claimed := b.stored.State
	claimed.Nonce, claimed.Seen.Index = c.nonce, ""
	size, err := b.putState(ctx, claimed)
	if errors.Is(err, bucket.ErrConflict) && b.onlyAnnounced(ctx) {
		claimed.Notified = b.stored.State.Notified
		size, err = b.putState(ctx, claimed)
	}
	b.count(0, 0, size)
	c.err = err
	return err
}

// made reports whether the run has made its claim.
func (c *claim) made() bool {
	c.busy <- struct{}{}
	defer func() { <-c.busy }()
	return c.tried && c.err == nil
}

// saveState puts what the bucket is at by now in the place of the state that this
// run knows, if nobody else wrote there since.
func (b *Bucket) saveState(ctx context.Context, s state.State) error {
	if err := b.Acquire(ctx); err != nil {
		return err
	}
	s.Nonce, s.Notified = b.claim.nonce, b.stored.State.Notified
	size, err := b.putState(ctx, s)
	if err == nil {
		b.state = s
	}
	b.count(0, 0, size)
	return err
}

// putState puts a state and returns how many bytes that were.
func (b *Bucket) putState(ctx context.Context, s state.State) (int64, error) {
	if wait := b.options.StateEvery - max(0, b.options.Now().Sub(b.stored.put)); wait > 0 {
		if err := b.options.Pause(ctx, wait); err != nil {
			return 0, err
		}
	}
	s.Announced = b.announced
	file := state.File{State: s, Tool: b.options.Tool, Updated: b.options.Now()}
	raw := file.JSON()
	info, err := b.store.Put(ctx, b.stateKey(), object(raw, typeJSON, briefly), bucket.IfMatch(b.stored.etag))
	b.stored.put = b.options.Now()
	if errors.Is(err, bucket.ErrConflict) {
		return 0, b.overtaken(ctx, err)
	}
	if err != nil {
		return 0, err
	}
	b.stored = storedState{File: file, etag: info.ETag, readable: true, put: b.stored.put}
	return int64(len(raw)), nil
}

// checkClaim returns an error if another run has claimed the bucket since this one
// did.
func (b *Bucket) checkClaim(ctx context.Context) error {
	var learned int
	b.newest.locked(func() { learned = b.newest.learned })
	there, err := b.readState(ctx, b.stateKey())
	if err != nil && !errors.Is(err, state.ErrForm) {
		return err
	}
	if there.State.Nonce != b.claim.nonce {
		return b.overtaken(ctx, bucket.ErrConflict)
	}
	b.newest.locked(func() { b.newest.checked = max(b.newest.checked, learned) })
	return nil
}

// overtaken is the error of a state that is not the one that this run read or put.
func (b *Bucket) overtaken(ctx context.Context, err error) error {
	who := "somebody removed its state"
	if there, readErr := b.readState(ctx, b.stateKey()); readErr == nil && there.etag != "" {
		who = fmt.Sprintf("a run of %s, whose state is of %s, has claimed it", there.Tool, there.Updated.UTC().Format(time.RFC3339))
	}
	return fmt.Errorf("another run is writing to it: %s; this run stopped before it could undo anything. Wait until the other one ends, then run again: %w", who, err)
}
