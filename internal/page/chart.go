package page

import (
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// A chart shows releases and revisions per day, those above these.
type chart struct {
	Width, Height     int
	First, Last, Text string
	Rel, Rev          string // the two halves of all bars, as paths
	Bars              []bar
	Rows              []bar // those on which something came, the newest first
}

// A bar is a day.
type bar struct {
	Day                 string
	Releases, Revisions int
	X                   int
}

// maxCount bounds what is drawn of a day.
const maxCount = 1_000_000

// newChart draws the days up to the last one that is known; nothing without any.
func newChart(days []status.Day) *chart {
	counts := map[string]status.Day{}
	last := time.Time{}
	for _, d := range days {
		t, err := time.Parse(time.DateOnly, d.Day)
		if err != nil {
			continue
		}
		counts[d.Day] = status.Day{Day: d.Day, Releases: min(max(d.Releases, 0), maxCount), Revisions: min(max(d.Revisions, 0), maxCount)}
		if t.After(last) {
			last = t
		}
	}
	if last.IsZero() {
		return nil
	}
	c := &chart{Width: 10*status.MaxDays - 2, Height: 150}
	for i := range status.MaxDays {
		day := last.AddDate(0, 0, i+1-status.MaxDays).Format(time.DateOnly)
		c.Bars = append(c.Bars, bar{Day: day, Releases: counts[day].Releases, Revisions: counts[day].Revisions, X: 10 * i})
	}
	c.First, c.Last = c.Bars[0].Day, c.Bars[len(c.Bars)-1].Day
	c.draw()
	return c
}

// draw gives the bars their heights and the chart its words.
func (c *chart) draw() {
	top, releases, revisions := c.Bars[0], 0, 0
	for _, b := range c.Bars {
		releases, revisions = releases+b.Releases, revisions+b.Revisions
		if b.Releases+b.Revisions > top.Releases+top.Revisions {
			top = b
		}
	}
	most := max(top.Releases+top.Revisions, 1)
	for _, b := range c.Bars {
		low := b.Releases * c.Height / most
		high := b.Revisions * c.Height / most
		c.Rel += column(b.X, c.Height, low)
		c.Rev += column(b.X, c.Height-low, high)
	}
	for i := len(c.Bars) - 1; i >= 0; i-- {
		if b := c.Bars[i]; b.Releases+b.Revisions > 0 {
			c.Rows = append(c.Rows, b)
		}
	}
	day, _ := time.Parse(time.DateOnly, top.Day) // it was written by that form
	c.Text = fmt.Sprintf("In all %s and %s in %d days; the most on %s, %s.", plain.Plural(releases, "release"), plain.Plural(revisions, "revision"),
		len(c.Bars), day.Format("2\u00a0January"), plain.Count(most))
}

// column returns a column of this height that stands at y, as part of a path.
func column(x, y, height int) string {
	if height == 0 {
		return ""
	}
	return fmt.Sprintf("M%d %dh8v-%dh-8z", x, y, height)
}
