package mirror

import (
	"context"
	"encoding/hex"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A Publication is what a bucket's readers are to see next.
type Publication struct {
	Metadata *hackage.Metadata
	// Index is nil when the bucket is known to hold it: see HoldsIndex. It need
	// not be whole: see Have.
	Index *hackage.Index
	// Legacy is the path of a 00-index.tar.gz made from the same index; empty
	// when the index did not change, or it is not due: see LegacyDue.
	Legacy string
}

// Publish makes known what the bucket holds by now: the index, the metadata, and
// timestamp.json last. The state is claimed first, by comparing and swapping, so
// that of two writers one stops before it undoes the other; that claim still
// names the metadata published before, so a run that is stopped half-way is
// taken up again by the next.
func (b *Bucket) Publish(ctx context.Context, p Publication) error {
	final := b.state
	final.Seen = p.Metadata.Seen()
	if final.Equal(b.stored) && final.Seen == b.stored.Seen && !b.begin.IsZero() {
		return nil
	}
	if p.Index != nil {
		b.state.Seen.Index = "" // until it is in
	}
	if err := b.note(ctx); err != nil {
		return err
	}
	if err := b.putIndex(ctx, p, &final); err != nil {
		return err
	}
	for _, pointer := range []struct {
		key string
		raw []byte
	}{
		{"root.json", p.Metadata.Root.Raw()},
		{"mirrors.json", p.Metadata.Mirrors.Raw()},
		{"snapshot.json", p.Metadata.Snapshot.Raw()},
		{"timestamp.json", p.Metadata.Timestamp.Raw()},
	} {
		if err := b.put(ctx, pointer.key, pointer.raw, typeJSON, briefly, bucket.Always()); err != nil {
			return err
		}
	}
	b.state = final
	return b.note(ctx)
}

// note writes what the bucket is at by now into its state, if nobody else wrote
// there since it was read.
func (b *Bucket) note(ctx context.Context) error {
	raw := state.File{State: b.state, Tool: b.tool, Updated: b.now()}.JSON()
	etag, err := b.putTagged(ctx, b.key, raw, typeJSON, briefly, bucket.IfMatch(b.etag))
	if err != nil {
		return b.overtaken(err)
	}
	b.claimed.made = true
	b.stored, b.etag = b.state, etag
	return nil
}

// HoldsIndex reports whether the bucket holds exactly the index that a snapshot
// names, so that only the metadata above it is new. Its state says so: what it
// names as seen was published whole.
func (b *Bucket) HoldsIndex(snapshot *tuf.Snapshot) bool {
	want := snapshot.IndexTarGz().SHA256
	return b.stored.Seen.Index == hex.EncodeToString(want[:])
}

// The keys of the index.
const (
	indexGz  = "01-index.tar.gz"
	indexTar = "01-index.tar"
	legacyGz = "00-index.tar.gz"
)
