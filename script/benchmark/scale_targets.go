package main

import (
	"fmt"
	"slices"
)

// The targets, as the project's plan names them.
const (
	wantNothing  = 0.3 // seconds
	wantFew      = 1.0
	wantFewAll   = 2.0
	wantMoved    = 3_000_000
	wantDisk     = 20_000_000
	wantSmall    = 0.5 // of the time at full size
	wantSnapshot = 1.3 // of raw fast-import's
	wantDaily    = 1.5
	wantRead     = 2.0 // of unpacking and hashing
	wantMemory   = 150 << 20
	wantTwice    = 2.0 // of the new bytes
	spare        = 1 << 20
)

// judge holds what was measured at the largest size against the targets. What
// was not measured is left out.
func (r *scaleReport) judge() []target {
	out := slices.Concat(r.nothing(), r.few(), r.small(), r.imports(), r.clones())
	peak, where := r.results.peak()
	if peak == 0 {
		return out
	}
	return append(out, target{
		"peak memory of our process, any run", "below 150 MB",
		fmt.Sprintf("%s MB (%s, %s)", megabytes(peak), where.step, where.to), peak < wantMemory,
	})
}

// at returns a measurement at the largest size.
func (r *scaleReport) at(step, to string) (cost, bool) {
	return r.results.middle(row{step, to}, r.sizes[len(r.sizes)-1])
}

// nothing judges runs that find nothing new.
func (r *scaleReport) nothing() []target {
	var out []target
	for _, to := range []string{toFolder, toS3} {
		c, ok := r.at(whatNothing, to)
		if !ok {
			continue
		}
		asked, writes := c.upstream.total().requests, c.moved
		for method, n := range c.s3 {
			if method != "GET" && method != "HEAD" {
				writes += n.requests
			}
		}
		out = append(out, target{
			"nothing new, " + to, "below 0.3 s, 1 request upstream, 0 writes",
			fmt.Sprintf("%s s, %d, %d", shortSeconds(c.wall), asked, writes),
			c.wall.Seconds() < wantNothing && asked == 1 && writes == 0,
		})
	}
	return out
}

// few judges runs that find 50 new entries.
func (r *scaleReport) few() []target {
	var out []target
	if c, ok := r.at(whatFew, toFiles); ok {
		out = append(out, target{
			"+50 entries, files only", "at most 1.0 s, 3 MB moved, 20 MB of disk",
			fmt.Sprintf("%s s, %s, %s", shortSeconds(c.wall), bytesOf(c.bytes()), bytesOf(c.disk)),
			c.wall.Seconds() <= wantFew && c.bytes() <= wantMoved && c.disk <= wantDisk,
		})
		if old, ok := r.at(whatFew, byScript); ok {
			out = append(out, target{name: "the old update.sh / ours, +50 entries, files only", got: ratio(old, c), met: true})
		}
	}
	for _, to := range []string{toFolder, toS3} {
		if c, ok := r.at(whatFew, to); ok {
			out = append(out, target{"+50 entries, " + to, "at most 2.0 s", shortSeconds(c.wall) + " s", c.wall.Seconds() <= wantFewAll})
		}
	}
	if c, ok := r.at(whatFew, toS3); ok {
		moved, fresh := c.upstream.total().bytes+c.s3.total().bytes, c.fresh
		out = append(out, target{
			"bytes from upstream and to and from S3, +50 entries", "at most twice the new ones and 1 MB",
			fmt.Sprintf("%s of %s new", bytesOf(moved), bytesOf(fresh)), float64(moved) <= wantTwice*float64(fresh)+spare,
		})
	}
	return out
}

// small judges how cost follows size.
func (r *scaleReport) small() []target {
	var out []target
	if len(r.sizes) < 2 {
		return nil
	}
	for _, to := range []string{toFiles, toFolder, toS3} {
		large, ok := r.at(whatFew, to)
		small, also := r.results.middle(row{whatFew, to}, r.sizes[0])
		if ok && also {
			got := small.wall.Seconds() / large.wall.Seconds()
			out = append(out, target{
				fmt.Sprintf("+50 entries, %s: at %d %% / at %d %%", to, r.sizes[0], r.sizes[len(r.sizes)-1]),
				"at least 0.5", fmt.Sprintf("%.2f", got), got >= wantSmall,
			})
		}
	}
	return out
}

// imports judges first imports and full reads.
func (r *scaleReport) imports() []target {
	var out []target
	for _, t := range []struct {
		name         string
		above, below row
		want         float64
	}{
		{"first import, files, `snapshot` / raw fast-import", row{whatSnapshot, toFiles}, row{whatSnapshot, byRaw}, wantSnapshot},
		{"first import, files, `daily`, all signed / raw fast-import", row{whatDaily, toFiles}, row{whatDaily, byRaw}, wantDaily},
		{"the old update.sh / ours, first import, files", row{whatSnapshot, byScript}, row{whatSnapshot, toFiles}, 0},
		{"full read and parse / gunzip and SHA-256", row{whatScan, byReader}, row{whatBare, byReader}, wantRead},
		{"the same as a run, which also downloads and keeps it, / gunzip and SHA-256", row{whatDryRun, byNobody}, row{whatBare, byReader}, wantRead},
	} {
		above, ok := r.at(t.above.step, t.above.to)
		below, also := r.at(t.below.step, t.below.to)
		if !ok || !also {
			continue
		}
		got := target{name: t.name, got: ratio(above, below), met: true}
		if t.want > 0 {
			got.want = fmt.Sprintf("at most %.1f", t.want)
			got.met = above.wall.Seconds() <= t.want*below.wall.Seconds()
		}
		out = append(out, got)
	}
	return out
}

// ratio writes how often the time of one goes into that of another.
func ratio(above, below cost) string {
	return fmt.Sprintf("%.2f (%s s / %s s; of CPU %.2f)", above.wall.Seconds()/below.wall.Seconds(),
		shortSeconds(above.wall), shortSeconds(below.wall), above.cpu.Seconds()/below.cpu.Seconds())
}
