package report

import (
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
	format, end := "%M:%S", time.Duration(0)
	phases := longest(r.Phases)
	for _, p := range phases {
		end = max(end, p.End)
	}
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
	lengths := make([]time.Duration, len(phases))
	for i, p := range phases {
		lengths[i] = p.End - p.Begin
	}
	slices.Sort(lengths)
	least := lengths[len(lengths)-maxPhases]
	var out []Phase
	for _, p := range phases {
		if p.End-p.Begin >= least && len(out) < maxPhases {
			out = append(out, p)
		}
	}
	return out
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

// ago is Took with one unit, as one says how long ago something was.
func ago(d time.Duration) string {
	switch d = max(d, time.Minute); {
	case d < 2*time.Hour:
		return plain.Plural(int(d.Minutes()), "minute")
	case d < 48*time.Hour:
		return plain.Plural(int(d.Hours()), "hour")
	}
	days := int(d.Hours() / 24)
	if days > 2*365 {
		return plain.Plural(days/365, "year")
	}
	return plain.Plural(days, "day")
}

// A bin is a bar of a chart.
type bin struct {
	label string
	count int
}

// A grain is how finely releases are counted.
type grain struct {
	name  string
	begin string // a layout for time that has no more than tells one bar from another
	label string // another one
	next  func(begin time.Time) time.Time
}

// grains are from the finest on.
var grains = []grain{
	{"hour", "2006-01-02 15", "Jan 2 15:04", func(t time.Time) time.Time { return t.Add(time.Hour) }},
	{"day", time.DateOnly, time.DateOnly, func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	{"month", "2006-01", "2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{"year", "2006", "2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
}

// maxBins is how many bars a chart has at most, but for that of years.
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
	slices.SortFunc(times, time.Time.Compare)
	for _, g := range grains {
		if out = g.count(times); len(out) <= maxBins {
			return g.name, out
		}
	}
	return "year", out[max(0, len(out)-2*maxBins):]
}

// count sorts times, in order, into bins without a gap. It stops when there are
// far too many.
func (g grain) count(times []time.Time) []bin {
	var out []bin
	i, last := 0, times[len(times)-1]
	begin, err := time.Parse(g.begin, times[0].Format(g.begin))
	if err != nil {
		panic("report: a layout does not read what it wrote: " + err.Error())
	}
	for ; !begin.After(last) && len(out) <= 100*maxBins; begin = g.next(begin) {
		b := bin{label: begin.Format(g.label)}
		for end := g.next(begin); i < len(times) && times[i].Before(end); i++ {
			b.count++
		}
		out = append(out, b)
	}
	return out
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
