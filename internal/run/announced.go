package run

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/announce"
	"github.com/hackage-mirror/hackage-mirror/internal/health"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// readTold begins to find out what the buckets' readers were told last. The function it
// returns waits for that.
func (r *run) readTold(ctx context.Context) (wait func()) {
	var group errgroup.Group
	for _, s := range r.buckets() {
		if r.announces(s) {
			group.Go(func() error {
				s.told = announce.ReadTold(ctx, s.Bucket, s.name, s.before, r.Progress.Log)
				return nil
			})
		}
	}
	return func() { _ = group.Wait() }
}

// announces reports whether a run says in a bucket how the mirror is.
func (r *run) announces(s *bucketTarget) bool { return !r.DryRun && s.CanTell() }

// sayUntold says which buckets' readers were not told of all, and reports whether
// there are any.
func (r *run) sayUntold() (any bool) {
	for _, s := range r.buckets() {
		if s.told.Untold {
			r.Progress.Log(fmt.Sprintf("%s %q: its readers were not told yet of all that it holds; what came since is read again for that", s.kind, s))
			any = true
		}
	}
	return any
}

// readNews finds out what the index holds behind the position up to which a bucket's
// readers were told of it, if that lies before the one where the run took the
// bucket up. It stays nil if that position is none of this index.
func (r *run) readNews(s *bucketTarget) {
	from := s.told.At
	if !r.announces(s) || s.tail == nil || s.told.Is(s.State().Position) || from.Length < s.index.From.Length || from.Length > s.tail.To.Length {
		return
	}
	if tails, _, err := r.tailsFrom(s.index.Index, s.index.From, []index.Position{from}); err == nil {
		s.news = tails[0]
	}
}

// found is what readers of the buckets are to know of the run. Aborted is what ended it
// before its end, if anything did.
func (r *run) found(facts *report.Run, aborted error) *announce.Run {
	found := &announce.Run{
		Run: facts, Aborted: aborted, Full: r.Full, Page: r.Page, Pinned: r.Pinned, Metadata: r.metadata, Checked: r.checked,
		Whole: r.whole, Now: r.Now, Warn: r.Warn, Log: r.Progress.Log,
	}
	if r.Signer != nil {
		found.KeyExpires, _ = r.Signer.Expires()
	}
	if r.index != nil {
		found.End = &r.end
	}
	for _, s := range r.Targets {
		if s.kind != BucketKind {
			found.Repositories = append(found.Repositories, r.foundRepository(s))
			continue
		}
		one := &announce.Bucket{Name: s.name, Address: s.address, Err: s.err, Before: s.before, Tail: announce.Part{Index: s.index, Delta: s.tail}}
		if b, ok := s.destination.(*bucketTarget); ok {
			one.Bucket, one.PublicURL, one.Told, one.News, one.Published = b.Bucket, b.publicURL, b.told, b.news, b.published
		}
		found.Buckets = append(found.Buckets, one)
	}
	return found
}

// foundRepository is what readers of the buckets are to know of a repository.
func (r *run) foundRepository(s *Target) announce.Repository {
	kind, _, _ := strings.Cut(s.kind, "-")
	one := announce.Repository{Repository: status.Repository{Kind: kind, Address: health.RemoteAddress(s.name), Branch: r.Branch, Tag: r.Tag}}
	if repo, ok := s.destination.(*repositoryTarget); ok {
		one.Commit, one.State, one.Ledger = repo.Head(), s.State().Position.Time, s.State().Ledger
		one.Repaired = s.err == nil && len(repo.Alarms()) > 0
	}
	if r.Signer != nil {
		one.Fingerprint, one.KeyPage = r.Signer.Fingerprint(), health.KeyPage(one.Address, r.GitHub)
	}
	if s.err != nil {
		one.Error = "The last run could not bring it up to date."
	}
	return one
}
