package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// A scaleReport is what was measured at several sizes, and how it stands with
// the targets.
type scaleReport struct {
	head    string
	sizes   []int
	bases   map[int]int // entries by percent
	results *results
	targets []target
	notes   []string
}

// report returns what was measured.
func (b *scaleBench) report() *scaleReport {
	r := &scaleReport{sizes: b.sizes, bases: map[int]int{}, results: b.results, notes: b.notes}
	for _, percent := range b.sizes {
		r.bases[percent] = b.base(percent)
	}
	r.head = fmt.Sprintf("%s, %s. Everything is on loopback and shares these cores; repositories are paths, temporary files lie below %s, the page cache is warm. Rounds in turns: %d, of which the median counts; what takes long was measured once. It took %.0f minutes in all%s.",
		time.Now().UTC().Format(time.DateOnly), machine(), filepath.Dir(b.dir), b.rounds, time.Since(b.begun).Minutes(), b.load)
	r.targets = r.judge()
	return r
}

// markdown returns the report for people.
func (r *scaleReport) markdown() string {
	var out strings.Builder
	out.WriteString(r.head + "\n")
	writeTargets(&out, r.targets)
	r.writeTimes(&out)
	r.writeTraffic(&out)
	if len(r.notes) > 0 {
		out.WriteString("\n" + strings.Join(r.notes, "\n") + "\n")
	}
	return out.String()
}

// writeTimes writes the table of time and memory, where each size has a column.
func (r *scaleReport) writeTimes(out *strings.Builder) {
	out.WriteString("\nSeconds of wall time / of CPU, with git's / peak memory in MB: ours + that of the largest git below us, or that of the program alone.\n\n| what | to, or by |")
	for _, percent := range r.sizes {
		fmt.Fprintf(out, " %d %% (%s entries) |", percent, thousands(r.bases[percent]))
	}
	out.WriteString("\n|---|---|" + strings.Repeat("---|", len(r.sizes)) + "\n")
	for _, at := range r.results.sorted() {
		fmt.Fprintf(out, "| %s | %s |", at.step, at.to)
		for _, percent := range r.sizes {
			cell := ""
			if c, ok := r.results.middle(at, percent); ok {
				cell = c.cell()
			}
			fmt.Fprintf(out, " %s |", cell)
		}
		out.WriteString("\n")
	}
}

// writeTraffic writes the table of what our runs moved, at the smallest and the
// largest size.
func (r *scaleReport) writeTraffic(out *strings.Builder) {
	out.WriteString("\nWhat it moved: requests and bytes by kind; git's as packs, from and to the remotes; disk is the most that the temporary folder held.\n\n| what | to | at | upstream | S3 | git from / to | disk |\n|---|---|---|---|---|---|---|\n")
	sizes := r.sizes
	if len(sizes) > 2 {
		sizes = []int{sizes[0], sizes[len(sizes)-1]}
	}
	for _, at := range r.results.sorted() {
		for _, percent := range sizes {
			c, ok := r.results.middle(at, percent)
			if !ok || c.upstream == nil {
				continue
			}
			s3 := ""
			if at.to == toS3 {
				s3 = c.s3.String()
			}
			fmt.Fprintf(out, "| %s | %s | %d %% | %s | %s | %s / %s | %s |\n",
				at.step, at.to, percent, c.upstream, s3, bytesOf(c.fetched), bytesOf(c.pushed), bytesOf(c.disk))
		}
	}
}
