package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/page"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// A standing is how the mirror of one bucket stands after a run, and what the
// bucket's readers were told before.
type standing struct {
	site *site
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

// tellReaders writes into each bucket how its mirror stands, the last thing of a
// run. Each bucket is told of by itself. What cannot be written
// is warned of once for each bucket, and never makes a run fail. A bucket that has
// no state yet, that another run is writing to, or of which a shard is filled is
// left alone, and in a dry run all are.
//
// Aborted is what ended the run before its end, if anything did.
func (r *syncer) tellReaders(ctx context.Context, run *report.Run, aborted error) {
	var all []*standing
	for _, s := range r.sites {
		if s.bucket == nil || r.dryRun || !s.bucket.CanTell() || errors.Is(s.err, bucket.ErrConflict) || errors.Is(s.err, bucket.ErrLocked) {
			continue
		}
		all = append(all, &standing{site: s, judgement: r.health(ctx, s, run, aborted)})
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), tellWithin)
	defer stop()
	var group errgroup.Group
	for _, st := range all {
		if st.due(r.env.Now(), r.o.Full) {
			group.Go(func() error { r.tellOne(ctx, st, run.Outcome); return nil })
		}
	}
	_ = group.Wait() // which says what went wrong
	for _, st := range all {
		if st.now != nil && counted(st.now.Holds) {
			run.Holds = &st.now.Holds
			return
		}
	}
}

// due reports whether a bucket's readers are to be told: of anything new, of a
// failure, and else once an hour. The state says what they were told, so a quiet
// run asks for nothing.
func (st *standing) due(now time.Time, full bool) bool {
	stored := st.site.bucket.Stored()
	told := stored.Told
	return full || st.word == status.Failed || st.site.changed() || string(st.word) != told.Health || !told.Is(stored.Position) ||
		now.Sub(told.When) >= toldFor || now.Before(told.When)
}

// changed reports whether the run changed what readers of a bucket find.
func (s *site) changed() bool {
	stored := s.bucket.Stored()
	return stored.Seen.Index != "" && (stored.Seen != s.before.Seen || !stored.Equal(s.before))
}

// tellOne writes the status of one bucket, and of what is made of it that which
// then differs.
func (r *syncer) tellOne(ctx context.Context, st *standing, outcome report.Outcome) {
	s := st.site
	former, err := r.former(ctx, s)
	if err == nil {
		st.former = former
		st.now, err = r.status(ctx, st, outcome)
	}
	var files []mirror.File
	if err == nil {
		files, err = r.render(st)
	}
	if err == nil {
		err = s.bucket.Tell(ctx, files, string(st.word), r.toldOf(s))
	}
	switch {
	case err == nil, errors.Is(err, bucket.ErrConflict), errors.Is(err, bucket.ErrLocked):
		return // or another run came meanwhile, which will tell for itself
	}
	r.warn(fmt.Sprintf("%s %q: its status, which tells people how the mirror is, could not be written: %v", s.kind, s.place(), err))
}

// toldOf returns how far into the index a bucket's readers are told that it is. What
// an earlier run did not tell, this one did only if it read the whole index.
func (r *syncer) toldOf(s *site) index.Position {
	if s.untold && !r.hasWhole(s) {
		return s.bucket.Stored().Told.At
	}
	return s.bucket.Stored().Position
}

// former reads the status that is in place. One that cannot be understood is begun
// anew: nothing depends on it but what it goes on counting.
func (r *syncer) former(ctx context.Context, s *site) (*status.Status, error) {
	raw, err := s.bucket.Read(ctx, status.Key, status.MaxSize+1)
	if err != nil || raw == nil {
		return nil, err
	}
	former, err := status.Parse(raw)
	if err != nil {
		r.progress.Note(fmt.Sprintf("%s %q: %v; it is begun anew", s.kind, s, err))
		return nil, nil
	}
	return former, nil
}

// render returns the files that are to be put, the status as the last. The same
// status gives the same bytes, so what is in place is known without reading it,
// unless another version of the program or nobody wrote it.
func (r *syncer) render(st *standing) ([]mirror.File, error) {
	files, err := page.Render(st.now)
	if err != nil {
		return nil, err
	}
	there := map[string]string{}
	if st.former != nil && st.former.Tool == st.now.Tool && !r.o.Full {
		before, err := page.Render(st.former)
		for _, f := range before {
			there[f.Key] = string(f.Body)
		}
		if err != nil {
			there = nil // somebody else's
		}
	}
	var changed []mirror.File
	for _, f := range files {
		if body, same := there[f.Key]; !same || body != string(f.Body) {
			changed = append(changed, mirror.File(f))
		}
	}
	if at := st.site.bucket.Stored().Position; r.hasWhole(st.site) && r.whole.To.Length == at.Length {
		changed = append(changed, mirror.File(page.Names(newestVersions(r.whole))))
	}
	return append(changed, mirror.File{Key: status.Key, Type: "application/json", CacheControl: "public, no-transform, max-age=60", Body: st.now.JSON()}), nil
}

// newestVersions returns the highest version of each package.
func newestVersions(tail *index.Tail) map[string]string {
	newest := map[string]string{}
	for release, news := range tail.News {
		if news.Cabals > 0 && compareVersions(release.Version, newest[release.Package]) > 0 {
			newest[release.Package] = release.Version
		}
	}
	return newest
}

// compareVersions orders versions as Haskell does: number by number.
func compareVersions(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)) // no number begins with a zero
	})
}
