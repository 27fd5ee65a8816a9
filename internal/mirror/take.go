package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// take puts a checked tarball and its digests. Other bytes under the same name
// are never overwritten unless the signed index says that the tarball was
// replaced: they are an alarm for a person, in the ledger.
func (b *Bucket) take(ctx context.Context, want Want, tarball io.ReadSeeker, digests hashes.Digests, record []byte) {
	if b.Err() != nil {
		return
	}
	condition := bucket.IfAbsent()
	if want.Replaced {
		condition = bucket.Always()
	}
	key := want.Release.TarballKey()
	_, err := b.store.Put(ctx, key, bucket.Object{
		Body: tarball, Size: digests.Size, SHA256: digests.SHA256,
		ContentType: typeGzip, CacheControl: forEver,
	}, condition)
	switch {
	case errors.Is(err, bucket.ErrDiffers):
		b.refuse(want.Release, fmt.Errorf("put %q into %q: %w", key, b, err))
		return
	case err != nil:
		b.fail(fmt.Errorf("put %q into %q: %w", key, b, err))
		return
	}
	b.count(1, 0, digests.Size)
	if err := b.putNew(ctx, recordKey(want.Release), record, typeJSON); err != nil {
		b.fail(err)
	}
}

// recordKey is where the digests of a release are.
func recordKey(r index.Release) string { return "package/" + r.String() + ".json" }

// refuse notes that the bucket holds other bytes of a release than the signed
// ones.
func (b *Bucket) refuse(r index.Release, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused[r] = err
}

// Settle works out the bucket's state after a run: its position is the end of
// the index, and its ledger holds what could not be taken.
func (b *Bucket) Settle(tail *index.Tail, seen hackage.Seen, packages string, outcomes map[index.Release]state.Outcome) state.State {
	next := state.State{Position: tail.To, Seen: seen, Packages: packages, Ledger: state.Ledger{}}
	for _, want := range b.Wants(tail) {
		if reason := b.reason(want, outcomes[want.Release].Err); reason != "" {
			b.owe(next.Ledger, want.Release, state.Pending{Reason: reason, Target: want.Target, Replaced: want.Replaced})
		}
	}
	for r, p := range b.state.Ledger {
		if n := tail.News[r]; p.Reason == state.Unsigned && (n == nil || n.TargetOffset < 0) {
			next.Ledger[r] = p
		}
	}
	for _, r := range b.unsigned {
		b.owe(next.Ledger, r, state.Pending{Reason: state.Unsigned})
	}
	return next
}

// reason says why a wanted tarball is owed, "" if it is not.
func (b *Bucket) reason(want state.Want, err error) state.Reason {
	if err != nil {
		return state.ReasonOf(err)
	}
	if b.refused[want.Release] != nil {
		return state.Mismatch
	}
	return ""
}

// owe enters a release in the new ledger with what the old one knew of it.
func (b *Bucket) owe(l state.Ledger, r index.Release, p state.Pending) {
	if before, ok := b.state.Ledger[r]; ok {
		l[r] = before
	}
	l.Owe(r, p, b.now())
}
