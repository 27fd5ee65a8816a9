package run

import (
	"context"
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A repositoryTarget is the destination that a repository is.
type repositoryTarget struct {
	*Target
	*allcabal.Repository
}

func (d *repositoryTarget) String() string { return d.name }

func (d *repositoryTarget) load(ctx context.Context, _ mirror.Shard, full bool) (state.State, error) {
	read, err := d.Load(ctx)
	if full && err == nil {
		d.Recompute(wasAsked)
	}
	return read, err
}

func (d *repositoryTarget) restart(why string)                         { d.Forget(why) }
func (d *repositoryTarget) mayWrite(ctx context.Context, _ bool) error { return d.MayPush(ctx) }
func (*repositoryTarget) root(context.Context) []byte                  { return nil }
func (d *repositoryTarget) holds(*tuf.Snapshot) bool                   { return d.WhyPush() == "" }
func (*repositoryTarget) inTag() bool                                  { return true }
func (*repositoryTarget) stateName(tag string) string                  { return fmt.Sprintf("tag %q", tag) }
func (*repositoryTarget) ifDamaged() (cause, remedy string)            { return "", "If" }

// saysSeen of a repository whose tag does not name an index is that of one that is not
// at its end. A tag does not move when only the metadata was signed anew.
func (d *repositoryTarget) saysSeen(state.Seen) bool {
	return d.before.Seen.Index != "" && d.WhyPush() == ""
}

func (d *repositoryTarget) wants(ctx context.Context, delta *index.Delta, _ time.Time) ([]state.Want, error) {
	return d.Wants(ctx, delta)
}

func (*repositoryTarget) turn(time.Time, int) state.Rotation { return state.Rotation{} }
func (*repositoryTarget) addTo(d *download, _ bool)          { d.digests = true }

func (d *repositoryTarget) report(_ *run, did account, facts *report.Run, out *report.Destination) int {
	commit := did.commits[d.Target]
	out.Changed, out.Commits, out.Files, out.Adopting = commit.Changed, commit.Commits, commit.Files, commit.Adopted
	if commit.Changed && commit.Commits > 0 {
		out.Commit = commit.Commit
	}
	if d.err == nil {
		for _, text := range d.Alarms() {
			facts.Repaired = append(facts.Repaired, fmt.Sprintf("%s %s: %s", d.kind, d, text))
		}
	}
	return commit.Revisions
}
