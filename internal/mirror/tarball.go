package mirror

import (
	"context"
	"errors"
	"maps"

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
		b.locked(func() { b.rejected[want.Release] = err })
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

// advance is the bucket's state behind a batch: its position is the end of the
// batch, and its ledger holds what could not be put.
func (b *Bucket) advance(tarballs []step, to index.Position) {
	b.state.Position, b.state.Ledger = to, maps.Clone(b.state.Ledger)
	for _, t := range tarballs {
		r, reason := t.want.Release, b.reason(t)
		if reason == "" {
			delete(b.state.Ledger, r)
			continue
		}
		b.state.Ledger.Add(r, state.Record{Reason: reason, Target: t.want.Target, Replaced: t.want.Replaced}, b.options.Now())
	}
	b.locked(func() {
		for _, r := range b.unsigned {
			b.state.Ledger.Add(r, state.Record{Reason: state.Unsigned}, b.options.Now())
		}
		b.unsigned = nil
	})
}

// reason says why a wanted tarball is pending, "" if it is not.
func (b *Bucket) reason(t step) state.Reason {
	refused := b.Refused(t.want.Release)
	switch {
	case t.err != nil:
		return state.ReasonOf(t.err)
	case errors.Is(refused, bucket.ErrRefused):
		return state.Failed
	case refused != nil:
		return state.Mismatch
	}
	return ""
}
