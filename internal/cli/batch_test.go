package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/s3test"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// A long first run, cut into shards or by a time limit. Three tarballs make a
// stretch here.

// longHackage has 30 releases, and revisions of early and late ones throughout.
func longHackage() *hackagetest.Hackage {
	h := hackagetest.Small()
	for i := range 21 {
		name := fmt.Sprintf("long%d", i)
		h.Upload(name, "1.0", nil, nil)
		h.Revise("alpha", "0.2", fmt.Appendf(nil, "name: alpha\nversion: 0.2\nx-revision: %d\n", i+1))
		h.Revise(name, "1.0", fmt.Appendf(nil, "name: %s\nversion: 1.0\nx-revision: 1\n", name))
	}
	return h
}

// tarballs counts how often each was asked for.
func (w *world) tarballs() map[string]int {
	asked := map[string]int{}
	for _, r := range w.server.Requests("/package/") {
		asked[r.Path]++
	}
	return asked
}

// checkAllOnce says that each tarball of the Hackage was asked for exactly once.
func (w *world) checkAllOnce() {
	w.Helper()
	asked, want := w.tarballs(), map[string]int{}
	for _, r := range w.hackage.Generation().Releases() {
		want["/"+r.TarballKey()] = 1
	}
	if !maps.Equal(asked, want) {
		w.Errorf("asked for %v, want each of %d tarballs once", asked, len(want))
	}
}

// shards runs some shards of three concurrently.
func (w *world) shards(c *cloud, more func(shard int) []string, numbers ...int) {
	w.Helper()
	var group errgroup.Group
	for _, number := range numbers {
		group.Go(func() error {
			args := append(w.bucketArgs(c.address()), "--shard", fmt.Sprintf("%d/3", number))
			if code, said := w.run(append(args, more(number)...)...); code != CodeDone {
				return fmt.Errorf("shard %d ended with %d:\n%s", number, code, said)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		w.Fatal(err)
	}
}

func nothing(int) []string { return nil }

func TestShardsFetchEachTarballOnceAndTheGatheringRunPublishes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, longHackage())
	w.batch = 3
	c := w.cloud(s3test.Start(t))
	w.shards(c, nothing, 1, 2, 3)
	w.checkAllOnce()
	if keys := c.server.Keys(t, c.name); slices.Contains(keys, "timestamp.json") || slices.Contains(keys, "01-index.tar.gz") {
		t.Errorf("a shard published: %q", keys)
	}
	w.server.Forget()
	c.Reset()
	w.fill(CodeDone, append(w.bucketArgs(c.address()), "--shard", "0/3")...)
	w.check(c.look)
	if asked := w.tarballs(); len(asked) != 0 {
		t.Errorf("the gathering run fetched %v", asked)
	}
	t.Logf("gathering: %v", c.Counts())
	c.Reset()
	w.says(w.fill(CodeDone, w.bucketArgs(c.address())...), "nothing new")
	if counts := c.Counts(); !maps.Equal(counts, map[string]int{"GET": 2}) { // it looks at the status, too
		t.Errorf("the run after that made the requests %v", counts)
	}
}

// A latch moves the command's clock on by hours when a tarball is asked for.
type latch struct{ asked, hours atomic.Int64 }

// timeUpAt lets the time limits of runs be over once n tarballs were asked for.
func (w *world) timeUpAt(n int64) *latch {
	l := &latch{}
	w.now = func() time.Time { return time.Now().Add(time.Duration(l.hours.Load()) * time.Hour) }
	w.serve(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/package/") && l.asked.Add(1) == n {
				l.hours.Store(2)
			}
			next.ServeHTTP(out, r)
		})
	})
	return l
}

func TestGatheringRunDoesWhatAShardLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, longHackage())
	w.batch = 3
	c := w.cloud(s3test.Start(t))
	w.shards(c, nothing, 1, 2)
	w.timeUpAt(1)
	w.shards(c, func(int) []string { return []string{"--time-limit", "1h"} }, 3)
	first := w.tarballs()
	w.server.Forget()
	w.fill(CodeDone, append(w.bucketArgs(c.address()), "--shard", "0/3")...)
	w.check(c.look)
	again := w.tarballs()
	t.Logf("the shards fetched %d tarballs, the gathering run %d", len(first), len(again))
	for _, r := range w.hackage.Generation().Releases() {
		name := "/" + r.TarballKey()
		if first[name]+again[name] == 0 {
			t.Errorf("%s was never fetched", name)
		}
	}
	if len(again) >= len(w.hackage.Generation().Releases()) {
		t.Errorf("the gathering run began anew: it fetched %d tarballs", len(again))
	}
}

// position is how far into the index the state of the bucket says it is.
func (w *world) position(look func(string) ([]byte, error)) string {
	w.Helper()
	raw, err := look("hackage-mirror.json")
	var form struct{ State map[string]string }
	if err == nil {
		err = json.Unmarshal(raw, &form)
	}
	if err != nil {
		w.Fatal(err)
	}
	return form.State["Index-Length"]
}

// TestTimeLimitIsKeptToOneTarball: when the time is up no more is begun, all
// destinations stop at one place, and the next run picks up there.
func TestTimeLimitIsKeptToOneTarball(t *testing.T) {
	t.Parallel()
	w := newWorld(t, longHackage())
	w.batch = 20
	c := w.cloud(s3test.Start(t))
	l := w.timeUpAt(5)
	args := append(w.bucketArgs(c.address()), "--files-repository", w.files(), "--hashes-repository", w.hashes())
	said := w.fill(CodeDone, append(args, "--time-limit", "1h", "--concurrency", "1")...)
	first := w.tarballs()
	if len(first) < 5 || len(first) > 6 { // the next may be on its way already
		t.Errorf("with its time up at the 5th tarball the run fetched %d", len(first))
	}
	if strings.Contains(said, "unsigned") {
		w.Errorf("the cut fell between the entries of a release:\n%s", said)
	}
	w.says(said, fmt.Sprintf("still to come      %d releases", 30-len(first)), fmt.Sprintf("done: %d releases", len(first)))
	if keys := c.server.Keys(t, c.name); slices.Contains(keys, "timestamp.json") || slices.Contains(keys, "01-index.tar.gz") {
		t.Errorf("a part of the index was published: %q", keys)
	}
	at := w.position(c.look)
	for _, repository := range []string{w.files(), w.hashes()} {
		if tag := w.git(repository, "cat-file", "tag", "current-hackage"); !strings.Contains(tag, "\nIndex-Length: "+at+"\n") {
			t.Errorf("the bucket is at %s, and the tag of %s says\n%s", at, repository, tag)
		}
	}
	l.hours.Store(0)
	w.fill(CodeDone, args...)
	w.checkAllOnce()
	at2 := *w
	at2.look = c.look
	at2.checkAll()
}

// TestTimeLimitAgainAndAgain: runs that never have time for more than a tarball or a
// few get there too.
func TestTimeLimitAgainAndAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, longHackage())
	w.batch = 3
	l := w.timeUpAt(1)
	for run := 1; ; run++ {
		said := w.sync(CodeDone, "--time-limit", "1h")
		if strings.Contains(said, "unsigned") {
			t.Fatalf("a cut fell between the entries of a release:\n%s", said)
		}
		if !strings.Contains(said, "still to come") {
			if run < 3 {
				t.Errorf("only %d runs of a tarball or a few each brought 30 releases", run)
			}
			break
		}
		if run > 31 {
			t.Fatalf("31 runs of a tarball each did not end with 30 releases:\n%s", said)
		}
		l.hours.Store(0)
		l.asked.Store(0)
	}
	w.checkAll()
	w.checkAllOnce()
}

// TestTimeLimitOfRepositories: what a run whose time was up left of a repository comes
// with the next one, although upstream signed nothing since, and whatever else is filled.
func TestTimeLimitOfRepositories(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, more []string // destinations: brought to the end first, and of all runs
	}{
		"hashes alone":           {},
		"one commit of all":      {more: []string{"--history", "snapshot"}},
		"a batch after the next": {more: []string{"--concurrency", "1"}},
		"with files":             {more: []string{"--files-repository", "files.git"}},
		"files at the end":       {[]string{"--files-repository", "files.git"}, []string{"--files-repository", "files.git"}},
		"bucket at the end":      {[]string{"--bucket", "bucket"}, []string{"--bucket", "bucket"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, longHackage())
			w.batch = 20
			here := func(args []string) []string {
				args = append(w.upstreamArgs(), args...)
				for i, arg := range args {
					if arg == "files.git" || arg == "bucket" {
						args[i] = w.path(arg)
					}
				}
				return args
			}
			if c.before != nil {
				w.fill(CodeDone, here(c.before)...)
			}
			l := w.timeUpAt(3)
			args := append(here(c.more), "--hashes-repository", w.hashes(), "--public-url", "https://mirror.example/hackage")
			w.says(w.fill(CodeDone, append(args, "--time-limit", "1h")...), "still to come")
			tag := w.git(w.hashes(), "cat-file", "tag", "current-hackage")
			w.says(tag, "\nRoot-Version: ", "\nTimestamp-Version: ", "\nSnapshot-Version: ", "\nMirrors-Version: ")
			if strings.Contains(tag, "Timestamp-SHA256: ") || strings.Contains(tag, "Index-SHA256: ") {
				w.Errorf("the tag of a part names the whole:\n%s", tag)
			}
			l.hours.Store(0)
			w.fill(CodeDone, args...)
			w.checkHashes(w.hackage.Generation(), nil)
			if slices.Contains(c.more, "--files-repository") {
				w.checkFiles(w.hackage.Generation())
			}
			w.server.Forget()
			w.says(w.fill(CodeDone, args...), "nothing new")
			if asked := w.server.Requests("/"); len(asked) != 1 {
				w.Errorf("a quiet run asked upstream %d times: %+v", len(asked), asked)
			}
		})
	}
}
