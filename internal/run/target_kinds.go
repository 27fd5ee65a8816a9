package run

import (
	"context"
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/announce"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A bucketTarget and a repositoryTarget are the two kinds of destination. What they do
// as such is their own, or of what they opened: the Target's methods of these names lead
// back to them.
type (
	bucketTarget struct {
		*Target
		*mirror.Bucket
		publicURL string               // where readers find it, if its address or the option says
		writer    *mirror.BucketWriter // while it is filled
		filling   time.Time            // since when
		published time.Time            // when this run brought it further
		// told is what its readers were told before. If that was not all that it holds,
		// news is what came since, which is read again for that.
		told announce.Told
		news *index.Delta
	}
	repositoryTarget struct {
		*Target
		*allcabal.Repository
		commit allcabal.Result
	}
)

// These are theirs, so that nothing leads around in a circle.
var _, _ interface {
	Load(ctx context.Context) (state.State, error)
	State() state.State
	Forget(why string)
} = (*mirror.Bucket)(nil), (*allcabal.Repository)(nil)

// String is that of the target, not of what is opened.
func (b *bucketTarget) String() string     { return b.name }
func (d *repositoryTarget) String() string { return d.name }

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

func (d *repositoryTarget) load(ctx context.Context, _ mirror.Shard, full bool) (state.State, error) {
	read, err := d.Load(ctx)
	if full && err == nil {
		d.Recompute(wasAsked)
	}
	return read, err
}

// wasAsked is why everything is compared.
const wasAsked = "a full comparison was asked for"

func (b *bucketTarget) restart(why string) {
	b.Forget(why)
	b.Overwrite()
}

func (d *repositoryTarget) restart(why string) { d.Forget(why) }

// mayWrite acquires a bucket that is alone. Another one is acquired with its first
// tarball: nobody waits for a slow one, and what comes is not in vain.
func (b *bucketTarget) mayWrite(ctx context.Context, alone bool) error {
	if !alone {
		return nil
	}
	return b.Acquire(ctx)
}

func (d *repositoryTarget) mayWrite(ctx context.Context, _ bool) error { return d.MayPush(ctx) }

func (*bucketTarget) due() bool       { return false }
func (d *repositoryTarget) due() bool { return d.Due() != "" }

func (*bucketTarget) inTag() bool     { return false }
func (*repositoryTarget) inTag() bool { return true }

// saysSeen of a bucket whose state does not name an index is that of one that is not
// known. A tag does not move when only the metadata was signed anew.
func (b *bucketTarget) saysSeen(seen state.Seen) bool {
	return b.before.Seen == seen && seen.Index != ""
}

// saysSeen of a repository whose tag does not name an index is that of one that is not
// at its end. A tag does not move when only the metadata was signed anew.
func (d *repositoryTarget) saysSeen(state.Seen) bool { return d.before.Seen.Index != "" }

func (b *bucketTarget) wants(_ context.Context, now time.Time) ([]state.Want, error) {
	return b.Wants(b.tail, b.turn(now, retriesAtOnce)), nil
}

func (d *repositoryTarget) wants(ctx context.Context, _ time.Time) ([]state.Want, error) {
	return d.Wants(ctx, d.tail)
}

// turn is of some others each minute, where a bucket has more pending than so many.
func (*bucketTarget) turn(now time.Time, most int) state.Turn {
	return state.Turn{Most: most, Number: now.Unix() / 60}
}

func (*repositoryTarget) turn(time.Time, int) state.Turn { return state.Turn{} }

func (b *bucketTarget) addTo(d *download, replaced bool) {
	d.buckets = append(d.buckets, lackingBucket{b, replaced})
}

func (*repositoryTarget) addTo(d *download, _ bool) { d.digests = true }

func (b *bucketTarget) holds(snapshot *tuf.Snapshot) bool { return b.HasIndex(snapshot) }
func (*repositoryTarget) holds(*tuf.Snapshot) bool        { return true }

func (*bucketTarget) stateName(string) string         { return mirror.StateKey }
func (*repositoryTarget) stateName(tag string) string { return fmt.Sprintf("tag %q", tag) }

func (*bucketTarget) doubt() (cause, remedy string) {
	return mirror.StateKey + ", which says so, may be damaged, or ",
		"First remove " + mirror.StateKey + " from it: the next run then compares everything. If that does not help, and"
}

func (*repositoryTarget) doubt() (cause, remedy string) { return "", "If" }

func (b *bucketTarget) report(r *run, facts *report.Run, d *report.Destination) int {
	stats := b.Stats()
	d.Changed, d.Tarballs, d.Revisions, d.Bytes = stats.Bytes > 0, stats.Tarballs, stats.Revisions, stats.Bytes
	if r.Full {
		d.Read, d.ReadBytes = stats.Read, stats.ReadBytes
	}
	addMissing(facts, b)
	for _, text := range b.Alarms() {
		facts.Repaired = append(facts.Repaired, fmt.Sprintf("%s %s: %s; find out who else can write there", b.kind, b, text))
	}
	if b.tail != nil && r.DryRun {
		return revisions(b.tail)
	}
	return stats.Revisions
}

func (d *repositoryTarget) report(_ *run, facts *report.Run, out *report.Destination) int {
	out.Changed, out.Commits, out.Files, out.Adopting = d.commit.Changed, d.commit.Commits, d.commit.Files, d.commit.Adopted
	if d.commit.Changed && d.commit.Commits > 0 {
		out.Commit = d.commit.Commit
	}
	if d.err == nil {
		for _, text := range d.Alarms() {
			facts.Repaired = append(facts.Repaired, fmt.Sprintf("%s %s: %s", d.kind, d, text))
		}
	}
	return d.commit.Revisions
}
