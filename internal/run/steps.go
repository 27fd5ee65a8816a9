package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// readIndex fetches the index and finds out what it holds for each site.
func (r *syncer) readIndex(ctx context.Context) error {
	r.progress.Start("index", "", 0)
	defer r.progress.Done()
	ix, err := r.upstream.Index(ctx, r.metadata, r.dir)
	if errors.Is(err, hackage.ErrTorn) {
		// Most likely upstream published between the two reads.
		if err := r.rereadMetadata(ctx); err != nil {
			return err
		}
		ix, err = r.upstream.Index(ctx, r.metadata, r.dir)
	}
	if err != nil {
		return r.explain(err)
	}
	r.index = ix
	r.closers = append(r.closers, ix.Close)
	for _, s := range live(r.sites) {
		if err := r.scan(s); err != nil {
			s.err = err
		}
	}
	return nil
}

// scan reads what the index holds for a site. Sites at the same position share
// what is found.
func (r *syncer) scan(s *site) error {
	for _, other := range r.sites {
		if other.tail != nil && other.tail.From == s.State().Position {
			s.tail = other.tail
			return nil
		}
	}
	err := s.scan(r.index, r.take)
	if !errors.Is(err, errRewritten) {
		return err
	}
	if !r.o.AcceptRewrite {
		return fmt.Errorf("%w; nothing was written to it. If you know why and trust upstream, run once with --accept-rewrite", err)
	}
	s.Forget(err.Error())
	return r.scan(s)
}

// wants collects the tarballs that the sites lack.
func (r *syncer) wants(ctx context.Context) ([]mirror.Want, error) {
	var all []mirror.Want
	for _, s := range live(r.sites) {
		wants, err := s.wants(ctx)
		if err != nil {
			s.err = err
			continue
		}
		for _, w := range wants {
			want := mirror.Want{Want: w}
			if s.bucket != nil {
				want.Buckets = []*mirror.Bucket{s.bucket}
			}
			all = append(all, want)
		}
	}
	r.wanted = merge(all)
	return r.wanted, ctx.Err()
}

// merge makes one want of those for the same tarball, in the order of their
// first appearance, so that each is fetched once for all.
func merge(wants []mirror.Want) []mirror.Want {
	at := map[index.Release]int{}
	var out []mirror.Want
	for _, w := range wants {
		i, seen := at[w.Release]
		if !seen {
			at[w.Release] = len(out)
			out = append(out, w)
			continue
		}
		out[i].Replaced = out[i].Replaced || w.Replaced
		out[i].Owed = out[i].Owed && w.Owed
		out[i].Buckets = append(out[i].Buckets, w.Buckets...)
	}
	return out
}

// fetcher returns what brings tarballs.
func (r *syncer) fetcher() *mirror.Fetcher {
	return &mirror.Fetcher{
		Upstream: r.upstream, Dir: r.dir, PublicURL: r.o.PublicURL, Concurrency: r.o.Concurrency,
		Done: func(release index.Release, size int64, err error) {
			r.progress.Add(1, size, release.String())
			if err != nil {
				r.progress.Note(fmt.Sprintf("%s: %v", release, err))
			}
		},
	}
}

// fetch brings tarballs to the buckets that want them, and keeps their digests.
func (r *syncer) fetch(ctx context.Context, wants []mirror.Want) error {
	if len(wants) == 0 {
		return nil
	}
	r.progress.Start("tarballs", "releases", int64(len(wants)))
	defer r.progress.Done()
	outcomes, err := r.fetcher().Fetch(ctx, wants)
	if errors.Is(err, mirror.ErrOutage) {
		return fmt.Errorf("%w; nothing was published, and the next run tries again", err)
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.Copy(r.outcomes, outcomes)
	return nil
}

// fillBuckets puts the .cabal files. The tarballs are in already.
func (r *syncer) fillBuckets(ctx context.Context) {
	total := 0
	for _, s := range r.buckets() {
		total += revisions(s.tail)
	}
	if total == 0 {
		return
	}
	r.progress.Start(".cabal files", "files", int64(total))
	defer r.progress.Done()
	r.each(r.buckets(), func(s *site) error {
		s.bucket.Cabals(ctx, r.index, s.tail, r.o.Concurrency, func(size int64) {
			r.progress.Add(1, size, "")
		})
		return s.bucket.Err()
	})
}

// fillRepositories commits and pushes, all repositories side by side.
func (r *syncer) fillRepositories(ctx context.Context) {
	total := 0
	for _, s := range r.repositories() {
		total += s.tail.Entries
	}
	if len(r.repositories()) == 0 {
		return
	}
	r.progress.Start("repositories", "entries", int64(total))
	defer r.progress.Done()
	r.each(r.repositories(), func(s *site) error { return r.update(ctx, s) })
}

// tries is how often a repository that others push to is read anew.
const tries = 5

// update commits and pushes what a repository lacks. When somebody else pushed
// meanwhile it reads the new state and goes on from there.
func (r *syncer) update(ctx context.Context, s *site) error {
	end := s.tail.To
	for try := 1; ; try++ {
		err := r.updateOnce(ctx, s)
		switch {
		case errors.Is(err, gitrepo.ErrMoved) && try < tries && ctx.Err() == nil:
			r.progress.Note(fmt.Sprintf("%s %q was changed by somebody else; reading it again", s.kind, s))
			err = s.load(ctx, r.packages)
		case errors.Is(err, state.ErrForm) && try < tries:
			r.progress.Note(fmt.Sprintf("%s %q: %v; comparing all of it with the index", s.kind, s, err))
			s.Forget(err.Error())
			err = nil
		default:
			return err
		}
		if err != nil {
			return err
		}
		if s.State().Position.Length > end.Length {
			r.progress.Note(fmt.Sprintf("%s %q was brought further by another run", s.kind, s))
			return nil
		}
		if err := r.scanAgain(s); err != nil {
			return err
		}
	}
}

// scanAgain is scan for a site whose position changed in the run.
func (r *syncer) scanAgain(s *site) error {
	s.tail = nil
	return s.scan(r.index, r.take)
}

// end is the position at the end of the run's index.
func (r *syncer) end() index.Position {
	for _, s := range r.sites {
		if s.tail != nil {
			return s.tail.To
		}
	}
	return index.Position{}
}

// updateOnce is one try of update.
func (r *syncer) updateOnce(ctx context.Context, s *site) error {
	wants, err := s.repo.Wants(ctx, s.tail)
	if err != nil {
		return err
	}
	if err := r.fetchMissing(ctx, wants); err != nil {
		return err
	}
	deprecated, err := r.deprecated(ctx, s)
	if err != nil {
		return err
	}
	r.mu.Lock()
	outcomes := maps.Clone(r.outcomes)
	r.mu.Unlock()
	s.commit, err = s.repo.Update(ctx, allcabal.Input{
		Index: r.index, Tail: s.tail, Seen: r.metadata.Seen(), Outcomes: outcomes,
		Deprecated: deprecated, Take: r.take, Packages: r.packages,
		Done: func(entries int) { r.progress.Add(entries, 0, "") },
	})
	return err
}

// deprecated returns upstream's list of deprecated packages for the hashes
// repository, nil if there is none. Nothing signs it and nobody builds on it, so
// one that cannot be read is only told of.
func (r *syncer) deprecated(ctx context.Context, s *site) ([]byte, error) {
	if s.kind != hashesKind {
		return nil, nil
	}
	raw, err := r.upstream.Deprecated(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil && ctx.Err() == nil {
		r.progress.Note(fmt.Sprintf("deprecated.json is left as it is: %v", err))
		return nil, nil
	}
	return raw, ctx.Err()
}

// fetchMissing brings digests that were not asked for when the run began.
func (r *syncer) fetchMissing(ctx context.Context, wants []state.Want) error {
	var missing []mirror.Want
	r.mu.Lock()
	for _, w := range wants {
		if _, ok := r.outcomes[w.Release]; !ok {
			missing = append(missing, mirror.Want{Want: w})
		}
	}
	r.mu.Unlock()
	return r.fetch(ctx, missing)
}

// publish makes known what the buckets hold.
func (r *syncer) publish(ctx context.Context) {
	publication := mirror.Publication{Metadata: r.metadata, Index: r.index}
	buckets := r.buckets()
	if r.index != nil && len(buckets) > 0 {
		publication.Legacy = filepath.Join(r.dir, "00-index.tar.gz")
		if err := mirror.WriteLegacy(publication.Legacy, r.index, r.take); err != nil {
			for _, s := range buckets {
				s.err = err
			}
			return
		}
	}
	r.each(buckets, func(s *site) error {
		next := s.bucket.State()
		next.Seen = r.metadata.Seen()
		if s.tail != nil {
			next = s.bucket.Settle(s.tail, r.metadata.Seen(), r.packages, r.outcomes)
		}
		if next.Equal(s.State()) && next.Seen == s.State().Seen {
			return nil
		}
		return s.bucket.Publish(ctx, publication, next)
	})
}

// buckets and repositories return the live sites of a kind.
func (r *syncer) buckets() []*site {
	return r.only(func(s *site) bool { return s.bucket != nil })
}

func (r *syncer) repositories() []*site {
	return r.only(func(s *site) bool { return s.repo != nil })
}

func (r *syncer) only(kind func(*site) bool) []*site {
	var out []*site
	for _, s := range live(r.sites) {
		if kind(s) {
			out = append(out, s)
		}
	}
	return out
}

// explain adds to an error of upstream's metadata what the user can do.
func (r *syncer) explain(err error) error {
	hint := "; nothing was changed"
	switch {
	case errors.Is(err, tuf.ErrExpired):
		hint = "; upstream has not signed anew, or the clock of this machine is wrong. Nothing was changed"
	case errors.Is(err, tuf.ErrRollback):
		hint = "; upstream shows something older than a destination has, as " + farthest(r.sites).witness(r.o.Tag) +
			" says. Nothing was changed; if it stays so, ask upstream, or if that is wrong, remove it"
	case errors.Is(err, hackage.ErrTorn):
		hint = "; nothing was changed, and the next run tries again"
	}
	return fmt.Errorf("read upstream %q: %w%s", r.upstream, err, hint)
}
