package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseScale(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	s, err := parseScale([]string{"-mirror", "x", "-quick", "-steps", "files,grow"}, none)
	if err != nil || !slices.Equal(s.sizes, []int{10}) || !slices.Equal(s.steps, []string{"files", "grow"}) || !filepath.IsAbs(s.data) {
		t.Errorf("got %+v, %v", s, err)
	}
	s, err = parseScale([]string{"-mirror", "x"}, func(string) string { return filepath.FromSlash("/elsewhere") })
	if err != nil || filepath.Base(s.data) != "elsewhere" || !slices.Equal(s.sizes, []int{10, 50, 100}) {
		t.Errorf("got %+v, %v", s, err)
	}
	for _, wrong := range []string{"", "-mirror x -sizes 50,10", "-mirror x -sizes 0", "-mirror x -sizes 101", "-mirror x -steps fly", "-mirror x -rounds 0", "-mirror x more"} {
		if _, err := parseScale(strings.Fields(wrong), none); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}

func TestWithoutData(t *testing.T) {
	t.Parallel()
	_, err := openCorpus(t.Context(), filepath.Join(t.TempDir(), "nowhere"), "full", t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "-data") {
		t.Errorf("got %v", err)
	}
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	keys, threshold, err := parseKeys("aa\nbb\nthreshold 2\n")
	if err != nil || !slices.Equal(keys, []string{"aa", "bb"}) || threshold != 2 {
		t.Errorf("got %q, %d, %v", keys, threshold, err)
	}
	for _, wrong := range []string{"", "aa\n", "aa\nthreshold 2\n", "aa\nthreshold x\n"} {
		if _, _, err := parseKeys(wrong); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}

func TestParseStats(t *testing.T) {
	t.Parallel()
	got, err := parseStats([]byte(`{"entries":3,"kinds":{"01-index.tar":{"requests":1,"bytes":10,"methods":{"GET":1}},
		"01-index.tar.gz":{"requests":2,"bytes":5},"timestamp.json":{"requests":1,"bytes":7},"root.json":{"requests":1,"bytes":2},
		"packages":{"requests":1,"bytes":2},"package":{"requests":1234,"bytes":3000000}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := "3 index: 15 B, 3 metadata: 11 B, 1,234 tarballs: 3.0 MB"; got.String() != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if total := got.total(); total != (count{1240, 3_000_026}) {
		t.Errorf("got %+v in all", total)
	}
	if _, err := parseStats([]byte("<html>")); err == nil {
		t.Error("no JSON was taken")
	}
}

func TestParseStatus(t *testing.T) {
	t.Parallel()
	name, peak := parseStatus("Name:\tgit\nUmask:\t0022\nVmPeak:\t  9000 kB\nVmHWM:\t    1536 kB\nVmRSS:\t 12 kB\n")
	if name != "git" || peak != 1536<<10 {
		t.Errorf("got %q, %d", name, peak)
	}
	if name, peak := parseStatus("Name:\tzombie\nState:\tZ (zombie)\n"); name != "zombie" || peak != 0 {
		t.Errorf("got %q, %d", name, peak)
	}
}

func TestTakePacked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "packed")
	if n, err := takePacked(path); n != 0 || err != nil {
		t.Errorf("without a file: got %d, %v", n, err)
	}
	if err := os.WriteFile(path, []byte("12\n30\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := takePacked(path); n != 42 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if n, err := takePacked(path); n != 0 || err != nil {
		t.Errorf("afterwards: got %d, %v", n, err)
	}
}

func TestNumbersForPeople(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		1234 * time.Millisecond: "1.23", 12_340 * time.Millisecond: "12.3", 123_400 * time.Millisecond: "123",
	} {
		if got := shortSeconds(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
	for n, want := range map[int64]string{999: "999 B", 1500: "2 kB", 1_240_000: "1.2 MB", 93_000_000: "93 MB"} {
		if got := bytesOf(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

// TestWatch looks at a program that holds some memory, writes and starts
// another one.
func TestWatch(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no shell: ", err)
	}
	dir := t.TempDir()
	script := `head -c 100000 /dev/zero >"$0/file"; sleep 0.3; rm "$0/file"; echo done`
	u, said, err := watch(t.Context(), job{program: "sh", arguments: []string{"-c", script, dir}, temporary: dir})
	if err != nil || said != "done\n" {
		t.Fatalf("got %q, %v", said, err)
	}
	if u.disk != 100_000 || u.wall < 300*time.Millisecond {
		t.Errorf("got %+v", u)
	}
	if own, _ := memoryOf(os.Getpid()); own > 0 && (u.own == 0 || u.children == 0) {
		t.Errorf("no memory was seen: %+v", u)
	}
	_, _, err = watch(t.Context(), job{program: "sh", arguments: []string{"-c", "echo why >&2; exit 3"}})
	if err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := watch(ctx, job{program: "sleep", arguments: []string{"60"}}); err == nil {
		t.Error("a program that was ended ended well")
	}
}

func TestWants(t *testing.T) {
	t.Parallel()
	b := &scaleBench{scaleSettings: scaleSettings{sizes: []int{10, 50, 100}, steps: []string{stepScript, stepGrow}}}
	for _, percent := range b.sizes {
		if b.wants(stepFiles, percent) || !b.wants(stepGrow, percent) || b.wants(stepScript, percent) != (percent != 50) {
			t.Errorf("wrong steps at %d %%", percent)
		}
	}
}
