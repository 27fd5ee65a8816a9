package cli

import (
	"context"
	"errors"

	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/notify"
	"github.com/hackage-mirror/hackage-mirror/internal/options"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/run"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// An unready error is what keeps a run from its start, such as a key that is none.
type unready struct{ error }

func (e *unready) Unwrap() error { return e.error }

// runSync updates every destination, and says what was done.
func runSync(ctx context.Context, o *options.Sync, env Env) error {
	run, err := syncWatching(ctx, o, env)
	return errors.Join(err, tell(ctx, run, err, o, env))
}

// syncOnce is one run, of which those hear who watch from outside, and then the readers
// of the buckets: a run that was interrupted has seconds, and a bucket may be slow.
// There are facts to tell of it even if it failed. Seen names the newest metadata that
// it knows of.
func syncOnce(ctx context.Context, o *options.Sync, env Env) (facts *report.Run, seen state.Seen, err error) {
	op := newOpening(o, env)
	outside := newNotifier(o, env)
	outside.Started(ctx)
	result := run.Run(ctx, op.open(ctx))
	setOutcome(ctx, result.Run, result.Err)
	now := notify.StatusOf(result.Run, op.Page)
	now.Index = result.Found.Index(now.Index)
	if outside.Ended(ctx, result.Run, notify.Changed(result.Found.Notified(now.Health), now)) {
		result.Found.KeepNotified(ctx, now.Health)
	}
	result.Found.Announce(ctx)
	return result.Run, result.Seen, errors.Join(result.Err, result.Close(), op.close())
}

// newNotifier returns what tells those who watch from outside of one run. A dry run is
// nobody's business.
func newNotifier(o *options.Sync, env Env) *notify.Notifier {
	c := notify.Config{
		UserAgent: hackage.UserAgent(env.Version), Page: report.RunPage(env.Getenv), Patience: env.callTime, Warn: env.warn,
	}
	if !o.DryRun {
		c.Ping, c.Notify = o.PingURL, o.NotifyURL
	}
	return notify.New(c)
}
