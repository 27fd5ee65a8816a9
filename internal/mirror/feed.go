package mirror

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A Feed is the way of one bucket through a run. Tarballs are handed to it in
// stretches of the index; when all of a stretch are in, it puts the stretch's
// .cabal files and notes the new position in the bucket, so that a run that is
// stopped is taken up from there.
//
// Every bucket has a feed of its own and works through it by itself, so a slow
// bucket holds up nobody. Only when it is very far behind is it left at its last
// position, for the next run.
type Feed struct {
	bucket *Bucket
	index  *hackage.Index
	cursor *cursor
	tail   *index.Delta
	queue  *queue

	puts      *workers           // of tarballs
	ends      []int64            // of the stretches that are still to come
	early     *errgroup.Group    // puts the .cabal files of the stretch under way
	hurry     context.CancelFunc // ends that
	stretch   []delivery         // what became of its wants, without the loads
	finished  chan struct{}
	published bool // all that was asked for is done
}

// A delivery is a tarball for a bucket, or the news that it is not available.
type delivery struct {
	want state.Want
	err  error
	load *load // nil if err is not
}

// A mark ends a stretch at a length of the index.
type mark struct {
	length int64
	// publish is what readers are to see then; nil only notes the position.
	publish *Publication
}

// putsAtOnce is how many puts a bucket gets at a time. Concurrency spares
// upstream; a bucket is the user's own, and most of a put is waiting.
const putsAtOnce = 64

// How far a bucket may be behind, in tarballs: up to the first the fastest
// bucket is waited for, up to the second a slower one is.
const (
	littleBehind = 64
	tooFarBehind = 20_000
)

// Feed starts the feed of a bucket that was loaded. The tail sums up what the
// index holds behind the bucket's position, ends are those of all stretches, and
// packages is how the option spells what was selected. Close must be called.
func (f *Fetcher) Feed(ctx context.Context, b *Bucket, ix *hackage.Index, tail *index.Delta, packages string, ends ...int64) *Feed {
	b.state.Packages = packages
	b.earlier = sync.OnceValues(func() (map[index.Release]int, error) {
		return revisionsBefore(ctx, ix, tail, b.begin.Length)
	})
	feed := &Feed{
		bucket: b, index: ix, cursor: newCursor(ix.Log(b.begin, ends...)), tail: tail,
		queue: newQueue(f.room()), puts: newWorkers(putsAtOnce), finished: make(chan struct{}),
	}
	for _, end := range ends {
		if end > b.begin.Length {
			feed.ends = append(feed.ends, end)
		}
	}
	go func() { // ended by Close
		defer close(feed.finished)
		feed.run(ctx)
	}()
	return feed
}

// Mark ends a stretch whose tarballs were all handed over: after it the bucket
// is at a length of the index. With a publication it becomes what readers see;
// without, only the position is noted.
func (f *Feed) Mark(length int64, publish *Publication) {
	f.queue.push(item{mark: &mark{length: length, publish: publish}})
}

// Close waits until the bucket is through with what it was given. The error is
// what made it lag, if anything did.
func (f *Feed) Close() error {
	f.queue.close()
	<-f.finished
	return f.bucket.Err()
}

// push hands a delivery over.
func (f *Feed) push(d delivery) {
	behind := f.queue.len()
	if f.bucket.Err() == nil && behind > tooFarBehind {
		f.bucket.fail(fmt.Errorf("fill %q: it fell %d tarballs behind; the next run picks up from its last position", f.bucket, behind))
	}
	if f.bucket.Err() != nil {
		d.drop()
		return
	}
	f.queue.push(item{delivery: &d})
}

// hasRoom reports whether the bucket keeps up, or takes nothing any more.
func (f *Feed) hasRoom() bool { return f.queue.len() < littleBehind || f.bucket.Err() != nil }

// drop gives up a delivery's load.
func (d *delivery) drop() {
	if d.load != nil {
		d.load.release()
		d.load = nil
	}
}

// begin begins a stretch. Its .cabal files need not wait for its tarballs: they
// come from the index, and until that is published nobody looks for either.
func (f *Feed) begin(ctx context.Context) {
	ctx, f.hurry = context.WithCancel(ctx)
	f.stretch, f.early = nil, &errgroup.Group{}
	if len(f.ends) == 0 {
		return
	}
	end := f.ends[0]
	f.ends = f.ends[1:]
	f.early.Go(func() error {
		err := f.bucket.cabals(ctx, f.cursor, f.tail, end)
		if err != nil && ctx.Err() == nil {
			f.bucket.fail(err)
		}
		return err
	})
}

// run works through the queue.
func (f *Feed) run(ctx context.Context) {
	defer f.cursor.stop()
	f.begin(ctx)
	for {
		it, ok := f.queue.pop(ctx)
		if !ok {
			break
		}
		if it.mark != nil {
			f.end(ctx, *it.mark)
			continue
		}
		f.take(ctx, *it.delivery)
	}
	f.puts.wait()
	f.hurry()
	_ = f.early.Wait() // the stretch is left unfinished
	for _, it := range f.queue.drain() {
		if it.delivery != nil {
			it.delivery.drop()
		}
	}
	if err := ctx.Err(); err != nil && !f.published {
		f.bucket.fail(err)
	}
}

// take starts the put of one delivery.
func (f *Feed) take(ctx context.Context, d delivery) {
	if f.bucket.Err() != nil {
		d.drop()
		return
	}
	f.stretch = append(f.stretch, delivery{want: d.want, err: d.err})
	if d.load == nil {
		return
	}
	f.puts.do(func() {
		f.bucket.slots <- struct{}{}
		defer func() { <-f.bucket.slots; d.drop() }()
		f.bucket.take(ctx, d.want, d.load)
	})
}

// end ends a stretch.
func (f *Feed) end(ctx context.Context, m mark) {
	f.puts.wait()
	b := f.bucket
	err := f.early.Wait()
	if err == nil && b.Err() == nil {
		err = b.cabals(ctx, f.cursor, f.tail, m.length) // unless that is done
	}
	if err == nil && b.Err() == nil {
		err = b.putOverOlder(ctx, f.index)
	}
	if err != nil {
		b.fail(err)
	}
	if b.Err() != nil || ctx.Err() != nil {
		return
	}
	to, ok := f.tail.To, true
	if m.length != to.Length {
		to, ok = f.cursor.log.At(m.length)
	}
	if !ok { // the stretch was cut short
		if to, err = f.index.PositionAt(b.state.Position, m.length); err != nil {
			b.fail(err)
			return
		}
	}
	b.settle(f.stretch, to)
	if m.publish == nil {
		err = b.note(ctx)
	} else {
		err = b.Publish(ctx, *m.publish)
		f.published = err == nil // also if it was told to stop meanwhile
	}
	if err != nil {
		b.fail(err)
	}
	f.hurry()
	f.begin(ctx)
}
