package mirror

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// A stage is a put at which a run is stopped: the nth whose key fits.
type stage struct {
	name string
	fits func(key string) bool
	nth  int
}

func is(want string) func(string) bool { return func(key string) bool { return key == want } }

// stages are those of a run that has something new, in their order.
func stages() []stage {
	return []stage{
		{"tarball", is("package/grown-1.0.tar.gz"), 1},
		{"record", is("package/grown-1.0.json"), 1},
		{"revision of a new release", is("package/grown-1.0/revision/0.cabal"), 1},
		{"newest cabal of a new release", is("package/grown-1.0/grown.cabal"), 1},
		{"first of three revisions", is("package/alpha-0.2/revision/1.cabal"), 1},
		{"second of three revisions", is("package/alpha-0.2/revision/2.cabal"), 1},
		{"third of three revisions", is("package/alpha-0.2/revision/3.cabal"), 1},
		{"replaced tarball", is("package/extra-1.0.tar.gz"), 1},
		{"unsigned release", is("package/bare-2.0/revision/0.cabal"), 1},
		{"claim", is(StateKey), 1},
		{"newest cabal of a revised release", is("package/alpha-0.2/alpha.cabal"), 1},
		{"00-index", is(legacyGz), 1},
		{"01-index.tar", is(indexTar), 1},
		{"01-index.tar.gz", is(indexGz), 1},
		{"root", is("root.json"), 1},
		{"mirrors", is("mirrors.json"), 1},
		{"snapshot", is("snapshot.json"), 1},
		{"timestamp", is("timestamp.json"), 1},
		{"final state", is(StateKey), 2},
	}
}

// grow makes a Hackage that has a case for every stage.
func grow(h *hackagetest.Hackage) {
	h.Advance(7 * 24 * time.Hour) // 00-index.tar.gz is made once a week
	h.Upload("grown", "1.0", nil, nil)
	h.Upload("bare", "2.0", nil, nil, hackagetest.Unsigned())
	h.Upload("gone", "1.0", nil, nil)
	h.Withdraw("gone", "1.0", http.StatusNotFound)
	for number := range 3 {
		h.Revise("alpha", "0.2", fmt.Appendf(nil, "name: alpha\nversion: 0.2\nx-revision: %d\n", number+1))
	}
	h.Replace("extra", "1.0", bytes.Repeat([]byte("another tarball"), 100))
	h.RotateRoot()
	h.SetMirrors("https://mirror.example/")
}

// errStopped is what a faulty store says.
var errStopped = errors.New("the store does not answer")

// stopAt lets one put fail, with or without effect, and all calls after it, as
// if the process had ended there. It reports whether it came to it.
func stopAt(s stage, persisted bool) (hook func(buckettest.Op, string) (bool, error), hit func() bool) {
	var mu sync.Mutex
	count, stopped := 0, false
	hook = func(op buckettest.Op, key string) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		if stopped {
			return false, errStopped
		}
		if op == buckettest.Put && s.fits(key) {
			if count++; count == s.nth {
				stopped = true
				return persisted, errStopped
			}
		}
		return true, nil
	}
	return hook, func() bool { mu.Lock(); defer mu.Unlock(); return stopped }
}

func TestStoppedAtAnyPutTheRerunEndsAsIfNothingHappened(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]*course{
		"first run":       newCourse(t, newRig(t, hackagetest.Small()), true),
		"later run":       newCourse(t, newRig(t, hackagetest.Small()), false),
		"run with a tail": newCourse(t, newWideRig(t), false),
		"small index":     newCourse(t, newSmallRig(t), false),
	} {
		for _, s := range stages() {
			for _, persisted := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/persisted %t", name, s.name, persisted), func(t *testing.T) {
					t.Parallel()
					c.stopAndRerun(t, s, persisted)
				})
			}
		}
	}
}

// newSmallRig returns a rig whose index is put as a small one is.
func newSmallRig(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, hackagetest.Small())
	r.smallIndex = smallIndex
	return r
}

// A course is a run: from what the bucket holds before it to what it holds
// after it if nothing stops it.
type course struct {
	rig           *rig
	before, after map[string][]byte
}

func newCourse(t *testing.T, r *rig, first bool) *course {
	t.Helper()
	if !first {
		r.mustRun()
	}
	c := &course{rig: r, before: r.store.Contents()}
	grow(r.hackage)
	r.mustRun()
	r.check(index.Release{Package: "gone", Version: "1.0"}, index.Release{Package: "bare", Version: "2.0"})
	c.after = r.store.Contents()
	return c
}

func (c *course) stopAndRerun(t *testing.T, s stage, persisted bool) {
	t.Helper()
	r := newRig(t, c.rig.hackage)
	r.dir, r.written, r.tails, r.smallIndex = c.rig.dir, true, c.rig.tails, c.rig.smallIndex
	for key, content := range c.before {
		r.store.Set(key, content)
	}
	hook, hit := stopAt(s, persisted)
	r.store.Hook = hook
	if err := r.run(); !errors.Is(err, errStopped) || !hit() {
		t.Fatalf("the run ended with %v (came to the stage: %v)", err, hit())
	}
	r.store.Hook = nil
	r.checkStopped(c.before, c.after)
	r.mustRun()
	compare(t, c.after, r.store.Contents())
}

// A run that notes its position on the way is taken up from there.
func TestStoppedBetweenStretchesTheRerunGoesOn(t *testing.T) {
	t.Parallel()
	for nth := 1; nth <= 40; nth += 3 {
		t.Run(fmt.Sprint(nth), func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			for number := range 3 {
				h.Revise("alpha", "0.1.0.0", cabalText("", number))
				h.Upload("more"+string(rune('a'+number)), "1.0", nil, nil)
				h.Revise("tool", "0", cabalText("", number))
				h.Upload("bare"+string(rune('a'+number)), "1.0", nil, nil, hackagetest.Unsigned())
			}
			h.AddTargets("barea", "1.0")
			r := newRig(t, h)
			r.batch = 2
			hook, hit := stopAt(stage{fits: func(string) bool { return true }, nth: nth}, nth%2 == 0)
			r.store.Hook = hook
			if err := r.run(); !errors.Is(err, errStopped) || !hit() {
				t.Fatalf("the run ended with %v (came to the stage: %v)", err, hit())
			}
			r.store.Hook = nil
			r.mustRun()
			r.check(index.Release{Package: "bareb", Version: "1.0"}, index.Release{Package: "barec", Version: "1.0"})
			ledger := New(r.store, Options{Now: noon}).mustLoad(t).Ledger
			if len(ledger) != 2 || ledger.Count("unsigned") != 2 {
				t.Errorf("ledger %+v", ledger)
			}
		})
	}
}

// checkStopped checks that a run which was stopped left every object old or new.
func (r *rig) checkStopped(before, after map[string][]byte) {
	r.Helper()
	held := r.store.Contents()
	for key, content := range held {
		if key != StateKey && !bytes.Equal(content, before[key]) && !bytes.Equal(content, after[key]) {
			r.Errorf("%q is neither old nor new", key)
		}
	}
	for key := range before {
		if _, ok := held[key]; !ok {
			r.Errorf("%q is gone", key)
		}
	}
}

// nameless is a state without what is another in each run.
func nameless(raw []byte) []byte {
	return regexp.MustCompile(`"(Nonce|Pointers)": "[^"]*"`).ReplaceAll(raw, nil)
}

func compare(t *testing.T, want, got map[string][]byte) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		want, got := want, got
		if key == StateKey { // names its run, and versions of this store
			want, got = map[string][]byte{key: nameless(want[key])}, map[string][]byte{key: nameless(got[key])}
		}
		if !bytes.Equal(want[key], got[key]) {
			t.Errorf("%q is\n%.1000q\nwant\n%.1000q", key, got[key], want[key])
		}
	}
	for key := range got {
		if _, ok := want[key]; ok {
			continue
		}
		t.Errorf("%q is there, and an undisturbed run does not make it", key)
	}
}

// The second of two writers is stopped by its claim before it puts anything.
func TestTwoWritersOneStopsBeforeItPuts(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.mustRun()
	grow(r.hackage)
	published := r.store.Contents()["timestamp.json"]
	var once sync.Once
	r.store.Hook = func(op buckettest.Op, key string) (bool, error) {
		if op == buckettest.Put && key == StateKey {
			once.Do(func() { r.store.Set(StateKey, []byte("another writer's")) })
		}
		return true, nil
	}
	r.store.ResetCounts()
	err := r.run()
	if r.store.Writes() != 0 {
		t.Errorf("%d objects were written by the run that came second", r.store.Writes())
	}
	if err == nil || !strings.Contains(err.Error(), "another run is writing to") || !strings.Contains(err.Error(), "then run again") {
		t.Errorf("the error does not say what to do: %v", err)
	}
	if !bytes.Equal(r.store.Contents()["timestamp.json"], published) {
		t.Error("timestamp.json was published over another writer's")
	}
}

// Pointers go in stages: those of one go together, and the next begins when all of them
// are in place. What no set needs goes at any time between the claim and the state.
func TestStateIsTheFirstAndTheLastOfThePointers(t *testing.T) {
	t.Parallel()
	for name, stages := range map[string][][]string{
		"large index": {{indexTar}, {indexGz, "mirrors.json", "root.json"}, {"snapshot.json"}, {"timestamp.json"}},
		"small index": {{indexTar, indexGz, "mirrors.json", "root.json"}, {"snapshot.json"}, {"timestamp.json"}},
	} {
		r := newRig(t, hackagetest.Small())
		if name == "small index" {
			r = newSmallRig(t)
		}
		r.mustRun()
		var pointers []string
		for _, call := range r.store.Calls() {
			if call.Op == buckettest.Put && !strings.HasPrefix(call.Key, "package/") {
				pointers = append(pointers, call.Key)
			}
		}
		last := len(pointers) - 1
		if pointers[0] != StateKey || pointers[last] != StateKey {
			t.Errorf("%s: put in the order %q", name, pointers)
		}
		pointers = slices.DeleteFunc(pointers[1:last], is(legacyGz))
		for _, stage := range stages {
			if got := slices.Sorted(slices.Values(pointers[:len(stage)])); !slices.Equal(got, stage) {
				t.Errorf("%s: %q are put together, want %q", name, got, stage)
			}
			pointers = pointers[len(stage):]
		}
	}
}

func TestRequestsFollowWhatIsNew(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.mustRun()
	r.store.ResetCounts()
	r.mustRun()
	if n := r.store.Count(buckettest.Put, ""); n != 0 {
		t.Errorf("nothing is new, and there are %d puts", n)
	}
	const k = 7
	for i := range k {
		r.hackage.Upload("new"+string(rune('a'+i)), "1.0", nil, nil)
	}
	r.store.ResetCounts()
	r.mustRun()
	r.check()
	if puts, heads := r.store.Count(buckettest.Put, ""), r.store.Count(buckettest.Head, ""); puts > 4*k+12 || heads > 2 {
		t.Errorf("%d new releases took %d puts and %d heads", k, puts, heads)
	}
	r.hackage.Resign()
	r.store.ResetCounts()
	r.mustRun()
	if n := r.store.Count(buckettest.Put, ""); n > 6 {
		t.Errorf("new signatures alone took %d puts", n)
	}
}
