package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// TestMain makes the test's program the parent of what is measured, as the bench is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == measureCommand {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestParse(t *testing.T) {
	t.Parallel()
	name, b, s, err := parse(strings.Fields("distance -mirror x --before y -versitygw z --rounds 2 --to S3|ssh"))
	if err != nil || name != "distance" || len(b.destinations) != 2 || s.rounds != 2 || s.releases != 100 ||
		!slices.Equal(s.programs, []program{{before, "y"}, {now, "x"}}) {
		t.Errorf("got %q, %+v, %+v, %v", name, b, s, err)
	}
	if _, _, s, err := parse(strings.Fields("clone -mirror x -versitygw z --index file")); err != nil || s.releases != 0 {
		t.Errorf("of an index: got %+v, %v", s, err)
	}
	for _, wrong := range []string{"", "fly", "mirror", "mirror -mirror x", "mirror -mirror x -versitygw y -rounds 0", "mirror -mirror x -versitygw y -to Mars", "mirror -mirror x -versitygw y more"} {
		if _, _, _, err := parse(strings.Fields(wrong)); err == nil {
			t.Errorf("%q was parsed", wrong)
		}
	}
}

// entries lists the paths and contents of an index but for package.json.
func entries(h *hackage) string {
	var all strings.Builder
	for _, e := range h.Generation().Entries() {
		if !strings.HasSuffix(e.Path, ".json") {
			fmt.Fprintf(&all, "%s %s %s\n", e.Path, e.Time, e.Content)
		}
	}
	return all.String()
}

// TestIndexIsReadAsItIs: however it is packed, the same changes come out of an index as
// were made up for it.
func TestIndexIsReadAsItIs(t *testing.T) {
	t.Parallel()
	h, err := newHackage(madeUp(200), 200)
	if err != nil {
		t.Fatal(err)
	}
	want, raw := entries(h), h.Generation().File("01-index.tar")
	var gz, zst bytes.Buffer
	z := gzip.NewWriter(&gz)
	s, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	for _, write := range []func() error{
		func() error { _, err := z.Write(raw); return err }, z.Close, func() error { _, err := s.Write(raw); return err }, s.Close,
	} {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(t.TempDir(), "index")
	for form, packed := range map[string][]byte{"plain": raw, "gzip": gz.Bytes(), "zstd": zst.Bytes()} {
		if err := os.WriteFile(name, packed, 0o600); err != nil {
			t.Fatal(err)
		}
		if h, err := newHackage(readIndex(name), 0); err != nil || h.releases != 200 || entries(h) != want {
			t.Errorf("%s: it is another index: %v", form, err)
		}
	}
	if h, err := newHackage(readIndex(name), 50); err != nil || h.releases != 50 {
		t.Errorf("its start: %v", err)
	}
	if _, err := newHackage(readIndex(name), 201); err == nil {
		t.Error("there were more releases than there are")
	}
	if err := os.WriteFile(name, raw[:len(raw)/2+7], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{name, name + ".no"} {
		if _, err := newHackage(readIndex(wrong), 0); err == nil {
			t.Errorf("%q was read", wrong)
		}
	}
}

// TestHackageHasItsShape: it is Hackage's, and the same each time.
func TestHackageHasItsShape(t *testing.T) {
	t.Parallel()
	const releases = 8000
	revisions, bytes := map[index.Release]int{}, 0
	packages := map[string]bool{}
	again, stop := iter.Pull2(madeUp(releases))
	defer stop()
	for c := range madeUp(releases) {
		if same, _, _ := again(); same.release != c.release || !same.time.Equal(c.time) || string(same.text) != string(c.text) {
			t.Fatalf("%s is another one the second time", c.release)
		}
		if c.release.Version != "" {
			packages[c.release.Package] = true
			bytes += len(c.text)
			revisions[c.release]++
		}
	}
	files := 0
	for _, n := range revisions {
		files += n
	}
	if len(revisions) != releases || len(packages) < 900 || len(packages) > 1200 || files < releases*5/4 || files > releases*4/3 ||
		bytes/files < 3000 || bytes/files > 4000 {
		t.Errorf("%d releases of %d packages, %d files of %d bytes", len(revisions), len(packages), files, bytes/files)
	}
}

// TestUpdatesAreEntries: two of each release, one of each revision, the same for each clone.
func TestUpdatesAreEntries(t *testing.T) {
	t.Parallel()
	h, err := newHackage(madeUp(1100), 1100)
	if err != nil {
		t.Fatal(err)
	}
	old, other := len(h.Generation().Entries()), h.clone()
	for _, c := range []*hackage{h.clone(), other} {
		c.update(0, 2)
		c.update(500, 4)
		if n := len(c.Generation().Entries()) - old; n != 1006 || entries(c) == entries(h) {
			t.Errorf("%d entries came", n)
		}
	}
	again := h.clone()
	again.update(0, 2)
	again.update(500, 4)
	if entries(again) != entries(other) || len(h.Generation().Entries()) != old {
		t.Error("clones differ, or are not clones")
	}
}

func TestExecute(t *testing.T) {
	t.Parallel()
	_, err := exec.LookPath("sh")
	required(t, err)
	s, err := execute(t.Context(), os.Environ(), []string{"sh", "-c", "echo something; sleep 0.2"})
	if err != nil || s.Wall < 200*time.Millisecond || s.Peak == 0 || s.Peak > 50<<20 {
		t.Errorf("got %+v, %v", s, err)
	}
	if _, err := execute(t.Context(), os.Environ(), []string{"sh", "-c", "echo why >&2; exit 3"}); err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := execute(ctx, os.Environ(), []string{"sleep", "60"}); err == nil {
		t.Error("a program that was ended ended well")
	}
}

// took is a sample of so many milliseconds.
func took(wall int) sample { return sample{Wall: time.Duration(wall) * time.Millisecond, Peak: 50e6} }

// measured are results that meet all targets of the distance, by two programs.
func measured() *results {
	r := &results{bench: distanceBench(), far: 100 * time.Millisecond, first: 1234, samples: map[cell][]sample{}}
	for _, d := range r.destinations {
		for _, s := range r.scenarios {
			for _, by := range []string{before, now, byHand} {
				if (by == byHand) != (s.command != "") {
					continue
				}
				for _, rtt := range r.rtts {
					wall := 500 + 2*int(rtt.Milliseconds())
					r.samples[cell{row{s.name, d.name}, by, rtt}] = []sample{took(wall + 200), took(wall), took(wall + 100)}
				}
			}
		}
	}
	return r
}

func TestTargets(t *testing.T) {
	t.Parallel()
	s := &settings{rounds: 3, programs: []program{{before, "y"}, {now, "x"}}}
	far := 100 * time.Millisecond
	for name, test := range map[string]struct {
		change func(r *results)
		missed int
	}{
		"all is well": {func(*results) {}, 0},
		"a slow run": {func(r *results) {
			r.samples[cell{row{nothingNew, "ssh"}, now, far}] = []sample{took(2000), took(1900), took(2000)}
		}, 2}, // as its target has it, and beside the program before
		"a second connection": {func(r *results) { r.samples[cell{row{firstFill, "ssh"}, now, 0}][0].Connections[2] = 2 }, 1},
		"more rounds": {func(r *results) {
			for _, by := range []string{before, now} {
				r.samples[cell{row{twoRevisions, "S3"}, by, far}] = []sample{took(1700)}
				r.samples[cell{row{nothingNew, "S3"}, by, far}] = []sample{took(950)}
			}
		}, 2},
		"more CPU": {func(r *results) {
			r.samples[cell{row{firstFill, "S3"}, before, far}] = []sample{{CPU: time.Second}}
			r.samples[cell{row{firstFill, "S3"}, now, far}] = []sample{{CPU: 1200 * time.Millisecond}}
		}, 1},
		"nothing by hand": {func(r *results) {
			for c := range r.samples {
				if c.by == byHand {
					delete(r.samples, c)
				}
			}
		}, 0},
	} {
		r := measured()
		test.change(r)
		if said, missed := r.markdown(s, r.targets); missed != test.missed {
			t.Errorf("%s: %d targets are missed:\n%s", name, missed, said)
		}
	}
	said, _ := measured().markdown(s, measured().targets)
	for _, want := range []string{
		"Hackage has 1,234 releases at first, made up. The median of 3 rounds",
		"| nothing new, over ssh / git ls-remote | at most 1.5 | 1.00 | met |\n",
		"| first fill | S3 | 0.60 s | 0.66 s | 0.80 s | 2.0 | 0, 0, 0 | 0.00 s | 50 MB | 0, 0, 0 | 0.00 MB | 1.00 |  | 1.00 |\n",
		"| git ls-remote of one repository | ssh | 0.60 s | 0.66 s | 0.80 s | 2.0 | 0, 0, 0 | 0.00 s | 50 MB | 0, 0, 0 | 0.00 MB |  |  |  |\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in\n%s", want, said)
		}
	}
}

// TestCommandsOfAMirror: none of S3 for a repository, none of repositories for a bucket.
func TestCommandsOfAMirror(t *testing.T) {
	t.Parallel()
	route, err := newRoute("http://127.0.0.1:1", &servers{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &settings{s5cmd: "s5cmd"}
	for _, test := range []struct {
		of    destination
		words [2]int // of the commands that upload, and that push
	}{
		{destination{bucket: "S3"}, [2]int{12, 0}},
		{destination{bucket: "S3", git: "ssh"}, [2]int{0, 6}},
		{destination{git: "path"}, [2]int{0, 6}},
		{destination{bucket: "folder"}, [2]int{}},
	} {
		m := &mirror{destination: test.of, route: route, servers: &servers{folder: "s3"}, dir: "/a b/m"}
		for i, command := range []string{s5cmdUpload, "git --git-dir={dir}/hand push --quiet {files} HEAD:refs/heads/hand"} {
			if got := m.words(s, command); len(got) != test.words[i] {
				t.Errorf("%+v: got %q", test.of, got)
			}
		}
	}
}

// TestBenchRuns measures two programs that do nothing.
func TestBenchRuns(t *testing.T) {
	t.Parallel()
	gateway, err := s3test.Build(t.Context())
	_, noShell := exec.LookPath("sh")
	_, noGit := exec.LookPath("git")
	required(t, errors.Join(err, noShell, noGit))
	s := &settings{versitygw: gateway, rounds: 2, releases: 20, programs: []program{{before, "true"}, {now, "true"}}}
	b := cloneBench()
	b.scenarios = append(b.scenarios[:1:1], scenario{name: byPush, perProgram: true, command: "git --git-dir={dir}/hand push --quiet {files} HEAD:refs/heads/hackage"}, b.scenarios[2])
	r, err := b.run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for c, samples := range r.samples {
		if len(samples) != 2 {
			t.Errorf("%+v was measured %d times", c, len(samples))
		}
		if cloned := c.what == full("files", "as pushed"); cloned && c.by == now && samples[0].Bytes == 0 {
			t.Error("a clone has no bytes")
		}
	}
	if len(r.samples) != 2*2*3 {
		t.Errorf("%d cells were measured", len(r.samples))
	}
}

func TestWritePart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "BENCHMARKS.md")
	old := "head\n<!-- bench mirror -->\nold\n<!-- /bench mirror -->\nmiddle\n<!-- bench clone -->\n<!-- /bench clone -->\nend\n"
	if err := os.WriteFile(path, []byte(old), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first\n", "second\n"} {
		if err := writePart(path, "clone", text); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if want := strings.Replace(old, "clone -->\n", "clone -->\n"+text, 1); err != nil || string(raw) != want {
			t.Errorf("got %q, %v, want %q", raw, err, want)
		}
	}
	if err := writePart(path, "other", "text"); err == nil {
		t.Error("a part without markers was written")
	}
}

func TestThousands(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{7: "7", 999: "999", 1000: "1,000", 1_234_567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: got %s", n, got)
		}
	}
}

// required ends a test without what it needs: as a failure where all of it has to be.
func required(t *testing.T, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip("not tested: ", err)
	}
}
