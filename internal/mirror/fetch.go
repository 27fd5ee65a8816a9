package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
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

// A Want is one tarball to fetch and who takes it.
type Want struct {
	state.Tarball
	// Owed says that all who want it were told before that it is not available.
	Owed bool
	// Digests says that the digests are wanted in any case, for the hashes
	// repository. Otherwise a tarball that no bucket takes any more is left
	// where it is.
	Digests bool
	Takers  []Taker
}

// A Taker is the feed of a bucket that takes a tarball. Whether it replaces what
// is there is that bucket's own affair.
type Taker struct {
	Feed     *Feed
	Replaced bool
}

// idle reports whether nobody is there to take the tarball.
func (w Want) idle() bool {
	return !w.Digests && !slices.ContainsFunc(w.Takers, func(t Taker) bool { return t.Feed.bucket.Err() == nil })
}

// ErrOutage is returned when so many tarballs failed in a row that upstream,
// or the way to it, is down, or when of so many not one was available, whatever
// upstream said of them. One that gives others is never given up for a few
// releases; one that gives none should not fill the ledger.
var ErrOutage = errors.New("upstream gives no tarballs")

// outage is how many failures in a row, or how many tarballs of which none could
// be had, make an outage.
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
	// Stop, if set, says before each want, by its number, whether to leave it and
	// those behind it. What was begun is finished.
	Stop func(want int) bool
	// Done is told of each release that was dealt with.
	Done func(r index.Release, size int64, err error)

	// memory is how many bytes of it tarballs may wait in for slow buckets;
	// 0 is waitingMemory.
	memory int64

	loads    sync.Pool // of *load
	making   sync.Once
	popped   chan struct{} // a feed took something out of its queue
	mu       sync.Mutex
	outcomes map[state.Tarball]state.Outcome
	failures int // in a row
	refused  int // tarballs that could not be downloaded, the last because of last
	last     error
	had      bool  // one was
	waiting  int64 // bytes of memory in use of those above
	begun    int   // see Begun
}

// How much memory tarballs may wait in for slow buckets, and what each takes
// besides its bytes.
const (
	waitingMemory = 32 << 20
	loadMemory    = 4 << 10
)

// Fetch brings every wanted tarball once, checks it against the signed length
// and digest, takes its five digests in the same pass and hands it to the feeds
// of the buckets that want it. It does not wait for the buckets, except that it
// never runs far ahead of the fastest.
//
// A tarball that is not available is an outcome, not an error; the errors are a
// context that ended, a full disk here, or ErrOutage.
func (f *Fetcher) Fetch(ctx context.Context, wants []Want) (map[state.Tarball]state.Outcome, error) {
	f.outcomes = make(map[state.Tarball]state.Outcome, len(wants))
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(f.Concurrency)
	f.begun = len(wants)
	for i, want := range wants {
		if !f.waitForRoom(running, want.Takers) {
			break // the group says why
		}
		if f.Stop != nil && f.Stop(i) {
			f.begun = i
			break
		}
		if want.idle() {
			continue
		}
		group.Go(func() error { return f.one(running, want) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := cmp.Or(ctx.Err(), f.barren()); err != nil {
		return nil, err
	}
	return f.outcomes, nil
}

// Begun returns how many of the wants of the last Fetch were dealt with: all of
// them, or those before the one at which Stop said so.
func (f *Fetcher) Begun() int { return f.begun }

// room returns where feeds tell that they took something out of their queues.
func (f *Fetcher) room() chan struct{} {
	f.making.Do(func() { f.popped = make(chan struct{}, 1) })
	return f.popped
}

// waitForRoom waits until one of the feeds keeps up. It is false if ctx ended.
func (f *Fetcher) waitForRoom(ctx context.Context, takers []Taker) bool {
	for ctx.Err() == nil {
		if len(takers) == 0 || slices.ContainsFunc(takers, Taker.hasRoom) {
			return true
		}
		select {
		case <-f.room():
		case <-ctx.Done():
		}
	}
	return false
}

// A load is a checked tarball on its way into buckets.
type load struct {
	spool   spool
	writer  *hashes.Writer
	digests hashes.Digests
	record  []byte

	waits int64 // bytes of memory that it waits in, if it does

	mu    sync.Mutex
	users int
	free  func()
}

// start empties the load for an attempt and returns where its bytes go.
func (l *load) start() io.Writer {
	l.writer.Reset()
	l.spool.err = l.spool.reset()
	return io.MultiWriter(&l.spool, l.writer)
}

// use adds a user.
func (l *load) use() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users++
}

// release ends one user's use; the last one's ends the load.
func (l *load) release() {
	l.mu.Lock()
	l.users--
	last := l.users == 0
	l.mu.Unlock()
	if last {
		l.free()
	}
}

// one deals with one tarball.
func (f *Fetcher) one(ctx context.Context, want Want) error {
	l := f.newLoad()
	defer l.release()
	err := f.Upstream.Tarball(ctx, want.Release, want.Target, l.start)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if l.spool.err != nil {
		return fmt.Errorf("keep tarball %q: %w", want.Release, l.spool.err)
	}
	outcome := state.Outcome{Err: err}
	if err == nil {
		l.digests = l.writer.Sum()
		l.record = l.digests.JSON(hashes.Locations(want.Release, f.PublicURL)...)
		outcome.Digests = l.digests
	}
	if err := f.give(want, l, err); err != nil {
		return err
	}
	if f.Done != nil {
		f.Done(want.Release, outcome.Digests.Size, err)
	}
	return f.keep(want, outcome)
}

// newLoad returns an empty load with one user.
func (f *Fetcher) newLoad() *load {
	l, ok := f.loads.Get().(*load)
	if !ok {
		l = &load{spool: spool{dir: f.Dir}, writer: hashes.NewWriter()}
	}
	l.users = 1
	l.free = func() {
		f.mu.Lock()
		f.waiting -= l.waits
		f.mu.Unlock()
		l.waits = 0
		if l.spool.reset() == nil {
			f.loads.Put(l)
		}
	}
	return l
}

// waitInMemory reports whether a load may wait there for a slow bucket.
func (f *Fetcher) waitInMemory(l *load) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	takes := int64(cap(l.spool.mem)) + loadMemory
	if f.waiting+takes > cmp.Or(f.memory, waitingMemory) {
		return false
	}
	f.waiting += takes
	l.waits = takes
	return true
}

// give hands a tarball, or the news that there is none, to the feeds. If many
// wait already it goes to the disk, so that a slow bucket does not fill the
// memory.
func (f *Fetcher) give(want Want, l *load, why error) error {
	slow := func(t Taker) bool { return !t.hasRoom() }
	if why == nil && slices.ContainsFunc(want.Takers, slow) && !f.waitInMemory(l) {
		if err := l.spool.spill(); err != nil {
			return fmt.Errorf("keep tarball %q: %w", want.Release, err)
		}
	}
	for _, taker := range want.Takers {
		d := delivery{want: state.Want{Tarball: want.Tarball, Replaced: taker.Replaced}, err: why}
		if why == nil {
			d.load = l
			l.use()
		}
		taker.Feed.push(d)
	}
	return nil
}

func (t Taker) hasRoom() bool { return t.Feed.hasRoom() }

// keep notes an outcome and counts what makes an outage. That one fails again
// which failed before says nothing of the others.
func (f *Fetcher) keep(want Want, o state.Outcome) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outcomes[want.Tarball] = o
	switch {
	case o.Err == nil:
		f.had, f.failures = true, 0
		return nil
	case want.Owed:
		return nil
	case state.ReasonOf(o.Err) == state.Failed:
		f.failures++
	default:
		f.failures = 0
	}
	f.refused++
	if f.failures >= outage {
		return fmt.Errorf("fetch tarballs: %d failed in a row, the last with %w: %w", f.failures, o.Err, ErrOutage)
	}
	f.last = o.Err
	return nil
}

// barren is the error of an upstream that has none of the tarballs that it was
// asked for. What failed here and what it does not have count together.
func (f *Fetcher) barren() error {
	if f.had || f.refused < outage {
		return nil
	}
	return fmt.Errorf("fetch tarballs: none of %d is available, the last with %w: %w", f.refused, f.last, ErrOutage)
}
