// Package probe looks at a mirror from outside, as anybody can: it reads what is
// signed in buckets and repositories, verifies it, and compares it with upstream. What
// nobody signed is marked as such. It writes nothing.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// readTime is how long the reading of one destination may take as a whole: who may
// be asked again in an hour should not wait longer for a server that does not
// answer.
const readTime = 2 * time.Minute

// errSlow is why a destination was given up.
var errSlow = fmt.Errorf("it did not answer within %s", readTime)

// A Config says where to look, and what to compare it with.
type Config struct {
	Upstream string // its address
	// Asking says whom to trust and how upstream is asked: see Patient.
	Asking       hackage.Options
	Buckets      []Bucket
	Repositories []Repository
	// Branch and Tag are those of the repositories.
	Branch, Tag string
	// KeysGiven says that the reader named keys that may have signed a tag.
	KeysGiven bool
	// StaleAfter is how long an entry of upstream's index may be missing.
	StaleAfter time.Duration
	Tool       string // program and version
	Now        func() time.Time
}

// A Bucket is one to look at: its address for people, and what opens it as the
// files of a repository. The caller closes what that returns.
type Bucket struct {
	Name string
	Open func(context.Context) (*hackage.Upstream, io.Closer, error)
}

// A Repository is one to look at: its option, its address for people, and what opens
// it. The caller closes what that returns.
type Repository struct {
	Kind, Name string
	Open       func(context.Context) (*allcabal.Repository, io.Closer, error)
}

// A Report is one reading of a mirror by somebody whose mirror it need not be.
type Report struct {
	c            Config
	now          time.Time
	upstream     upstreamView
	destinations []*destination
}

// Patient returns the options with the patience of somebody who looks, which is less
// than that of a run. What has expired is read all the same.
func Patient(o hackage.Options) hackage.Options {
	o.AllowExpired = true
	o.Timeout, o.Attempts, o.Patience, o.Rounds = 20*time.Second, 3, 30*time.Second, 3
	return o
}

// Look reads all destinations and checks them. The only error is that of the context:
// what cannot be read is part of the report.
func Look(ctx context.Context, c Config) (*Report, error) {
	r := &Report{c: c, now: c.Now()}
	for _, b := range c.Buckets {
		d := &destination{kind: "bucket", name: b.Name}
		d.read = func(ctx context.Context) error { return d.readBucket(ctx, b) }
		r.destinations = append(r.destinations, d)
	}
	for _, repository := range c.Repositories {
		d := &destination{kind: repository.Kind, name: repository.Name}
		d.read = func(ctx context.Context) error { return d.readRepository(ctx, repository) }
		r.destinations = append(r.destinations, d)
	}
	if err := r.read(ctx); err != nil {
		return nil, err
	}
	for _, d := range r.destinations {
		r.check(d)
	}
	return r, nil
}

// read reads the destinations concurrently, then upstream, whose root the mirror may
// have already, and then what each destination lacks.
func (r *Report) read(ctx context.Context) error {
	each := func(step func(context.Context, *destination)) {
		var group errgroup.Group
		for _, d := range r.destinations {
			group.Go(func() error {
				within, cancel := context.WithTimeoutCause(ctx, readTime, errSlow)
				defer cancel()
				step(within, d)
				return nil
			})
		}
		_ = group.Wait() // the steps keep their errors with their destinations
	}
	each(func(ctx context.Context, d *destination) { d.err = explained(ctx, d.read(ctx)) })
	r.readUpstream(ctx)
	if r.upstream.metadata != nil {
		each(func(ctx context.Context, d *destination) { d.compare(ctx, r.upstream) })
	}
	return ctx.Err()
}

// explained puts the reason in the place of an error that only says that the time
// was up.
func explained(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// An upstreamView is what was seen of upstream.
type upstreamView struct {
	from     *hackage.Upstream
	metadata *hackage.Metadata // nil if it cannot be read
	err      error
}

// readUpstream reads upstream's metadata.
func (r *Report) readUpstream(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, readTime, errSlow)
	defer cancel()
	options := r.c.Asking
	options.KnownRoots = func(context.Context) (roots [][]byte) {
		for _, d := range r.destinations {
			if d.metadata != nil {
				roots = append(roots, d.metadata.Root.Raw())
			}
		}
		return roots
	}
	u := &r.upstream
	if u.from, u.err = hackage.Open(r.c.Upstream, options); u.err == nil {
		u.metadata, u.err = u.from.Metadata(ctx, state.Seen{})
		u.err = explained(ctx, u.err)
	}
}

// Messages are what is the matter, for those who read something else than the text.
func (r *Report) Messages() (all []report.Message) {
	if u := r.upstream; u.err != nil {
		all = append(all, report.Message{Level: report.Warning, Text: "upstream cannot be read: " + u.err.Error()})
	}
	for _, d := range r.destinations {
		for _, problem := range d.problems {
			all = append(all, report.Message{Level: report.Error, Text: d.kind + " " + d.name + ": " + problem.text})
		}
	}
	return all
}

// Verdict says whether a person should look at something. The error is that of what
// cannot be read, or is not as it was signed.
func (r *Report) Verdict() (look bool, err error) {
	var unread []error
	for _, d := range r.destinations {
		if d.err != nil {
			unread = append(unread, fmt.Errorf("read %s %q: %w", d.kind, d.name, d.err))
		}
	}
	switch r.health() {
	case unverified, unreachable:
		return false, errors.Join(unread...)
	case filling:
		if slices.ContainsFunc(r.destinations, func(d *destination) bool { return d.err != nil && !d.filling() }) {
			return false, errors.Join(unread...) // nobody says that it goes on
		}
	case fresh:
		return false, nil
	}
	return true, nil
}

// A word is the health of a mirror.
type word string

// The words, the worst first.
const (
	unverified  word = "unverified"  // something is not as it was signed
	unreachable word = "unreachable" // something cannot be read
	filling     word = "filling"     // a bucket is not complete yet
	stale       word = "stale"       // something is missing for too long
	degraded    word = "degraded"    // a person should look
	fresh       word = "fresh"
)

// health returns that of the worst destination.
func (r *Report) health() word {
	for _, w := range []word{unverified, unreachable, filling, stale, degraded} {
		if slices.ContainsFunc(r.destinations, func(d *destination) bool { return d.health() == w }) {
			return w
		}
	}
	return fresh
}

// health returns the destination's own.
func (d *destination) health() word {
	refused := func(kind error) bool { return errors.Is(d.err, kind) }
	switch {
	case slices.ContainsFunc([]error{tuf.ErrSignature, tuf.ErrUnknownKey, tuf.ErrThreshold, tuf.ErrDigest, tuf.ErrLength, hackage.ErrTorn, hackage.ErrForm}, refused):
		return unverified
	case refused(errFilling):
		return filling
	case d.err != nil:
		return unreachable
	case slices.ContainsFunc(d.problems, func(problem problem) bool { return problem.stale }):
		return stale
	case len(d.problems) == 1 && d.problems[0].filling:
		return filling
	case len(d.problems) > 0:
		return degraded
	}
	return fresh
}
