package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
)

// Charts are Mermaid's, which GitHub draws. All words in them are the program's
// own, so there is nothing to escape.

// fence encloses a chart.
func fence(chart string) string { return "```mermaid\n" + chart + "```\n" }

// phases draws what the run did when.
func (r *Run) phases() string {
	if len(r.Phases) == 0 {
		return ""
	}
	var out strings.Builder
	format, phases := "%M:%S", longest(r.Phases)
	end := slices.MaxFunc(phases, func(a, b Phase) int { return cmp.Compare(a.End, b.End) }).End
	switch {
	case end < 10*time.Second:
		format = "%S.%L s"
	case end >= time.Hour:
		format = "%H:%M:%S"
	}
	// Times without a zone are read and written in the same one, that of who
	// looks, so it does not matter which day stands for the start.
	fmt.Fprintf(&out, "gantt\n  dateFormat YYYY-MM-DD HH:mm:ss.SSS\n  axisFormat %s\n  todayMarker off\n", format)
	for _, p := range phases {
		fmt.Fprintf(&out, "  %s, %s : %s, %s\n", p.Name, Took(p.End-p.Begin), sinceStart(p.Begin), sinceStart(max(p.End, p.Begin+time.Millisecond)))
	}
	return fence(out.String())
}

// maxPhases is how many phases are drawn; watching has some each time.
const maxPhases = 30

// longest returns the longest phases, in their order.
func longest(phases []Phase) []Phase {
	if len(phases) <= maxPhases {
		return phases
	}
	byLength := func(a, b Phase) int { return cmp.Compare(a.End-a.Begin, b.End-b.Begin) }
	least := slices.SortedFunc(slices.Values(phases), byLength)[len(phases)-maxPhases]
	return slices.DeleteFunc(slices.Clone(phases), func(p Phase) bool { return byLength(p, least) < 0 })[:maxPhases]
}

// sinceStart writes a time of the run as a date.
func sinceStart(d time.Duration) string {
	return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(d).Format("2006-01-02 15:04:05.000")
}

// Took writes a duration for people: two units at most, in words.
func Took(d time.Duration) string {
	if d < 10*time.Second {
		tenths := int(d.Round(100*time.Millisecond) / (100 * time.Millisecond))
		if tenths%10 == 0 {
			return plain.Plural(tenths/10, "second")
		}
		return fmt.Sprintf("%d.%d seconds", tenths/10, tenths%10)
	}
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return plain.Plural(int(d.Seconds()), "second")
	case d < time.Hour:
		return units(int(d.Seconds()), 60, "minute", "second")
	case d < 48*time.Hour:
		return units(int(d.Minutes()), 60, "hour", "minute")
	}
	return units(int(d.Hours()), 24, "day", "hour")
}

// units writes a number of small units as large and small ones.
func units(n, each int, large, small string) string {
	if n%each == 0 {
		return plain.Plural(n/each, large)
	}
	return plain.Plural(n/each, large) + " " + plain.Plural(n%each, small)
}

// ago is plain.Span for what may be years ago, and is a minute ago at least.
func ago(d time.Duration) string {
	if days := int(d.Hours() / 24); days > 2*365 {
		return plain.Plural(days/365, "year")
	}
	return plain.Span(max(d, time.Minute))
}

// A bin is a bar of a chart.
type bin struct {
	label string
	count int
}

// A grain is how finely releases are counted.
type grain struct {
	name   string
	layout string                     // of a bar's label
	number func(t time.Time) int      // of the bar to which a time belongs; they have no gap
	start  func(number int) time.Time // of a bar
}

// grains are from the finest on.
var grains = []grain{
	{"hour", "Jan 2 15:04", func(t time.Time) int { return int(t.Unix() / 3600) }, func(n int) time.Time { return time.Unix(int64(n)*3600, 0) }},
	{"day", time.DateOnly, func(t time.Time) int { return int(t.Unix() / 86400) }, func(n int) time.Time { return time.Unix(int64(n)*86400, 0) }},
	{"month", "2006-01", func(t time.Time) int { return t.Year()*12 + int(t.Month()) }, func(n int) time.Time { return time.Date(0, time.Month(n), 1, 0, 0, 0, 0, time.UTC) }},
	{"year", "2006", time.Time.Year, func(n int) time.Time { return time.Date(n, 1, 1, 0, 0, 0, 0, time.UTC) }},
}

// maxBins is how many bars a chart has at most, but for that of years, which may have
// twice as many.
const maxBins = 31

// bins counts the releases by the finest grain that makes few enough bars.
func bins(releases []Release) (by string, out []bin) {
	var times []time.Time
	for _, r := range releases {
		if !r.Time.IsZero() {
			times = append(times, r.Time.UTC())
		}
	}
	if len(times) == 0 {
		return "", nil
	}
	first, last := slices.MinFunc(times, time.Time.Compare), slices.MaxFunc(times, time.Time.Compare)
	g := grains[len(grains)-1]
	if i := slices.IndexFunc(grains, func(g grain) bool { return g.number(last)-g.number(first) < maxBins }); i >= 0 {
		g = grains[i]
	}
	from := max(g.number(first), g.number(last)-2*maxBins+1)
	for n := from; n <= g.number(last); n++ {
		out = append(out, bin{label: g.start(n).UTC().Format(g.layout)})
	}
	for _, t := range times {
		if n := g.number(t) - from; n >= 0 {
			out[n].count++
		}
	}
	return g.name, out
}

// histogram draws when the new releases came to the index; nothing if that is
// one bar, or if there are few.
func (r *Run) histogram() string {
	if len(r.New) < chartFrom {
		return ""
	}
	by, bars := bins(r.New)
	if len(bars) < 2 {
		return ""
	}
	var labels, counts []string
	most := 1
	for _, b := range bars {
		// The number stands with the bar: an axis of numbers would have
		// marks between whole ones, and shift the bars, so that none looks
		// like some.
		labels = append(labels, fmt.Sprintf("\"%s: %s\"", b.label, plain.Count(b.count)))
		counts = append(counts, number(b.count))
		most = max(most, b.count)
	}
	return fence(fmt.Sprintf(`---
config:
  xyChart:
    width: 800
    height: %d
    yAxis: {showLabel: false, showTick: false, showAxisLine: false, showTitle: false}
  themeVariables:
    xyChart:
      backgroundColor: "transparent"
      plotColorPalette: "#8a63d2"
---
xychart-beta horizontal
  title "New releases by %s (UTC)"
  x-axis [%s]
  y-axis 0 --> %d
  bar [%s]
`, 70+20*len(bars), by, strings.Join(labels, ", "), most, strings.Join(counts, ", ")))
}
