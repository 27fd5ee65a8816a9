package cli

import (
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
		var again bool
		var interrupted error
		if failed(err) {
			failures++
			again, interrupted = afterFailure(ctx, o, env, err, min(failures, longestPause), end)
		} else {
			failures = 0
			again, interrupted = waitForNews(ctx, o, env, seen, end)
		}
		if interrupted != nil || !again {
			return all, errors.Join(err, interrupted)
		}
		var run *report.Run
		run, seen, err = syncOnce(ctx, o, env)
		all.Join(run)
	}
	return all, err
}

// watchable reports whether there is a point in going on. There is none if a run
// cannot even start, as without a key, or if it had no time to come to its end.
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

// waitForNews asks upstream once a minute whether it has something newer than what was
// seen, until it has, or an hour or the whole watch is over. It reports whether another
// run is due. An unclear answer counts as yes: the next run finds out what it means.
func waitForNews(ctx context.Context, o *options.Sync, env Env, seen state.Seen, end time.Time) (bool, error) {
	op := newOpening(o, env)
	upstream, err := op.openUpstream()
	if err != nil {
		return false, err
	}
	op.Progress.Log(fmt.Sprintf("watching %s until %s", upstream, end.UTC().Format("15:04:05 MST")))
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
	progress.Log(fmt.Sprintf("this run failed: %v; trying again in %s", err, report.Took(time.Duration(times)*watchEvery)))
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
	over, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-over.Done()
	return ctx.Err()
}
