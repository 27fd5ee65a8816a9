package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A row is what was measured, and with which destinations or by whom.
type row struct{ step, to string }

// results are the measurements by row and size, each as often as it was made.
type results struct {
	rows  []row // in order
	costs map[row]map[int][]cost
}

func newResults() *results { return &results{costs: map[row]map[int][]cost{}} }

// add notes a measurement.
func (r *results) add(step, to string, percent int, c cost) {
	at := row{step, to}
	if r.costs[at] == nil {
		r.costs[at] = map[int][]cost{}
		r.rows = append(r.rows, at)
	}
	r.costs[at][percent] = append(r.costs[at][percent], c)
}

// sorted returns the rows with those of one step together.
func (r *results) sorted() []row {
	first := map[string]int{}
	for i, at := range r.rows {
		if _, seen := first[at.step]; !seen {
			first[at.step] = i
		}
	}
	rows := slices.Clone(r.rows)
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(first[a.step], first[b.step]) })
	return rows
}

// middle returns the measurement of a row that took the median time, with the
// highest memory and disk of any. It is false if there is none.
func (r *results) middle(at row, percent int) (cost, bool) {
	costs := slices.Clone(r.costs[at][percent])
	if len(costs) == 0 {
		return cost{}, false
	}
	slices.SortFunc(costs, func(a, b cost) int { return cmp.Compare(a.wall, b.wall) })
	c := costs[(len(costs)-1)/2]
	for _, other := range costs {
		c.own, c.children, c.disk = max(c.own, other.own), max(c.children, other.children), max(c.disk, other.disk)
	}
	return c, true
}

// peak returns the most memory that a run of ours used at a size, and in which.
func (r *results) peak() (int64, row) {
	var peak int64
	var where row
	for at, sizes := range r.costs {
		for _, costs := range sizes {
			for _, c := range costs {
				if c.own > peak {
					peak, where = c.own, at
				}
			}
		}
	}
	return peak, where
}

// cell is a measurement in the first table: wall and CPU seconds, and memory.
func (c cost) cell() string {
	text := fmt.Sprintf("%s / %s", shortSeconds(c.wall), shortSeconds(c.cpu))
	if c.own > 0 {
		return text + fmt.Sprintf(" / %s + %s", megabytes(c.own), megabytes(c.children))
	}
	return text + fmt.Sprintf(" / %s", megabytes(c.children))
}

// shortSeconds writes a time with no more digits than mean something.
func shortSeconds(d time.Duration) string {
	switch s := d.Seconds(); {
	case s >= 100:
		return fmt.Sprintf("%.0f", s)
	case s >= 10:
		return fmt.Sprintf("%.1f", s)
	default:
		return fmt.Sprintf("%.2f", s)
	}
}

func megabytes(n int64) string { return fmt.Sprintf("%.0f", float64(n)/(1<<20)) }

// bytesOf writes a number of bytes for people.
func bytesOf(n int64) string {
	switch {
	case n >= 10_000_000:
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	case n >= 1_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1000:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}

// String writes counts by kind, the kinds sorted.
func (t traffic) String() string {
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(t)) {
		kinds = append(kinds, fmt.Sprintf("%s %s: %s", thousands(t[kind].requests), kind, bytesOf(t[kind].bytes)))
	}
	return strings.Join(kinds, ", ")
}
