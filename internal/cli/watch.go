package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/options"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/run"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// quietest is how long a watch goes without a run although upstream has nothing
// newer: who watches the mirror from outside waits for a sign of life.
const quietest = time.Hour

// watchEvery is how often upstream's timestamp.json is asked for. Caches keep it
// for a minute, so more often would show nothing newer.
const watchEvery = time.Minute

// longestPause is how many times watchEvery the longest pause after a failure is.
const longestPause = 10

// syncWatching is syncOnce, and with --watch again each time that upstream has
// something newer. The facts are those of all the runs together. A run that
// failed is told of and made again, after a pause that grows with each failure in
// a row; only if the last one failed, the watch did.
func syncWatching(ctx context.Context, o *options.Sync, env Env) (*report.Run, error) {
	end := env.Now().Add(o.Watch)
	all, seen, err := syncOnce(ctx, o, env)
	failures := 0
	for o.Watch > 0 && watchable(ctx, all, err) {
		next := func() (bool, error) { return waitForNews(ctx, o, env, seen, end) }
		if failed(err) {
			failures++
			pause := min(failures, longestPause)
			next = func() (bool, error) { return afterFailure(ctx, o, env, err, pause, end) }
		} else {
			failures = 0
		}
		news, waited := next()
		if waited != nil {
			// Everything was brought up to date before the signal came.
			return all, errors.Join(err, waited)
		}
		if !news {
			break
		}
		var run *report.Run
		run, seen, err = syncOnce(ctx, o, env)
		join(all, run)
	}
	return all, err
}

// watchable reports whether there is a point in going on. There is none if a run
// cannot even begin, as without a key, or if it had no time to come to its end.
func watchable(ctx context.Context, run *report.Run, err error) bool {
	_, never := errors.AsType[*unready](err)
	return ctx.Err() == nil && !never && (failed(err) || run.Left == 0)
}

// failed reports whether a run did not do its work. That a person should look does
// not mean that.
func failed(err error) bool {
	_, degraded := errors.AsType[*run.DegradedError](err)
	return err != nil && !degraded
}

// waitForNews asks upstream once a minute whether it has something newer than
// what was seen, until it has, or an hour or the whole watch is over. It reports
// whether another run is due. An answer that is neither yes
// nor no counts as yes: the next run finds out what it means.
func waitForNews(ctx context.Context, o *options.Sync, env Env, seen state.Seen, end time.Time) (bool, error) {
	op := newOpening(o, env)
	upstream, err := op.openUpstream()
	if err != nil {
		return false, err
	}
	op.Progress.Note(fmt.Sprintf("watching %s until %s", upstream, end.UTC().Format("15:04:05 MST")))
	due := env.Now().Add(quietest)
	for left := end.Sub(env.Now()); left > 0; left = end.Sub(env.Now()) {
		if err := env.pause(ctx, min(watchEvery, left)); err != nil {
			return false, err
		}
		_, err := upstream.Metadata(ctx, seen)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if now := env.Now(); !errors.Is(err, hackage.ErrUnchanged) || !now.Before(due) && now.Before(end) {
			return true, nil
		}
	}
	return false, nil
}

// afterFailure says what went wrong and waits so many times watchEvery. It reports
// whether there is time left for another run.
func afterFailure(ctx context.Context, o *options.Sync, env Env, err error, times int, end time.Time) (bool, error) {
	progress := env.progress(o.Verbose)
	progress.Note(fmt.Sprintf("this run failed: %v; trying again in %s", err, report.Took(time.Duration(times)*watchEvery)))
	for range times {
		if env.Now().Add(watchEvery).After(end) {
			return false, nil
		}
		if err := env.pause(ctx, watchEvery); err != nil {
			return false, err
		}
	}
	return true, nil
}

// pause waits, unless the context ends before.
func (e Env) pause(ctx context.Context, d time.Duration) error {
	if e.wait != nil {
		return e.wait(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join adds a later run to what there is to tell: what came adds up, and of how
// things stand the later word counts.
func join(all, later *report.Run) {
	since := later.Began.Sub(all.Began)
	for _, p := range later.Phases {
		all.Phases = append(all.Phases, report.Phase{Name: p.Name, Begin: since + p.Begin, End: since + p.End})
	}
	all.Took = since + later.Took
	all.New = append(all.New, later.New...)
	all.Revised = append(all.Revised, later.Revised...)
	all.Revisions += later.Revisions
	all.Bytes += later.Bytes
	all.Deprecations = append(all.Deprecations, later.Deprecations...)
	all.Repaired = append(all.Repaired, later.Repaired...)
	all.Restored = append(all.Restored, later.Restored...)
	all.Holds = cmp.Or(later.Holds, all.Holds)
	all.Index, all.Left, all.Skipped = later.Index, later.Left, later.Skipped
	all.Ledger, all.Expiries, all.Aborted = later.Ledger, later.Expiries, later.Aborted
	// A run that was ended early may not have come to all of them.
	for i, d := range later.Destinations[:min(len(later.Destinations), len(all.Destinations))] {
		all.Destinations[i] = joined(all.Destinations[i], d)
	}
}

// joined is join for a destination.
func joined(before, later report.Destination) report.Destination {
	later.Changed = later.Changed || before.Changed
	later.Tarballs += before.Tarballs
	later.Revisions += before.Revisions
	later.Bytes += before.Bytes
	later.Commits += before.Commits
	later.Entries += before.Entries
	later.Took += before.Took
	if later.Commit == "" {
		later.Commit = before.Commit
	}
	return later
}
