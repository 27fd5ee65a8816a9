// Package run brings a mirror's buckets and repositories up to date with upstream: it
// plans what each lacks, downloads that once for all, publishes it, and says what was
// done. What it works on is opened by its caller.
package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/announce"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/progress"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A Config is what a run is told, and what it works on, opened. Whoever opened that
// closes it after the run's Result.
type Config struct {
	Address   string // upstream's
	Upstream  *hackage.Upstream
	Pinned    tuf.Pinned // whom upstream is verified by
	Targets   []*Target
	Signer    *openpgp.Signer // nil without repositories
	Patterns  []string        // of the packages that are selected
	Selected  func(pkg string) bool
	Shard     mirror.Shard
	PublicURL string // the mirror's address in the records
	// Branch and Tag are those of the repositories.
	Branch, Tag string
	Accepted    []Accepted // mismatches that were acknowledged

	AcceptRewrite, Full, DryRun, Verbose bool
	// Detailed says that somebody reads more than what the log says.
	Detailed    bool
	TimeLimit   time.Duration // zero for none
	Concurrency int
	BatchSize   int // of tarballs, zero for a thousand

	Tool     string // program and version
	Page     string // of the run on GitHub, and GitHub is its server; both may be empty
	GitHub   string
	OnRunner bool // the options come from the variables of a workflow

	Dir      string    // private, for the run alone
	Began    time.Time // when the opening began
	Now      func() time.Time
	Progress *progress.Progress
	Warn     func(string)
	// Unopened is why the run cannot begin, if it cannot: that is all there is to
	// tell of it.
	Unopened error
}

// A run is one run, from what was opened to the summary.
type run struct {
	Config
	Packages string // as the state of a destination spells the selection

	allBuckets      []*bucketTarget // those that were opened
	allRepositories []*repositoryTarget

	metadata *hackage.Metadata // nil: the same as the newest that a target has seen
	index    *hackage.Access   // nil: no target needs it
	left     int               // tarballs that are still to come
	end      index.Position    // of the index
	closers  []func() error

	outcomes   *outcomes
	mismatches *mismatches
	// deprecated brings upstream's list of deprecated packages, once.
	deprecated func() ([]byte, error)
	list       deprecatedList

	// checked is when upstream's metadata were read, zero if they could not be.
	checked time.Time
	whole   announce.Part // all of the index, if it was read for something

	timeline *timeline
	wanted   []download // in a dry run: what would be fetched
}

// A DegradedError is of a run that did all it could, and found something for a person.
type DegradedError struct{ error }

// Unwrap returns what was found.
func (e *DegradedError) Unwrap() error { return e.error }

// A Result is what became of a run. It is closed when all was told.
type Result struct {
	*report.Run
	// Err is what the command ends with.
	Err error
	// Seen names the newest metadata that the run knows of.
	Seen state.Seen
	// Found is what the readers of the buckets are to know.
	Found *announce.Run

	closers []func() error
}

// Run brings every target up to date. There are facts to tell of it even if it failed.
func Run(ctx context.Context, c Config) *Result {
	r := &run{
		Config: c, Packages: strings.Join(c.Patterns, ","),
		timeline:   &timeline{now: c.Now, began: c.Began, phases: []report.Phase{{Name: "opening", End: c.Now().Sub(c.Began)}}},
		mismatches: newMismatches(c),
	}
	for _, s := range c.Targets {
		switch d := s.destination.(type) {
		case *bucketTarget:
			r.allBuckets = append(r.allBuckets, d)
		case *repositoryTarget:
			r.allRepositories = append(r.allRepositories, d)
		}
	}
	err := c.Unopened
	if err == nil {
		err = r.start(ctx)
	}
	facts := r.facts(ctx, err)
	result := &Result{Run: facts, Err: err, Seen: r.seen(), Found: r.found(facts, err), closers: r.closers}
	if err == nil {
		result.Err = r.verdict(facts)
	}
	return result
}

// Close ends what the run opened, the last first.
func (r *Result) Close() error {
	var errs []error
	for _, closing := range slices.Backward(r.closers) {
		errs = append(errs, closing())
	}
	return errors.Join(errs...)
}

// seen names the newest metadata that the run knows of.
func (r *run) seen() state.Seen {
	if r.metadata != nil {
		return r.metadata.Seen()
	}
	return trusted(r.Targets)
}

// start makes room for what comes of the run, and runs.
func (r *run) start(ctx context.Context) (err error) {
	if r.outcomes, err = newOutcomes(r.Dir); err != nil {
		return err
	}
	r.closers = append(r.closers, r.outcomes.Close)
	return r.run(ctx)
}

// run is the order of things: metadata, index, tarballs and .cabal files,
// repositories, and last what makes it known.
func (r *run) run(ctx context.Context) error {
	r.Progress.Log(r.intent())
	end := r.timeline.start("states")
	r.readStates(ctx)
	end()
	if len(live(r.Targets)) == 0 {
		return ctx.Err()
	}
	r.sayWhy()
	readTold := r.readTold(ctx)
	err := r.readMetadata(ctx)
	readTold()
	if err != nil {
		return err
	}
	r.checked = r.Now()
	r.warnOfExpiry()
	upToDate, err := r.upToDate(ctx)
	if err != nil {
		return err
	}
	if !upToDate {
		return r.advance(ctx)
	}
	if !r.DryRun && r.metadata != nil {
		defer r.timeline.start("signed files")()
		each(r, r.buckets(), func(s *bucketTarget) error { return s.Publish(ctx, r.metadata) }) // over the index that it holds
	}
	return ctx.Err()
}

// readStates reads the states of all targets, while upstream is asked for the first
// file that is needed next.
func (r *run) readStates(ctx context.Context) {
	var group errgroup.Group
	if targets := live(r.Targets); len(targets) > 0 {
		group.Go(func() error { r.Upstream.Ahead(ctx); return nil })
		each(r, targets, func(s *Target) error { return s.read(ctx, r.Packages, r.Shard, r.Full) })
	}
	_ = group.Wait() // what went wrong is told where it is needed
}

// advance brings the targets to the end of the index. The buckets and the
// repositories go on concurrently once all tarballs have come.
func (r *run) advance(ctx context.Context) error {
	defer r.askForDeprecated(ctx)()
	end := r.timeline.start("index")
	err := r.readIndex(ctx)
	end()
	if err != nil {
		return err
	}
	downloads, err := r.downloads(ctx)
	if err == nil && !r.DryRun && slices.ContainsFunc(downloads, func(n download) bool { return !n.retried }) && !r.canWrite(ctx) {
		downloads, err = r.downloads(ctx) // of those that can be written
	}
	r.left = len(downloads)
	if r.DryRun {
		r.wanted = downloads
		each(r, r.repositories(), func(s *repositoryTarget) error { return r.commitAndPush(ctx, s) })
	}
	if err != nil || r.DryRun || len(live(r.Targets)) == 0 {
		return err
	}
	if len(downloads) > 0 {
		r.sayFailed()
	}
	end = r.timeline.start("tarballs")
	reached, err := r.download(ctx, downloads)
	end()
	if err != nil {
		r.closeWriters()
		return err
	}
	var group errgroup.Group
	group.Go(func() error {
		defer r.timeline.start("repositories")()
		r.updateRepositories(ctx, reached)
		return nil
	})
	end = r.timeline.start("buckets")
	r.closeWriters()
	end()
	return errors.Join(group.Wait(), ctx.Err())
}

// canWrite finds out before the first tarball comes which destinations cannot be
// written, and reports whether all can.
func (r *run) canWrite(ctx context.Context) bool {
	defer r.timeline.start("permissions")()
	before := live(r.Targets)
	each(r, before, func(s *Target) error { return s.mayWrite(ctx, len(before) == 1) })
	return len(live(r.Targets)) == len(before)
}

// sayFailed says, before the tarballs of the others come, which destinations have
// failed already: a first fill may go on for hours. The run ends with their errors.
func (r *run) sayFailed() {
	for _, s := range r.Targets {
		if s.err != nil {
			r.Progress.Log(fmt.Sprintf("%s%s %q: %v; the other destinations go on without it", progress.ErrorPrefix, s.kind, s.address, s.err))
		}
	}
}

// sayWhy says what makes a run more than an update.
func (r *run) sayWhy() {
	for _, s := range r.buckets() {
		if s.unread != nil {
			r.Progress.Log(fmt.Sprintf("%s %q: its state could not be read (%v); everything is compared", s.kind, s, s.unread))
		}
	}
	for _, s := range r.repositories() {
		if why := s.Adopting(); why != "" {
			r.Progress.Log(fmt.Sprintf("%s %q: all of it is compared with the index, because %s", s.kind, s, why))
		} else if why := s.Due(); why != "" {
			r.Progress.Log(fmt.Sprintf("%s %q: %s", s.kind, s, why))
		}
	}
}

// each does one step for several targets concurrently. An error stays with its
// target; if the context ended the run as a whole says so.
func each[T targeted](r *run, targets []T, step func(T) error) {
	var group errgroup.Group
	for _, one := range targets {
		group.Go(func() error {
			s, begun := one.target(), r.Now()
			if err := step(one); err != nil {
				s.err = err
			}
			s.took += r.Now().Sub(begun)
			return nil
		})
	}
	_ = group.Wait() // the steps keep their errors with their targets
}

// readMetadata reads the one set of metadata that the whole run uses. It stays
// nil if upstream has nothing newer than what every target has.
func (r *run) readMetadata(ctx context.Context) error {
	defer r.timeline.start("metadata")()
	seen := trusted(live(r.Targets))
	if r.allAt(seen) {
		m, err := r.Upstream.Metadata(ctx, seen)
		if errors.Is(err, hackage.ErrUnchanged) {
			return nil
		}
		r.metadata = m
		return r.explain(err)
	}
	return r.rereadMetadata(ctx)
}

// rereadMetadata reads the metadata whatever was seen. Nobody is to be brought
// back, so at first no version may be lower than any target says. If upstream has
// none such, what signed tags say must hold all the same. A bucket that says more
// fails alone.
func (r *run) rereadMetadata(ctx context.Context) error {
	targets := live(r.Targets)
	all, signed := highestSeen(targets), highestSeen(slices.DeleteFunc(slices.Clone(targets), func(s *Target) bool { return !s.signed() }))
	m, err := r.Upstream.Metadata(ctx, all)
	if errors.Is(err, tuf.ErrRollback) && all != signed {
		m, err = r.Upstream.Metadata(ctx, signed)
	}
	if err != nil {
		return r.explain(err)
	}
	for _, s := range targets {
		if s.ahead(m) {
			s.err = s.fromTheFuture(m, r.Tag)
		}
	}
	r.metadata = m
	return nil
}

// fromTheFuture is the error of a target that says it has seen newer metadata than
// upstream has.
func (s *Target) fromTheFuture(m *hackage.Metadata, tag string) error {
	said, seen := s.before.Seen, m.Seen()
	return fmt.Errorf("upstream shows metadata of versions %d, %d, %d and %d (root, timestamp, snapshot, mirrors), but %s says that versions %d, %d, %d and %d were seen: %w; "+
		"nothing was changed here. If this happens again, ask upstream's operator; if the file is wrong, remove it, and the next run compares everything",
		seen.Root, seen.Timestamp, seen.Snapshot, seen.Mirrors, s.stateOf(tag), said.Root, said.Timestamp, said.Snapshot, said.Mirrors, tuf.ErrRollback)
}

// allAt reports whether every target says of itself that it was brought up to the
// metadata that is taken for seen. A repository's tag does not move when only the
// metadata was signed anew, so its position is compared instead.
func (r *run) allAt(seen state.Seen) bool {
	if seen.Digest == "" {
		return false
	}
	var end index.Position
	for _, s := range live(r.Targets) {
		if s.before.Seen.Timestamp == seen.Timestamp && (end.IsZero() || s.signed()) {
			end = s.before.Position
		}
	}
	for _, s := range live(r.Targets) {
		if s.due() || s.State().Position != end || !s.saysSeen(seen) {
			return false
		}
	}
	return true
}

// upToDate reports whether no target has anything to gain from the index: each is
// at its end, and what is pending is still not available.
func (r *run) upToDate(ctx context.Context) (bool, error) {
	if r.metadata != nil {
		for _, s := range live(r.Targets) {
			if !s.atEnd(r.metadata) {
				return false, nil
			}
		}
	}
	if untold := r.sayUntold(); !untold {
		same, err := r.samePending(ctx)
		if err != nil || same {
			return same, err
		}
	}
	if r.metadata == nil {
		return false, r.rereadMetadata(ctx)
	}
	return false, nil
}

// samePending asks upstream again for everything that is pending, and reports whether
// the answers are those that the ledgers have.
func (r *run) samePending(ctx context.Context) (bool, error) {
	pending := map[state.Tarball]mirror.Want{}
	for _, s := range live(r.Targets) {
		for _, w := range s.State().Wants(&index.Delta{}, s.turn(r.Now(), quietRetries)) {
			pending[w.Tarball] = mirror.Want{Tarball: w.Tarball, Retried: true, Digests: true}
		}
	}
	if len(pending) == 0 || r.DryRun {
		return true, nil
	}
	outcomes, err := r.downloader().Download(ctx, slices.Collect(maps.Values(pending)))
	if err != nil {
		return false, err
	}
	for _, s := range live(r.Targets) {
		for release, record := range s.State().Ledger {
			outcome, asked := outcomes[state.Tarball{Release: release, Target: record.Target}]
			if asked && !sameReason(record.Reason, outcome.Err) {
				return false, nil
			}
		}
	}
	return true, nil
}

// sameReason reports whether a tarball is still pending for the reason it was. One
// that is missing for long counts as withdrawn.
func sameReason(before state.Reason, err error) bool {
	if err == nil {
		return false
	}
	now := state.ReasonOf(err)
	return now == before || now == state.Missing && before == state.Withdrawn
}

// timeIsUp reports whether no new work is to be started.
func (r *run) timeIsUp() bool {
	return r.TimeLimit > 0 && r.Now().Sub(r.Began) >= r.TimeLimit
}
