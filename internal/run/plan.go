package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/progress"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// canWrite finds out before the first tarball comes which destinations cannot be
// written, and reports whether all can.
func (r *run) canWrite(ctx context.Context) bool {
	defer r.timeline.start("permissions")()
	before := live(r.Targets)
	each(r, before, func(s *Target) error { return s.mayWrite(ctx, len(before) == 1) })
	return len(live(r.Targets)) == len(before)
}

// logFailed says, before the tarballs of the others come, which destinations have
// failed already: a first fill may take hours. The run ends with their errors.
func (r *run) logFailed() {
	for _, s := range r.Targets {
		if s.err != nil {
			r.Progress.Log(fmt.Sprintf("%s%s %q: %v; the other destinations go on without it", progress.ErrorPrefix, s.kind, s.address, s.err))
		}
	}
}

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

// A batch is a part of the index whose tarballs are downloaded together. When
// they are in, the buckets save the position behind it.
type batch struct {
	downloads []download
	end       int64 // length of the index up to there
}

// batchSize is how many tarballs make a batch, and so what is fetched again
// at most after a run was stopped.
const batchSize = 1000

// plan returns the tarballs that the targets lack. If there is one that was not asked
// for before, those targets that cannot be written fail now, before the first comes.
func (r *run) plan(ctx context.Context, read reading) ([]download, error) {
	all, err := r.downloads(ctx, read)
	if err == nil && !r.DryRun && slices.ContainsFunc(all, func(d download) bool { return !d.retried }) && !r.canWrite(ctx) {
		return r.downloads(ctx, read) // of those that can be written
	}
	return all, err
}

// downloads collects the tarballs that the targets lack, each once for all, in the
// order in which the index asks for them.
func (r *run) downloads(ctx context.Context, read reading) ([]download, error) {
	at := map[index.Release]int32{}
	others := map[state.Tarball]int32{} // of releases of which there is more than one
	var all []download
	signed := longestDelta(live(r.Targets), read.parts)
	for _, s := range live(r.Targets) {
		delta := read.parts[s].Delta
		wants, err := s.wants(ctx, delta, r.Now())
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
			all[i].add(s, w, delta.Changes[w.Release])
		}
	}
	slices.SortStableFunc(all, func(a, b download) int { return cmp.Compare(a.offset, b.offset) })
	return all, ctx.Err()
}

// add enters that a target lacks the tarball, and what the index has of its release
// behind the target's position, nil for nothing.
func (d *download) add(s *Target, w state.Want, news *index.ReleaseChanges) {
	d.retried = d.retried && w.Retried
	if news != nil {
		d.offset = max(d.offset, news.TargetOffset)
		d.begin = d.offset
		if news.Cabals > 0 {
			d.begin = min(d.begin, news.FirstCabal)
		}
	}
	s.addTo(d, w.Replaced)
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
func (b batch) asks(t state.Tarball) bool {
	return slices.ContainsFunc(b.downloads, func(d download) bool { return d.digests && d.Tarball == t })
}
