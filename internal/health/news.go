package health

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// News is what a part of the index adds to what the readers of a bucket are told.
type News struct {
	// Index has the log from where Delta begins.
	Index interface {
		LogTo(from index.Position, length int64) *index.Log
	}
	Delta     *index.Delta   // from Told, from before it, or of the whole index; nil for nothing
	Announced index.Position // up to where readers were told
	To        int64          // length of the bucket's index
	// First returns the number of the first revision of a release that the delta
	// mentions.
	First func(index.Release) (int, bool)
}

// Enter enters it into a status that goes on from a former one, with how large the
// mirror is by now. Numbers that do not go on from the former ones are not known until
// the whole index is read again.
func (n News) Enter(ctx context.Context, former, out *status.Status, now time.Time) error {
	c := &chronicle{days: map[string]status.Day{}, since: now.AddDate(0, 0, 1-status.MaxDays).Truncate(24 * time.Hour)}
	announced, begun, whole := n.Announced.Length, n.Announced, false
	if n.Delta != nil {
		begun, whole = n.Delta.From, n.Delta.From.IsZero()
		if !whole {
			c.from = announced
		}
		if err := c.read(ctx, n); err != nil {
			return fmt.Errorf("read what is new of the index again: %w", err)
		}
	}
	goesOn := begun.Length <= announced && announced <= former.Index.Length && former.Index.Length <= n.To
	switch {
	case whole:
		c.holds.Releases -= int64(out.Pending)
		c.holds.Bytes -= out.PendingBytes
		out.Holds = c.holds
	case goesOn && Counted(former.Holds):
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

// A chronicle is what a part of the index adds to what readers are told: what
// came, day by day, the newest of it, and how much it is. It holds no more than
// that, however long the part is.
type chronicle struct {
	from   int64 // in bytes of the index; what lies before was told
	since  time.Time
	days   map[string]status.Day
	recent []status.Item // the oldest first; more than are kept
	holds  status.Holds  // Packages only from the start of the index
}

// read takes in what the index holds for the packages of the delta.
func (c *chronicle) read(ctx context.Context, n News) error {
	delta := n.Delta
	behind := map[index.Release]int{} // of releases that the delta mentions more than once
	packages := map[string]bool{}
	for e, err := range n.Index.LogTo(delta.From, n.To).Entries() {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		news := delta.Changes[e.Release]
		if e.Kind != index.Cabal || news == nil {
			continue
		}
		number := 0
		if !delta.From.IsZero() {
			number, _ = n.First(e.Release)
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

// most bounds numbers that are counted on: it fits twice into an int64, and into
// what other languages take for a number.
const most = 1 << 53

// Counted reports whether all numbers are known.
func Counted(h status.Holds) bool {
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
