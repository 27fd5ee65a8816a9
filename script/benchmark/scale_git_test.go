package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestMain makes the test's program the counter of packs when git starts it as
// that.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == countCommand {
		if err := countPack(context.Background(), os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestCountPack(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no shell: ", err)
	}
	path := filepath.Join(t.TempDir(), "packed")
	var out bytes.Buffer
	for range 2 {
		if err := countPack(t.Context(), []string{path, "sh", "-c", "printf 12345"}, &out); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := takePacked(path); n != 10 || err != nil || out.String() != "1234512345" {
		t.Errorf("got %d, %v, %q", n, err, out.String())
	}
	if err := countPack(t.Context(), []string{path, "sh", "-c", "exit 3"}, &out); err == nil {
		t.Error("a command that failed was taken for one that did not")
	}
}

// TestGitTrafficIsCounted compares what is counted with the packs that a clone
// got and a push left.
func TestGitTrafficIsCounted(t *testing.T) {
	t.Parallel()
	c, b := smallCorpus(t), testBench(t)
	made, err := writeDaily(t.Context(), c, c.entries(), b.path("stream"))
	if err != nil {
		t.Fatal(err)
	}
	first, second, clone := b.path("first.git"), b.path("second.git"), b.path("clone.git")
	if _, err := b.rawImport(t.Context(), made, first); err != nil {
		t.Fatal(err)
	}
	git := func(dir string, arguments ...string) {
		t.Helper()
		if _, err := b.git(t.Context(), dir, arguments...); err != nil {
			t.Fatal(err)
		}
	}
	git(b.dir, "init", "--quiet", "--bare", second)
	git(first, "push", "--quiet", "file://"+second, "hackage")
	pushed, err := packs(second)
	if err != nil || pushed == 0 {
		t.Errorf("%d bytes of packs were pushed, %v", pushed, err)
	}
	git(b.dir, "-c", "fetch.unpackLimit=1", "clone", "--quiet", "--bare", "file://"+second, clone)
	fetched, err := takePacked(b.packed)
	if err != nil {
		t.Fatal(err)
	}
	if there, err := packs(clone); err != nil || fetched != there || there == 0 {
		t.Errorf("counted %d bytes, the clone has %d; %v", fetched, there, err)
	}
	before := b.refs(t.Context(), []string{first, clone})
	git(clone, "update-ref", "refs/heads/hackage", "refs/heads/hackage~1")
	after := b.refs(t.Context(), []string{first, clone, b.path("nothing.git")})
	if len(before) != 2 || len(after) != 2 || before[first+" refs/heads/hackage"] != after[first+" refs/heads/hackage"] ||
		before[clone+" refs/heads/hackage"] == after[clone+" refs/heads/hackage"] {
		t.Errorf("got the refs %v, then %v", before, after)
	}
}
