package announce

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/health"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// status collects what everybody may know of the mirror of one bucket. It goes on
// from what was told before, if that can be read.
func (a *announcement) status(ctx context.Context) (*status.Status, error) {
	r, now := a.run, a.run.Now().UTC().Truncate(time.Second)
	former := cmp.Or(a.former, &status.Status{Index: status.Index{Lag: -1, Behind: -1}})
	stored := a.Stored()
	out := &status.Status{
		Version: status.Version, Health: a.word, Sentence: a.sentence, Tool: r.Tool,
		Upstream: health.WebAddress(r.Upstream), PublicURL: health.WebAddress(a.PublicURL), Packages: r.Packages,
		Checked: notAfter(former.Checked, now), Changed: notAfter(former.Changed, now),
		Index: r.index(a.Bucket, former.Index),
		Run: status.Run{
			Began: r.Began.UTC().Truncate(time.Second), Seconds: math.Round(r.Now().Sub(r.Began).Seconds()*1000) / 1000,
			Outcome: string(r.Outcome), Error: a.wrong, URL: r.Page,
		},
		RootKeys: r.Pinned.KeyIDs, Threshold: r.Pinned.Threshold,
		Repositories: []status.Repository{}, Expiries: a.expiries(former),
		Pending: len(stored.Ledger), Ledger: r.firstPending(stored.Ledger),
	}
	for _, pending := range stored.Ledger {
		out.PendingBytes += pending.Target.Length
	}
	for _, repo := range r.Repositories {
		out.Repositories = append(out.Repositories, repo.Repository)
	}
	if a.goesOn() {
		out.Nonce = stored.Nonce
	}
	if !r.Checked.IsZero() {
		out.Checked = r.Checked.UTC().Truncate(time.Second)
	}
	if stored.Seen.Index != "" && (stored.Seen != a.Before.Seen || !stored.Equal(a.Before)) {
		out.Changed = now
	}
	err := a.count(ctx, former, out, now)
	if here := health.ToCome(r.Left, out.Holds.Releases-int64(out.Pending)); r.Left > 0 && health.Counted(out.Holds) {
		out.Sentence = strings.Replace(out.Sentence, health.ToCome(r.Left, -1), here, 1)
	}
	return out, err
}

// notAfter is a time that was told, unless nobody can have told it.
func notAfter(told, now time.Time) time.Time {
	if told.After(now) {
		return time.Time{}
	}
	return told.UTC()
}

// Index says how far the mirror is: as the first bucket that has a state does, or else
// as it is known otherwise.
func (r *Run) Index(known status.Index) status.Index {
	for _, b := range r.Buckets {
		if b.hasState() {
			return r.index(b, known)
		}
	}
	return known
}

// index says how far a bucket is.
func (r *Run) index(b *Bucket, former status.Index) status.Index {
	at := b.Stored().Position
	out := status.Index{Length: at.Length, State: at.Time, Upstream: former.Upstream, Lag: former.Lag, Behind: -1}
	if at.Length != former.Length {
		out.Lag = -1
	}
	if !b.Published.IsZero() && at != b.Before.Position {
		out.Lag = secondsFrom(at.Time, b.Published)
	}
	switch {
	case r.Checked.IsZero(): // nobody knows
	case r.End == nil:
		out.Upstream, out.Behind = at.Time, 0
	default:
		out.Upstream = r.End.Time
		if at.Length >= r.End.Length {
			out.Behind = 0
		} else if b.Tail.Index != nil {
			out.Behind = secondsFrom(b.Tail.firstBehind(at), r.Now())
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

// firstBehind returns the time of the first entry behind a position, zero if it
// cannot be read.
func (p Part) firstBehind(at index.Position) time.Time {
	for e, err := range p.Index.Log(at).Entries() {
		if err == nil {
			return e.Time
		}
		break
	}
	return time.Time{}
}

// expiries say when clients begin to refuse what a bucket holds. Of a bucket
// that has nothing newer than before, that is as it was.
func (a *announcement) expiries(former *status.Status) []status.Expiry {
	all := []status.Expiry{}
	if m := a.run.Metadata; m != nil && a.Stored().Seen == m.Seen() {
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
	if a.run.Fingerprint != "" {
		all = append(all, status.Expiry{Of: "signing key " + a.run.Fingerprint, When: a.run.KeyExpires})
	}
	return all
}

// firstPending lists what a bucket's ledger has, what matters most first.
func (r *Run) firstPending(ledger state.Ledger) []status.Record {
	matters := []state.Reason{state.Mismatch, state.Failed, state.Missing, state.Unsigned, state.Withdrawn}
	releases := ledger.Sorted()
	slices.SortStableFunc(releases, func(a, b index.Release) int {
		return cmp.Compare(slices.Index(matters, ledger[a].Reason), slices.Index(matters, ledger[b].Reason))
	})
	all := []status.Record{}
	for _, release := range releases[:min(len(releases), status.MaxLedger)] {
		p := ledger[release]
		line := status.Record{Release: release.String(), Reason: string(p.Reason), Since: p.Since, Why: report.Advice(p.Reason)}
		if p.Reason == state.Mismatch && slices.ContainsFunc(r.Ledger, func(l report.Record) bool { return l.Release == release && l.Accepted }) {
			line.Accepted, line.Why = true, "the bytes are not the signed ones, so they are not published; the operator of this mirror knows"
		}
		all = append(all, line)
	}
	return all
}

// count enters into a status what came since the former one, and how large the
// mirror is by now.
func (a *announcement) count(ctx context.Context, former, out *status.Status, now time.Time) (err error) {
	n := health.News{Index: a.Tail.Index, Delta: a.Tail.Delta, Announced: a.Previous.At, To: a.Stored().Position.Length, First: a.FirstRevision}
	switch {
	case a.hasWhole():
		n.Index, n.Delta = a.run.Whole.Index, a.run.Whole.Delta
	case a.News != nil:
		if n.First, err = a.firstRevisions(ctx, n.To); err != nil {
			return fmt.Errorf("find out which revisions were not told of: %w", err)
		}
		n.Delta = a.News
	}
	return n.Enter(ctx, former, out, now)
}

// firstRevisions returns what tells which number the first .cabal file of a release has
// behind the position up to which readers were told, where an earlier run put it: the
// bucket holds so many more of the release by now.
func (a *announcement) firstRevisions(ctx context.Context, to int64) (func(index.Release) (int, bool), error) {
	came := map[index.Release]int{}
	for e, err := range a.Tail.Index.LogTo(a.News.From, to).Entries() {
		if err != nil {
			return nil, err
		}
		if e.Kind == index.Cabal && a.News.Changes[e.Release] != nil {
			came[e.Release]++
		}
	}
	var mu sync.Mutex
	first := map[index.Release]int{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxRequests)
	for release, n := range came {
		group.Go(func() error {
			held, err := a.Revisions(ctx, release, n)
			mu.Lock()
			defer mu.Unlock()
			first[release] = held - n
			return err
		})
	}
	return func(r index.Release) (int, bool) { n, ok := first[r]; return n, ok }, group.Wait()
}

// maxRequests is how many requests ask a bucket for revisions concurrently.
const maxRequests = 32
