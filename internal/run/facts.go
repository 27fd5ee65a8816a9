package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/announce"
	"github.com/hackage-mirror/hackage-mirror/internal/health"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// facts collects what there is to tell of the run. Err is what ended it before
// its end, if anything did. Everything that the run began has come to rest.
func (r *run) facts(ctx context.Context, did account, err error) *report.Run {
	run := &report.Run{
		Tool: r.Tool, Upstream: r.Address, Packages: r.packages, DryRun: r.DryRun, Verbose: r.Verbose,
		Began: r.Began, Took: r.Now().Sub(r.Began), Aborted: err != nil,
		PublicURL: r.PublicURL, Tag: r.Tag, Revised: r.revised(did),
		Left: did.left, Phases: r.timeline.inOrder(), Expiries: r.expiries(did.metadata),
	}
	if r.Signer != nil {
		run.Fingerprint = r.Signer.Fingerprint()
	}
	pending := state.Ledger{}
	for _, s := range r.Targets {
		r.addTarget(ctx, run, did, s)
		if s.destination == nil {
			continue
		}
		for release, record := range s.State().Ledger {
			if pending[release].Reason != state.Mismatch {
				pending[release] = record // an alarm is never hidden by another target
			}
		}
	}
	for _, release := range pending.Sorted() {
		line := report.Record{Release: release, Reason: pending[release].Reason, Since: pending[release].Since}
		if line.Reason == state.Mismatch {
			r.mismatches.complete(&line, r.allBuckets)
		}
		run.Ledger = append(run.Ledger, line)
	}
	run.New = r.arrived(did)
	run.Deprecations = did.deprecations()
	if did.outcomes != nil {
		_, run.Bytes = did.outcomes.came()
	}
	if r.DryRun {
		run.Left = 0
	}
	if r.DryRun || r.Full {
		run.Bytes = 0
		for _, release := range run.New {
			run.Bytes += release.Size
		}
	}
	if r.Detailed {
		dateReleases(run.New, longestDelta(r.Targets, did.parts))
	}
	return run
}

// addTarget enters a target.
func (r *run) addTarget(ctx context.Context, run *report.Run, did account, s *Target) {
	d := report.Destination{Kind: s.kind, Name: s.String(), Took: s.took}
	if s.err != nil {
		d.Err = s.err.Error()
		if ctx.Err() != nil && errors.Is(s.err, context.Canceled) {
			d.Err = "interrupted"
		}
	}
	if s.destination != nil {
		d.At, d.Pending = s.State().Position, len(s.State().Ledger)
		if d.At.IsZero() {
			d.Was = s.before.Position
		}
		if s.err == nil && d.At.Length > run.Index.Length {
			run.Index = d.At
		}
		run.Revisions = max(run.Revisions, s.report(r, did, run, &d))
	}
	if delta := did.parts[s].Delta; delta != nil {
		d.Entries = delta.Entries
		if delta.Skipped.Count > run.Skipped.Count {
			run.Skipped = delta.Skipped
		}
	}
	run.Destinations = append(run.Destinations, d)
}

// addMissing tells of the tarballs that a full comparison found missing, although the
// bucket said that it holds them.
func addMissing(run *report.Run, s *bucketTarget, delta *index.Delta) {
	var names []string
	for _, release := range s.Missing() {
		news, pending := delta.Changes[release], s.before.Ledger[release].Reason != ""
		if !pending && news != nil && news.TargetOffset >= 0 && news.TargetOffset < s.before.Position.Length {
			names = append(names, release.String())
		}
	}
	if len(names) == 0 {
		return
	}
	slices.Sort(names)
	list := strings.Join(names[:min(len(names), maxMissing)], ", ")
	run.Restored = append(run.Restored, fmt.Sprintf("%s %s had lost %s, and has what was lost again: %s",
		s.kind, s, plain.Plural(len(names), "tarball"), list))
}

// maxMissing is how many missing tarballs are named.
const maxMissing = 20

// revised names the releases with a changed .cabal file. A
// run that reads the whole index does not know what was there.
func (r *run) revised(did account) (names []index.Release) {
	read := longestDelta(r.Targets, did.parts)
	if read.From.IsZero() {
		return nil
	}
	for _, release := range read.Order {
		if news := read.Changes[release]; news.Cabals > 1 || news.Cabals > 0 && news.TargetOffset < 0 {
			names = append(names, release)
		}
	}
	return names
}

// revisions counts the changed .cabal files of a batch of the index: the first one
// of a release is none.
func revisions(t *index.Delta) int {
	n := 0
	for _, news := range t.Changes {
		n += news.Cabals
		if news.Cabals > 0 && news.TargetOffset >= 0 && !news.Replaced {
			n--
		}
	}
	return n
}

// arrived returns the releases whose tarballs came, or in a dry run would come.
// The files repository takes no tarballs: alone it has the releases of its own
// commits.
func (r *run) arrived(did account) []report.Release {
	var out []report.Release
	add := func(release index.Release, size int64) {
		out = append(out, report.Release{Release: release, Size: size})
	}
	switch {
	case !slices.ContainsFunc(r.Targets, func(s *Target) bool { return s.kind != FilesKind }):
		for _, s := range r.allRepositories {
			for _, release := range did.commits[s.Target].New {
				add(release, did.parts[s.Target].Changes[release].Target.Length)
			}
		}
	case r.DryRun:
		for _, d := range did.planned {
			add(d.Release, d.Target.Length)
		}
	case did.outcomes != nil && !r.Full:
		did.outcomes.each(add)
	case did.outcomes != nil: // all of them came, to be compared
		added := map[index.Release]bool{}
		for _, s := range r.allRepositories {
			for _, release := range did.commits[s.Target].New {
				added[release] = true
			}
		}
		for _, s := range r.allBuckets {
			for _, release := range s.Missing() {
				added[release] = true
			}
		}
		did.outcomes.each(func(release index.Release, size int64) {
			if added[release] {
				add(release, size)
			}
		})
	}
	return out
}

// dateReleases enters when releases came to the index. Those that were pending since an
// earlier run have no date.
func dateReleases(releases []report.Release, delta *index.Delta) {
	for i, release := range releases {
		if c := delta.Changes[release.Release]; c != nil && c.TargetUnix != 0 {
			releases[i].Time = time.Unix(c.TargetUnix, 0).UTC()
		}
	}
}

// verdict is the error of a run that came to its end: of the targets that could
// not be brought up to date, or of what only a person can mend.
func (r *run) verdict(run *report.Run) error {
	var errs []error
	for _, s := range r.Targets {
		if s.err != nil {
			errs = append(errs, fmt.Errorf("%s %q: %w", s.kind, s.address, s.err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for _, text := range run.Repaired { // what somebody else had written
		errs = append(errs, errors.New(text))
	}
	if errs := slices.Concat(alarms(run), errs, r.pressing(run)); len(errs) > 0 {
		return &DegradedError{errors.Join(errs...)}
	}
	return nil
}

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
			one.Previous, one.News, one.Published = did.previous[s], did.news[s], did.published[s]
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
