package run

import (
	"context"
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A bucketTarget is the destination that a bucket is.
type bucketTarget struct {
	*Target
	*mirror.Bucket
	publicURL string // where readers find it, if its address or the option says
}

// String is that of the target, not of what is opened.
func (b *bucketTarget) String() string { return b.name }

func (b *bucketTarget) load(ctx context.Context, shard mirror.Shard, full bool) (state.State, error) {
	read, err := b.Load(ctx)
	if err == nil && shard.Of > 0 && shard.Number == 0 {
		read, err = b.Gather(ctx, shard.Of)
	}
	if full {
		b.Compare()
	}
	if full && err == nil && !read.Position.IsZero() {
		b.Forget(wasAsked)
	}
	return read, err
}

// wasAsked is why everything is compared.
const wasAsked = "a full comparison was asked for"

func (b *bucketTarget) restart(why string) {
	b.Forget(why)
	b.Overwrite()
}

// mayWrite acquires a bucket that is alone. Another one is acquired with its first
// tarball: nobody waits for a slow one, and what comes is not in vain.
func (b *bucketTarget) mayWrite(ctx context.Context, alone bool) error {
	if !alone {
		return nil
	}
	return b.Acquire(ctx)
}

// saysSeen of a bucket whose state does not name an index is that of one that is not
// known. A tag does not move when only the metadata was signed anew.
func (b *bucketTarget) saysSeen(seen state.Seen) bool {
	return b.before.Seen == seen && seen.Index != ""
}

func (b *bucketTarget) wants(_ context.Context, delta *index.Delta, now time.Time) ([]state.Want, error) {
	return b.Wants(delta, b.turn(now, retriesAtOnce)), nil
}

// turn is of some others each minute, where a bucket has more pending than so many.
func (*bucketTarget) turn(now time.Time, most int) state.Rotation {
	return state.Rotation{Most: most, Number: now.Unix() / 60}
}

func (b *bucketTarget) addTo(d *download, replaced bool) {
	d.buckets = append(d.buckets, lackingBucket{b, replaced})
}

func (b *bucketTarget) root(ctx context.Context) []byte {
	raw, err := b.Bucket.Root(ctx)
	if err != nil {
		return nil
	}
	return raw
}

func (b *bucketTarget) holds(snapshot *tuf.Snapshot) bool { return b.HasIndex(snapshot) }
func (*bucketTarget) inTag() bool                         { return false }
func (*bucketTarget) stateName(string) string             { return mirror.StateKey }

func (*bucketTarget) ifDamaged() (cause, remedy string) {
	return mirror.StateKey + ", which says so, may be damaged, or ",
		"First remove " + mirror.StateKey + " from it: the next run then compares everything. If that does not help, and"
}

func (b *bucketTarget) report(r *run, did account, facts *report.Run, d *report.Destination) int {
	stats := b.Stats()
	d.Changed, d.Tarballs, d.Revisions, d.Bytes = stats.Bytes > 0, stats.Tarballs, stats.Revisions, stats.Bytes
	if r.Full {
		d.Read, d.ReadBytes = stats.Read, stats.ReadBytes
	}
	delta := did.parts[b.Target].Delta
	addMissing(facts, b, delta)
	for _, text := range b.Alarms() {
		facts.Repaired = append(facts.Repaired, fmt.Sprintf("%s %s: %s; find out who else can write there", b.kind, b, text))
	}
	if delta != nil && r.DryRun {
		return revisions(delta)
	}
	return stats.Revisions
}
