package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

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
