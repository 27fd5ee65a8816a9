// Package announce says in each bucket, the last thing of a run, how its mirror is:
// status.json, and what is made of it. It also keeps in the buckets what notify-url has
// heard. It is given what a run found as a Run, and changes nothing of the mirror.
package announce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/health"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/page"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A Run is what a run found, as far as readers of its buckets are concerned.
type Run struct {
	*report.Run
	Aborted    error  // what ended it before its end
	Full       bool   // everything was compared, so everything is put again
	Page       string // of the run on GitHub; may be empty
	Pinned     tuf.Pinned
	KeyExpires time.Time // the signing key, if the facts have a fingerprint; zero for never
	// Metadata are nil if upstream has none that are newer than those of the buckets.
	Metadata *hackage.Metadata
	Checked  time.Time // when they were read, zero if they could not be
	// End is that of upstream's index, nil if nobody needed the index.
	End          *index.Position
	Whole        Part // all of the index, if it was read for something
	Buckets      []*Bucket
	Repositories []Repository

	Now       func() time.Time
	Warn, Log func(string)
}

// A Part is what the index holds behind a position; without a delta, that is not known.
type Part struct {
	Index *hackage.Access // has the log of it
	*index.Delta
}

// A Bucket is one of the run's buckets.
type Bucket struct {
	*mirror.Bucket // nil if it could not be opened
	Name, Address  string
	PublicURL      string // where readers find it, if somebody said
	Err            error  // why it could not be brought up to date
	Before         state.State
	Previous       Previous
	Tail           Part // what the run found behind the bucket's position
	// News is what came since readers were told, where that is more than the tail.
	News      *index.Delta
	Published time.Time // when the run brought it further, zero if it did not
}

// A Repository is one that the same run fills.
type Repository struct {
	status.Repository
	Ledger   state.Ledger
	Repaired bool // what somebody else had committed was undone
}

// How long a quiet run leaves what readers were told, and how long the run may
// take to announce.
const (
	every  = time.Hour
	within = time.Minute
)

// An announcement is how the mirror of one bucket is after a run.
type announcement struct {
	*Bucket
	condition
	run *Run
	// former is the status that was in place, now the one that was written. Both
	// are nil if nothing was to be written; former also if it was none that can be
	// read.
	former, now *status.Status
}

// Announce writes into each bucket how its mirror is. What cannot be written is warned
// of once for each bucket, and never makes a run fail. A bucket that has no state yet,
// that another run is writing to, or of which a shard is filled is left alone, and in a
// dry run all are.
//
// It enters into the facts how large the mirror is, if a status says so.
func (r *Run) Announce(ctx context.Context) {
	interrupted := ctx.Err() != nil
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer stop()
	var all []*announcement
	var group errgroup.Group
	for _, b := range r.Buckets {
		if r.DryRun || !b.hasState() || overtaken(b.Err) {
			continue
		}
		a := &announcement{Bucket: b, run: r, former: b.Previous.former, condition: r.conditionOf(b, interrupted)}
		all = append(all, a)
		if a.mustWrite() {
			group.Go(func() error { a.write(ctx); return nil })
		}
	}
	_ = group.Wait() // which says what went wrong
	for _, a := range all {
		if last := cmp.Or(a.now, a.Previous.former); last != nil && health.Counted(last.Holds) {
			r.Holds = &last.Holds
			return
		}
	}
}

// hasState reports whether the bucket was opened, and has a state that readers can be
// told of.
func (b *Bucket) hasState() bool { return b.Bucket != nil && b.CanTell() }

// overtaken reports whether another run has come, which announces by itself.
func overtaken(err error) bool {
	return errors.Is(err, bucket.ErrConflict) || errors.Is(err, bucket.ErrLocked)
}

// mustWrite reports whether a bucket's readers are to be told: of anything new, of a
// failure, and else once an hour.
func (a *announcement) mustWrite() bool {
	now, last := a.run.Now(), a.Previous.When
	return a.run.Full || a.word == status.Failed || a.interrupted || !a.sameAsPrevious() || now.Sub(last) >= every || now.Before(last)
}

// sameAsPrevious reports whether there is no more to say than that all is as it was.
func (a *announcement) sameAsPrevious() bool {
	return !a.Previous.Incomplete && string(a.word) == a.Previous.Health && a.Stored().Nonce == a.Before.Nonce
}

// goesOn reports whether what is announced goes on from what was told before.
func (a *announcement) goesOn() bool {
	return a.Previous.IsOf(a.Before.Position) || a.News != nil || a.hasWhole()
}

// hasWhole reports whether the whole index was read, and is one that the bucket's goes
// on in.
func (a *announcement) hasWhole() bool { return a.run.Whole.Delta != nil && a.Tail.Delta != nil }

// write puts the status of one bucket, and of what is made of it that which then
// differs.
func (a *announcement) write(ctx context.Context) {
	err := a.tryWrite(ctx)
	if err != nil && !overtaken(err) {
		a.run.Warn(fmt.Sprintf("bucket %q: its status, which tells people how the mirror is, could not be written: %v", a.Address, err))
	}
}

func (a *announcement) tryWrite(ctx context.Context) (err error) {
	if a.former == nil {
		if a.former, err = readStatus(ctx, a.Bucket.Bucket, a.Name, a.run.Log); err != nil {
			return err
		}
	}
	a.condition = a.asBefore(a.former, a.Stored().Seen.Index != "")
	if a.now, err = a.status(ctx); err != nil {
		return err
	}
	files, err := a.render(ctx)
	if err != nil {
		return err
	}
	at := a.Previous.At
	if a.goesOn() {
		at = a.Stored().Position
	}
	return a.Tell(ctx, files, string(a.word), at)
}

// render returns the files that are to be put, the status as the last. The same
// status gives the same bytes, so what is in place is known without reading it,
// unless another version of the program wrote it, or somebody removed it.
func (a *announcement) render(ctx context.Context) ([]mirror.File, error) {
	files, err := page.Render(a.now)
	if err != nil {
		return nil, err
	}
	inPlace := map[string]string{}
	if a.former != nil && a.former.Tool == a.now.Tool && !a.run.Full {
		// A former status that cannot be rendered is somebody else's.
		if before, err := page.Render(a.former); err == nil {
			for _, f := range before {
				inPlace[f.Key] = string(f.Body)
			}
		}
	}
	var changed, same []mirror.File
	for _, f := range files {
		if body, known := inPlace[f.Key]; known && body == string(f.Body) {
			same = append(same, mirror.File(f))
		} else {
			changed = append(changed, mirror.File(f))
		}
	}
	if a.sameAsPrevious() { // the status and the state are put as well
		changed = append(changed, a.lost(ctx, same, maxPuts-2-len(changed))...)
	}
	if a.hasWhole() && a.run.Whole.To.Length == a.Stored().Position.Length {
		changed = append(changed, mirror.File(page.Names(health.NewestVersions(a.run.Whole.Delta))))
	}
	return append(changed, mirror.File{Key: status.Key, Type: "application/json", CacheControl: "public, no-transform, max-age=60", Body: a.now.JSON()}), nil
}

// maxPuts is how many puts an announcement makes at most, beside the one of the names.
const maxPuts = 6

// lost returns those of some files that are not in place with their length any more,
// at most so many.
func (a *announcement) lost(ctx context.Context, files []mirror.File, most int) (lost []mirror.File) {
	for _, f := range files {
		if size, err := a.Size(ctx, f.Key); err == nil && size != int64(len(f.Body)) && len(lost) < most {
			lost = append(lost, f)
		}
	}
	return lost
}
