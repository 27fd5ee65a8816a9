package run

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/health"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// status collects what everybody may know of the mirror of one bucket. It goes on
// from what was told before, if that can be read.
func (r *run) status(ctx context.Context, st *standing, outcome report.Outcome) (*status.Status, error) {
	s, now := st.target, r.Now().UTC().Truncate(time.Second)
	former := cmp.Or(st.former, &status.Status{Index: status.Index{Lag: -1, Behind: -1}})
	stored := s.bucket.Stored()
	out := &status.Status{
		Version: status.Version, Health: st.word, Sentence: st.sentence, Tool: r.Tool,
		Upstream: health.WebAddress(r.Address), PublicURL: health.WebAddress(s.publicURL), Packages: r.Packages,
		Nonce:   r.nonce(s),
		Checked: notAfter(former.Checked, now), Changed: notAfter(former.Changed, now),
		Run: status.Run{
			Began: r.Began.UTC().Truncate(time.Second), Seconds: math.Round(r.Now().Sub(r.Began).Seconds()*1000) / 1000,
			Outcome: string(outcome), Error: st.wrong, URL: r.Page,
		},
		RootKeys: r.Pinned.KeyIDs, Threshold: r.Pinned.Threshold,
		Repositories: r.publicRepositories(), Expiries: r.publicExpiries(s, former),
		Pending: len(stored.Ledger), PendingBytes: owedBytes(stored.Ledger), Ledger: r.publicLedger(stored.Ledger),
	}
	if !r.checked.IsZero() {
		out.Checked = r.checked.UTC().Truncate(time.Second)
	}
	if s.changed() {
		out.Changed = now
	}
	out.Index = r.publicIndex(s, former)
	err := r.recount(ctx, s, former, out, now)
	if here := health.ToCome(st.left, out.Holds.Releases-int64(out.Pending)); st.left > 0 && health.Counted(out.Holds) {
		out.Sentence = strings.Replace(out.Sentence, health.ToCome(st.left, -1), here, 1)
	}
	return out, err
}

// nonce names the state that is told of whole.
func (r *run) nonce(s *Target) string {
	if !r.allTold(s) {
		return ""
	}
	return s.bucket.Stored().Nonce
}

// notAfter is a time that was told, unless nobody can have told it.
func notAfter(told, now time.Time) time.Time {
	if told.After(now) {
		return time.Time{}
	}
	return told.UTC()
}

// publicIndex says how far a bucket is.
func (r *run) publicIndex(s *Target, former *status.Status) status.Index {
	at := s.bucket.Stored().Position
	out := status.Index{Length: at.Length, State: at.Time, Upstream: former.Index.Upstream, Lag: former.Index.Lag, Behind: -1}
	if at.Length != former.Index.Length {
		out.Lag = -1
	}
	if !s.published.IsZero() && at != s.before.Position {
		out.Lag = secondsFrom(at.Time, s.published)
	}
	switch {
	case r.checked.IsZero(): // nobody knows
	case r.index == nil:
		out.Upstream, out.Behind = at.Time, 0
	default:
		out.Upstream = r.end.Time
		if at.Length >= r.end.Length {
			out.Behind = 0
		} else if s.index != nil {
			out.Behind = secondsFrom(s.oldestMissing(at), r.Now())
		}
	}
	return out
}

// secondsFrom returns how many seconds are between two times, -1 if one of them is
// not known.
func secondsFrom(from, to time.Time) int64 {
	if from.IsZero() {
		return -1
	}
	return max(0, int64(to.Sub(from)/time.Second))
}

// oldestMissing returns the time of the first entry behind a position, zero if it
// cannot be read.
func (s *Target) oldestMissing(at index.Position) time.Time {
	for e, err := range s.index.Log(at).Entries() {
		if err == nil {
			return e.Time
		}
		break
	}
	return time.Time{}
}

// publicRepositories says what the same run fills.
func (r *run) publicRepositories() []status.Repository {
	all := []status.Repository{}
	for _, s := range r.Targets {
		if s.kind == BucketKind {
			continue
		}
		kind, _, _ := strings.Cut(s.kind, "-")
		one := status.Repository{Kind: kind, Address: health.RemoteAddress(s.name), Branch: r.Branch, Tag: r.Tag}
		if s.repo != nil {
			one.Commit, one.State = s.repo.Head(), s.State().Position.Time
		}
		if r.Signer != nil {
			one.Fingerprint, one.KeyPage = r.Signer.Fingerprint(), health.KeyPage(one.Address, r.GitHub)
		}
		if s.err != nil {
			one.Error = "The last run could not bring it up to date."
		}
		all = append(all, one)
	}
	return all
}

// publicExpiries says when clients begin to refuse what a bucket holds. Of a bucket
// that has nothing newer than before, that is as it was.
func (r *run) publicExpiries(s *Target, former *status.Status) []status.Expiry {
	all := []status.Expiry{}
	if m := r.metadata; m != nil && s.bucket.Stored().Seen == m.Seen() {
		all = append(all,
			status.Expiry{Of: "timestamp.json", When: m.Timestamp.Expires()}, status.Expiry{Of: "snapshot.json", When: m.Snapshot.Expires()},
			status.Expiry{Of: "mirrors.json", When: m.Mirrors.Expires()}, status.Expiry{Of: "root.json", When: m.Root.Expires()})
	} else {
		for _, e := range former.Expiries {
			if slices.Contains([]string{"timestamp.json", "snapshot.json", "mirrors.json", "root.json"}, e.Of) && len(all) < 4 {
				all = append(all, e)
			}
		}
	}
	if r.Signer != nil {
		when, _ := r.Signer.Expires()
		all = append(all, status.Expiry{Of: "signing key " + r.Signer.Fingerprint(), When: when})
	}
	return all
}

// publicLedger says what a bucket owes, what matters most first.
func (r *run) publicLedger(ledger state.Ledger) []status.Record {
	matters := []state.Reason{state.Mismatch, state.Failed, state.Missing, state.Unsigned, state.Withdrawn}
	releases := ledger.Sorted()
	slices.SortStableFunc(releases, func(a, b index.Release) int {
		return cmp.Compare(slices.Index(matters, ledger[a].Reason), slices.Index(matters, ledger[b].Reason))
	})
	all := []status.Record{}
	for _, release := range releases[:min(len(releases), status.MaxLedger)] {
		p := ledger[release]
		line := status.Record{Release: release.String(), Reason: string(p.Reason), Since: p.Since, Why: report.Advice(p.Reason)}
		if p.Reason == state.Mismatch {
			owed := report.Record{Release: release, Reason: p.Reason}
			if r.mismatches.explain(&owed, r.Targets); owed.Accepted {
				line.Accepted, line.Why = true, "the bytes are not the signed ones, so they are not published; the operator of this mirror knows"
			}
		}
		all = append(all, line)
	}
	return all
}
