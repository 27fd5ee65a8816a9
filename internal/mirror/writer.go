package mirror

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A BucketWriter writes one bucket in a run. Tarballs are given to it in
// batches, each a part of the index; when all of a batch are in, it saves the new
// position in the bucket, so that a run that is stopped is resumed from there.
//
// Every bucket has a writer of its own and works through it by itself, so a slow
// bucket holds up nobody. Only when very many tarballs wait for it is it left at its last
// position, for the next run.
type BucketWriter struct {
	bucket   *Bucket
	index    *hackage.Access
	tail     *index.Delta
	steps    chan step     // what was given to it
	close    func()        // says that nothing more will come
	finished chan struct{} // closed when all is done

	// earlier counts the revisions that the index has before the position where the
	// run began, once.
	earlier func() (map[index.Release]int, error)
	// asking counts the releases of which the bucket is asked what it holds.
	asking sync.WaitGroup

	// What follows belongs to the goroutine that works through the steps.
	puts      errgroup.Group // of the batch; their errors are the bucket's
	log       *index.Log
	next      func() (index.Entry, error, bool)
	entry     *index.Entry                     // of the log, read already
	ends      []int64                          // of the batches that are still to come
	tarballs  []step                           // of the batch, without the downloads
	acquiring bool                             // something is put, so the claim is made
	published bool                             // all that was asked for is done
	ordinals  map[index.Release]int            // of the next .cabal file of each release
	firsts    map[index.Release]*firstRevision // unless the run began at the start of the index
}

// A step is a tarball for a bucket, or else the end of a batch.
type step struct {
	want     state.Want
	err      error     // why it is not available
	download *download // nil if it is not

	end     bool
	length  int64        // of the index at that end
	publish *Publication // what readers are to see then; nil only saves the position
}

// How many tarballs may wait for a bucket: up to the first number the fastest bucket
// is waited for; a slower one with more than the second is left where it is.
const (
	shortQueue   = 64
	longestQueue = 20_000
)

// NewBucketWriter returns the writer of a bucket that was loaded. The tail sums up
// what the index holds behind the bucket's position, ends are those of all batches,
// and packages is how the option spells what was selected. Close must be called.
func NewBucketWriter(ctx context.Context, b *Bucket, ix *hackage.Access, tail *index.Delta, packages string, ends ...int64) *BucketWriter {
	b.state.Packages = packages
	w := &BucketWriter{
		bucket: b, index: ix, tail: tail, log: ix.Log(b.start, ends...),
		ends:  slices.DeleteFunc(slices.Clone(ends), func(end int64) bool { return end <= b.start.Length }),
		steps: make(chan step, longestQueue), finished: make(chan struct{}),
		earlier: sync.OnceValues(func() (map[index.Release]int, error) {
			return revisionsBefore(ctx, ix, tail, b.start.Length)
		}),
		ordinals: map[index.Release]int{}, firsts: map[index.Release]*firstRevision{},
	}
	w.close = sync.OnceFunc(func() { close(w.steps) })
	w.puts.SetLimit(requestsAtOnce)
	go func() { // ended by Close
		defer close(w.finished)
		w.run(ctx)
	}()
	return w
}

// EndBatch ends a batch whose tarballs were all given to it: after it the bucket
// is at a length of the index. With a publication it becomes what readers see;
// without, only the position is saved.
func (w *BucketWriter) EndBatch(length int64, publish *Publication) {
	w.push(step{end: true, length: length, publish: publish})
}

// Close waits until the bucket is through with what it was given. The error is
// what made it lag, if anything did.
func (w *BucketWriter) Close() error {
	w.close()
	<-w.finished
	return w.bucket.Err()
}

// push gives the writer a step.
func (w *BucketWriter) push(s step) {
	select {
	case w.steps <- s:
	default:
		w.bucket.fail(fmt.Errorf("fill %q: it fell %d tarballs behind; the next run picks up from its last position", w.bucket, len(w.steps)))
		s.drop()
	}
}

// drop gives up a tarball.
func (s step) drop() {
	if s.download != nil {
		s.download.release()
	}
}

// run works through the steps until Close.
func (w *BucketWriter) run(ctx context.Context) {
	b := w.bucket
	var stop func()
	w.next, stop = iter.Pull2(w.log.Entries())
	defer stop()
	for s, open := w.nextStep(ctx); open; s, open = w.nextStep(ctx) {
		switch {
		case b.Err() != nil || ctx.Err() != nil:
			s.drop()
		case s.end:
			b.fail(w.endBatch(ctx, s.length, s.publish))
		default:
			w.startTarball(ctx, s)
		}
	}
	_ = w.puts.Wait()
	if !w.published { // what came to its end was not left as it was
		b.fail(ctx.Err())
	}
}

// nextStep returns the next step. While there is none, .cabal files of the batch are
// put: they need not wait for its tarballs, for they come from the index, and until
// that is published nobody looks for either.
func (w *BucketWriter) nextStep(ctx context.Context) (s step, open bool) {
	for len(w.ends) > 0 {
		select {
		case s, open = <-w.steps:
			return s, open
		default:
		}
		if !w.startNextRevision(ctx, w.ends[0]) {
			break
		}
	}
	s, open = <-w.steps
	return s, open
}

// start starts something that puts, and waits while there are too many.
func (w *BucketWriter) start(put func() error) {
	w.puts.Go(func() error {
		w.bucket.fail(put())
		return nil
	})
}

// startTarball starts the put of a tarball, if it is available.
func (w *BucketWriter) startTarball(ctx context.Context, s step) {
	w.tarballs = append(w.tarballs, step{want: s.want, err: s.err})
	if s.download == nil {
		return
	}
	w.start(func() error {
		defer s.drop()
		s.download.landed()
		return w.bucket.putTarball(ctx, s.want, s.download)
	})
}

// startNextRevision starts the put of the next .cabal file that the index has before
// a length. It reports whether there may be more. The claim is made meanwhile.
func (w *BucketWriter) startNextRevision(ctx context.Context, before int64) (more bool) {
	b := w.bucket
	if b.Err() != nil || ctx.Err() != nil {
		return false
	}
	if w.entry == nil {
		e, err, ok := w.next()
		if b.fail(err); err != nil || !ok {
			return false
		}
		w.entry = &e
	}
	e := *w.entry
	if e.Offset >= before {
		return false
	}
	w.entry = nil
	changes := w.tail.Changes[e.Release]
	if e.Kind != index.Cabal || changes == nil || !b.options.Shard.has(e.Release) {
		return true
	}
	if !w.acquiring {
		w.acquiring = true
		w.start(func() error { return b.Acquire(ctx) })
	}
	w.startRevision(ctx, e, changes)
	return true
}

// endBatch ends a batch at a length of the index. What is in place of the files that
// are put next is asked for while the last puts of the batch go on.
func (w *BucketWriter) endBatch(ctx context.Context, length int64, publish *Publication) error {
	for w.startNextRevision(ctx, length) {
	}
	b := w.bucket
	var inPlace *rareFiles
	var reading errgroup.Group
	if publish != nil && w.acquiring {
		reading.Go(func() (err error) {
			inPlace, err = b.readRareFiles(ctx, w.asking.Wait)
			return err
		})
	}
	_ = w.puts.Wait() // its errors are the bucket's
	if err := cmp.Or(reading.Wait(), b.Err(), ctx.Err()); err != nil {
		return err
	}
	to, err := w.positionAt(length)
	if err != nil {
		return err
	}
	b.advance(w.tarballs, to)
	w.tarballs, w.ends = nil, w.ends[min(1, len(w.ends)):]
	if publish == nil {
		if err := b.replaceNewest(ctx, w.index); err != nil {
			return err
		}
		return b.saveState(ctx, b.state)
	}
	err = b.publish(ctx, *publish, w.index, inPlace)
	w.published = err == nil // also if it was told to stop meanwhile
	return err
}

// positionAt returns the position at a length of the index.
func (w *BucketWriter) positionAt(length int64) (index.Position, error) {
	if length == w.tail.To.Length {
		return w.tail.To, nil
	}
	if to, ok := w.log.At(length); ok {
		return to, nil
	}
	return w.index.PositionAt(w.bucket.state.Position, length) // the batch was cut short
}
