package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/announce"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
)

// A downloaded is what came of the tarballs that a run planned to download.
type downloaded struct {
	outcomes *outcomes      // nil: nothing was to be downloaded
	left     int            // tarballs that are still to come
	reached  int64          // length of the index up to which all came
	whole    announce.Part  // all of the index, if it was read for something
	list     deprecatedList // that of the buckets
}

// download fetches the tarballs, batch by batch, and gives them to the buckets' writers,
// which go on by themselves until closeWriters. When the time is up it starts no more.
func (r *run) download(ctx context.Context, read reading, downloads []download, deprecated listReader) (down downloaded, w writers, err error) {
	defer r.timeline.start("tarballs")()
	down.left = len(downloads)
	if down.outcomes, err = newOutcomes(r.Dir); err != nil {
		return down, w, err
	}
	r.closers = append(r.closers, down.outcomes.Close)
	batches := cut(downloads, cmp.Or(r.BatchSize, batchSize), read.end.Length)
	downloader := r.downloader()
	w = r.startWriters(ctx, read, batches)
	legacy := sync.OnceValues(r.startLegacy(ctx, read))
	defer func() { _, down.whole = legacy() }()
	if len(downloads) > 0 {
		r.Progress.Start("tarballs", "releases", int64(len(downloads)))
		defer r.Progress.Done()
	}
	done := 0
	for i, b := range batches {
		downloader.Stop = func(want int) bool { return want > 0 && b.downloads[want].offset > 0 && r.timeIsUp() }
		outcomes, err := downloader.Download(ctx, w.wants(b))
		if errors.Is(err, mirror.ErrOutage) {
			err = fmt.Errorf("%w; nothing was published; the next run tries again", err)
		}
		if err == nil {
			err = down.outcomes.add(outcomes, b.asks)
		}
		if err != nil {
			return down, w, err
		}
		begun := downloader.Handled
		down.left -= begun
		if begun < len(b.downloads) {
			b.end = max(down.reached, cutBefore(downloads, done+begun))
		}
		done, down.reached = done+begun, b.end
		if begun == len(b.downloads) && i == len(batches)-1 {
			path, _ := legacy()
			down.list, err = r.publish(ctx, read, w, path, deprecated)
			return down, w, err
		}
		w.savePosition(b.end)
		if r.timeIsUp() {
			break
		}
	}
	return down, w, nil
}

// downloader returns what fetches tarballs.
func (r *run) downloader() *mirror.Downloader {
	return &mirror.Downloader{
		Upstream: r.Upstream, Dir: r.Dir, PublicURL: r.PublicURL, Concurrency: r.Concurrency,
		Done: func(release index.Release, size int64, err error) {
			if err != nil {
				r.mismatches.record(err)
				r.Progress.Log(err.Error())
				return // it did not come, so it does not count
			}
			r.Progress.Add(1, size, release.String())
		},
	}
}

// writers are those of the buckets that are brought further. Each writes what it was
// given by itself.
type writers struct {
	started time.Time
	buckets []*bucketTarget
	of      map[*bucketTarget]*mirror.BucketWriter
}

// startWriters starts the writers of the buckets.
func (r *run) startWriters(ctx context.Context, read reading, batches []batch) writers {
	w := writers{started: r.Now(), buckets: r.buckets(), of: map[*bucketTarget]*mirror.BucketWriter{}}
	var ends []int64
	for _, b := range batches {
		ends = append(ends, b.end)
	}
	for _, s := range w.buckets {
		part := read.parts[s.Target]
		w.of[s] = mirror.NewBucketWriter(ctx, s.Bucket, part.Index, part.Delta, r.packages, ends...)
	}
	return w
}

// wants returns the wants of a batch with the writers of the buckets that lack them.
func (w writers) wants(b batch) []mirror.Want {
	wants := make([]mirror.Want, len(b.downloads))
	for i, d := range b.downloads {
		wants[i] = mirror.Want{Tarball: d.Tarball, Retried: d.retried, Digests: d.digests}
		for _, t := range d.buckets {
			wants[i].Destinations = append(wants[i].Destinations, mirror.Destination{Writer: w.of[t.bucketTarget], Replaced: t.replaced})
		}
	}
	return wants
}

// savePosition ends a batch in the buckets that are not further already.
func (w writers) savePosition(end int64) {
	for _, s := range w.buckets {
		if end > s.before.Position.Length {
			w.of[s].EndBatch(end, nil)
		}
	}
}

// publish ends the last batch, and so makes known what the buckets hold. A
// shard is only a part of that, so it saves its position alone.
func (r *run) publish(ctx context.Context, read reading, w writers, legacy string, deprecated listReader) (list deprecatedList, err error) {
	var publication *mirror.Publication
	if r.Shard.Number == 0 && len(w.buckets) > 0 {
		now, err := deprecated()
		if err != nil {
			return list, err
		}
		publication = &mirror.Publication{Metadata: read.metadata, Legacy: legacy, Deprecated: now}
		if r.Detailed { // a hashes repository has its own word for it, for nothing
			list = deprecatedList{w.buckets[0].DeprecatedList(ctx), now}
		}
	}
	for _, s := range w.buckets {
		w.of[s].EndBatch(read.end.Length, publication)
	}
	return list, nil
}

// closeWriters waits until every bucket is through, and returns when each was.
func (r *run) closeWriters(w writers) (published map[*Target]time.Time) {
	waiting := r.Now()
	return collect(r, w.buckets, func(s *bucketTarget) (time.Time, error) {
		err := cmp.Or(w.of[s].Close(), s.Incomplete())
		s.took += waiting.Sub(w.started) // the rest is counted by collect
		return r.Now(), err
	})
}

// startLegacy begins to write 00-index.tar.gz, if it is due, while tarballs come.
// The function it returns waits for its path; without one the buckets keep the
// file that they have. With it comes what the whole index holds, if that was read.
func (r *run) startLegacy(ctx context.Context, read reading) (wait func() (path string, whole announce.Part)) {
	// Where the whole index is at hand it costs little more to make it anew.
	old := func(s *bucketTarget) bool { return read.access.From.IsZero() || s.LegacyDue(read.end) }
	if r.Shard.Number > 0 || !slices.ContainsFunc(r.buckets(), old) {
		return func() (string, announce.Part) { return "", announce.Part{} }
	}
	path, done := filepath.Join(r.Dir, "00-index.tar.gz"), make(chan error, 1)
	var whole announce.Part
	go func() { // awaited by the caller
		var err error
		whole, err = r.writeLegacy(ctx, read, path)
		done <- err
	}()
	return func() (string, announce.Part) {
		if err := <-done; err != nil && ctx.Err() == nil {
			r.Progress.Log(fmt.Sprintf("00-index.tar.gz, which only old clients read, was not renewed: %v", err))
			return "", whole
		}
		return path, whole
	}
}

// writeLegacy reads the whole index, which a run needs for nothing else, and returns
// what it holds, for the readers of the buckets.
func (r *run) writeLegacy(ctx context.Context, read reading, path string) (announce.Part, error) {
	whole, err := read.access.Full(ctx)
	if err != nil {
		return announce.Part{}, err
	}
	if err := mirror.WriteLegacy(ctx, path, whole.Index, r.Selected); err != nil {
		return announce.Part{}, err
	}
	for _, s := range r.Targets {
		if part := read.parts[s]; part.Delta != nil && part.From.IsZero() {
			return part, nil
		}
	}
	delta, err := index.Scan(whole.Log(index.Position{}), r.Selected)
	return announce.Part{Index: whole, Delta: delta}, err
}
