package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/health"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/page"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// A standing is how the mirror of one bucket stands after a run, and what the
// bucket's readers were told before.
type standing struct {
	target *Target
	judgement
	// former is the status that was in place, now the one that was written. Both
	// are nil if nothing was to be written; former also if it was none that can be
	// read.
	former, now *status.Status
}

// How long a quiet run leaves what readers were told, and how long the run may
// take to tell them.
const (
	toldFor    = time.Hour
	tellWithin = time.Minute
)

// TellReaders writes into each bucket how its mirror stands, the last thing of a
// run. Each bucket is told of by itself. What cannot be written
// is warned of once for each bucket, and never makes a run fail. A bucket that has
// no state yet, that another run is writing to, or of which a shard is filled is
// left alone, and in a dry run all are.
//
// It enters into the facts how large the mirror is, if a status says so.
func (r *Result) TellReaders(ctx context.Context) { r.run.tellReaders(ctx, r.Run, r.aborted) }

func (r *run) tellReaders(ctx context.Context, run *report.Run, aborted error) {
	var all []*standing
	for _, s := range r.Targets {
		if !r.tells(s) || overtaken(s.err) {
			continue
		}
		all = append(all, &standing{target: s, judgement: r.health(ctx, s, run, aborted)})
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), tellWithin)
	defer stop()
	var group errgroup.Group
	for _, st := range all {
		if st.due(r.Now(), r.Full) {
			group.Go(func() error { r.tellOne(ctx, st, run.Outcome); return nil })
		}
	}
	_ = group.Wait() // which says what went wrong
	for _, st := range all {
		if told := cmp.Or(st.now, st.target.former); told != nil && health.Counted(told.Holds) {
			run.Holds = &told.Holds
			return
		}
	}
}

// tells reports whether a run tells readers of a target.
func (r *run) tells(s *Target) bool { return s.bucket != nil && !r.DryRun && s.bucket.CanTell() }

// overtaken reports whether another run has come, which tells for itself.
func overtaken(err error) bool {
	return errors.Is(err, bucket.ErrConflict) || errors.Is(err, bucket.ErrLocked)
}

// due reports whether a bucket's readers are to be told: of anything new, of a
// failure, and else once an hour.
func (st *standing) due(now time.Time, full bool) bool {
	s, told := st.target, st.target.told
	return full || st.word == status.Failed || st.interrupted || s.untold || s.bucket.Stored().Nonce != s.before.Nonce || string(st.word) != told.Health ||
		now.Sub(told.When) >= toldFor || now.Before(told.When)
}

// changed reports whether the run changed what readers of a bucket find.
func (s *Target) changed() bool {
	stored := s.bucket.Stored()
	return stored.Seen.Index != "" && (stored.Seen != s.before.Seen || !stored.Equal(s.before))
}

// readTold begins to find out what the buckets' readers were told last. The state
// says so, or that they were told more since; then the status itself is asked. The
// function it returns waits for that.
func (r *run) readTold(ctx context.Context) (wait func()) {
	var group errgroup.Group
	for _, s := range r.buckets() {
		if s.told = s.before.Told; !r.tells(s) || s.told.Health != "" {
			continue
		}
		group.Go(func() error {
			former, err := r.readStatus(ctx, s)
			if err != nil {
				return nil // it is told anew, which says what is wrong
			}
			s.former = former
			if s.untold = former == nil || former.Nonce == "" || former.Nonce != s.before.Nonce; !s.untold {
				s.told = state.Told{When: former.Run.Began, Health: string(former.Health), At: s.before.Position}
				s.bucket.KnowTold(s.told)
			}
			return nil
		})
	}
	return func() { _ = group.Wait() }
}

// sayUntold says which buckets' readers were not told of all, and reports whether
// there are any.
func (r *run) sayUntold() (any bool) {
	for _, s := range r.buckets() {
		if s.untold {
			r.Progress.Log(fmt.Sprintf("%s %q: its readers were not told yet of all that it holds; what came since is read again for that", s.kind, s))
			any = true
		}
	}
	return any
}

// readNews finds out what the index holds behind the place up to which a bucket's
// readers were told of it, if that lies before the place where the run took the
// bucket up. It stays nil if that place is none of this index.
func (r *run) readNews(s *Target) {
	from := s.told.At
	if !r.tells(s) || s.tail == nil || s.told.Is(s.State().Position) || from.Length < s.index.From.Length || from.Length > s.tail.To.Length {
		return
	}
	if tails, _, err := r.tailsFrom(s.index.Index, s.index.From, []index.Position{from}); err == nil {
		s.news = tails[0]
	}
}

// allTold reports whether what the run tells of a bucket goes on from what was told
// before.
func (r *run) allTold(s *Target) bool {
	return s.told.Is(s.before.Position) || s.news != nil || r.hasWhole(s)
}

// tellOne writes the status of one bucket, and of what is made of it that which
// then differs.
func (r *run) tellOne(ctx context.Context, st *standing, outcome report.Outcome) {
	s := st.target
	var err error
	if st.former = s.former; st.former == nil {
		st.former, err = r.readStatus(ctx, s)
	}
	if err == nil {
		st.judgement = st.asBefore(st.former, s.bucket.Stored().Seen.Index != "")
		st.now, err = r.status(ctx, st, outcome)
	}
	var files []mirror.File
	if err == nil {
		files, err = r.render(ctx, st)
	}
	if err == nil {
		at := s.told.At
		if r.allTold(s) {
			at = s.bucket.Stored().Position
		}
		err = s.bucket.Tell(ctx, files, string(st.word), at)
	}
	if err != nil && !overtaken(err) {
		r.Warn(fmt.Sprintf("%s %q: its status, which tells people how the mirror is, could not be written: %v", s.kind, s.place(), err))
	}
}

// readStatus reads the status that is in place. One that cannot be understood is
// begun anew: nothing depends on it but what it goes on counting.
func (r *run) readStatus(ctx context.Context, s *Target) (*status.Status, error) {
	raw, err := s.bucket.Read(ctx, status.Key, status.MaxSize+1)
	if err != nil || raw == nil {
		return nil, err
	}
	former, err := status.Parse(raw)
	if err != nil {
		r.Progress.Log(fmt.Sprintf("%s %q: %v; it is begun anew", s.kind, s, err))
		return nil, nil
	}
	return former, nil
}

// render returns the files that are to be put, the status as the last. The same
// status gives the same bytes, so what is in place is known without reading it,
// unless another version of the program wrote it, or somebody removed it.
func (r *run) render(ctx context.Context, st *standing) ([]mirror.File, error) {
	files, err := page.Render(st.now)
	if err != nil {
		return nil, err
	}
	there := map[string]string{}
	if st.former != nil && st.former.Tool == st.now.Tool && !r.Full {
		before, err := page.Render(st.former)
		for _, f := range before {
			there[f.Key] = string(f.Body)
		}
		if err != nil {
			there = nil // somebody else's
		}
	}
	var changed, same []mirror.File
	for _, f := range files {
		if body, known := there[f.Key]; known && body == string(f.Body) {
			same = append(same, mirror.File(f))
		} else {
			changed = append(changed, mirror.File(f))
		}
	}
	if st.hourly() { // the status and the state are put as well
		changed = append(changed, st.target.lost(ctx, same, tellingPuts-2-len(changed))...)
	}
	if at := st.target.bucket.Stored().Position; r.hasWhole(st.target) && r.whole.To.Length == at.Length {
		changed = append(changed, mirror.File(page.Names(health.NewestVersions(r.whole))))
	}
	return append(changed, mirror.File{Key: status.Key, Type: "application/json", CacheControl: "public, no-transform, max-age=60", Body: st.now.JSON()}), nil
}

// tellingPuts is how many puts a run makes at most to tell the readers of a bucket,
// beside the one of the names.
const tellingPuts = 6

// hourly reports whether readers are told only that all is as it was.
func (st *standing) hourly() bool {
	s := st.target
	return !s.untold && string(st.word) == s.told.Health && s.bucket.Stored().Nonce == s.before.Nonce
}

// lost returns those of some files that are not in place with their length any more,
// at most so many.
func (s *Target) lost(ctx context.Context, files []mirror.File, most int) (lost []mirror.File) {
	for _, f := range files {
		if size, err := s.bucket.Size(ctx, f.Key); err == nil && size != int64(len(f.Body)) && len(lost) < most {
			lost = append(lost, f)
		}
	}
	return lost
}
