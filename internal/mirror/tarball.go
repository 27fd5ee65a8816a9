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

// putTarball puts a checked tarball and its digests. Other bytes under the same name
// are never overwritten unless the signed index says that the tarball was
// replaced: they are an alarm for a person, in the ledger.
func (b *Bucket) putTarball(ctx context.Context, want state.Want, d *download) error {
	record, pending := b.state.Ledger[want.Release]
	if !pending { // else it may be again, and then nothing was changed
		if err := b.Acquire(ctx); err != nil {
			return err
		}
	}
	key := want.Release.TarballKey()
	tarball := bucket.Object{
		CompareBytes: record.Reason == state.Mismatch,
		Body:         d.spool.reader(), Size: d.digests.Size, SHA256: d.digests.SHA256,
		ContentType: typeGzip, CacheControl: forEver,
	}
	replaced := want.Replaced || b.overwrite
	if replaced {
		tarball.CacheControl = briefly // it was another one, and may be again
	}
	kept, err := b.put(ctx, key, tarball, bucket.IfAbsent())
	switch {
	case replaced && errors.Is(err, bucket.ErrDiffers):
		if err := b.replace(ctx, key, tarball); err != nil {
			return err
		}
		b.count(1, 0, 0)
	case errors.Is(err, bucket.ErrDiffers), errors.Is(err, bucket.ErrRefused):
		b.locked(func() { b.refused[want.Release] = err })
		_ = b.unlessRefused(err) // counts it
		return nil
	case err != nil:
		return err
	case !kept:
		b.count(1, 0, 0)
		if b.comparing {
			b.locked(func() { b.missing = append(b.missing, want.Release) })
		}
	}
	if err := b.Acquire(ctx); err != nil {
		return err
	}
	return b.putRecord(ctx, want.Release, d.record)
}

// Compare lets Missing tell of what the bucket turns out to lack. It is called before
// the bucket's writer begins.
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
	_, err := b.put(ctx, recordKey(r), record, bucket.IfAbsent())
	if errors.Is(err, bucket.ErrDiffers) {
		err = b.replace(ctx, recordKey(r), record)
	}
	return b.unlessRefused(err)
}

// recordKey is where the digests of a release are.
func recordKey(r index.Release) string { return "package/" + r.String() + ".json" }

// Refused returns why the bucket did not accept the tarball of a release in this run:
// bucket.ErrDiffers if it holds other bytes than the signed ones. It is nil for
// one that it accepted, or was not given.
func (b *Bucket) Refused(r index.Release) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refused[r]
}

// unlessRefused returns an error, unless it is of an object that the store does not
// accept, whatever becomes of the others. That is counted, and keeps nothing else from
// being published.
func (b *Bucket) unlessRefused(err error) error {
	if !errors.Is(err, bucket.ErrRefused) {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refusals++; b.refusals == 1 {
		b.refusal = err
	}
	return nil
}

// Incomplete returns the error of a bucket that accepted all but some objects, which
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

// alarm keeps what a person should know of although it was repaired.
func (b *Bucket) alarm(text string) {
	b.locked(func() { b.alarms = append(b.alarms, text) })
}

// Alarms returns what the bucket held of somebody else's and holds no more.
func (b *Bucket) Alarms() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.alarms)
}

// advance is the bucket's state behind a batch: its position is the end of the
// batch, and its ledger holds what could not be put.
func (b *Bucket) advance(batch []delivery, to index.Position) {
	b.state.Position, b.state.Ledger = to, maps.Clone(b.state.Ledger)
	for _, d := range batch {
		r, reason := d.want.Release, b.reason(d)
		if reason == "" {
			delete(b.state.Ledger, r)
			continue
		}
		b.state.Ledger.Add(r, state.Record{Reason: reason, Target: d.want.Target, Replaced: d.want.Replaced}, b.now())
	}
	b.locked(func() {
		for _, r := range b.unsigned {
			b.state.Ledger.Add(r, state.Record{Reason: state.Unsigned}, b.now())
		}
		b.unsigned = nil
	})
}

// reason says why a wanted tarball is pending, "" if it is not.
func (b *Bucket) reason(d delivery) state.Reason {
	refused := b.Refused(d.want.Release)
	switch {
	case d.err != nil:
		return state.ReasonOf(d.err)
	case errors.Is(refused, bucket.ErrRefused):
		return state.Failed
	case refused != nil:
		return state.Mismatch
	}
	return ""
}
