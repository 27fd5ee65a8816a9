// Package run brings a mirror's buckets and repositories up to date with upstream. What
// it works on is opened by its caller. A run has these phases, each in its file:
//
//	states.go      what each destination says of itself: how far it is, what it has seen
//	metadata.go    upstream's signed metadata, if there are newer ones than all have seen;
//	               where every destination is at the end of its index, the run is over
//	index.go       the new part of the index: proven, and what it holds for each destination
//	plan.go        the tarballs that the destinations lack, in batches
//	download.go    those, each once for all; the writer of each bucket puts and publishes
//	commit.go      the commits of the repositories, pushed with their tags
//	facts.go       what there is to tell of the run; announced.go, what readers of the
//	               buckets are to know of it
//
// Beside them, target.go says what a destination is, bucket.go and repository.go are the
// two kinds. A destination that fails is left out of what follows and fails no other.
package run

import (
	"context"
	"errors"
	"fmt"
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

// timeIsUp reports whether no new work is to be started.
func (r *run) timeIsUp() bool {
	return r.TimeLimit > 0 && r.Now().Sub(r.Began) >= r.TimeLimit
}

// buckets and repositories return the live targets of a kind.
func (r *run) buckets() []*bucketTarget          { return live(r.allBuckets) }
func (r *run) repositories() []*repositoryTarget { return live(r.allRepositories) }

// intent is the first line of a run: what will be done, and where.
func (r *run) intent() string {
	var to []string
	for _, s := range r.Targets {
		to = append(to, fmt.Sprintf("%s %s", s.kind, s))
	}
	verb := "mirroring"
	if r.DryRun {
		verb = "dry run, writing nothing: would mirror"
	}
	line := fmt.Sprintf("%s %s to %s", verb, r.Upstream, strings.Join(to, ", "))
	if r.Packages != "" {
		line += ", only packages " + r.Packages
	}
	return line
}
