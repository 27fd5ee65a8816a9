package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/temp"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// placePatience is how long the reading of one place may take as a whole: who may
// be asked again in an hour should not wait longer for a server that does not
// answer.
const placePatience = 2 * time.Minute

// errSlow is why a place was given up.
var errSlow = fmt.Errorf("it did not answer within %s", placePatience)

// A look is one reading of a mirror by somebody whose mirror it need not be.
type look struct {
	o    *StatusOptions
	sync *Options // the same
	env  Env
	dir  string // private, removed at the end
	now  time.Time

	upstream upstreamView
	places   []*view
}

// startStatus checks the options before anything is asked.
func startStatus(ctx context.Context, o *StatusOptions, env Env) error {
	s := o.sync()
	if env.Getenv(ownStep) == "true" {
		env.console.Mask(s.Masks()...)
	}
	s.tidy()
	s.resolve(env.Getenv)
	warnings, err := o.check(s)
	for _, warning := range warnings {
		env.warn(warning)
	}
	if err != nil {
		return usage(err, "status")
	}
	return runStatus(ctx, &look{o: o, sync: s, env: env, now: env.Now()})
}

// runStatus reads all places, judges them, and says what it found.
func runStatus(ctx context.Context, l *look) (err error) {
	folder, err := temp.Make()
	if err != nil {
		return err
	}
	l.dir = folder.Path
	defer func() { err = errors.Join(err, folder.Close()) }()
	if err := l.read(ctx); err != nil {
		return err
	}
	for _, p := range l.places {
		l.judge(p)
	}
	return l.tell()
}

// read reads the places concurrently, then upstream, whose root the mirror may have
// already, and then what each place lacks.
func (l *look) read(ctx context.Context) error {
	if err := l.list(); err != nil {
		return err
	}
	each := func(step func(context.Context, *view)) {
		var group errgroup.Group
		for _, p := range l.places {
			group.Go(func() error {
				within, cancel := context.WithTimeoutCause(ctx, placePatience, errSlow)
				defer cancel()
				step(within, p)
				return nil
			})
		}
		_ = group.Wait() // the steps keep their errors with their places
	}
	each(func(ctx context.Context, p *view) { p.err = explained(ctx, p.read(ctx)) })
	l.readUpstream(ctx)
	if l.upstream.metadata != nil {
		each(func(ctx context.Context, p *view) { p.compare(ctx, l.upstream) })
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

// patience is that with which a look asks, which is less than that of a run.
func (l *look) patience() hackage.Options {
	options := l.sync.upstreamOptions(l.env)
	options.TakeExpired = true
	options.Timeout, options.Attempts, options.Patience, options.Rounds = 20*time.Second, 3, 30*time.Second, 3
	if l.env.tune != nil {
		l.env.tune(&options)
	}
	return options
}

// readUpstream reads upstream's metadata.
func (l *look) readUpstream(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, placePatience, errSlow)
	defer cancel()
	options := l.patience()
	options.User, options.Password = l.sync.UpstreamUser, l.sync.UpstreamPassword.Bytes()
	options.KnownRoots = func(context.Context) (roots [][]byte) {
		for _, p := range l.places {
			if p.metadata != nil {
				roots = append(roots, p.metadata.Root.Raw())
			}
		}
		return roots
	}
	u := &l.upstream
	if u.from, u.err = hackage.Open(l.sync.Upstream, options); u.err == nil {
		u.metadata, u.err = u.from.Metadata(ctx, hackage.Seen{})
		u.err = explained(ctx, u.err)
	}
}

// tell says what was found: to people or programs on standard output, to GitHub's
// runner, and by the exit code.
func (l *look) tell() error {
	text := l.text()
	if err := report.WriteLook(l.env.Getenv, l.sentence(), text, l.boundedJSON); err != nil {
		l.env.warn(err.Error())
	}
	if l.o.JSON {
		text = string(l.json())
	}
	if _, err := io.WriteString(l.env.Stdout, text); err != nil {
		return err
	}
	return l.verdict()
}

// verdict is the exit code. What cannot be read is an error; what is the matter with
// the rest stands in the text, so it is repeated only where people read something
// else, on the page of a run.
func (l *look) verdict() error {
	if u := l.upstream; u.err != nil {
		l.env.console.Tell(report.Warning, "upstream cannot be read: "+u.err.Error())
	}
	var unread []error
	for _, p := range l.places {
		if p.err != nil {
			unread = append(unread, fmt.Errorf("read %s %q: %w", p.kind, p.name, p.err))
		}
		for _, problem := range p.problems {
			l.env.console.Tell(report.Error, p.kind+" "+p.name+": "+problem.text)
		}
	}
	switch l.health() {
	case unverified, unreachable:
		return errors.Join(unread...)
	case filling:
		if slices.ContainsFunc(l.places, func(p *view) bool { return p.err != nil && !p.filling() }) {
			return errors.Join(unread...) // nobody says that it goes on
		}
	case fresh:
		return nil
	}
	return &ExitError{Code: CodeDegraded}
}

// A health is that of a mirror in one word.
type health string

// The words, the worst first.
const (
	unverified  health = "unverified"  // something is not as it was signed
	unreachable health = "unreachable" // something cannot be read
	filling     health = "filling"     // a bucket is not complete yet
	stale       health = "stale"       // something is missing for too long
	degraded    health = "degraded"    // a person should look
	fresh       health = "fresh"
)

// health returns that of the worst place.
func (l *look) health() health {
	for _, word := range []health{unverified, unreachable, filling, stale, degraded} {
		if slices.ContainsFunc(l.places, func(p *view) bool { return p.health() == word }) {
			return word
		}
	}
	return fresh
}

// health returns the place's own.
func (p *view) health() health {
	refused := func(kind error) bool { return errors.Is(p.err, kind) }
	switch {
	case slices.ContainsFunc([]error{tuf.ErrSignature, tuf.ErrUnknownKey, tuf.ErrThreshold, tuf.ErrDigest, tuf.ErrLength, hackage.ErrTorn, hackage.ErrForm}, refused):
		return unverified
	case refused(errFilling):
		return filling
	case p.err != nil:
		return unreachable
	case slices.ContainsFunc(p.problems, func(problem problem) bool { return problem.stale }):
		return stale
	case len(p.problems) == 1 && p.problems[0].filling:
		return filling
	case len(p.problems) > 0:
		return degraded
	}
	return fresh
}
