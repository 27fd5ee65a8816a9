package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// costOf is a cost of so many milliseconds.
func costOf(wall int, own int64) cost {
	return cost{usage: usage{wall: time.Duration(wall) * time.Millisecond, cpu: 50 * time.Millisecond, own: own, children: 9 << 20}, upstream: traffic{}}
}

// testReport has one measurement of each kind, all of which meet the targets.
func testReport() *scaleReport {
	r := &scaleReport{sizes: []int{10, 100}, bases: map[int]int{10: 32740, 100: 321000}, results: newResults(), head: "a machine"}
	for _, percent := range r.sizes {
		nothing := costOf(200, 20<<20)
		nothing.upstream[kindMetadata] = count{1, 0}
		nothing.s3 = traffic{"GET": {1, 700}}
		r.results.add(whatNothing, toS3, percent, nothing)
		for _, wall := range []int{900, 100, 800} {
			few := costOf(wall, 30<<20)
			few.upstream = traffic{kindIndex: {1, 100_000}, kindTarballs: {20, 900_000}}
			few.fetched, few.pushed, few.disk, few.fresh = 700_000, 60_000, 2_000_000, 1_000_000
			r.results.add(whatFew, toFiles, percent, few)
			few.s3 = traffic{"PUT": {100, 1_100_000}}
			r.results.add(whatFew, toS3, percent, few)
		}
		r.results.add(whatSnapshot, byRaw, percent, cost{usage: usage{wall: 20 * time.Second, cpu: time.Second, children: 80 << 20}})
		r.results.add(whatSnapshot, toFiles, percent, costOf(24_000, 60<<20))
		r.results.add(whatScan, byReader, percent, costOf(3000, 0))
		r.results.add(whatBare, byReader, percent, costOf(2000, 0))
	}
	return r
}

func TestTargetsAreMet(t *testing.T) {
	t.Parallel()
	r := testReport()
	r.targets = r.judge()
	if n := missed(r.targets); n > 0 || len(r.targets) != 9 {
		t.Errorf("missed %d of %d: %+v", n, len(r.targets), r.targets)
	}
	said := r.markdown()
	for _, want := range []string{
		"a machine\n",
		"| +50 entries, files only | at most 1.0 s, 3 MB moved, 20 MB of disk | 0.80 s, 1.8 MB, 2.0 MB | met |\n",
		"| first import, files, `snapshot` / raw fast-import | at most 1.3 | 1.20 (24.0 s / 20.0 s; of CPU 0.05) | met |\n",
		"| peak memory of our process, any run | below 150 MB | 60 MB (first import, `snapshot`, files) | met |\n",
		"| what | to, or by | 10 % (32,740 entries) | 100 % (321,000 entries) |\n|---|---|---|---|\n",
		"| +50 entries | files | 0.80 / 0.05 / 30 + 9 | 0.80 / 0.05 / 30 + 9 |\n",
		"| first import, `snapshot` | raw `git fast-import` | 20.0 / 1.00 / 80 | 20.0 / 1.00 / 80 |\n",
		"| +50 entries | bucket (S3) + files + hashes | 100 % | 1 index: 100 kB, 20 tarballs: 900 kB | 100 PUT: 1.1 MB | 700 kB / 60 kB | 2.0 MB |\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in\n%s", want, said)
		}
	}
}

func TestTargetsAreMissed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(r *scaleReport){
		"a slow run": func(r *scaleReport) { r.results.costs[row{whatNothing, toS3}][100][0].wall = time.Second },
		"a second request": func(r *scaleReport) {
			r.results.costs[row{whatNothing, toS3}][100][0].upstream[kindIndex] = count{1, 1}
		},
		"a write":              func(r *scaleReport) { r.results.costs[row{whatNothing, toS3}][100][0].s3["PUT"] = count{1, 1} },
		"a ref that moved":     func(r *scaleReport) { r.results.costs[row{whatNothing, toS3}][100][0].moved = 1 },
		"much moved":           func(r *scaleReport) { r.results.costs[row{whatFew, toFiles}][100][2].fetched = 3_000_000 },
		"much disk":            func(r *scaleReport) { r.results.costs[row{whatFew, toFiles}][100][1].disk = 21_000_000 },
		"bytes twice":          func(r *scaleReport) { r.results.costs[row{whatFew, toS3}][100][2].s3["GET"] = count{1, 2_100_000} },
		"growth with the size": func(r *scaleReport) { r.results.costs[row{whatFew, toS3}][10][2].wall = 300 * time.Millisecond },
		"a slow import":        func(r *scaleReport) { r.results.costs[row{whatSnapshot, toFiles}][100][0].wall = 27 * time.Second },
		"a slow read":          func(r *scaleReport) { r.results.costs[row{whatScan, byReader}][100][0].wall = 5 * time.Second },
		"memory, at any size":  func(r *scaleReport) { r.results.costs[row{whatSnapshot, toFiles}][10][0].own = 151 << 20 },
	} {
		r := testReport()
		change(r)
		if n := missed(r.judge()); n != 1 {
			t.Errorf("%s: %d targets are missed: %+v", name, n, r.judge())
		}
	}
}

func TestWritePart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "BENCHMARKS.md")
	before := "head\n<!-- bench mirror -->\nold\n<!-- /bench mirror -->\nmiddle\n<!-- bench scale -->\n<!-- /bench scale -->\nend\n"
	if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first\n", "second\n"} {
		if err := writePart(path, scaleCommand, text); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Replace(before, "scale -->\n", "scale -->\n"+text, 1); string(raw) != want {
			t.Errorf("got %q, want %q", raw, want)
		}
	}
	if err := writePart(path, "other", "text"); err == nil {
		t.Error("a part without markers was written")
	}
}

// TestClonesAreJudged: by the bytes of clones, and not of archives.
func TestClonesAreJudged(t *testing.T) {
	t.Parallel()
	r := testReport()
	for i, taking := range takings() {
		r.results.add(taking.of(toFiles), byUs, 100, cost{fetched: int64(59_000_000 + i*10_000_000)})
		r.results.add(taking.of(toFiles), byRepack, 100, cost{fetched: 50_000_000})
	}
	got := r.clones()
	if len(got) != 2 || !got[0].met || got[1].met || got[0].got != "1.18 (59 MB / 50 MB)" {
		t.Errorf("got %+v", got)
	}
}
