package run

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/health"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// recount enters into a status what came since the former one, and how large the
// mirror is by now.
func (r *run) recount(ctx context.Context, s *Target, former, out *status.Status, now time.Time) (err error) {
	n := health.News{Index: s.index, Delta: s.tail, Told: s.told.At, To: s.bucket.Stored().Position.Length, First: s.bucket.FirstRevision}
	switch {
	case r.hasWhole(s):
		n.Index, n.Delta = r.wholeIndex, r.whole
	case s.news != nil:
		if n.First, err = s.numbers(ctx, n.To); err != nil {
			return fmt.Errorf("find out which revisions were not told of: %w", err)
		}
		n.Delta = s.news
	}
	return n.Enter(ctx, former, out, now)
}

// numbers returns what tells which number the first .cabal file of a release has
// behind the place up to which readers were told, where an earlier run put it: the
// bucket holds so many more of the release by now.
func (s *Target) numbers(ctx context.Context, to int64) (func(index.Release) (int, bool), error) {
	came := map[index.Release]int{}
	for e, err := range s.index.LogTo(s.news.From, to).Entries() {
		if err != nil {
			return nil, err
		}
		if e.Kind == index.Cabal && s.news.Changes[e.Release] != nil {
			came[e.Release]++
		}
	}
	var mu sync.Mutex
	first := map[index.Release]int{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(asksAtOnce)
	for release, n := range came {
		group.Go(func() error {
			held, err := s.bucket.Revisions(ctx, release, n)
			mu.Lock()
			defer mu.Unlock()
			first[release] = held - n
			return err
		})
	}
	return func(r index.Release) (int, bool) { n, ok := first[r]; return n, ok }, group.Wait()
}

// asksAtOnce is how many requests ask a bucket for revisions concurrently.
const asksAtOnce = 32

// hasWhole reports whether the whole index was read, and is one that a bucket's goes
// on in.
func (r *run) hasWhole(s *Target) bool { return r.whole != nil && s.tail != nil }

// owedBytes is the length of the tarballs that a ledger says are not there.
func owedBytes(ledger state.Ledger) (sum int64) {
	for _, p := range ledger {
		sum += p.Target.Length
	}
	return sum
}
