package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/announce"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A committed is what became of a repository.
type committed struct {
	allcabal.Result
	part announce.Part // what of the index it was made of
	list []byte        // upstream's list of deprecated packages that went into it
}

// updateRepositories commits and pushes, all repositories concurrently.
func (r *run) updateRepositories(ctx context.Context, read reading, down downloaded, deprecated listReader) map[*Target]committed {
	defer r.timeline.start("repositories")()
	parts := collect(r, r.repositories(), func(s *repositoryTarget) (announce.Part, error) {
		return r.cutPart(s, read.parts[s.Target], read.end, down.reached)
	})
	if len(r.repositories()) == 0 {
		return nil
	}
	total := 0
	for _, s := range r.repositories() {
		total += parts[s.Target].Entries
	}
	r.Progress.Start("repositories", "entries", int64(total))
	defer r.Progress.Done()
	return collect(r, r.repositories(), func(s *repositoryTarget) (committed, error) {
		return r.update(ctx, s, read, parts[s.Target], down, deprecated)
	})
}

// cutPart removes from what the index holds for a repository what lies behind the length
// that the run reached before its time was up.
func (r *run) cutPart(s *repositoryTarget, part announce.Part, end index.Position, reached int64) (announce.Part, error) {
	at := s.State().Position
	if reached == end.Length || at.Length >= reached {
		return part, nil
	}
	delta, err := index.Scan(part.Index.LogTo(at, reached), r.Selected)
	if err != nil {
		return part, err
	}
	return announce.Part{Index: part.Index, Delta: delta}, nil
}

// tries is how often a repository that others push to is read anew.
const tries = 5

// update commits and pushes what a repository lacks. When somebody else pushed
// meanwhile it reads the new state and goes on from there.
func (r *run) update(ctx context.Context, s *repositoryTarget, read reading, part announce.Part, down downloaded, deprecated listReader) (done committed, err error) {
	done.part = part
	for try := 1; ; try++ {
		if down.reached < read.end.Length && s.State().Position.Length >= down.reached {
			return done, nil // the time was up before the run got to what it lacks
		}
		if err = r.fetchMissing(ctx, s, done.part.Delta, down.outcomes); err == nil {
			done, err = r.commitAndPush(ctx, s, read, done.part, down.outcomes, deprecated)
		}
		switch {
		case errors.Is(err, gitrepo.ErrMoved) && try < tries && ctx.Err() == nil:
			r.Progress.Log(fmt.Sprintf("somebody else changed %s %q; reading it again", s.kind, s))
			_, err = s.read(ctx, r.packages, r.Shard, r.Full)
		case errors.Is(err, state.ErrForm) && try < tries:
			r.Progress.Log(fmt.Sprintf("%s %q: %v; comparing all of it with the index", s.kind, s, err))
			s.Forget(err.Error())
			err = nil
		default:
			return done, err
		}
		if err != nil {
			return done, err
		}
		if s.State().Position.Length > down.reached {
			r.Progress.Log(fmt.Sprintf("another run has updated %s %q further", s.kind, s))
			return done, nil
		}
		if done.part, err = r.partAgain(ctx, s, read, done.part, down.reached); err != nil {
			return done, err
		}
	}
}

// partAgain returns what the index holds for a repository whose position is another one
// now.
func (r *run) partAgain(ctx context.Context, s *repositoryTarget, read reading, before announce.Part, reached int64) (announce.Part, error) {
	parts, _, err := r.scan(ctx, read.access, s.Target)
	part, known := parts[s.Target]
	if !known {
		return before, err
	}
	if err = cmp.Or(err, s.err); err != nil {
		return part, err
	}
	return r.cutPart(s, part, read.end, reached)
}

// commitAndPush is the last step of an update; a dry run writes nothing in it.
func (r *run) commitAndPush(ctx context.Context, s *repositoryTarget, read reading, part announce.Part, outcomes *outcomes, deprecated listReader) (done committed, err error) {
	done.part = part
	if s.kind == HashesKind {
		if done.list, err = deprecated(); err != nil {
			return done, err
		}
	}
	seen := read.metadata.Seen()
	if part.To.Length < read.end.Length {
		// The time was up before the end of the index, so the tag does not name what was
		// signed but for its versions: by that the next run would take the rest for known.
		seen.Digest, seen.ETag, seen.Index = "", "", ""
	}
	done.Result, err = s.Update(ctx, allcabal.Input{
		Index: part.Index, Tail: part.Delta, Seen: seen, Outcome: outcomes.get,
		Deprecated: done.list, Selected: r.Selected, Packages: r.packages,
		Done: func() { r.Progress.Add(1, 0, "") },
	})
	return done, err
}

// fetchMissing downloads the digests that a repository lacks and that were not asked for
// before.
func (r *run) fetchMissing(ctx context.Context, s *repositoryTarget, delta *index.Delta, known *outcomes) error {
	wants, err := s.Wants(ctx, delta)
	if err != nil {
		return err
	}
	var missing []mirror.Want
	for _, w := range wants {
		asked, err := known.asked(w.Tarball)
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
	return known.add(outcomes, func(state.Tarball) bool { return true })
}
