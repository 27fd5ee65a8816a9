package run

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/announce"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/selection"
)

// rewritten is the error of an index that does not have the target's position.
func (s *Target) rewritten(end index.Position) error {
	position, why := s.State().Position, index.ErrDigest
	if position.Length > end.Length {
		why = index.ErrLength
	}
	damaged, _ := s.ifDamaged()
	return fmt.Errorf("it was built from the first %d bytes of the index, up to %s, and upstream's index, of %d bytes up to %s, does not continue that: %s%w: %w",
		position.Length, position.Time.Format(time.RFC3339), end.Length, end.Time.Format(time.RFC3339), damaged, index.ErrRewritten, why)
}

// A reading is what a run has of upstream.
type reading struct {
	metadata *hackage.Metadata // nil: the same as the newest that a target has seen
	access   *hackage.Access   // to the index; nil: no target needs it, and the rest is zero
	end      index.Position    // of the index
	// parts are what the index holds for each target, news what came since readers of a
	// bucket were told, where that is more.
	parts map[*Target]announce.Part
	news  map[*Target]*index.Delta
}

// readIndex fetches the index and finds out what it holds for each target. The reading
// has as much as there is, also with an error.
func (r *run) readIndex(ctx context.Context, m *hackage.Metadata, previous map[*Target]announce.Previous) (read reading, err error) {
	defer r.timeline.start("index")()
	r.Progress.Start("index", "", 0)
	defer r.Progress.Done()
	for _, s := range r.repositories() {
		if !s.atEnd(m) {
			r.closers = append(r.closers, s.Prefetch(ctx))
		}
	}
	newest, ix, err := r.Upstream.Read(ctx, m, r.Dir, r.have(previous))
	if err != nil {
		return reading{metadata: m}, r.withAdvice(err)
	}
	read = reading{metadata: newest, access: r.Upstream.Access(newest, r.Dir, ix), news: map[*Target]*index.Delta{}}
	r.closers = append(r.closers, read.access.Close)
	if read.parts, read.end, err = r.scan(ctx, read.access, live(r.Targets)...); err != nil {
		return read, err
	}
	signed := longestDelta(live(r.Targets), read.parts) // before any changes
	maps.Copy(read.parts, collect(r, r.buckets(), func(s *bucketTarget) (announce.Part, error) {
		return r.checkPosition(ctx, s, read.parts[s.Target], signed)
	}))
	for _, s := range r.buckets() {
		read.news[s.Target] = r.readNews(s, read.parts[s.Target], previous[s.Target])
	}
	if err := r.checkMatches(longestDelta(live(r.Targets), read.parts), read.end); err != nil {
		return read, err
	}
	return read, ctx.Err()
}

// checkMatches tells of names and patterns that no package of the index has. Only a
// run that reads the whole index can know. Where nothing is left to mirror, that is a
// mistake, and the run ends before it makes an empty mirror of a full one.
func (r *run) checkMatches(whole *index.Delta, end index.Position) error {
	if !whole.From.IsZero() || whole.Changes == nil || len(r.Patterns) == 0 {
		return nil
	}
	packages := map[string]bool{}
	for release := range whole.Changes {
		packages[release.Package] = true
	}
	if len(packages) == 0 && end.Length > 0 {
		return fmt.Errorf("packages: upstream has nothing that %q selects; check the spelling, including upper and lower case; nothing was changed", r.packages)
	}
	for _, pattern := range selection.Unmatched(r.Patterns, packages) {
		r.Warn(fmt.Sprintf("packages: upstream has nothing called %q; check the spelling, including upper and lower case", pattern))
	}
	return nil
}

// checkPosition looks whether a bucket that says it is further than another target
// holds what the index has up to there: the newest tarballs, of as many as that is
// cheap for. Its position is not signed, and one that was moved forward would have
// the releases in between left out for good. It returns the part of the index that
// the bucket is brought up to date from.
func (r *run) checkPosition(ctx context.Context, s *bucketTarget, part announce.Part, signed *index.Delta) (announce.Part, error) {
	at := s.State().Position
	if signed.From.Length >= at.Length || r.Shard.Of > 0 {
		return part, nil
	}
	lacks, err := s.Lacks(ctx, signed)
	if err != nil || len(lacks) == 0 {
		return part, err
	}
	s.Rewind(signed.From, fmt.Sprintf("%s says that the bucket has the index up to %s, but %s before that are missing, such as %s; they are put now",
		mirror.StateKey, at.Time.Format(time.RFC3339), plain.Plural(len(lacks), "release"), lacks[0]))
	return announce.Part{Index: part.Index, Delta: signed}, nil
}

// have returns what all targets have of the index, so that only the rest is
// fetched.
func (r *run) have(previous map[*Target]announce.Previous) hackage.Held {
	var have hackage.Held
	var positions []index.Position
	for _, s := range r.repositories() {
		positions = append(positions, s.State().Position)
	}
	for _, s := range r.buckets() {
		if !r.publishes() {
			positions = append(positions, s.State().Position)
			continue
		}
		tar, gz := s.Held()
		positions = append(positions, tar)
		if !have.NeedGz || gz.Length < have.Gz.Length {
			have.NeedGz, have.Gz = true, gz
		}
	}
	have.Tar = first(positions)
	for _, s := range r.buckets() {
		if r.announces(s) {
			have.Tar = first([]index.Position{have.Tar, previous[s.Target].At})
		}
	}
	return have
}

// publishes reports whether buckets get an index in this run.
func (r *run) publishes() bool { return r.Shard.Number == 0 && !r.DryRun }

// scan finds out what the index holds for some targets, in one reading, and
// returns its end. Together with the midstate of the position where the reading
// begins it must give the signed digest of the whole index; a target whose
// position is one of those that it came by was then built from a prefix of that
// index. One of another index has no delta, but an error.
//
// This reading is the one that proves the index, and with it the position and the
// delta of each target. Whatever reads a part of the index later (to put it, to commit
// it, to count it, to cut it where the time was up) trusts that the bytes are these.
func (r *run) scan(ctx context.Context, access *hackage.Access, targets ...*Target) (parts map[*Target]announce.Part, end index.Position, err error) {
	parts = map[*Target]announce.Part{}
	if len(targets) == 0 {
		return parts, index.Position{}, nil
	}
	var positions []index.Position
	for _, s := range targets {
		positions = append(positions, s.State().Position)
	}
	ix, deltas, end, err := r.scanFrom(ctx, access, positions)
	if err != nil {
		return parts, index.Position{}, err
	}
	var again []*Target
	for i, s := range targets {
		parts[s] = announce.Part{Index: ix, Delta: deltas[i]}
		if deltas[i] != nil {
			continue
		}
		if s.err = r.acceptRewrite(s, end); s.err == nil {
			again = append(again, s)
		}
	}
	if len(again) > 0 {
		var whole map[*Target]announce.Part
		whole, _, err = r.scan(ctx, access, again...)
		maps.Copy(parts, whole)
	}
	return parts, end, err
}

// scanFrom reads the index for some positions, the whole one if that needs more than was
// fetched.
func (r *run) scanFrom(ctx context.Context, access *hackage.Access, positions []index.Position) (ix *hackage.Access, deltas []*index.Delta, end index.Position, err error) {
	ix = access
	if first(positions).Length < access.From.Length {
		if ix, err = access.Full(ctx); err != nil {
			return nil, nil, end, err
		}
	}
	deltas, end, err = r.deltas(ix.Index, positions)
	if err != nil && !ix.From.IsZero() && ctx.Err() == nil {
		// No entry of the index is the first behind the position, whoever wrote that.
		if ix, err = ix.FullAfter(ctx, err); err != nil {
			return nil, nil, end, err
		}
		deltas, end, err = r.deltas(ix.Index, positions)
	}
	if err != nil {
		err = fmt.Errorf("read index of %q: %w", r.Upstream, err)
	}
	return ix, deltas, end, err
}

// first returns the position that is first in the index.
func first(positions []index.Position) index.Position {
	return slices.MinFunc(positions, func(a, b index.Position) int { return cmp.Compare(a.Length, b.Length) })
}

// deltas reads the index once for all positions. Where that is known to be whole,
// the reading can begin at the first position: if that is not one of this index,
// the digest tells, and all is read.
func (r *run) deltas(ix *hackage.Index, positions []index.Position) ([]*index.Delta, index.Position, error) {
	if !ix.From.IsZero() {
		return r.deltasFrom(ix, ix.From, positions)
	}
	if from := first(positions); from.Length > 0 && from.Length <= ix.Tar.Info.Length {
		if deltas, end, err := r.deltasFrom(ix, from, positions); err == nil {
			return deltas, end, nil
		}
	}
	return r.deltasFrom(ix, index.Position{}, positions)
}

func (r *run) deltasFrom(ix *hackage.Index, from index.Position, positions []index.Position) ([]*index.Delta, index.Position, error) {
	log := ix.Log(from)
	deltas, err := index.ScanEach(log, r.Selected, positions...)
	if err == nil {
		err = log.Finish(ix.Tar.Info.Length, ix.Tar.Info.SHA256)
	}
	return deltas, log.End(), err
}

// acceptRewrite puts a target whose position the index does not have back to the
// start, if the user said so; else its error says what is the matter.
func (r *run) acceptRewrite(s *Target, end index.Position) error {
	err := s.rewritten(end)
	if !r.AcceptRewrite {
		_, first := s.ifDamaged()
		return fmt.Errorf("%w; nothing was written to it. %s you know why and trust upstream, run once with --accept-rewrite (gh workflow run mirror.yml -f accept-rewrite=true)", err, first)
	}
	s.restart(err.Error())
	return nil
}

// readNews finds out what the index holds behind the position up to which a bucket's
// readers were told of it, if that lies before the one where the run took the
// bucket up; else it is nil, and also if that position is none of this index.
func (r *run) readNews(s *bucketTarget, part announce.Part, previous announce.Previous) *index.Delta {
	from := previous.At
	if !r.announces(s) || previous.IsOf(s.State().Position) || from.Length < part.Index.From.Length || from.Length > part.To.Length {
		return nil
	}
	deltas, _, err := r.deltasFrom(part.Index.Index, part.Index.From, []index.Position{from})
	if err != nil {
		return nil
	}
	return deltas[0]
}

// longestDelta returns the longest part of the index that was read for one of the targets.
func longestDelta(targets []*Target, parts map[*Target]announce.Part) *index.Delta {
	longest := &index.Delta{}
	for _, s := range targets {
		if delta := parts[s].Delta; delta != nil && (longest.Changes == nil || delta.From.Length < longest.From.Length) {
			longest = delta
		}
	}
	return longest
}
