package run

import (
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/announce"
	"github.com/hackage-mirror/hackage-mirror/internal/health"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// found is what readers of the buckets are to know of the run. Aborted is what ended it
// before its end, if anything did.
func (r *run) found(facts *report.Run, did account, aborted error) *announce.Run {
	found := &announce.Run{
		Run: facts, Aborted: aborted, Full: r.Full, Page: r.Page, Pinned: r.Pinned, Metadata: did.metadata, Checked: did.checked,
		Whole: did.whole, Now: r.Now, Warn: r.Warn, Log: r.Progress.Log,
	}
	if r.Signer != nil {
		found.KeyExpires, _ = r.Signer.Expires()
	}
	if did.access != nil {
		found.End = &did.end
	}
	for _, s := range r.Targets {
		if s.kind != BucketKind {
			found.Repositories = append(found.Repositories, r.foundRepository(s))
			continue
		}
		one := &announce.Bucket{Name: s.name, Address: s.address, Err: s.err, Before: s.before, Tail: did.parts[s]}
		if b, ok := s.destination.(*bucketTarget); ok {
			one.Bucket, one.PublicURL = b.Bucket, b.publicURL
			one.Told, one.News, one.Published = did.told[s], did.news[s], did.published[s]
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
