package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/selection"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

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

// updateRepositories commits and pushes, all repositories concurrently.
func (r *run) updateRepositories(ctx context.Context, reached int64) {
	each(r, r.repositories(), func(s *repositoryTarget) error { return r.cutDelta(s, reached) })
	if len(r.repositories()) == 0 {
		return
	}
	total := 0
	for _, s := range r.repositories() {
		total += s.tail.Entries
	}
	r.Progress.Start("repositories", "entries", int64(total))
	defer r.Progress.Done()
	each(r, r.repositories(), func(s *repositoryTarget) error { return r.update(ctx, s, reached) })
}

// cutDelta removes from a repository's delta what lies behind the length of the index
// that the run reached before its time was up.
func (r *run) cutDelta(s *repositoryTarget, reached int64) error {
	if reached == r.end.Length || s.State().Position.Length >= reached {
		return nil
	}
	tail, err := index.Scan(s.index.LogTo(s.State().Position, reached), r.Selected)
	if err == nil {
		s.tail = tail
	}
	return err
}

// tries is how often a repository that others push to is read anew.
const tries = 5

// update commits and pushes what a repository lacks. When somebody else pushed
// meanwhile it reads the new state and goes on from there.
func (r *run) update(ctx context.Context, s *repositoryTarget, reached int64) error {
	for try := 1; ; try++ {
		if reached < r.end.Length && s.State().Position.Length >= reached {
			return nil // the time was up before the run got to what it lacks
		}
		err := r.updateOnce(ctx, s)
		switch {
		case errors.Is(err, gitrepo.ErrMoved) && try < tries && ctx.Err() == nil:
			r.Progress.Log(fmt.Sprintf("somebody else changed %s %q; reading it again", s.kind, s))
			err = s.read(ctx, r.Packages, r.Shard, r.Full)
		case errors.Is(err, state.ErrForm) && try < tries:
			r.Progress.Log(fmt.Sprintf("%s %q: %v; comparing all of it with the index", s.kind, s, err))
			s.Forget(err.Error())
			err = nil
		default:
			return err
		}
		if err != nil {
			return err
		}
		if s.State().Position.Length > reached {
			r.Progress.Log(fmt.Sprintf("another run has updated %s %q further", s.kind, s))
			return nil
		}
		if _, err := r.scan(ctx, s.Target); err != nil {
			return err
		}
		if s.err != nil {
			return s.err
		}
		if err := r.cutDelta(s, reached); err != nil {
			return err
		}
	}
}

// updateOnce is one try of update.
func (r *run) updateOnce(ctx context.Context, s *repositoryTarget) error {
	wants, err := s.Wants(ctx, s.tail)
	if err != nil {
		return err
	}
	if err := r.fetchMissing(ctx, wants); err != nil {
		return err
	}
	return r.commitAndPush(ctx, s)
}

// commitAndPush is the last step of an update; a dry run writes nothing in it.
func (r *run) commitAndPush(ctx context.Context, s *repositoryTarget) (err error) {
	var deprecated []byte
	if s.kind == HashesKind {
		if deprecated, err = r.deprecated(); err != nil {
			return err
		}
	}
	s.commit, err = s.Update(ctx, r.input(s, deprecated))
	if s.commit.Deprecated != nil {
		r.list = deprecatedList{s.commit.Deprecated, deprecated}
	}
	return err
}

// input is what an update of a repository is made of. Where the time was up before
// the end of the index, the tag does not name what was signed but for its versions:
// by that the next run would take the rest for known.
func (r *run) input(s *repositoryTarget, deprecated []byte) allcabal.Input {
	seen := r.metadata.Seen()
	if s.tail.To.Length < r.end.Length {
		seen.Digest, seen.ETag, seen.Index = "", "", ""
	}
	return allcabal.Input{
		Index: s.index, Tail: s.tail, Seen: seen, Outcome: r.outcomes.get,
		Deprecated: deprecated, Selected: r.Selected, Packages: r.Packages,
		Done: func() { r.Progress.Add(1, 0, "") },
	}
}

// askForDeprecated begins to read upstream's list of deprecated packages, which is
// needed later, while the index comes. Stop ends that.
func (r *run) askForDeprecated(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	r.deprecated = sync.OnceValues(func() ([]byte, error) { return r.readDeprecated(ctx) })
	var group errgroup.Group
	forHashes := slices.ContainsFunc(r.repositories(), func(s *repositoryTarget) bool { return s.kind == HashesKind })
	if forHashes || r.publishes() && len(r.buckets()) > 0 {
		group.Go(func() error {
			_, _ = r.deprecated() // which says what went wrong, if anything did
			return nil
		})
	}
	return func() { cancel(); _ = group.Wait() }
}

// readDeprecated returns upstream's list of deprecated packages, nil if there is
// none. Nothing signs it and nobody builds on it, so one that cannot be read is
// only told of.
func (r *run) readDeprecated(ctx context.Context) ([]byte, error) {
	raw, err := r.Upstream.Deprecated(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil && ctx.Err() == nil {
		r.Warn(fmt.Sprintf("deprecated.json was not updated: %v", err))
		return nil, nil
	}
	return raw, ctx.Err()
}

// fetchMissing brings digests that were not asked for when the run began.
func (r *run) fetchMissing(ctx context.Context, wants []state.Want) error {
	var missing []mirror.Want
	for _, w := range wants {
		asked, err := r.outcomes.asked(w.Tarball)
		if err != nil {
			return err
		}
		if !asked {
			missing = append(missing, mirror.Want{Tarball: w.Tarball, Retried: w.Retried, Digests: true})
		}
	}
	if len(missing) == 0 {
		return nil
	}
	outcomes, err := r.downloader().Download(ctx, missing)
	if err != nil {
		return err
	}
	return r.outcomes.add(outcomes, func(state.Tarball) bool { return true })
}

// buckets and repositories return the live targets of a kind.
func (r *run) buckets() []*bucketTarget          { return live(r.allBuckets) }
func (r *run) repositories() []*repositoryTarget { return live(r.allRepositories) }

// explain adds to an error of upstream's metadata, if it is one, what the user can
// do.
func (r *run) explain(err error) error {
	if err == nil {
		return nil
	}
	hint := "; nothing was changed"
	switch {
	case errors.Is(err, tuf.ErrExpired):
		hint = "; upstream has not renewed it, or the clock of this machine is wrong. Nothing was changed"
	case errors.Is(err, tuf.ErrRollback):
		hint = "; upstream shows older files than a destination has seen, as " + farthest(r.Targets).stateOf(r.Tag) +
			" says. Nothing was changed. If this happens again, ask upstream's operator; if what it says is wrong, remove it"
	case errors.Is(err, hackage.ErrTorn):
		hint = "; nothing was changed, and the next run tries again"
	}
	return fmt.Errorf("upstream %q: %w%s", r.Upstream, err, hint)
}
