package run

import (
	"context"
	"fmt"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A bucketTarget and a repositoryTarget are the two kinds of destination.
type (
	bucketTarget     struct{ *mirror.Bucket }
	repositoryTarget struct{ *allcabal.Repository }
)

func (b bucketTarget) load(ctx context.Context, shard mirror.Shard, full bool) (state.State, error) {
	read, err := b.Load(ctx)
	if err == nil && shard.Of > 0 && shard.Number == 0 {
		read, err = b.Gather(ctx, shard.Of)
	}
	if full {
		b.Compare()
	}
	return read, err
}

func (d repositoryTarget) load(ctx context.Context, _ mirror.Shard, _ bool) (state.State, error) {
	return d.Load(ctx)
}

func (b bucketTarget) recompare(read state.State, why string) {
	if !read.Position.IsZero() {
		b.Forget(why)
	}
}

func (d repositoryTarget) recompare(_ state.State, why string) { d.Recompute(why) }

func (b bucketTarget) restart(why string) {
	b.Forget(why)
	b.Overwrite()
}

func (d repositoryTarget) restart(why string) { d.Forget(why) }

// mayWrite acquires a bucket that is alone. Another one is acquired with its first
// tarball: nobody waits for a slow one, and what comes is not in vain.
func (b bucketTarget) mayWrite(ctx context.Context, alone bool) error {
	if !alone {
		return nil
	}
	return b.Acquire(ctx)
}

func (d repositoryTarget) mayWrite(ctx context.Context, _ bool) error { return d.MayPush(ctx) }

func (bucketTarget) due() bool       { return false }
func (d repositoryTarget) due() bool { return d.Due() != "" }

func (b bucketTarget) holds(snapshot *tuf.Snapshot) bool { return b.HasIndex(snapshot) }
func (repositoryTarget) holds(*tuf.Snapshot) bool        { return true }

func (bucketTarget) stateName(string) string         { return mirror.StateKey }
func (repositoryTarget) stateName(tag string) string { return fmt.Sprintf("tag %q", tag) }

func (bucketTarget) doubt() (cause, remedy string) {
	return mirror.StateKey + ", which says so, may be damaged, or ",
		"First remove " + mirror.StateKey + " from it: the next run then compares everything. If that does not help, and"
}

func (repositoryTarget) doubt() (cause, remedy string) { return "", "If" }

func (b bucketTarget) report(s *Target, r *run, facts *report.Run, d *report.Destination) int {
	stats := b.Stats()
	d.Changed, d.Tarballs, d.Revisions, d.Bytes = stats.Bytes > 0, stats.Tarballs, stats.Revisions, stats.Bytes
	if r.Full {
		d.Read, d.ReadBytes = stats.Read, stats.ReadBytes
	}
	r.addMissing(facts, s)
	for _, text := range b.Alarms() {
		facts.Repaired = append(facts.Repaired, fmt.Sprintf("%s %s: %s; find out who else can write there", s.kind, s, text))
	}
	if s.tail != nil && r.DryRun {
		return revisions(s.tail)
	}
	return stats.Revisions
}

func (d repositoryTarget) report(s *Target, _ *run, facts *report.Run, out *report.Destination) int {
	out.Changed, out.Commits, out.Files, out.Adopting = s.commit.Changed, s.commit.Commits, s.commit.Files, s.commit.Adopted
	if s.commit.Changed && s.commit.Commits > 0 {
		out.Commit = s.commit.Commit
	}
	if s.err == nil {
		for _, text := range d.Alarms() {
			facts.Repaired = append(facts.Repaired, fmt.Sprintf("%s %s: %s", s.kind, s, text))
		}
	}
	return s.commit.Revisions
}
