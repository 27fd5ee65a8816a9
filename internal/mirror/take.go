package mirror

import (
	"context"
	"errors"
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
	key := want.Release.TarballKey()
	tarball := bucket.Object{
		Body: l.spool.reader(), Size: l.digests.Size, SHA256: l.digests.SHA256,
		ContentType: typeGzip, CacheControl: forEver,
	}
	if want.Replaced || b.overwrite {
		tarball.CacheControl = briefly // it was another one, and may be again
	}
	err := b.put(ctx, key, tarball, bucket.IfAbsent())
	differs := errors.Is(err, bucket.ErrDiffers)
	if differs && (want.Replaced || b.overwrite) {
		err = b.replace(ctx, key, tarball)
	} else if differs {
		b.refuse(want.Release, err)
		return
	}
	if err == nil {
		b.count(1, 0, 0)
		err = b.putRecord(ctx, want.Release, l.record)
	}
	if err != nil {
		b.fail(err)
	}
}

// putRecord puts the digests of a release, which change if its tarball is
// replaced, or the mirror's public address is another.
func (b *Bucket) putRecord(ctx context.Context, r index.Release, raw []byte) error {
	record := object(raw, typeJSON, briefly)
	err := b.put(ctx, recordKey(r), record, bucket.IfAbsent())
	if errors.Is(err, bucket.ErrDiffers) {
		err = b.replace(ctx, recordKey(r), record)
	}
	return err
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
