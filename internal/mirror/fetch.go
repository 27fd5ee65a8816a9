package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// Upstream is where tarballs come from. Tarball writes one to what sink
// returns, calling it anew for each attempt, and returns nil only if exactly
// the wanted bytes arrived.
type Upstream interface {
	Tarball(ctx context.Context, r index.Release, want index.Target, sink func() io.Writer) error
}

// A Want is one tarball to fetch and the buckets that take it. It may be none:
// the hashes repository needs only the digests.
type Want struct {
	state.Want
	Buckets []*Bucket
}

// ErrOutage is returned when so many tarballs failed in a row that upstream,
// or the way to it, is down. One that answers is never given up for a few
// releases; one that does not answer should not fill the ledger.
var ErrOutage = errors.New("upstream does not answer")

// outage is how many failures in a row make an outage.
const outage = 25

// A Fetcher brings tarballs.
type Fetcher struct {
	Upstream Upstream
	// Dir is a private folder for downloads too large for memory.
	Dir string
	// PublicURL is the address of the mirror in the JSON records; empty for
	// none.
	PublicURL string
	// Concurrency is how many tarballs are on their way at once.
	Concurrency int
	// Done is told of each release that was dealt with.
	Done func(r index.Release, size int64, err error)

	mu       sync.Mutex
	outcomes map[index.Release]state.Outcome
	failures int
}

// Fetch brings every wanted tarball once, checks it against the signed length
// and digest, takes its five digests in the same pass and gives it to the
// buckets that want it. A tarball that cannot be had is an outcome, not an
// error; the errors are a context that ended, a full disk here, or ErrOutage.
func (f *Fetcher) Fetch(ctx context.Context, wants []Want) (map[index.Release]state.Outcome, error) {
	f.outcomes = make(map[index.Release]state.Outcome, len(wants))
	lanes := make(chan *lane, f.Concurrency)
	for range f.Concurrency {
		lanes <- &lane{spool: spool{dir: f.Dir}, digests: hashes.NewWriter()}
	}
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(f.Concurrency)
	for _, want := range wants {
		if running.Err() != nil {
			break
		}
		group.Go(func() error {
			l := <-lanes
			defer func() { lanes <- l }()
			return f.one(running, l, want)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return f.outcomes, ctx.Err()
}

// A lane is what one download at a time needs.
type lane struct {
	spool   spool
	digests *hashes.Writer
}

// start empties the lane for an attempt and returns where its bytes go.
func (l *lane) start() io.Writer {
	l.digests.Reset()
	l.spool.err = l.spool.reset()
	return io.MultiWriter(&l.spool, l.digests)
}

// one deals with one tarball.
func (f *Fetcher) one(ctx context.Context, l *lane, want Want) error {
	err := f.Upstream.Tarball(ctx, want.Release, want.Target, l.start)
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), l.spool.reset())
	}
	if l.spool.err != nil {
		return errors.Join(fmt.Errorf("keep tarball %q: %w", want.Release, l.spool.err), l.spool.reset())
	}
	outcome := state.Outcome{Err: err}
	if err == nil {
		outcome.Digests = l.digests.Sum()
		f.give(ctx, l, want, outcome.Digests)
	}
	if f.Done != nil {
		f.Done(want.Release, outcome.Digests.Size, err)
	}
	return errors.Join(f.keep(want, outcome), l.spool.reset())
}

// give hands a checked tarball to its buckets. What goes wrong is the bucket's
// own affair; it lags and says so.
func (f *Fetcher) give(ctx context.Context, l *lane, want Want, digests hashes.Digests) {
	record := digests.JSON(hashes.Locations(want.Release, f.PublicURL)...)
	for _, b := range want.Buckets {
		b.take(ctx, want, l.spool.reader(), digests, record)
	}
}

// keep notes an outcome and counts failures in a row. That one fails again which
// failed before says nothing of the others.
func (f *Fetcher) keep(want Want, o state.Outcome) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outcomes[want.Release] = o
	if o.Err == nil || state.ReasonOf(o.Err) != state.Failed {
		f.failures = 0
		return nil
	}
	if want.Owed {
		return nil
	}
	if f.failures++; f.failures >= outage {
		return fmt.Errorf("fetch tarballs: %d failed in a row, the last with %w: %w", f.failures, o.Err, ErrOutage)
	}
	return nil
}
