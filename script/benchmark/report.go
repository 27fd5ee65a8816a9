package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A report is what was measured, and how it stands with the targets.
type report struct {
	settings
	names   []string // in order
	samples map[string][]sample
	targets []target
}

// A target is a promise and what became of it; without a want it is only told.
type target struct {
	name, want, got string
	met             bool
}

// maxMemory is what sync may use, in bytes.
const maxMemory = 300 << 20

// judge holds the measurements against the targets.
func (r *report) judge() {
	add := func(name, want, got string, met bool) {
		r.targets = append(r.targets, target{name, want, got, met})
	}
	// Download, checks and digests are to cost no more than the uploader's own
	// ways.
	ratio := r.ratio(nameSync, nameAll)
	add("sync / upload of all that it puts alone", "at most 1.0", fmt.Sprintf("%.2f", ratio), ratio <= 1)
	r.compare("sync / upload of the tarballs alone", r.ratio(nameSync, nameUpload))
	ratio = r.ratio(nameThree, nameSync)
	add("three buckets / one", "at most 1.6", fmt.Sprintf("%.2f", ratio), ratio <= 1.6)
	ratio = r.ratio(nameSingle, nameMany)
	add(fmt.Sprintf("20 ms away: one download at a time / %d", many), "at least 10.0", fmt.Sprintf("%.2f", ratio), ratio >= 10)
	r.compare("20 ms away: one download at a time / 10", r.ratio(nameSingle, nameUsual))
	add("downloads of each tarball, also for three buckets", "1", "1", true) // a run with others is an error
	peak := r.peak()
	add("peak memory of sync, MB", "below 300", fmt.Sprintf("%.0f", float64(peak)/(1<<20)), peak < maxMemory)
}

// compare adds a ratio that has no target.
func (r *report) compare(name string, ratio float64) {
	r.targets = append(r.targets, target{name, "", fmt.Sprintf("%.2f", ratio), true})
}

// peak returns the most memory that any sync used, in bytes.
func (r *report) peak() int64 {
	var peak int64
	for name, samples := range r.samples {
		for _, s := range samples {
			if name != nameUpload && name != nameAll {
				peak = max(peak, s.peak)
			}
		}
	}
	return peak
}

// missed counts the targets that were missed.
func (r *report) missed() int { return missed(r.targets) }

func missed(targets []target) int {
	n := 0
	for _, t := range targets {
		if !t.met {
			n++
		}
	}
	return n
}

// ratio returns the median of the rounds' ratios of wall time.
func (r *report) ratio(above, below string) float64 {
	var ratios []float64
	for i, s := range r.samples[above] {
		ratios = append(ratios, s.wall.Seconds()/r.samples[below][i].wall.Seconds())
	}
	return median(ratios)
}

// median returns the middle of some numbers.
func median(numbers []float64) float64 {
	sorted := slices.Sorted(slices.Values(numbers))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// markdown returns the report for people.
func (r *report) markdown() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s, %s, %d rounds in turns. %s tarballs of %s bytes near by, %s of an upstream that answers after 20 ms, versitygw as S3 with its files below %s, all on loopback and on the same cores.\n\n",
		time.Now().UTC().Format(time.DateOnly), machine(), r.rounds, thousands(r.releases), thousands(r.size), thousands(r.late), filepath.Clean(os.TempDir()))
	out.WriteString("| measured | median | each round | its CPU | the server's CPU | its memory |\n|---|---|---|---|---|---|\n")
	for _, name := range r.names {
		r.row(&out, name, r.samples[name])
	}
	writeTargets(&out, r.targets)
	return out.String()
}

// writeTargets writes a table of targets.
func writeTargets(out *strings.Builder, targets []target) {
	out.WriteString("\n| target | wanted | got | |\n|---|---|---|---|\n")
	for _, t := range targets {
		verdict := "met"
		switch {
		case t.want == "":
			verdict = ""
		case !t.met:
			verdict = "**missed**"
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", t.name, t.want, t.got, verdict)
	}
}

// row writes the line of one measurement.
func (r *report) row(out *strings.Builder, name string, samples []sample) {
	var walls, cpus, servers []float64
	var each []string
	var peak int64
	for _, s := range samples {
		walls = append(walls, s.wall.Seconds())
		cpus, servers = append(cpus, s.cpu.Seconds()), append(servers, s.server.Seconds())
		each = append(each, fmt.Sprintf("%.2f", s.wall.Seconds()))
		peak = max(peak, s.peak)
	}
	fmt.Fprintf(out, "| %s | %.2f s | %s | %.2f s | %.2f s | %.0f MB |\n", name,
		median(walls), strings.Join(each, ", "), median(cpus), median(servers), float64(peak)/(1<<20))
}

// thousands writes a number with its thousands apart.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// writeInto puts the report between its markers in a file.
func (r *report) writeInto(name string) error { return writePart(name, mirrorPart, r.markdown()) }

// mirrorPart is the part of a file that is this report's.
const mirrorPart = "mirror"

// writePart puts a text between the markers of a part of a file, and leaves the
// other parts as they are.
func writePart(name, part, text string) error {
	raw, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	begin, end := "<!-- bench "+part+" -->\n", "<!-- /bench "+part+" -->"
	before, rest, begins := bytes.Cut(raw, []byte(begin))
	_, after, ends := bytes.Cut(rest, []byte(end))
	if !begins || !ends {
		return fmt.Errorf("write the table into %q: it lacks the markers %q and %q", name, begin, end)
	}
	return os.WriteFile(name, slices.Concat(before, []byte(begin), []byte(text), []byte(end), after), 0o644)
}
