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
//	facts.go       what there is to tell of the run, and what readers of the buckets are
//	               to know of it
//
// A phase gets what those before it returned: see run and advance. A destination, see
// target.go, is a bucket or a repository (bucket.go, repository.go); one that fails is
// left out of what follows and fails no other.
package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/announce"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
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

// A run is what all phases of one run work with. What a phase finds out it returns.
type run struct {
	Config
	packages        string          // the selection, as the state of a destination spells it
	allBuckets      []*bucketTarget // those that were opened
	allRepositories []*repositoryTarget
	timeline        *timeline
	mismatches      *mismatches
	closers         []func() error
}

// An account is what the phases of a run returned, as far as it came; the zero account
// is that of a run that could not begin. What is told of the run is made of it.
type account struct {
	previous map[*Target]announce.Previous // what the readers of the buckets were told before
	checked  time.Time                     // when upstream's metadata were read, zero if they could not be
	reading
	planned []download // in a dry run: what would be downloaded
	downloaded
	published map[*Target]time.Time // when the buckets were brought further
	commits   map[*Target]committed
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
		Config: c, packages: strings.Join(c.Patterns, ","),
		allBuckets: opened[*bucketTarget](c.Targets), allRepositories: opened[*repositoryTarget](c.Targets),
		timeline:   &timeline{now: c.Now, began: c.Began, phases: []report.Phase{{Name: "opening", End: c.Now().Sub(c.Began)}}},
		mismatches: newMismatches(c),
	}
	var did account
	err := c.Unopened
	if err == nil {
		did, err = r.run(ctx)
	}
	facts := r.facts(ctx, did, err)
	result := &Result{Run: facts, Err: err, Seen: r.seen(did.metadata), Found: r.found(facts, did, err), closers: r.closers}
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
func (r *run) seen(m *hackage.Metadata) state.Seen {
	if m != nil {
		return m.Seen()
	}
	return trusted(r.Targets)
}

// run goes through the phases up to where it is known whether there is anything new.
func (r *run) run(ctx context.Context) (did account, err error) {
	r.Progress.Log(r.intent())
	unread := r.readStates(ctx)
	if len(live(r.Targets)) == 0 {
		return did, ctx.Err()
	}
	r.logWhy(unread)
	previous := r.readPrevious(ctx)
	did.metadata, err = r.readMetadata(ctx)
	did.previous = previous()
	if err != nil {
		return did, err
	}
	did.checked = r.Now()
	r.warnOfExpiry(did.metadata)
	upToDate, err := r.upToDate(ctx, did.metadata, did.previous)
	if err != nil {
		return did, err
	}
	if !upToDate {
		return r.advance(ctx, did)
	}
	if !r.DryRun && did.metadata != nil {
		defer r.timeline.start("signed files")()
		each(r, r.buckets(), func(s *bucketTarget) error { return s.Publish(ctx, did.metadata) }) // over the index that it holds
	}
	return did, ctx.Err()
}

// advance goes through the other phases, which bring the targets to the end of the index.
// The buckets and the repositories go on concurrently once all tarballs have come.
func (r *run) advance(ctx context.Context, did account) (_ account, err error) {
	if did.metadata == nil {
		if did.metadata, err = r.rereadMetadata(ctx); err != nil {
			return did, err
		}
	}
	deprecated, stop := r.askForDeprecated(ctx)
	defer stop()
	if did.reading, err = r.readIndex(ctx, did.metadata, did.previous); err != nil {
		return did, err
	}
	downloads, err := r.plan(ctx, did.reading)
	did.left = len(downloads)
	if r.DryRun {
		did.planned = downloads
		did.commits = collect(r, r.repositories(), func(s *repositoryTarget) (committed, error) {
			return r.commitAndPush(ctx, s, did.reading, did.parts[s.Target], nil, deprecated)
		})
	}
	if err != nil || r.DryRun || len(live(r.Targets)) == 0 {
		return did, err
	}
	if len(downloads) > 0 {
		r.logFailed()
	}
	var w writers
	did.downloaded, w, err = r.download(ctx, did.reading, downloads, deprecated)
	if err != nil {
		did.published = r.closeWriters(w)
		return did, err
	}
	var group errgroup.Group
	group.Go(func() error {
		did.commits = r.updateRepositories(ctx, did.reading, did.downloaded, deprecated)
		return nil
	})
	end := r.timeline.start("buckets")
	did.published = r.closeWriters(w)
	end()
	_ = group.Wait() // the targets have their errors
	for s, c := range did.commits {
		did.parts[s] = c.part
	}
	return did, ctx.Err()
}

// each does one step for several targets concurrently. An error stays with its
// target; if the context ended the run as a whole says so.
func each[T targeted](r *run, targets []T, step func(T) error) {
	collect(r, targets, func(s T) (struct{}, error) { return struct{}{}, step(s) })
}

// collect is each for a step that returns a value, also with an error.
func collect[T targeted, V any](r *run, targets []T, step func(T) (V, error)) map[*Target]V {
	values := map[*Target]V{}
	var mu sync.Mutex
	var group errgroup.Group
	for _, one := range targets {
		group.Go(func() error {
			s, begun := one.target(), r.Now()
			value, err := step(one)
			if err != nil {
				s.err = err
			}
			s.took += r.Now().Sub(begun)
			mu.Lock()
			defer mu.Unlock()
			values[s] = value
			return nil
		})
	}
	_ = group.Wait() // the steps keep their errors with their targets
	return values
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
	if r.packages != "" {
		line += ", only packages " + r.packages
	}
	return line
}
