package run

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// A chronicle is what a stretch of the index adds to what readers are told: what
// came, day by day, the newest of it, and how much it is. It holds no more than
// that, however long the stretch is.
type chronicle struct {
	from   int64 // in bytes of the index; what lies before was told
	since  time.Time
	days   map[string]status.Day
	recent []status.Item // the oldest first; more than are kept
	holds  status.Holds  // Packages only from the start of the index
}

// chronicle enters into a status what came since the former one, and how large the
// mirror is by now. Numbers that do not go on from the former ones are not known
// until the whole index is read again.
func (r *syncer) chronicle(ctx context.Context, s *Target, former, out *status.Status, now time.Time) error {
	ix, tail, to, first := s.index, s.tail, s.bucket.Stored().Position, s.bucket.FirstRevision
	switch {
	case r.hasWhole(s):
		ix, tail = r.wholeIndex, r.whole
	case s.news != nil:
		var err error
		if first, err = s.numbers(ctx, to.Length); err != nil {
			return fmt.Errorf("find out which revisions were not told of: %w", err)
		}
		tail = s.news
	}
	c := &chronicle{days: map[string]status.Day{}, since: now.AddDate(0, 0, 1-status.MaxDays).Truncate(24 * time.Hour)}
	told, begun := s.told.At.Length, index.Position{}
	whole := false
	if tail != nil {
		begun, whole = tail.From, tail.From.IsZero()
		if !whole {
			c.from = told
		}
		if err := c.read(ctx, ix, tail, to.Length, first); err != nil {
			return fmt.Errorf("read what is new of the index again: %w", err)
		}
	} else {
		begun = s.told.At
	}
	goesOn := begun.Length <= told && told <= former.Index.Length && former.Index.Length <= to.Length
	switch {
	case whole:
		c.holds.Releases -= int64(out.Pending)
		c.holds.Bytes -= out.PendingBytes
		out.Holds = c.holds
	case goesOn && counted(former.Holds):
		out.Holds = added(former.Holds, c.holds, int64(former.Pending)-int64(out.Pending), former.PendingBytes-out.PendingBytes)
	default:
		out.Holds = status.Holds{Packages: -1, Releases: -1, Revisions: -1, Bytes: -1}
	}
	if !whole {
		c.goOnFrom(former, now)
	}
	out.Days, out.Recent = c.newest()
	return nil
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
func (r *syncer) hasWhole(s *Target) bool { return r.whole != nil && s.tail != nil }

// read takes in what the index holds up to a length for the packages of a tail.
// First has the number of the first revision of a release that the tail mentions.
func (c *chronicle) read(ctx context.Context, ix *hackage.Index, tail *index.Delta, to int64, first func(index.Release) (int, bool)) error {
	behind := map[index.Release]int{} // of releases that the tail mentions more than once
	packages := map[string]bool{}
	for e, err := range ix.LogTo(tail.From, to).Entries() {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		news := tail.Changes[e.Release]
		if e.Kind != index.Cabal || news == nil {
			continue
		}
		number := 0
		if !tail.From.IsZero() {
			number, _ = first(e.Release)
		} else {
			packages[e.Release.Package] = true
		}
		if news.Cabals > 1 {
			number += behind[e.Release]
			behind[e.Release]++
		}
		if e.Offset >= c.from {
			c.add(e, number, news.Target.Length)
		}
	}
	c.holds.Packages = int64(len(packages))
	return nil
}

// add takes in one release or revision.
func (c *chronicle) add(e index.Entry, number int, tarball int64) {
	release := index.Release{Package: e.Release.Package, Version: e.Release.Version}
	item := status.Item{Package: release.Package, Version: release.Version, Revision: number, Time: e.Time}
	day := status.Day{Day: e.Time.Format(time.DateOnly)}
	if number == 0 {
		item.Bytes, day.Releases = tarball, 1
		c.holds.Releases++
		c.holds.Bytes += tarball
	} else {
		day.Revisions = 1
		c.holds.Revisions++
	}
	if len(c.recent) == 2*status.MaxRecent {
		c.recent = append(c.recent[:0], c.recent[status.MaxRecent:]...)
	}
	c.recent = append(c.recent, item)
	if !e.Time.Before(c.since) {
		c.addDay(day)
	}
}

func (c *chronicle) addDay(day status.Day) {
	sum := c.days[day.Day]
	c.days[day.Day] = status.Day{Day: day.Day, Releases: sum.Releases + day.Releases, Revisions: sum.Revisions + day.Revisions}
}

// goOnFrom takes in what was told before. The file is not signed, so what cannot
// be is left out.
func (c *chronicle) goOnFrom(former *status.Status, now time.Time) {
	for _, day := range former.Days {
		when, err := time.Parse(time.DateOnly, day.Day)
		if err == nil && !when.Before(c.since) && !when.After(now) && inRange(day.Releases) && inRange(day.Revisions) {
			c.addDay(day)
		}
	}
	type name struct {
		pkg, version string
		revision     int
	}
	seen := map[name]bool{}
	for _, item := range c.recent {
		seen[name{item.Package, item.Version, item.Revision}] = true
	}
	var before []status.Item
	for _, item := range slices.Backward(former.Recent) {
		n := name{item.Package, item.Version, item.Revision}
		sane := index.CheckPackage(item.Package) == nil && index.CheckVersion(item.Version) == nil &&
			inRange(item.Revision) && item.Bytes >= 0 && !item.Time.After(now)
		if sane && !seen[n] {
			seen[n] = true
			before = append(before, item)
		}
	}
	c.recent = append(before, c.recent...)
}

// inRange reports whether a number is one that a run may have counted.
func inRange(n int) bool { return n >= 0 && n < 1e9 }

// newest returns the days, the oldest first, and the items, the newest first.
func (c *chronicle) newest() ([]status.Day, []status.Item) {
	days, recent := []status.Day{}, []status.Item{}
	for _, day := range c.days {
		days = append(days, day)
	}
	slices.SortFunc(days, func(a, b status.Day) int { return strings.Compare(a.Day, b.Day) })
	days = days[max(0, len(days)-status.MaxDays):]
	for _, item := range slices.Backward(c.recent[max(0, len(c.recent)-status.MaxRecent):]) {
		recent = append(recent, item)
	}
	return days, recent
}

// owedBytes is the length of the tarballs that a ledger says are not there.
func owedBytes(ledger state.Ledger) (sum int64) {
	for _, p := range ledger {
		sum += p.Target.Length
	}
	return sum
}

// most bounds numbers that are counted on: it fits twice into an int64, and into
// what other languages take for a number.
const most = 1 << 53

// counted reports whether all numbers are known.
func counted(h status.Holds) bool {
	for _, n := range []int64{h.Packages, h.Releases, h.Revisions, h.Bytes} {
		if n < 0 || n > most {
			return false
		}
	}
	return true
}

// added counts on. Whether a new release is the first of its package is not known
// of a part of the index, so the packages are those of the last whole one.
func added(before, more status.Holds, releases, bytes int64) status.Holds {
	return status.Holds{
		Packages: before.Packages, Releases: max(0, before.Releases+more.Releases+releases),
		Revisions: before.Revisions + more.Revisions, Bytes: max(0, before.Bytes+more.Bytes+bytes),
	}
}
