package run

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

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
	damaged, _ := s.doubt()
	return fmt.Errorf("it was built from the first %d bytes of the index, up to %s, and upstream's index, of %d bytes up to %s, does not continue that: %s%w: %w",
		position.Length, position.Time.Format(time.RFC3339), end.Length, end.Time.Format(time.RFC3339), damaged, index.ErrRewritten, why)
}

// readIndex fetches the index and finds out what it holds for each target.
func (r *run) readIndex(ctx context.Context) error {
	r.Progress.Start("index", "", 0)
	defer r.Progress.Done()
	for _, s := range r.repositories() {
		if r.metadata == nil || !s.atEnd(r.metadata) {
			r.closers = append(r.closers, s.Prefetch(ctx))
		}
	}
	m, ix, err := r.Upstream.Read(ctx, r.metadata, r.Dir, r.have())
	if err != nil {
		return r.explain(err)
	}
	r.metadata, r.index = m, r.Upstream.Access(m, r.Dir, ix)
	r.closers = append(r.closers, r.index.Close)
	if r.end, err = r.scan(ctx, live(r.Targets)...); err != nil {
		return err
	}
	signed := longestDelta(live(r.Targets)) // before any changes
	each(r, r.buckets(), func(s *bucketTarget) error { return r.checkAhead(ctx, s, signed) })
	for _, s := range r.buckets() {
		r.readNews(s)
	}
	if err := r.checkMatches(); err != nil {
		return err
	}
	return ctx.Err()
}

// checkMatches tells of names and patterns that no package of the index has. Only a
// run that reads the whole index can know. Where nothing is left to mirror, that is a
// mistake, and the run ends before it makes an empty mirror of a full one.
func (r *run) checkMatches() error {
	whole := longestDelta(live(r.Targets))
	if !whole.From.IsZero() || whole.Changes == nil || len(r.Patterns) == 0 {
		return nil
	}
	packages := map[string]bool{}
	for release := range whole.Changes {
		packages[release.Package] = true
	}
	if len(packages) == 0 && r.end.Length > 0 {
		return fmt.Errorf("packages: upstream has nothing that %q selects; check the spelling, including upper and lower case; nothing was changed", r.Packages)
	}
	for _, pattern := range selection.Unmatched(r.Patterns, packages) {
		r.Warn(fmt.Sprintf("packages: upstream has nothing called %q; check the spelling, including upper and lower case", pattern))
	}
	return nil
}

// checkAhead looks whether a bucket that says it is further than another target
// holds what the index has up to there: the newest tarballs, of as many as that is
// cheap for. Its position is not signed, and one that was moved forward would have
// the releases in between left out for good.
func (r *run) checkAhead(ctx context.Context, s *bucketTarget, signed *index.Delta) error {
	at := s.State().Position
	if s.tail == nil || signed.From.Length >= at.Length || r.Shard.Of > 0 {
		return nil
	}
	lacks, err := s.Lacks(ctx, signed)
	if err != nil || len(lacks) == 0 {
		return err
	}
	s.Rewind(signed.From, fmt.Sprintf("%s says that the bucket has the index up to %s, but %s before that are missing, such as %s; they are put now",
		mirror.StateKey, at.Time.Format(time.RFC3339), plain.Plural(len(lacks), "release"), lacks[0]))
	s.tail = signed
	return nil
}

// have returns what all targets have of the index, so that only the rest is
// fetched.
func (r *run) have() hackage.Held {
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
			have.Tar = first([]index.Position{have.Tar, s.told.At})
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
// index.
//
// This reading is the one that proves the index, and with it the position and the
// delta of each target. Whatever reads a part of the index later (to put it, to commit
// it, to count it, to cut it where the time was up) trusts that the bytes are these.
func (r *run) scan(ctx context.Context, targets ...*Target) (index.Position, error) {
	if len(targets) == 0 {
		return index.Position{}, nil
	}
	var positions []index.Position
	for _, s := range targets {
		positions = append(positions, s.State().Position)
	}
	ix, err := r.reaching(ctx, positions)
	if err != nil {
		return index.Position{}, err
	}
	tails, end, err := r.tails(ix.Index, positions)
	if err != nil && !ix.From.IsZero() && ctx.Err() == nil {
		// No entry of the index is the first behind the position, whoever wrote that.
		if ix, err = ix.Instead(ctx, err); err != nil {
			return index.Position{}, err
		}
		tails, end, err = r.tails(ix.Index, positions)
	}
	if err != nil {
		return index.Position{}, fmt.Errorf("read index of %q: %w", r.Upstream, err)
	}
	var again []*Target
	for i, s := range targets {
		if s.index, s.tail = ix, tails[i]; s.tail != nil {
			continue
		}
		if s.err = r.acceptRewrite(s, end); s.err == nil {
			again = append(again, s)
		}
	}
	if len(again) > 0 {
		_, err = r.scan(ctx, again...)
	}
	return end, err
}

// reaching returns the index with the bytes behind all of the positions.
func (r *run) reaching(ctx context.Context, positions []index.Position) (*hackage.Access, error) {
	if first(positions).Length >= r.index.From.Length {
		return r.index, nil
	}
	return r.index.Full(ctx)
}

// first returns the position that is first in the index.
func first(positions []index.Position) index.Position {
	return slices.MinFunc(positions, func(a, b index.Position) int { return cmp.Compare(a.Length, b.Length) })
}

// tails reads the index once for all positions. Where that is known to be whole,
// the reading can begin at the first position: if that is not one of this index,
// the digest tells, and all is read.
func (r *run) tails(ix *hackage.Index, positions []index.Position) ([]*index.Delta, index.Position, error) {
	if !ix.From.IsZero() {
		return r.tailsFrom(ix, ix.From, positions)
	}
	if from := first(positions); from.Length > 0 && from.Length <= ix.Tar.Info.Length {
		if tails, end, err := r.tailsFrom(ix, from, positions); err == nil {
			return tails, end, nil
		}
	}
	return r.tailsFrom(ix, index.Position{}, positions)
}

func (r *run) tailsFrom(ix *hackage.Index, from index.Position, positions []index.Position) ([]*index.Delta, index.Position, error) {
	log := ix.Log(from)
	tails, err := index.ScanEach(log, r.Selected, positions...)
	if err == nil {
		err = log.Finish(ix.Tar.Info.Length, ix.Tar.Info.SHA256)
	}
	return tails, log.End(), err
}

// acceptRewrite puts a target whose position the index does not have back to the
// start, if the user said so; else its error says what is the matter.
func (r *run) acceptRewrite(s *Target, end index.Position) error {
	err := s.rewritten(end)
	if !r.AcceptRewrite {
		_, first := s.doubt()
		return fmt.Errorf("%w; nothing was written to it. %s you know why and trust upstream, run once with --accept-rewrite (gh workflow run mirror.yml -f accept-rewrite=true)", err, first)
	}
	s.restart(err.Error())
	return nil
}

// readNews finds out what the index holds behind the position up to which a bucket's
// readers were told of it, if that lies before the one where the run took the
// bucket up. It stays nil if that position is none of this index.
func (r *run) readNews(s *bucketTarget) {
	from := s.told.At
	if !r.announces(s) || s.tail == nil || s.told.IsOf(s.State().Position) || from.Length < s.index.From.Length || from.Length > s.tail.To.Length {
		return
	}
	if tails, _, err := r.tailsFrom(s.index.Index, s.index.From, []index.Position{from}); err == nil {
		s.news = tails[0]
	}
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
