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
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A download is a tarball that targets lack. Of targets that were told different
// targets of one release each has a download of its own: what one of them says decides
// for itself alone.
type download struct {
	state.Tarball
	// retried says that all of them were told before that it is not available.
	retried bool
	// offset is where the index asks for it; 0 for what was pending before. begin is
	// where the first of the release's new entries is.
	offset, begin int64
	// buckets are those among the targets that lack it; digests says that the
	// hashes repository is another.
	buckets []lackingBucket
	digests bool
}

// A lackingBucket lacks a tarball, or holds one that is replaced.
type lackingBucket struct {
	*bucketTarget
	replaced bool
}

// A batch is a part of the index whose tarballs are brought together. When
// they are in, the buckets save the position behind it.
type batch struct {
	downloads []download
	end       int64 // length of the index up to there
}

// batchSize is how many tarballs make a batch, and so what is fetched again
// at most after a run was stopped.
const batchSize = 1000

// downloads collects the tarballs that the targets lack, each once for all, in the
// order in which the index asks for them.
func (r *run) downloads(ctx context.Context) ([]download, error) {
	at := map[index.Release]int32{}
	others := map[state.Tarball]int32{} // of releases of which there is more than one
	var all []download
	signed := longestDelta(live(r.Targets))
	for _, s := range live(r.Targets) {
		wants, err := s.wants(ctx, r.Now())
		if err != nil {
			s.err = err
			continue
		}
		all = slices.Grow(all, max(0, len(wants)-len(all)))
		for _, w := range wants {
			w = s.bySigned(w, signed)
			i, seen := at[w.Release]
			if seen && all[i].Target != w.Target {
				i, seen = others[w.Tarball]
				if !seen {
					others[w.Tarball] = int32(len(all))
				}
			} else if !seen {
				at[w.Release] = int32(len(all))
			}
			if !seen {
				i = int32(len(all))
				all = append(all, download{Tarball: w.Tarball, retried: true})
			}
			all[i].add(s, w)
		}
	}
	slices.SortStableFunc(all, func(a, b download) int { return cmp.Compare(a.offset, b.offset) })
	return all, ctx.Err()
}

// add enters that a target lacks the tarball.
func (n *download) add(s *Target, w state.Want) {
	n.retried = n.retried && w.Retried
	if news := s.tail.Changes[w.Release]; news != nil {
		n.offset = max(n.offset, news.TargetOffset)
		n.begin = n.offset
		if news.Cabals > 0 {
			n.begin = min(n.begin, news.FirstCabal)
		}
	}
	s.addTo(n, w.Replaced)
}

// longestDelta returns the longest part of the index that was read for one of the targets.
func longestDelta(targets []*Target) *index.Delta {
	longest := &index.Delta{}
	for _, s := range targets {
		if s.tail != nil && (longest.Changes == nil || s.tail.From.Length < longest.From.Length) {
			longest = s.tail
		}
	}
	return longest
}

// bySigned is a want by the word of the signed index, where that was read for
// another target: what a bucket says of a release that is pending is not signed.
func (s *Target) bySigned(w state.Want, signed *index.Delta) state.Want {
	news := signed.Changes[w.Release]
	if w.Retried && news != nil && news.TargetOffset >= 0 && news.TargetOffset < s.State().Position.Length {
		w.Target = news.Target
	}
	return w
}

// cut divides downloads into batches of a size, the last of which ends with the
// index.
func cut(downloads []download, size int, end int64) []batch {
	var out []batch
	done, at := 0, int64(0)
	for len(downloads)-done > size && downloads[done+size].offset > 0 {
		at = max(at, cutBefore(downloads, done+size))
		out = append(out, batch{downloads[done : done+size : done+size], at})
		done += size
	}
	return append(out, batch{downloads[done:], end})
}

// cutBefore returns where to cut the index when the tarballs of the first k downloads have
// come: no release has entries on both sides, for one whose package.json lies behind
// the cut would seem to have none. Where releases overlap without end it is before
// the next package.json, so that every run gets further.
func cutBefore(downloads []download, k int) int64 {
	end, first, looked := downloads[k].offset, k, len(downloads)
	for {
		begin := end
		for ; looked > first; looked-- {
			begin = min(begin, downloads[looked-1].begin)
		}
		if begin == end {
			return end
		}
		end = begin
		for first > 0 && downloads[first-1].offset >= end {
			first--
		}
		if first == 0 || downloads[first-1].offset == 0 {
			return downloads[k].offset
		}
	}
}

// asks reports whether the hashes repository asks for a tarball.
func (s batch) asks(t state.Tarball) bool {
	return slices.ContainsFunc(s.downloads, func(n download) bool { return n.digests && n.Tarball == t })
}

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
