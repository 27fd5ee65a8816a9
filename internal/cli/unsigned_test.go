package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// What a bucket says of itself is not signed. These tests are of somebody who may
// write there, and wants to decide what others get.

// stateFile is hackage-mirror.json as somebody else reads and writes it.
type stateFile struct {
	Tool    string            `json:"tool"`
	Updated string            `json:"updated"`
	State   map[string]string `json:"state"`
	Pending []string          `json:"pending"`
}

// forge edits the state of the world's bucket.
func (w *world) forge(edit func(f *stateFile)) {
	w.Helper()
	var f stateFile
	if err := json.Unmarshal(w.read("hackage-mirror.json"), &f); err != nil {
		w.Fatal(err)
	}
	edit(&f)
	raw, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		w.Fatal(err)
	}
	writeFile(w.T, filepath.Join(w.bucket(), "hackage-mirror.json"), raw)
}

// ahead returns the state that an honest bucket of the world's Hackage has by now,
// as somebody computes it in a mirror of his own.
func (w *world) ahead() (f stateFile) {
	w.Helper()
	mine := newWorld(w.T, w.hackage)
	if code, said := mine.run(append(mine.upstreamArgs(), "--bucket", mine.bucket())...); code != CodeDone {
		w.Fatal(said)
	}
	if err := json.Unmarshal(mine.read("hackage-mirror.json"), &f); err != nil {
		w.Fatal(err)
	}
	return f
}

// position copies the position of another state.
func (f *stateFile) position(from stateFile) {
	for _, key := range []string{"Index-Length", "Index-Time", "Index-Midstate"} {
		f.State[key] = from.State[key]
	}
}

func TestLedgerOfABucketWithholdsNothingFromOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	w.hackage.Upload("alpha", "0.2.1", nil, nil)
	w.hackage.Upload("other", "1", nil, nil)
	ahead := w.ahead()
	w.forge(func(f *stateFile) {
		f.position(ahead)
		f.Pending = append(f.Pending, "alpha-0.2.1 failed since=2026-01-05T06:12:00Z tarball=320:"+strings.Repeat("ab", 32))
	})
	// The release other is not in the bucket, which says that it is.
	w.says(w.sync(CodeDegraded), "other-1", "put now")
	w.checkAll()
	w.owesNothing()
	w.says(w.sync(CodeDone), "nothing new")
}

func TestLedgerOfABucketBringsNothingIntoAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	second := w.path("second")
	args := append(w.upstreamArgs(), "--bucket", w.bucket(), "--bucket", second, "--public-url", "https://mirror.example/hackage")
	if code, said := w.run(args...); code != CodeDone {
		t.Fatal(said)
	}
	w.hackage.Upload("alpha", "0.2.1", nil, nil)
	ahead := w.ahead()
	evil := []byte("other bytes, of a hostile upstream")
	w.forge(func(f *stateFile) {
		f.position(ahead)
		f.Pending = append(f.Pending, fmt.Sprintf("alpha-0.2.1 failed since=2026-01-05T06:12:00Z tarball=%d:%s replaced", len(evil), sha256Hex(evil)))
	})
	w.server.Show(w.hackage.Generation().With("package/alpha-0.2.1.tar.gz", evil))
	code, said := w.run(args...)
	if code != CodeDegraded {
		t.Errorf("exit code %d", code)
	}
	w.says(said, "alpha-0.2.1 mismatch")
	for _, bucket := range []string{w.bucket(), second} {
		for key, content := range w.contents(bucket) {
			if strings.Contains(content, string(evil)) || strings.Contains(key, "alpha-0.2.1.tar.gz") {
				t.Errorf("%s holds the other bytes as %q", bucket, key)
			}
		}
	}
	w.server.Show(nil)
	if code, said := w.run(args...); code != CodeDone {
		t.Fatal(said)
	}
	w.checkBucket(w.hackage.Generation(), nil)
}

func TestMadeUpLedgerCostsAFewRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	args := append(w.upstreamArgs(), "--bucket", w.bucket())
	run := func() int {
		before := len(w.server.Requests("/"))
		if code, said := w.run(args...); code != CodeDone {
			t.Fatal(said)
		}
		return len(w.server.Requests("/")) - before
	}
	run()
	var made []string
	for i := range 20_000 {
		made = append(made, fmt.Sprintf("zz-%d missing since=2026-01-05T06:12:00Z tarball=320:%s", i, strings.Repeat("ab", 32)))
	}
	w.forge(func(f *stateFile) { f.Pending = append(f.Pending, made...) })
	asked := map[string]bool{}
	const quiet = 50 // of what is owed, when there is nothing else to do
	at := time.Now()
	w.now = func() time.Time { return at }
	for range 3 {
		if n := run(); n > quiet+1 {
			t.Errorf("a run with nothing new made %d requests", n)
		}
		at = at.Add(time.Hour)
	}
	for _, r := range w.server.Requests("/package/") {
		asked[r.Path] = true
	}
	if len(asked) < 3*quiet {
		t.Errorf("three runs asked for %d", len(asked))
	}
}

func TestBucketFromTheFutureFailsAlone(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(f *stateFile){
		"far ahead":       func(f *stateFile) { f.State["Timestamp-Version"] = "999999999999999" },
		"a snapshot":      func(f *stateFile) { f.State["Snapshot-Version"] = "999999" },
		"a root":          func(f *stateFile) { f.State["Root-Version"] = "2" },
		"never to expire": func(f *stateFile) { f.State["Timestamp-Version"] = "999999999"; delete(f.State, "Timestamp-Expires") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			second := w.path("second")
			args := w.args("--bucket", second)
			if code, said := w.run(args...); code != CodeDone {
				t.Fatal(said)
			}
			for range 2 { // nothing new, and something new
				w.forge(edit)
				bucket := w.contents(w.bucket())
				code, said := w.run(args...)
				if code != CodeError {
					t.Errorf("exit code %d", code)
				}
				w.says(said, w.bucket(), "hackage-mirror.json", "remove it", "older than before")
				if after := w.contents(w.bucket()); !slices.Equal(sortedKeys(after), sortedKeys(bucket)) {
					t.Error("the bucket was changed")
				}
				w.checkFiles(w.hackage.Generation())
				w.checkHashes(w.hackage.Generation(), nil)
				for _, key := range []string{"timestamp.json", "01-index.tar.gz"} {
					raw, err := os.ReadFile(filepath.Join(second, key))
					if err != nil || !bytes.Equal(raw, w.hackage.Generation().File(key)) {
						t.Errorf("the other bucket has another %s (%v)", key, err)
					}
				}
				w.hackage.Upload("later", fmt.Sprint(len(w.hackage.Generation().Releases())), nil, nil)
			}
			if err := os.Remove(filepath.Join(w.bucket(), "hackage-mirror.json")); err != nil {
				t.Fatal(err)
			}
			if code, said := w.run(args...); code != CodeDone {
				t.Fatal(said)
			}
			w.checkAll()
		})
	}
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// A bucket says of its state that it is upstream's newest, in every word. What the
// repositories lack they get all the same, and the metadata expire.
func TestBucketThatSaysNothingIsNewStopsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.New(hackagetest.Options{Seed: "short", Lifetime: 72 * time.Hour}))
	w.hackage.Advance(time.Since(w.hackage.Now()) + time.Hour) // the signing key is of today
	now := w.hackage.Now()
	w.now = func() time.Time { return now }
	w.hackage.Upload("first", "1", nil, nil)
	w.sync(CodeDone)
	var before stateFile
	if err := json.Unmarshal(w.read("hackage-mirror.json"), &before); err != nil {
		t.Fatal(err)
	}
	w.hackage.Upload("second", "1", nil, nil)
	ahead := w.ahead()
	w.forge(func(f *stateFile) {
		f.State = ahead.State
		f.position(before)
		delete(f.State, "Timestamp-Expires")
	})
	w.sync(CodeDone)
	w.checkAll()
	w.forge(func(f *stateFile) { delete(f.State, "Timestamp-Expires") })
	now = now.AddDate(4, 0, 0)
	w.says(w.sync(CodeError), "expired")
	if code, said := w.run(append(w.upstreamArgs(), "--bucket", w.bucket())...); code != CodeError || !strings.Contains(said, "expired") {
		t.Errorf("alone it ends with %d:\n%s", code, said)
	}
}

// A position that was moved forward leaves the releases in between out, and if
// another destination tells of them, that is noticed.
func TestPositionMovedForwardSkipsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	w.hackage.Upload("skipped", "1", nil, nil)
	w.hackage.Revise("alpha", "0.2", revision(alpha(), "skipped, too"))
	ahead := w.ahead()
	w.forge(func(f *stateFile) { *f = ahead })
	w.says(w.sync(CodeDegraded), "skipped-1", "they are put now", "look at this")
	w.checkAll()
	w.hackage.Upload("later", "1", nil, nil)
	w.sync(CodeDone)
	w.checkAll()
}
