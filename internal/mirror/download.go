package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

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

// A Want is one tarball to download and which buckets it is for.
type Want struct {
	state.Tarball
	// Retried says that all who want it were told before that it is not available.
	Retried bool
	// Digests says that the digests are wanted in any case, for the hashes
	// repository. Otherwise a tarball that no bucket can use any more is left
	// where it is.
	Digests      bool
	Destinations []Destination
}

// A Destination is a bucket that wants a tarball. Whether it replaces what is there
// is that bucket's affair.
type Destination struct {
	Writer   *BucketWriter
	Replaced bool
}

// idle reports whether nobody is there to get the tarball.
func (w Want) idle() bool {
	return !w.Digests && !slices.ContainsFunc(w.Destinations, func(d Destination) bool { return d.Writer.bucket.Err() == nil })
}

// ErrOutage is returned when so many tarballs failed in a row that upstream,
// or the way to it, is down, or when of so many not one was available, whatever
// upstream said of them. One that gives others is never given up for a few
// releases; one that gives none should not fill the ledger.
var ErrOutage = errors.New("upstream gives no tarballs")

// outage is how many failures in a row, or how many tarballs of which none could
// be had, make an outage.
const outage = 25

// A Downloader downloads tarballs for buckets.
type Downloader struct {
	Upstream Upstream
	// Dir is a private folder for downloads too large for memory.
	Dir string
	// PublicURL is the address of the mirror in the JSON records; empty for
	// none.
	PublicURL string
	// Concurrency is how many tarballs are on their way at once.
	Concurrency int
	// Stop, if set, says before each want, by its number, whether to leave it and
	// those behind it. What was started is finished.
	Stop func(want int) bool
	// Handled is how many of the wants of the last Download were dealt with: all of
	// them, or those before the one at which Stop said so.
	Handled int
	// Done is told of each release that was dealt with.
	Done func(r index.Release, size int64, err error)

	// memory is how many bytes of it tarballs may wait in for slow buckets;
	// 0 is waitingMemory.
	memory int64

	downloads   sync.Pool  // of *download, to be used again
	mu          sync.Mutex // guards what follows
	outcomes    map[state.Tarball]state.Outcome
	failures    int   // in a row
	unavailable int   // tarballs that could not be downloaded, the last because of lastErr
	lastErr     error // of those
	gotOne      bool  // one was downloaded
	waiting     int64 // bytes of memory in use of those above
}

// How much memory tarballs may wait in for slow buckets, and what each needs
// besides its bytes.
const (
	waitingMemory  = 32 << 20
	downloadMemory = 4 << 10
)

// Download fetches every wanted tarball once, checks it against the signed length
// and digest, computes its five digests in the same pass and gives it to the writers
// of the buckets that want it. It does not wait for the buckets, except that it
// keeps few tarballs for the fastest.
//
// A tarball that is not available is an outcome, not an error; the errors are a
// context that ended, a full disk here, or ErrOutage.
func (f *Downloader) Download(ctx context.Context, wants []Want) (map[state.Tarball]state.Outcome, error) {
	f.outcomes = make(map[state.Tarball]state.Outcome, len(wants))
	f.Handled = len(wants)
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(f.Concurrency)
	// A tarball takes up room in it until the first bucket is at it.
	inFlight := make(chan struct{}, shortQueue+f.Concurrency)
	for i, want := range wants {
		idle := want.idle()
		if !idle {
			select {
			case inFlight <- struct{}{}:
			case <-running.Done():
			}
		}
		if running.Err() != nil {
			break // the group says why
		}
		if f.Stop != nil && f.Stop(i) {
			f.Handled = i
			break
		}
		if idle {
			continue
		}
		group.Go(func() error { return f.one(running, want, sync.OnceFunc(func() { <-inFlight })) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := cmp.Or(ctx.Err(), f.nothingCame()); err != nil {
		return nil, err
	}
	return f.outcomes, nil
}

// A download is a checked tarball on its way into buckets.
type download struct {
	spool   spool
	writer  *hashes.Writer
	digests hashes.Digests
	record  []byte

	landed func()       // called when the first bucket puts it, or none will
	users  atomic.Int32 // of the spool
	memory int64        // bytes of it that it waits in, if it does
	from   *Downloader
}

// sink empties the download for an attempt and returns where its bytes go.
func (d *download) sink() io.Writer {
	d.writer.Reset()
	d.spool.err = d.spool.reset()
	return io.MultiWriter(&d.spool, d.writer)
}

// release ends one user's use; the last one's ends the download.
func (d *download) release() {
	if d.users.Add(-1) > 0 {
		return
	}
	d.landed()
	d.from.mu.Lock()
	d.from.waiting -= d.memory
	d.from.mu.Unlock()
	d.memory = 0
	if d.spool.reset() == nil {
		d.from.downloads.Put(d)
	}
}

// one deals with one tarball.
func (f *Downloader) one(ctx context.Context, want Want, landed func()) error {
	d := f.newDownload(landed)
	defer d.release()
	err := f.Upstream.Tarball(ctx, want.Release, want.Target, d.sink)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if d.spool.err != nil {
		return fmt.Errorf("keep tarball %q: %w", want.Release, d.spool.err)
	}
	outcome := state.Outcome{Err: err}
	if err == nil {
		d.digests = d.writer.Sum()
		d.record = d.digests.JSON(hashes.Locations(want.Release, f.PublicURL)...)
		outcome.Digests = d.digests
	}
	if err := f.deliver(want, d, err); err != nil {
		return err
	}
	if f.Done != nil {
		f.Done(want.Release, outcome.Digests.Size, err)
	}
	return f.addOutcome(want, outcome)
}

// newDownload returns an empty download with one user.
func (f *Downloader) newDownload(landed func()) *download {
	d, ok := f.downloads.Get().(*download)
	if !ok {
		d = &download{spool: spool{dir: f.Dir}, writer: hashes.NewWriter(), from: f}
	}
	d.users.Store(1)
	d.landed = landed
	return d
}

// waitInMemory reports whether a download may wait there for a slow bucket.
func (f *Downloader) waitInMemory(d *download) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	size := int64(cap(d.spool.mem)) + downloadMemory
	if f.waiting+size > cmp.Or(f.memory, waitingMemory) {
		return false
	}
	f.waiting += size
	d.memory = size
	return true
}

// deliver gives a tarball, or the news that there is none, to the writers. If many
// wait already it goes to the disk, so that a slow bucket does not fill the
// memory.
func (f *Downloader) deliver(want Want, d *download, why error) error {
	slow := func(d Destination) bool { return len(d.Writer.steps) >= shortQueue }
	if why == nil && slices.ContainsFunc(want.Destinations, slow) && !f.waitInMemory(d) {
		if err := d.spool.spill(); err != nil {
			return fmt.Errorf("keep tarball %q: %w", want.Release, err)
		}
	}
	for _, destination := range want.Destinations {
		given := step{want: state.Want{Tarball: want.Tarball, Replaced: destination.Replaced}, err: why}
		if why == nil {
			given.download = d
			d.users.Add(1)
		}
		destination.Writer.push(given)
	}
	return nil
}

// addOutcome keeps an outcome and counts what makes an outage. That one fails again
// which failed before says nothing of the others.
func (f *Downloader) addOutcome(want Want, o state.Outcome) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outcomes[want.Tarball] = o
	switch {
	case o.Err == nil:
		f.gotOne, f.failures = true, 0
		return nil
	case want.Retried:
		return nil
	case state.ReasonOf(o.Err) == state.Failed:
		f.failures++
	default:
		f.failures = 0
	}
	f.unavailable++
	if f.failures >= outage {
		return fmt.Errorf("fetch tarballs: %d failed in a row, the last with %w: %w", f.failures, o.Err, ErrOutage)
	}
	f.lastErr = o.Err
	return nil
}

// nothingCame is the error of an upstream that has none of the tarballs that it was
// asked for. What failed here and what it does not have count together.
func (f *Downloader) nothingCame() error {
	if f.gotOne || f.unavailable < outage {
		return nil
	}
	return fmt.Errorf("fetch tarballs: none of %d is available, the last with %w: %w", f.unavailable, f.lastErr, ErrOutage)
}
