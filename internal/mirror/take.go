package mirror

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// take puts a checked tarball and its digests. Other bytes under the same name
// are never overwritten unless the signed index says that the tarball was
// replaced: they are an alarm for a person, in the ledger.
func (b *Bucket) take(ctx context.Context, want state.Want, l *load) {
	if b.Err() != nil {
		return
	}
	if err := b.claim(ctx); err != nil {
		b.fail(err)
		return
	}
	condition := bucket.IfAbsent()
	if want.Replaced || b.overwrite {
		condition = bucket.Always()
	}
	key := want.Release.TarballKey()
	_, err := b.store.Put(ctx, key, bucket.Object{
		Body: l.spool.reader(), Size: l.digests.Size, SHA256: l.digests.SHA256,
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
	b.count(1, 0, l.digests.Size)
	if err := b.putNew(ctx, recordKey(want.Release), l.record, typeJSON); err != nil {
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

// alarm notes what a person should know of although it was put right.
func (b *Bucket) alarm(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.alarms = append(b.alarms, text)
}

// settle works out the bucket's state after a stretch: its position is the end of
// the stretch, and its ledger holds what could not be taken.
func (b *Bucket) settle(stretch []delivery, to index.Position) {
	next := b.state
	next.Position, next.Ledger = to, maps.Clone(b.state.Ledger)
	for _, d := range stretch {
		r, reason := d.want.Release, b.reason(d)
		if reason == "" {
			delete(next.Ledger, r)
			continue
		}
		next.Ledger.Owe(r, state.Pending{Reason: reason, Target: d.want.Target, Replaced: d.want.Replaced}, b.now())
	}
	for _, r := range b.unsigned {
		next.Ledger.Owe(r, state.Pending{Reason: state.Unsigned}, b.now())
	}
	b.unsigned = nil
	b.state = next
}

// reason says why a wanted tarball is owed, "" if it is not.
func (b *Bucket) reason(d delivery) state.Reason {
	switch {
	case d.err != nil:
		return state.ReasonOf(d.err)
	case b.refused[d.want.Release] != nil:
		return state.Mismatch
	}
	return ""
}
