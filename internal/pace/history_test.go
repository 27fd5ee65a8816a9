package pace

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

var histories = flag.Int("histories", 500, "how many random histories TestChain runs")

const day = 24 * time.Hour

// trouble begins what a history suffers from: each kind in some of them.
func (w *world) trouble(length time.Duration) {
	often := func(share float64, every time.Duration, do func()) {
		if !w.chance(share) {
			return
		}
		for at := w.between(0, every); at < length; at += w.between(every/10, 2*every) {
			w.after(at, do)
		}
	}
	back := func(shortest, longest time.Duration, do func()) { w.after(w.between(shortest, longest), do) }
	often(0.7, 9*time.Hour, func() { w.byHand(MirrorFile) })
	often(0.2, 2*time.Hour, func() { w.byHand(MirrorFile); w.byHand(MirrorFile) })
	often(0.3, 2*day, func() { w.byHand(backfillFile) })
	often(0.4, 10*time.Hour, func() { w.byHand(PacerFile) })
	often(0.1, 5*time.Minute, func() { w.byHand(PacerFile) })
	often(0.4, 12*time.Hour, w.somebodyCancels)
	often(0.4, day, func() { w.failing = true; back(time.Hour, 10*time.Hour, func() { w.failing = false }) })
	often(0.4, day, func() { w.broken = true; back(time.Minute, 3*time.Hour, func() { w.broken = false }) })
	often(0.3, day, func() { w.red = true; back(time.Hour, 2*day, func() { w.red = false }) })
	often(0.2, day, func() { w.refused = true; back(time.Hour, 10*time.Hour, func() { w.refused = false }) })
	often(0.2, 2*day, func() { w.approval = true; back(time.Hour, day, func() { w.approval = false }) })
	often(0.1, 3*day, func() { w.branch = "trunk"; back(time.Hour, day, func() { w.branch = "main" }) })
	often(0.2, 8*time.Hour, w.somebodyRunsAgain)
	often(0.3, 2*day, func() { w.timer = time.Hour; back(time.Hour, day, w.restoreTimer) })
	often(0.3, 2*day, func() { w.deleted = true; back(time.Hour, day, w.restoreTimer) })
	often(0.2, 2*day, func() { w.timer = 5 * time.Minute; back(time.Hour, day, w.restoreTimer) })
	often(0.2, 2*day, func() { w.ignored = true; back(time.Hour, day, func() { w.ignored = false }) })
	for _, file := range []string{PacerFile, MirrorFile, MenderFile} {
		often(0.2, 2*day, func() { w.disabled[file] = true; back(time.Hour, day, func() { delete(w.disabled, file) }) })
	}
	for _, chain := range []bool{true, false} {
		often(0.1, 3*day, func() { w.wedged[chain] = true; back(time.Hour, 2*day, func() { w.rename(chain) }) })
	}
	if w.chance(0.4) {
		w.hanging = 0.1 * w.rng.Float64()
	}
	if w.chance(0.4) {
		w.scarce = 0.02
	}
	w.noIDs, w.site = w.chance(0.2), w.chance(0.5)
}

// rename gives a group another name: who was pending for it begins.
func (w *world) rename(chain bool) {
	delete(w.wedged, chain)
	file := map[bool]string{true: PacerFile, false: MirrorFile}[chain]
	if holder, pending := w.inGroup(file); holder == nil && pending != nil {
		w.begin(pending)
	}
}

func (w *world) restoreTimer() {
	w.deleted, w.timer = false, MinTimer+time.Duration(w.rng.IntN(4))*10*time.Minute
}

func (w *world) byHand(file string) {
	if !w.disabled[file] {
		w.start(file, hand, 0)
	}
}

// somebodyCancels ends a run of the chain or of the mirror.
func (w *world) somebodyCancels() {
	for _, r := range slices.Backward(w.runs) {
		if !r.over() && r.by != hand && w.chance(0.7) {
			w.meddled++
			w.end(r, "cancelled")
			return
		}
	}
}

// somebodyRunsAgain has an ended run of the chain run once more.
func (w *world) somebodyRunsAgain() {
	for _, r := range slices.Backward(w.runs) {
		if r.file == PacerFile && r.over() && w.chance(0.5) {
			w.meddled++
			w.again(r)
			return
		}
	}
}

// schedule is GitHub's: each hour, but dropped and late.
func (w *world) schedule(length time.Duration, dropped float64, late time.Duration) {
	for at := 23 * time.Minute; at < length; at += time.Hour {
		if !w.chance(dropped) {
			w.after(at+w.between(0, late), w.cron)
		}
	}
}

// uploads come by night and by day, with quiet times.
func (w *world) uploads(length time.Duration) {
	for at := time.Duration(0); at < length; at += w.between(time.Minute, 9*time.Hour) {
		w.after(at, func() { w.newest = w.now })
	}
}

// heal ends all trouble.
func (w *world) heal() {
	w.disabled, w.failing, w.broken, w.ignored, w.hanging, w.scarce = map[string]bool{}, false, false, false, 0, 0
	w.red, w.refused, w.approval, w.branch = false, false, false, "main"
	for _, r := range slices.Clone(w.going) {
		if r.by == hand && r.file != PacerFile && r.hangs {
			w.end(r, "cancelled") // by who started it: nobody else may
		}
	}
	w.restoreTimer()
	w.rename(true)
	w.rename(false)
}

// history plays a week of trouble and two days without, and holds both against
// what is promised.
func history(seed uint64) *world {
	w := newWorld(seed)
	w.trouble(7 * day)
	w.uploads(9 * day)
	w.schedule(7*day, 0.9*w.rng.Float64(), w.between(time.Minute, 12*time.Hour))
	w.after(0, func() { w.byHand(PacerFile) })
	w.advance(8 * day) // backfills come to their end
	w.heal()
	w.schedule(day, 0.5, time.Hour)
	w.advance(day)
	w.judge()
	return w
}

// judge looks back on a history.
func (w *world) judge() {
	if !w.alive() {
		w.violate("the chain is dead at the end")
	}
	if age := w.now.Sub(w.fresh); age > 3*time.Hour {
		w.violate("a day without trouble ends with data that are %s old", age)
	}
	for name, times := range map[string][]time.Time{"the mirror": w.starts, "the chain": w.arms} {
		for i := 1; i < len(times); i++ {
			if gap := times[i].Sub(times[i-1]); gap < MinTimer-time.Minute {
				w.violate("%s was started after %s", name, gap)
			}
		}
	}
	for _, r := range w.runs {
		if r.by == hand && r.file != PacerFile && !r.over() && !r.hangs && w.now.Sub(r.Created) > 2*day {
			w.violate("run %d by hand was never served: %s", r.ID, r.Status)
		}
	}
}

// The real code keeps its promises whatever cron, hands and failures do.
func TestChain(t *testing.T) {
	t.Parallel()
	stops, paced, crons, mended, cleared, wedges, runs := map[string]int{}, 0, 0, 0, 0, 0, 0
	for seed := range *histories {
		w := history(uint64(seed))
		for _, violation := range w.violations[:min(5, len(w.violations))] {
			t.Errorf("history %d: %s", seed, violation)
		}
		for why, n := range w.stops {
			stops[why] += n
		}
		paced, crons, mended, cleared, wedges, runs = paced+len(w.starts), crons+w.crons, mended+w.mended, cleared+w.cleared, wedges+w.wedges, runs+len(w.runs)
	}
	t.Logf("%d histories of 9 days, %d runs: %d mirrors started by the chain, %d crons delivered, %d chains restarted, %d hung runs ended, %d times a stuck group named", *histories, runs, paced, crons, mended, cleared, wedges)
	for _, why := range slices.Sorted(maps.Keys(stops)) {
		t.Logf("the chain stopped %d times: %s", stops[why], why)
	}
	for _, n := range []int{paced, mended, cleared, wedges, stops["no timer"], stops["no wait"], stops["GitHub is down"], stops["the mirror is disabled"], stops["the chain is disabled"], stops["a re-run"], stops["an approval"], stops["another branch"]} {
		if n == 0 && *histories >= 100 {
			t.Error("the histories never meet something that they are for")
		}
	}
}

// Without trouble the mirror is started each half hour, whatever cron does, also if
// each run publishes and ends red, and status.json tells so.
func TestChainIsOnTime(t *testing.T) {
	t.Parallel()
	for _, dropped := range []float64{0, 0.7, 1} {
		for _, red := range []bool{false, true} {
			w := newWorld(1)
			w.red, w.site = red, red
			w.schedule(7*day, dropped, 8*time.Hour)
			for at := time.Duration(0); at < 7*day; at += time.Hour {
				w.after(at, func() { w.newest = w.now })
			}
			w.byHand(PacerFile)
			w.advance(7 * day)
			var longest time.Duration
			for i := 1; i < len(w.starts); i++ {
				longest = max(longest, w.starts[i].Sub(w.starts[i-1]))
			}
			if len(w.starts) < 310 || longest > 33*time.Minute || len(w.violations) > 0 {
				t.Errorf("with %.0f %% of the crons dropped, red %v: %d starts, the longest pause %s, %v", 100*dropped, red, len(w.starts), longest, w.violations)
			}
		}
	}
}

// What a history says is the same each time, so that a failure can be looked at.
func TestHistoriesRepeat(t *testing.T) {
	t.Parallel()
	if a, b := fmt.Sprint(history(7).runs[20].Run), fmt.Sprint(history(7).runs[20].Run); a != b {
		t.Errorf("%s\n%s", a, b)
	}
}
