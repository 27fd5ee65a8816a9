// Freshness plays a year of uploads against each pace of a mirror, and prints how
// long readers wait for an upload: for the middle one, and for one of a hundred.
//
//	go run ./script/freshness                       # a year in the shape of Hackage's
//	go run ./script/freshness --index 01-index.tar  # the last year of an index
//
// Hours.txt says how often something came to Hackage from October 2021 to October
// 2024, by hour (UTC) from Monday on. What came at one moment counts once.
package main

import (
	"archive/tar"
	_ "embed"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"
)

//go:embed hours.txt
var hours string

// The uploads of a year, and how long it takes until a run has done its work.
const year, perYear, startup = 365 * 24 * time.Hour, 6000, 20 * time.Second

// A cron is how GitHub treats an hourly schedule.
type cron struct {
	name    string
	dropped float64       // share of runs that never start
	delay   time.Duration // of the others at most
}

// starts are the moments at which GitHub starts the runs of a year.
func (c cron) starts(rng *rand.Rand) (all []time.Duration) {
	for at := time.Duration(0); at < year; at += time.Hour {
		if rng.Float64() >= c.dropped {
			all = append(all, at+time.Duration(rng.Int64N(int64(c.delay))))
		}
	}
	slices.Sort(all)
	return all
}

// outside are the starts of a scheduler elsewhere.
func outside(every time.Duration) (all []time.Duration) {
	for at := time.Duration(0); at < year+every; at += every {
		all = append(all, at)
	}
	return all
}

// watch are the moments at which runs that stay look at upstream, each minute. One
// that starts meanwhile begins when that one ends, if none waits yet.
func watch(starts []time.Duration, stay time.Duration) (all []time.Duration) {
	free := time.Duration(0)
	for _, start := range starts {
		if start < free-stay {
			continue
		}
		start = max(start, free)
		for free = start; free < start+stay; free += time.Minute {
			all = append(all, free)
		}
	}
	return all
}

// chain are its starts: one per timer, or per two when nothing came for six hours.
func chain(timer time.Duration, uploads []time.Duration) (all []time.Duration) {
	for at := time.Duration(0); at < year+2*timer; at += timer + startup {
		all = append(all, at)
		if next, _ := slices.BinarySearch(uploads, at); next > 0 && at-uploads[next-1] > 6*time.Hour {
			at += timer + startup
		}
	}
	return all
}

// waits says how long readers wait, in minutes. Uploads after the last run of the year
// wait for one a day after it.
func waits(uploads, starts []time.Duration) string {
	var all []time.Duration
	starts = append(starts, year+24*time.Hour) // one comes at last
	for _, upload := range uploads {
		if i, _ := slices.BinarySearch(starts, upload); i < len(starts) {
			all = append(all, starts[i]+startup-upload)
		}
	}
	slices.Sort(all)
	return fmt.Sprintf("%.1f / %.1f", all[len(all)/2].Minutes(), all[len(all)*99/100].Minutes())
}

// shaped makes a year of uploads in the shape of Hackage's hours.
func shaped(rng *rand.Rand) (uploads []time.Duration) {
	var week []int // each hour of a week as often as it had uploads
	for i, text := range strings.Fields(hours) {
		var count int
		_, _ = fmt.Sscan(text, &count) // the file is part of the program
		week = append(week, slices.Repeat([]int{i}, count)...)
	}
	for range perYear {
		hour := time.Duration(rng.IntN(52)*7*24 + week[rng.IntN(len(week))])
		uploads = append(uploads, hour*time.Hour+time.Duration(rng.Int64N(int64(time.Hour))))
	}
	return uploads
}

// indexed reads when the .cabal files of an index's last year came.
func indexed(name string) (uploads []time.Duration, err error) {
	f, err := os.Open(name)
	r := tar.NewReader(f)
	for h, e := r.Next(); e == nil; h, e = r.Next() { // the rest of a cut index is nobody's loss here
		if strings.HasSuffix(h.Name, ".cabal") {
			uploads = append(uploads, time.Duration(h.ModTime.UnixNano()))
		}
	}
	newest := slices.Max(append(uploads, 0))
	for i := range uploads {
		uploads[i] += year - newest
	}
	return slices.DeleteFunc(uploads, func(at time.Duration) bool { return at < 0 }), err
}

func main() {
	index := flag.String("index", "", "the `file` 01-index.tar, for its last year")
	flag.Parse()
	rng := rand.New(rand.NewPCG(1, 0)) // the same year each time
	uploads, err := shaped(rng), error(nil)
	if *index != "" {
		uploads, err = indexed(*index)
	}
	slices.Sort(uploads)
	if uploads = slices.Compact(uploads); err == nil && len(uploads) < 100 {
		err = fmt.Errorf("%q has %d uploads in its last year, and 100 are the least: give it 01-index.tar, unpacked", *index, len(uploads))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "freshness:", err)
		os.Exit(1)
	}
	fmt.Printf("Minutes until readers have one of %d uploads, p50 / p99:\n\n", len(uploads))
	fmt.Print("| GitHub's cron | cron, hourly | `watch: 50m`, hourly | chain, 30 min | outside, each 5 min |\n|---|---|---|---|---|\n")
	for _, c := range []cron{{"as GitHub documents it", 0.05, 10 * time.Minute}, {"as measured in 2026", 0.67, 12 * time.Hour}} {
		starts := c.starts(rng)
		fmt.Printf("| %s | %s | %s | %s | %s |\n", c.name, waits(uploads, starts), waits(uploads, watch(starts, 50*time.Minute)),
			waits(uploads, chain(30*time.Minute, uploads)), waits(uploads, outside(5*time.Minute)))
	}
}
