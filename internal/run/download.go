package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/hackage-mirror/hackage-mirror/internal/announce"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A download is a tarball that targets lack. Targets that were told different targets of
// one release have different needs: what one of them says decides for itself
// alone.
type download struct {
	state.Tarball
	// owed says that all of them were told before that it is not available.
	owed bool
	// offset is where the index asks for it; 0 for what was owed before. begin is
	// where the first of the release's new entries is.
	offset, begin int64
	// takers are the buckets among those that lack it; digests says that the
	// hashes repository is another.
	takers  []taker
	digests bool
}

// A taker is a bucket that lacks a tarball, or holds one that is replaced.
type taker struct {
	target   *Target
	replaced bool
}

// A batch is a part of the index whose tarballs are brought together. When
// they are in, the buckets note the position behind it.
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
	signed := r.longestDelta()
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
				all = append(all, download{Tarball: w.Tarball, owed: true})
			}
			all[i].add(s, w)
		}
	}
	slices.SortStableFunc(all, func(a, b download) int { return cmp.Compare(a.offset, b.offset) })
	return all, ctx.Err()
}

// add notes that a target lacks the tarball.
func (n *download) add(s *Target, w state.Want) {
	n.owed = n.owed && w.Retried
	if news := s.tail.Changes[w.Release]; news != nil {
		n.offset = max(n.offset, news.TargetOffset)
		n.begin = n.offset
		if news.Cabals > 0 {
			n.begin = min(n.begin, news.FirstCabal)
		}
	}
	if s.bucket != nil {
		n.takers = append(n.takers, taker{s, w.Replaced})
	} else {
		n.digests = true
	}
}

// longestDelta returns the longest part of the index that was read for a target.
func (r *run) longestDelta() *index.Delta {
	longestDelta := &index.Delta{}
	for _, s := range live(r.Targets) {
		if longestDelta.Changes == nil || s.tail.From.Length < longestDelta.From.Length {
			longestDelta = s.tail
		}
	}
	return longestDelta
}

// bySigned is a want by the word of the signed index, where that was read for
// another target: what a bucket says of a release that it owes is not signed.
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
		at = max(at, whole(downloads, done+size))
		out = append(out, batch{downloads[done : done+size : done+size], at})
		done += size
	}
	return append(out, batch{downloads[done:], end})
}

// whole returns where to cut the index when the tarballs of the first k needs have
// come: no release has entries on both sides, for one whose package.json lies behind
// the cut would seem to have none. Where releases overlap without end it is before
// the next package.json, so that every run gets further.
func whole(downloads []download, k int) int64 {
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
// which go on by themselves until closeWriters. When the time is up it begins no
// more tarballs, and r.reached says where it stopped.
func (r *run) download(ctx context.Context, downloads []download) error {
	end := r.end.Length
	batches := cut(downloads, cmp.Or(r.BatchSize, batchSize), end)
	r.reached = end
	downloader := r.downloader()
	r.startWriters(ctx, batches)
	legacy := r.startLegacy(ctx)
	if len(downloads) > 0 {
		r.Progress.Start("tarballs", "releases", int64(len(downloads)))
		defer r.Progress.Done()
	}
	done, reached := 0, int64(0)
	for i, s := range batches {
		downloader.Stop = func(want int) bool { return want > 0 && s.downloads[want].offset > 0 && r.timeIsUp() }
		outcomes, err := downloader.Download(ctx, r.wantsOf(s))
		if errors.Is(err, mirror.ErrOutage) {
			err = fmt.Errorf("%w; nothing was published; the next run tries again", err)
		}
		if err != nil {
			legacy()
			return err
		}
		if err := r.outcomes.add(outcomes, s.asks); err != nil {
			legacy()
			return err
		}
		begun := downloader.Handled
		r.left -= begun
		if begun < len(s.downloads) {
			s.end = max(reached, whole(downloads, done+begun))
		}
		done, reached = done+begun, s.end
		if begun == len(s.downloads) && i == len(batches)-1 {
			return r.publish(ctx, s.end, legacy())
		}
		r.endBatch(s.end, nil)
		if r.timeIsUp() {
			r.reached = s.end
			legacy()
			return nil
		}
	}
	return nil
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
		wants[i] = mirror.Want{Tarball: n.Tarball, Retried: n.owed, Digests: n.digests}
		for _, t := range n.takers {
			wants[i].Destinations = append(wants[i].Destinations, mirror.Destination{Writer: t.target.writer, Replaced: t.replaced})
		}
	}
	return wants
}

// startWriters starts the writers of the buckets.
func (r *run) startWriters(ctx context.Context, batches []batch) {
	r.filling = r.Now()
	var ends []int64
	for _, s := range batches {
		ends = append(ends, s.end)
	}
	for _, s := range r.buckets() {
		s.writer = mirror.NewBucketWriter(ctx, s.bucket, s.index, s.tail, r.Packages, ends...)
	}
}

// endBatch ends a batch for the buckets that are not further already.
func (r *run) endBatch(length int64, publish *mirror.Publication) {
	for _, s := range r.Targets {
		if s.writer != nil && length > s.before.Position.Length {
			s.writer.EndBatch(length, publish)
		}
	}
}

// publish ends the last batch, and so makes known what the buckets hold. A
// shard is only a part of that, so it notes its position alone.
func (r *run) publish(ctx context.Context, length int64, legacy string) error {
	var deprecated []byte
	if r.Shard.Number == 0 && len(r.buckets()) > 0 {
		var err error
		if deprecated, err = r.deprecated(); err != nil {
			return err
		}
		if r.Detailed { // a hashes repository has its own word for it, for nothing
			r.list = deprecatedList{r.buckets()[0].bucket.DeprecatedList(ctx), deprecated}
		}
	}
	for _, s := range r.Targets {
		switch {
		case s.writer == nil:
		case r.Shard.Number > 0:
			s.writer.EndBatch(length, nil)
		default:
			s.writer.EndBatch(length, &mirror.Publication{Metadata: r.metadata, Legacy: legacy, Deprecated: deprecated})
		}
	}
	return nil
}

// closeWriters waits until every bucket is through.
func (r *run) closeWriters() {
	var fed []*Target // only these, for the repositories are worked on meanwhile
	for _, s := range r.Targets {
		if s.writer != nil {
			fed = append(fed, s)
		}
	}
	waiting := r.Now()
	r.each(fed, func(s *Target) error {
		err := cmp.Or(s.writer.Close(), s.bucket.Incomplete())
		s.writer, s.took = nil, s.took+waiting.Sub(r.filling) // the rest is counted here
		s.published = r.Now()
		return err
	})
}

// startLegacy begins to write 00-index.tar.gz, if it is due, while tarballs come.
// The function it returns waits for its path; without one the buckets keep the
// file that they have.
func (r *run) startLegacy(ctx context.Context) (wait func() string) {
	// Where the whole index is at hand it costs little more to make it anew.
	due := func(s *Target) bool { return r.index.From.IsZero() || s.bucket.LegacyDue(r.end) }
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

// readWhole keeps what the whole index holds, for what readers are told of it.
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

// publishMetadata makes newer metadata known over an index that the buckets
// hold already.
func (r *run) publishMetadata(ctx context.Context) {
	r.each(r.buckets(), func(s *Target) error {
		return s.bucket.Publish(ctx, r.metadata)
	})
}
