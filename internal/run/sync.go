package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/progress"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
	"github.com/hackage-mirror/hackage-mirror/internal/temp"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A syncer is one run, from the options to the summary.
type syncer struct {
	o        *Options
	env      Env
	progress progress.Progress
	began    time.Time
	dir      string // private, removed at the end
	take     func(pkg string) bool
	// publicURL is the mirror's address in the records: the option's, or the
	// first that a bucket's address names.
	publicURL string
	packages  string // as the state of a destination spells the selection

	upstream *hackage.Upstream
	sites    []*site
	metadata *hackage.Metadata // nil: the same as the newest that a site has seen
	index    *hackage.Index    // nil: no site needs it
	left     int               // tarballs that are still to come
	end      index.Position    // of the index
	reached  int64             // length of the index that the run got to
	filling  time.Time         // when tarballs began to come
	shard    mirror.Shard
	dryRun   bool
	closers  []func() error

	outcomes   *outcomes
	mismatches *mismatches
	// deprecated brings upstream's list of deprecated packages, once.
	deprecated func() ([]byte, error)
	list       deprecatedList

	// checked is when upstream's metadata were read, zero if they could not be.
	checked    time.Time
	whole      *index.Delta // all of the index, if it was read for something
	wholeIndex *hackage.Index

	timeline *timeline
	signer   *openpgp.Signer // nil without repositories
	wanted   []need          // in a dry run: what would be fetched
}

// An unready error is what keeps a run from beginning, such as a key that is none.
type unready struct{ error }

func (e *unready) Unwrap() error { return e.error }

// runSync brings every destination up to date, and says what was done.
func runSync(ctx context.Context, o *Options, env Env) error {
	run, err := syncWatching(ctx, o, env)
	return errors.Join(err, tell(ctx, run, err, o, env))
}

// syncOnce is one run, of which those hear who watch from outside. There are facts
// to tell of it even if it failed. Seen names the newest metadata that it knows of.
func syncOnce(ctx context.Context, o *Options, env Env) (run *report.Run, seen state.Seen, err error) {
	now := env.Now()
	r := &syncer{
		o: o, env: env, progress: env.progress(o.Verbose), began: now,
		publicURL: o.publicURL(),
		packages:  strings.Join(o.Packages, ","), dryRun: o.DryRun,
		timeline: &timeline{now: env.Now, began: now}, mismatches: newMismatches(o, env),
	}
	outside := newCaller(o, env)
	outside.begin(ctx)
	folder, err := temp.Make()
	if err == nil {
		r.dir = folder.Path
		defer func() { err = errors.Join(err, r.close(), folder.Close()) }()
		err = r.begin(ctx)
	}
	aborted := err
	run = r.facts(ctx, aborted)
	if aborted == nil {
		err = r.verdict(run)
	}
	judge(ctx, run, err)
	r.call(ctx, outside, run)
	r.tellReaders(ctx, run, aborted)
	return run, r.seen(), err
}

// call tells those who watch from outside how the run ended, before anything that
// may take long where a bucket is slow: a run that was interrupted has seconds.
func (r *syncer) call(ctx context.Context, outside *caller, run *report.Run) {
	now := statusOf(run, r.env)
	for _, s := range r.sites {
		if s.bucket != nil && s.bucket.CanTell() {
			now.Index = r.publicIndex(s, &status.Status{Index: now.Index})
			break
		}
	}
	if outside.end(ctx, run, changed(r.notified(now.Health), now)) {
		r.keepNotified(ctx, now.Health)
	}
}

// seen names the newest metadata that the run knows of.
func (r *syncer) seen() state.Seen {
	if r.metadata != nil {
		return r.metadata.Seen()
	}
	return trusted(r.sites)
}

// begin makes everything ready and runs.
func (r *syncer) begin(ctx context.Context) (err error) {
	if r.outcomes, err = newOutcomes(r.dir); err != nil {
		return err
	}
	r.closers = append(r.closers, r.outcomes.Close)
	end := r.timeline.begin("opening")
	err = r.open(ctx)
	end()
	if err != nil {
		return &unready{err}
	}
	return r.run(ctx)
}

// run is the order of things: metadata, index, tarballs and .cabal files,
// repositories, and last what makes it known.
func (r *syncer) run(ctx context.Context) error {
	r.deprecated = sync.OnceValues(func() ([]byte, error) { return r.readDeprecated(ctx) })
	r.progress.Note(r.intent())
	end := r.timeline.begin("states")
	r.readStates(ctx)
	end()
	if len(live(r.sites)) == 0 {
		return ctx.Err()
	}
	r.sayWhy()
	readTold := r.readTold(ctx)
	err := r.readMetadata(ctx)
	readTold()
	if err != nil {
		return err
	}
	r.checked = r.env.Now()
	r.warnOfExpiry()
	settled, err := r.settled(ctx)
	if err != nil {
		return err
	}
	if !settled {
		return r.advance(ctx)
	}
	if !r.dryRun && r.metadata != nil {
		defer r.timeline.begin("signed files")()
		r.publishMetadata(ctx)
	}
	return ctx.Err()
}

// readStates reads the states of all sites, while upstream is asked for the first
// file that is needed next.
func (r *syncer) readStates(ctx context.Context) {
	var group errgroup.Group
	if sites := live(r.sites); len(sites) > 0 {
		group.Go(func() error { r.upstream.Ahead(ctx); return nil })
		r.each(sites, func(s *site) error { return s.load(ctx, r.packages, r.shard, r.o.Full) })
	}
	_ = group.Wait() // what went wrong is told where it is needed
}

// advance brings the sites to the end of the index. The buckets and the
// repositories go on concurrently once all tarballs have come.
func (r *syncer) advance(ctx context.Context) error {
	end := r.timeline.begin("index")
	err := r.readIndex(ctx)
	end()
	if err != nil {
		return err
	}
	needs, err := r.needs(ctx)
	if err == nil && !r.dryRun && slices.ContainsFunc(needs, func(n need) bool { return !n.owed }) && !r.canWrite(ctx) {
		needs, err = r.needs(ctx) // of those that can be written
	}
	r.left = len(needs)
	if r.dryRun {
		r.wanted = needs
		r.each(r.repositories(), func(s *site) error { return r.rehearse(ctx, s) })
	}
	if err != nil || r.dryRun || len(live(r.sites)) == 0 {
		return err
	}
	if len(needs) > 0 {
		r.sayFailed()
	}
	end = r.timeline.begin("tarballs")
	err = r.fill(ctx, needs)
	end()
	if err != nil {
		r.closeFeeds()
		return err
	}
	var group errgroup.Group
	group.Go(func() error {
		defer r.timeline.begin("repositories")()
		r.fillRepositories(ctx)
		return nil
	})
	end = r.timeline.begin("buckets")
	r.closeFeeds()
	end()
	return errors.Join(group.Wait(), ctx.Err())
}

// canWrite finds out before the first tarball comes which destinations cannot be
// written, and reports whether all can. A bucket that is not alone is claimed with
// its first tarball: nobody waits for a slow one, and what comes is not in vain.
func (r *syncer) canWrite(ctx context.Context) bool {
	defer r.timeline.begin("permissions")()
	before := live(r.sites)
	r.each(before, func(s *site) error {
		switch {
		case s.repo != nil:
			return s.repo.MayPush(ctx)
		case len(before) == 1:
			return s.bucket.Begin(ctx)
		}
		return nil
	})
	return len(live(r.sites)) == len(before)
}

// sayFailed says, before the tarballs of the others come, which destinations have
// failed already: a first fill may go on for hours. The run ends with their errors.
func (r *syncer) sayFailed() {
	for _, s := range r.sites {
		if s.err != nil {
			r.progress.Note(fmt.Sprintf("%s%s %q: %v; the other destinations go on without it", errorMark, s.kind, s.place(), s.err))
		}
	}
}

// sayWhy says what makes a run more than an update.
func (r *syncer) sayWhy() {
	for _, s := range r.buckets() {
		if s.unread != nil {
			r.progress.Note(fmt.Sprintf("%s %q: its state could not be read (%v); everything is compared", s.kind, s, s.unread))
		}
	}
	for _, s := range r.repositories() {
		if why := s.repo.Adopting(); why != "" {
			r.progress.Note(fmt.Sprintf("%s %q: all of it is compared with the index, because %s", s.kind, s, why))
		} else if why := s.repo.Due(); why != "" {
			r.progress.Note(fmt.Sprintf("%s %q: %s", s.kind, s, why))
		}
	}
}

// each does one step for several sites concurrently. An error stays with its
// site; if the context ended the run as a whole says so.
func (r *syncer) each(sites []*site, step func(*site) error) {
	var group errgroup.Group
	for _, s := range sites {
		group.Go(func() error {
			begun := r.env.Now()
			if err := step(s); err != nil {
				s.err = err
			}
			s.took += r.env.Now().Sub(begun)
			return nil
		})
	}
	_ = group.Wait() // the steps keep their errors with their sites
}

// readMetadata reads the one set of metadata that the whole run uses. It stays
// nil if upstream has nothing newer than what every site has.
func (r *syncer) readMetadata(ctx context.Context) error {
	defer r.timeline.begin("metadata")()
	seen := trusted(live(r.sites))
	if r.allAt(seen) {
		m, err := r.upstream.Metadata(ctx, seen)
		if errors.Is(err, hackage.ErrUnchanged) {
			return nil
		}
		r.metadata = m
		return r.explain(err)
	}
	return r.rereadMetadata(ctx)
}

// rereadMetadata reads the metadata whatever was seen. Nobody is to be brought
// back, so at first no version may be lower than any site says. If upstream has
// none such, what signed tags say must hold all the same. A bucket that says more
// fails alone.
func (r *syncer) rereadMetadata(ctx context.Context) error {
	sites := live(r.sites)
	all, signed := floor(sites), floor(slices.DeleteFunc(slices.Clone(sites), func(s *site) bool { return !s.signed() }))
	m, err := r.upstream.Metadata(ctx, all)
	if errors.Is(err, tuf.ErrRollback) && all != signed {
		m, err = r.upstream.Metadata(ctx, signed)
	}
	if err != nil {
		return r.explain(err)
	}
	for _, s := range sites {
		if s.ahead(m) {
			s.err = s.fromTheFuture(m, r.o.Tag)
		}
	}
	r.metadata = m
	return nil
}

// fromTheFuture is the error of a site that says it has seen newer metadata than
// upstream has.
func (s *site) fromTheFuture(m *hackage.Metadata, tag string) error {
	said, seen := s.before.Seen, m.Seen()
	return fmt.Errorf("upstream shows metadata of versions %d, %d, %d and %d (root, timestamp, snapshot, mirrors), but %s says that versions %d, %d, %d and %d were seen: %w; "+
		"nothing was changed here. If this happens again, ask upstream's operator; if the file is wrong, remove it, and the next run compares everything",
		seen.Root, seen.Timestamp, seen.Snapshot, seen.Mirrors, s.witness(tag), said.Root, said.Timestamp, said.Snapshot, said.Mirrors, tuf.ErrRollback)
}

// allAt reports whether every site says of itself that it was brought up to the
// metadata that is taken for seen. A repository's tag does not move when only the
// metadata was signed anew, so its position is compared instead. A bucket whose
// state does not name an index has one that is not known.
func (r *syncer) allAt(seen state.Seen) bool {
	if seen.Digest == "" {
		return false
	}
	var end index.Position
	for _, s := range live(r.sites) {
		if s.before.Seen.Timestamp == seen.Timestamp && (end.IsZero() || s.signed()) {
			end = s.before.Position
		}
	}
	for _, s := range live(r.sites) {
		if s.due() || s.State().Position != end || s.bucket != nil && (s.before.Seen != seen || seen.Index == "") {
			return false
		}
	}
	return true
}

// settled reports whether no site has anything to gain from the index: each is
// at its end, and what they owe is still not available.
func (r *syncer) settled(ctx context.Context) (bool, error) {
	if r.metadata != nil {
		for _, s := range live(r.sites) {
			if !s.atEnd(r.metadata) {
				return false, nil
			}
		}
	}
	if untold := r.sayUntold(); !untold {
		same, err := r.sameOwed(ctx)
		if err != nil || same {
			return same, err
		}
	}
	if r.metadata == nil {
		return false, r.rereadMetadata(ctx)
	}
	return false, nil
}

// sameOwed asks upstream again for everything that is owed, and reports whether
// the answers are those that the ledgers have.
func (r *syncer) sameOwed(ctx context.Context) (bool, error) {
	owed := map[state.Tarball]mirror.Want{}
	for _, s := range live(r.sites) {
		for _, w := range s.State().WantsInTurn(&index.Delta{}, s.turn(r.env.Now(), quietOwed)) {
			owed[w.Tarball] = mirror.Want{Tarball: w.Tarball, Owed: true, Digests: true}
		}
	}
	if len(owed) == 0 || r.dryRun {
		return true, nil
	}
	outcomes, err := r.fetcher().Fetch(ctx, slices.Collect(maps.Values(owed)))
	if err != nil {
		return false, err
	}
	for _, s := range live(r.sites) {
		for release, pending := range s.State().Ledger {
			outcome, asked := outcomes[state.Tarball{Release: release, Target: pending.Target}]
			if asked && !sameReason(pending.Reason, outcome.Err) {
				return false, nil
			}
		}
	}
	return true, nil
}

// sameReason reports whether a tarball is still owed for the reason it was. One
// that is missing for long counts as withdrawn.
func sameReason(before state.Reason, err error) bool {
	if err == nil {
		return false
	}
	now := state.ReasonOf(err)
	return now == before || now == state.Missing && before == state.Withdrawn
}

// timeIsUp reports whether no new work is to be started.
func (r *syncer) timeIsUp() bool {
	return r.o.TimeLimit > 0 && r.env.Now().Sub(r.began) >= r.o.TimeLimit
}
