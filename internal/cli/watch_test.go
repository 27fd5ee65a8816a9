package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// minutes lets a world's time pass only while a run waits, and does something in
// each minute that is there to be done.
func (w *world) minutes(events map[int]func()) *int {
	at, minute := time.Now(), new(int)
	w.now = func() time.Time { return at }
	w.wait = func(_ context.Context, d time.Duration) error {
		if d > time.Minute || d <= 0 {
			w.Errorf("it waits %s", d)
		}
		at = at.Add(d)
		*minute++
		if do := events[*minute]; do != nil {
			do()
		}
		return nil
	}
	return minute
}

func TestWatchTakesWhatComesMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	var quiet map[string]string
	minute := w.minutes(map[int]func(){
		2: func() { w.hackage.Upload("new", "1.0", nil, nil) },
		3: func() { w.checkAll(); quiet = w.holdings(); w.server.Forget() },
		6: func() {
			w.unchanged(quiet)
			if n := w.server.Count("/timestamp.json"); n != 3 || w.server.Count("/*.json") != 3 {
				t.Errorf("%d requests in three quiet minutes", n)
			}
			w.hackage.Upload("new", "2.0", nil, nil)
			w.hackage.Revise("alpha", "0.2", revision(alpha(), "later"))
		},
	})
	releases := len(w.hackage.Generation().Releases())
	said := w.sync(CodeDone, "--watch", "8m30s")
	w.checkAll()
	w.says(said, "watching ", fmt.Sprintf("%d releases", releases+2))
	if *minute != 9 { // the last is half a one
		t.Errorf("it ended after %d minutes", *minute)
	}
	w.wait = nil
	w.says(w.sync(CodeDone), "nothing new")
}

// TestWatchGoesOnAfterAFailure: what failed is told of and tried again, also the
// first run; only a failure of the last one is the watch's.
func TestWatchGoesOnAfterAFailure(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{false, true} {
		w := newWorld(t, hackagetest.Small())
		fail := func() { w.server.Fault("/timestamp.json", hackagetest.Status(http.StatusForbidden)) }
		heal := func() {
			w.server.Heal()
			w.hackage.Upload("healed", "1.0", nil, nil)
		}
		minute := w.minutes(map[int]func(){2: fail, 6: heal})
		if first {
			fail()
		}
		w.says(w.sync(CodeDone, "--watch", "20m"), "this run failed", "403", "trying again in 2 minutes")
		w.checkAll()
		if *minute != 20 {
			t.Errorf("it ended after %d minutes", *minute)
		}
	}
}

// TestWatchWhoseLastRunFailed says so.
func TestWatchWhoseLastRunFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.minutes(map[int]func(){
		2: func() { w.server.Fault("/timestamp.json", hackagetest.Status(http.StatusForbidden)) },
	})
	w.says(w.sync(CodeError, "--watch", "10m"), "403")
	w.checkAll()
}

// TestWatchThatCannotBegin ends at once: no time heals an option.
func TestWatchThatCannotBegin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	minute := w.minutes(nil)
	w.key = []byte("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nnone\n-----END PGP PRIVATE KEY BLOCK-----\n")
	w.sync(CodeError, "--watch", "1h")
	if *minute != 0 {
		t.Errorf("it ended after %d minutes", *minute)
	}
}

// TestWatchGoesOnAlthoughAPersonIsNeeded: one bad package never stops the rest.
func TestWatchGoesOnAlthoughAPersonIsNeeded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.server.Fault("/package/alpha-0.2.tar.gz", hackagetest.Corrupt(7))
	minute := w.minutes(map[int]func(){
		1: func() { w.hackage.Upload("new", "1.0", nil, nil) },
	})
	w.sync(CodeDegraded, "--watch", "3m")
	w.checkAll(index.Release{Package: "alpha", Version: "0.2"})
	if *minute != 3 {
		t.Errorf("it ended after %d minutes", *minute)
	}
}

// A watch shorter than a minute asks upstream once more, when it ends.
func TestShortWatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	minute := w.minutes(map[int]func(){1: func() { w.hackage.Upload("new", "1.0", nil, nil) }})
	begun := w.now()
	w.sync(CodeDone, "--watch", "20s")
	w.checkAll()
	if took := w.now().Sub(begun); *minute != 1 || took != 20*time.Second {
		t.Errorf("it waited %d times, %s in all", *minute, took)
	}
}

func TestWatchIsNotForOneRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	for _, flags := range [][]string{{"--dry-run"}, {"--full"}, {"--adopt"}, {"--shard", "1/2"}} {
		w.says(w.sync(CodeUsage, append(flags, "--watch", "1h")...), "watch makes many runs, and "+flags[0][2:]+" is for one run")
	}
}

func TestWatchThatIsInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.wait = func(context.Context, time.Duration) error { return errors.Join(context.Canceled) }
	w.says(w.sync(CodeError, "--watch", "1h"), "canceled")
	w.checkAll()
}
