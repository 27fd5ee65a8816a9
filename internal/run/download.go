package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/hackage-mirror/hackage-mirror/internal/announce"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
)

// download brings the tarballs, batch by batch, and gives them to the buckets,
// which go on by themselves until closeWriters, and returns up to which length of the
// index they came. When the time is up it begins no more tarballs.
func (r *run) download(ctx context.Context, downloads []download) (reached int64, err error) {
	batches := cut(downloads, cmp.Or(r.BatchSize, batchSize), r.end.Length)
	downloader := r.downloader()
	r.startWriters(ctx, batches)
	legacy := sync.OnceValue(r.startLegacy(ctx))
	defer legacy()
	if len(downloads) > 0 {
		r.Progress.Start("tarballs", "releases", int64(len(downloads)))
		defer r.Progress.Done()
	}
	done := 0
	for i, s := range batches {
		downloader.Stop = func(want int) bool { return want > 0 && s.downloads[want].offset > 0 && r.timeIsUp() }
		outcomes, err := downloader.Download(ctx, r.wantsOf(s))
		if errors.Is(err, mirror.ErrOutage) {
			err = fmt.Errorf("%w; nothing was published; the next run tries again", err)
		}
		if err == nil {
			err = r.outcomes.add(outcomes, s.asks)
		}
		if err != nil {
			return reached, err
		}
		begun := downloader.Handled
		r.left -= begun
		if begun < len(s.downloads) {
			s.end = max(reached, cutBefore(downloads, done+begun))
		}
		done, reached = done+begun, s.end
		if begun == len(s.downloads) && i == len(batches)-1 {
			return reached, r.publish(ctx, legacy())
		}
		for _, b := range r.allBuckets {
			if b.writer != nil && s.end > b.before.Position.Length { // else it is further already
				b.writer.EndBatch(s.end, nil)
			}
		}
		if r.timeIsUp() {
			break
		}
	}
	return reached, nil
}

// downloader returns what brings tarballs.
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

// wantsOf returns the wants of a batch with the writers of the buckets that take
// them.
func (r *run) wantsOf(s batch) []mirror.Want {
	wants := make([]mirror.Want, len(s.downloads))
	for i, n := range s.downloads {
		wants[i] = mirror.Want{Tarball: n.Tarball, Retried: n.retried, Digests: n.digests}
		for _, t := range n.buckets {
			wants[i].Destinations = append(wants[i].Destinations, mirror.Destination{Writer: t.writer, Replaced: t.replaced})
		}
	}
	return wants
}

// startWriters starts the writers of the buckets.
func (r *run) startWriters(ctx context.Context, batches []batch) {
	now := r.Now()
	var ends []int64
	for _, s := range batches {
		ends = append(ends, s.end)
	}
	for _, s := range r.buckets() {
		s.filling = now
		s.writer = mirror.NewBucketWriter(ctx, s.Bucket, s.index, s.tail, r.Packages, ends...)
	}
}

// publish ends the last batch, and so makes known what the buckets hold. A
// shard is only a part of that, so it saves its position alone.
func (r *run) publish(ctx context.Context, legacy string) error {
	var publication *mirror.Publication
	if r.Shard.Number == 0 && len(r.buckets()) > 0 {
		deprecated, err := r.deprecated()
		if err != nil {
			return err
		}
		publication = &mirror.Publication{Metadata: r.metadata, Legacy: legacy, Deprecated: deprecated}
		if r.Detailed { // a hashes repository has its own word for it, for nothing
			r.list = deprecatedList{r.buckets()[0].DeprecatedList(ctx), deprecated}
		}
	}
	for _, s := range r.allBuckets {
		if s.writer != nil {
			s.writer.EndBatch(r.end.Length, publication)
		}
	}
	return nil
}

// closeWriters waits until every bucket is through.
func (r *run) closeWriters() {
	fed := slices.DeleteFunc(slices.Clone(r.allBuckets), func(s *bucketTarget) bool { return s.writer == nil })
	waiting := r.Now()
	each(r, fed, func(s *bucketTarget) error {
		err := cmp.Or(s.writer.Close(), s.Incomplete())
		s.writer, s.took = nil, s.took+waiting.Sub(s.filling) // the rest is counted here
		s.published = r.Now()
		return err
	})
}

// startLegacy begins to write 00-index.tar.gz, if it is due, while tarballs come.
// The function it returns waits for its path; without one the buckets keep the
// file that they have.
func (r *run) startLegacy(ctx context.Context) (wait func() string) {
	// Where the whole index is at hand it costs little more to make it anew.
	due := func(s *bucketTarget) bool { return r.index.From.IsZero() || s.LegacyDue(r.end) }
	if r.Shard.Number > 0 || !slices.ContainsFunc(r.buckets(), due) {
		return func() string { return "" }
	}
	path, done := filepath.Join(r.Dir, "00-index.tar.gz"), make(chan error, 1)
	go func() { done <- r.writeLegacy(ctx, path) }() // awaited by the caller
	return func() string {
		if err := <-done; err != nil && ctx.Err() == nil {
			r.Progress.Log(fmt.Sprintf("00-index.tar.gz, which only old clients read, was not renewed: %v", err))
			return ""
		}
		return path
	}
}

// writeLegacy takes the whole index, which a run needs for nothing else.
func (r *run) writeLegacy(ctx context.Context, path string) error {
	whole, err := r.index.Full(ctx)
	if err != nil {
		return err
	}
	if err := mirror.WriteLegacy(ctx, path, whole.Index, r.Selected); err != nil {
		return err
	}
	return r.readWhole(whole)
}

// readWhole keeps what the whole index holds, for the readers of the buckets.
func (r *run) readWhole(whole *hackage.Access) (err error) {
	for _, s := range r.Targets {
		if s.tail != nil && s.tail.From.IsZero() {
			r.whole = announce.Part{Index: s.index, Delta: s.tail}
			return nil
		}
	}
	r.whole.Index = whole
	r.whole.Delta, err = index.Scan(whole.Log(index.Position{}), r.Selected)
	return err
}
