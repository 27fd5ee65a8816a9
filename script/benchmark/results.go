package main

import (
	"slices"
	"time"
)

// A row is a scenario in a destination.
type row struct{ what, to string }

// A cell is a row as one program does it at a distance.
type cell struct {
	row
	by  string
	rtt time.Duration
}

// results are what was measured: a sample of each round.
type results struct {
	bench
	far     time.Duration // the longest of its distances
	first   int           // releases of Hackage at first
	samples map[cell][]sample
}

// cell returns that of a row at the far end, of the present program or by hand.
func (r *results) cell(of row) cell {
	if c := (cell{of, byHand, r.far}); r.samples[c] != nil {
		return c
	}
	return cell{of, now, r.far}
}

// A value is a number out of a sample.
type value func(sample) float64

func wall(s sample) float64           { return s.Wall.Seconds() }
func cpu(s sample) float64            { return s.CPU.Seconds() }
func memory(s sample) float64         { return float64(s.Peak) / 1e6 }
func megabytes(s sample) float64      { return float64(s.Bytes) / 1e6 }
func gitConnections(s sample) float64 { return float64(s.Connections[2]) }

// A target is a promise: a number that is to be at most so large. It is not judged
// when what it is of was not measured.
type target struct {
	name string
	most float64
	got  func(*results) (float64, bool)
}

// median is that of a cell's rounds.
func (r *results) median(c cell, v value) (float64, bool) {
	var all []float64
	for _, s := range r.samples[c] {
		all = append(all, v(s))
	}
	return middle(all)
}

// rounds is how many times the distance that a cell's runs take longer than near by.
func (r *results) rounds(c cell) (float64, bool) {
	near, ok := r.median(cell{c.row, c.by, r.rtts[0]}, wall)
	far, _ := r.median(c, wall)
	return (far - near) / r.far.Seconds(), ok
}

// middle is the median of some numbers, which it sorts, and whether there are any.
func middle(numbers []float64) (float64, bool) {
	n := len(numbers)
	if n == 0 {
		return 0, false
	}
	slices.Sort(numbers)
	return (numbers[(n-1)/2] + numbers[n/2]) / 2, true
}

// most is the largest number of all rounds and distances of rows; what the row leaves
// empty may be anything.
func most(of row, v value) func(*results) (largest float64, ok bool) {
	return func(r *results) (largest float64, ok bool) {
		for c, samples := range r.samples {
			if c.by != now || of.what != "" && c.what != of.what || of.to != "" && c.to != of.to {
				continue
			}
			for _, s := range samples {
				largest, ok = max(largest, v(s)), true
			}
		}
		return largest, ok
	}
}

// ratio is the median of the rounds' ratios, at the far end.
func ratio(v value, above row, below ...row) func(*results) (float64, bool) {
	return func(r *results) (float64, bool) {
		var all []float64
		for round, s := range r.samples[r.cell(above)] {
			sum := 0.0
			for _, of := range below {
				samples := r.samples[r.cell(of)]
				if round >= len(samples) {
					return 0, false
				}
				sum += v(samples[round])
			}
			if sum > 0 {
				all = append(all, v(s)/sum)
			}
		}
		return middle(all)
	}
}

// compared is a row's ratio between the present program and the one before, each in the
// round where the value was least: what else a machine does only adds to it.
func (r *results) compared(of row, v value) (ratio, old float64, ok bool) {
	least := map[string]float64{}
	for _, by := range []string{before, now} {
		for i, s := range r.samples[cell{of, by, r.far}] {
			if got := v(s); i == 0 || got < least[by] {
				least[by] = got
			}
		}
	}
	return least[now] / least[before], least[before], least[before] > 0
}

// slowest is the largest ratio of all rows. Times below a tenth of a second say nothing.
func slowest(v value) func(*results) (largest float64, ok bool) {
	return func(r *results) (largest float64, ok bool) {
		for c := range r.samples {
			if got, old, known := r.compared(c.row, v); known && old > 0.1 {
				largest, ok = max(largest, got), true
			}
		}
		return largest, ok
	}
}
