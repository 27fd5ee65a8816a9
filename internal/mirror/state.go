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

// Load reads the bucket's state. A bucket without one is at the start of the
// index. One that cannot be read back is state.ErrForm: see Forget.
func (b *Bucket) Load(ctx context.Context) (state.State, error) {
	b.Forget("")
	there, err := b.readState(ctx, b.key)
	b.etag, b.stored = there.etag, there.file.State
	b.known = err == nil && there.etag != ""
	b.claim, b.saved = nil, time.Time{}
	if err != nil {
		return state.State{}, err
	}
	read := there.file.State
	if b.key != StateKey {
		whole, err := b.readState(ctx, StateKey)
		if err == nil && whole.file.State.Position.Length > read.Position.Length {
			read = whole.file.State // a share of what is there already is done
		}
	}
	b.resume(read)
	b.stored, b.told = read, read.Announced
	return b.state, nil
}

// resume goes on from a state.
func (b *Bucket) resume(s state.State) { b.state, b.start = s, s.Position }

// Forget puts the bucket back to the start of the index, keeping what it holds.
// The run then puts everything again; what is there already is left as it is.
func (b *Bucket) Forget(string) { b.resume(state.State{Ledger: state.Ledger{}}) }

// A stateFile is a state in a bucket. Without one it has no ETag.
type stateFile struct {
	file state.File
	etag string
}

// readState reads a state. One that cannot be read back comes with its ETag and
// state.ErrForm.
func (b *Bucket) readState(ctx context.Context, key string) (stateFile, error) {
	read, damaged, err := b.read(ctx, key, MaxState)
	if errors.Is(err, errContent) {
		err = fmt.Errorf("%w; if this happens again, remove it: the next run then compares everything, and keeps what is right", err)
	}
	there := stateFile{file: state.File{State: state.State{Ledger: state.Ledger{}}}, etag: read.etag}
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
	there.file = file
	return there, nil
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
	done chan struct{} // closed when it is made, or could not be
	err  error         // why it could not
}

// Acquire makes the claim, once. It puts the state that was read in its own place,
// on the condition that it is still there, with a name for this run, and without the
// index: what is in place is not known from now on until Publish is through, and a
// run that finds the state so publishes all of it anew. A folder is locked from here
// on. A bucket that cannot be written is found out by this.
func (b *Bucket) Acquire(ctx context.Context) error {
	b.mu.Lock()
	c, another := b.claim, b.claim != nil
	if !another {
		c = &claim{done: make(chan struct{})}
		b.claim = c
	}
	b.mu.Unlock()
	if another { // which need not be tried again
		<-c.done
		return c.err
	}
	defer close(c.done)
	b.told.Health = ""
	claimed := b.stored
	claimed.Nonce, claimed.Seen.Index = rand.Text(), ""
	b.nonce = claimed.Nonce
	size, err := b.putState(ctx, claimed)
	if errors.Is(err, bucket.ErrConflict) && b.onlyTold(ctx) {
		claimed.Notified = b.stored.Notified
		size, err = b.putState(ctx, claimed)
	}
	b.count(0, 0, size)
	c.err = err
	return err
}

// claimed reports whether the run has made its claim.
func (b *Bucket) claimed() bool {
	b.mu.Lock()
	c := b.claim
	b.mu.Unlock()
	if c != nil {
		<-c.done
	}
	return c != nil && c.err == nil
}

// saveState puts what the bucket is at by now in the place of the state that this
// run knows, if nobody else wrote there since.
func (b *Bucket) saveState(ctx context.Context, s state.State) error {
	if err := b.Acquire(ctx); err != nil {
		return err
	}
	s.Nonce, s.Notified = b.nonce, b.stored.Notified
	size, err := b.putState(ctx, s)
	if err == nil {
		b.state = s
	}
	b.count(0, 0, size)
	return err
}

// Pace says how the bucket waits: so that it puts its state no more often than once in
// every, and before a pointer that was refused is put again.
func (b *Bucket) Pace(every time.Duration, pause func(context.Context, time.Duration) error) {
	b.every, b.pause = every, pause
}

// putState puts a state and returns how many bytes that were.
func (b *Bucket) putState(ctx context.Context, s state.State) (int64, error) {
	if wait := b.every - max(0, b.now().Sub(b.saved)); wait > 0 {
		if err := b.pause(ctx, wait); err != nil {
			return 0, err
		}
	}
	s.Announced = b.told
	raw := state.File{State: s, Tool: b.tool, Updated: b.now()}.JSON()
	info, err := b.store.Put(ctx, b.key, object(raw, typeJSON, briefly), bucket.IfMatch(b.etag))
	b.saved = b.now()
	if errors.Is(err, bucket.ErrConflict) {
		return 0, b.overtaken(ctx, err)
	}
	if err != nil {
		return 0, err
	}
	b.stored, b.etag, b.known = s, info.ETag, true
	return int64(len(raw)), nil
}

// checkClaim returns an error if another run has claimed the bucket since this one
// did.
func (b *Bucket) checkClaim(ctx context.Context) error {
	var seen int
	b.locked(func() { seen = b.seen })
	there, err := b.readState(ctx, b.key)
	if err != nil && !errors.Is(err, state.ErrForm) {
		return err
	}
	if there.file.State.Nonce != b.nonce {
		return b.overtaken(ctx, bucket.ErrConflict)
	}
	b.locked(func() { b.checked = max(b.checked, seen) })
	return nil
}

// checkClaimOfSeen is checkClaim, unless that was done since a pointer was seen last.
func (b *Bucket) checkClaimOfSeen(ctx context.Context) error {
	if err := b.Acquire(ctx); err != nil {
		return err
	}
	var done bool
	if b.locked(func() { done = b.checked == b.seen }); done {
		return nil
	}
	return b.checkClaim(ctx)
}

// overtaken explains a state that is not the one that this run read or wrote.
func (b *Bucket) overtaken(ctx context.Context, err error) error {
	who := "somebody removed its state"
	if there, readErr := b.readState(ctx, b.key); readErr == nil && there.etag != "" {
		who = fmt.Sprintf("a run of %s, whose state is of %s, has claimed it", there.file.Tool, there.file.Updated.UTC().Format(time.RFC3339))
	}
	return fmt.Errorf("another run is writing to it: %s; this run stopped before it could undo anything. Wait until the other one ends, then run again: %w", who, err)
}
