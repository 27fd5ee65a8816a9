package mirror

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

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
	// What is owed may be owed again, and then nothing was changed.
	if _, owed := b.state.Ledger[want.Release]; !owed {
		if err := b.claim(ctx); err != nil {
			b.fail(err)
			return
		}
	}
	key := want.Release.TarballKey()
	tarball := bucket.Object{
		Doubted: b.state.Ledger[want.Release].Reason == state.Mismatch,
		Body:    l.spool.reader(), Size: l.digests.Size, SHA256: l.digests.SHA256,
		ContentType: typeGzip, CacheControl: forEver,
	}
	if want.Replaced || b.overwrite {
		tarball.CacheControl = briefly // it was another one, and may be again
	}
	kept, err := b.putOne(ctx, key, tarball, bucket.IfAbsent(), 1, 0)
	differs := errors.Is(err, bucket.ErrDiffers)
	if differs && (want.Replaced || b.overwrite) {
		err = b.replace(ctx, key, tarball)
		b.count(1, 0, 0)
	} else if differs || errors.Is(err, bucket.ErrRefused) {
		b.refuse(want.Release, err)
		return
	}
	if err == nil {
		if !kept && !differs {
			b.lacked(want.Release)
		}
		err = b.claim(ctx)
	}
	if err == nil {
		err = b.putRecord(ctx, want.Release, l.record)
	}
	if err != nil {
		b.fail(err)
	}
}

// lacked notes a tarball that a full comparison found missing.
func (b *Bucket) lacked(r index.Release) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.comparing {
		b.missing = append(b.missing, r)
	}
}

// Compare lets Missing tell of what the bucket turns out to lack.
func (b *Bucket) Compare() { b.comparing = true }

// Missing returns the releases whose tarballs came into a bucket that was compared.
func (b *Bucket) Missing() []index.Release {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.missing)
}

// putRecord puts the digests of a release, which change if its tarball is
// replaced, or the mirror's public address is another.
func (b *Bucket) putRecord(ctx context.Context, r index.Release, raw []byte) error {
	record := object(raw, typeJSON, briefly)
	err := b.put(ctx, recordKey(r), record, bucket.IfAbsent())
	if errors.Is(err, bucket.ErrDiffers) {
		err = b.replace(ctx, recordKey(r), record)
	}
	return b.unless(err)
}

// recordKey is where the digests of a release are.
func recordKey(r index.Release) string { return "package/" + r.String() + ".json" }

// refuse notes that the bucket holds other bytes of a release than the signed
// ones, or that its store does not take them.
func (b *Bucket) refuse(r index.Release, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused[r] = err
	b.without(err)
}

// Refused returns why the bucket did not take the tarball of a release in this run:
// bucket.ErrDiffers if it holds other bytes than the signed ones. It is nil for
// one that it took, or was not given.
func (b *Bucket) Refused(r index.Release) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refused[r]
}

// passOver notes an object that the store does not take, whatever becomes of the
// others. One such object keeps nothing else from being published.
func (b *Bucket) passOver(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.without(err)
}

// unless returns an error, unless it is of an object to be skipped.
func (b *Bucket) unless(err error) error {
	if errors.Is(err, bucket.ErrRefused) {
		b.passOver(err)
		return nil
	}
	return err
}

// without counts an object that the store does not take.
func (b *Bucket) without(err error) {
	if !errors.Is(err, bucket.ErrRefused) {
		return
	}
	if b.refusals++; b.refusals == 1 {
		b.refusal = err
	}
}

// Incomplete returns the error of a bucket that took all but some objects, which
// its store refuses.
func (b *Bucket) Incomplete() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refusals == 0 {
		return nil
	}
	return fmt.Errorf("everything else is done, but the store refuses %d of the objects, the first: %w; "+
		"find out why, then run once with --full", b.refusals, b.refusal)
}

// alarm notes what a person should know of although it was repaired.
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
		next.Ledger.Add(r, state.Record{Reason: reason, Target: d.want.Target, Replaced: d.want.Replaced}, b.now())
	}
	for _, r := range b.unsigned {
		next.Ledger.Add(r, state.Record{Reason: state.Unsigned}, b.now())
	}
	b.unsigned = nil
	b.state = next
}

// reason says why a wanted tarball is owed, "" if it is not.
func (b *Bucket) reason(d delivery) state.Reason {
	switch {
	case d.err != nil:
		return state.ReasonOf(d.err)
	case errors.Is(b.refused[d.want.Release], bucket.ErrRefused):
		return state.Failed
	case b.refused[d.want.Release] != nil:
		return state.Mismatch
	}
	return ""
}
