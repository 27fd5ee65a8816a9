package pace

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Who started a run.
const (
	hand  = "hand"
	pacer = "pacer"
	menda = "mender"
)

// A modelRun is a run in the model.
type modelRun struct {
	Run
	file, by string
	rest     int
	takes    time.Duration
	hangs    bool // its status never changes by itself
	stubborn bool // only force ends it
}

func (r *modelRun) over() bool { return r.Status == "completed" }

// An event happens at a time, in the order in which it was put there.
type event struct {
	at time.Time
	do func()
}

// A world is a model of the rules by which GitHub runs workflows, as far as the
// chain meets them. Nothing in it waits: its clock jumps from event to event. A start
// takes effect at once, where GitHub takes seconds.
type world struct {
	rng    *rand.Rand
	now    time.Time
	events []event
	runs   []*modelRun
	going  []*modelRun // those that are not over

	disabled map[string]bool
	timer    time.Duration // of the environment; 0: none
	ignored  bool          // the plan ignores rules
	deleted  bool          // it comes back at the next run, without rules
	broken   bool          // GitHub's API answers few questions
	noIDs    bool          // an older server
	newest   time.Time     // upstream's last change
	failing  bool          // the mirror fails
	hanging  float64       // share of runs that hang
	mending  bool
	wedged   map[bool]bool // groups that GitHub forgot to give to the next run: that of the chain, and the other
	wedges   int           // how often the code said so
	meddled  int           // how often somebody cancelled a run

	starts     []time.Time // of mirrors, by the chain
	arms       []time.Time // of the chain, by itself
	crons      int
	mended     int
	cleared    int
	stops      map[string]int
	violations []string
}

func newWorld(seed uint64) *world {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	return &world{
		rng: rand.New(rand.NewPCG(seed, 14)), now: start, newest: start, disabled: map[string]bool{}, wedged: map[bool]bool{},
		timer: 30 * time.Minute, stops: map[string]int{},
	}
}

func (w *world) violate(format string, args ...any) {
	w.violations = append(w.violations, w.now.Format("02 15:04:05 ")+fmt.Sprintf(format, args...))
}

func (w *world) after(d time.Duration, do func()) {
	e := event{w.now.Add(d), do}
	i, _ := slices.BinarySearchFunc(w.events, e.at, func(other event, at time.Time) int {
		if other.at.After(at) {
			return 1
		}
		return -1
	})
	w.events = slices.Insert(w.events, i, e)
}

// advance lets the time pass, with all that happens in it.
func (w *world) advance(d time.Duration) {
	end := w.now.Add(d)
	for len(w.events) > 0 && !w.events[0].at.After(end) {
		e := w.events[0]
		w.events = w.events[1:]
		if e.at.After(w.now) {
			w.now = e.at
		}
		e.do()
	}
	if end.After(w.now) {
		w.now = end
	}
}

func (w *world) between(from, to time.Duration) time.Duration {
	return from + time.Duration(w.rng.Int64N(int64(to-from)))
}

func (w *world) chance(p float64) bool { return w.rng.Float64() < p }

// sameGroup reports whether two files share a concurrency group.
func sameGroup(a, b string) bool { return (a == PacerFile) == (b == PacerFile) }

// inGroup returns who holds a group and who is pending for it.
func (w *world) inGroup(file string) (holder, pending *modelRun) {
	for _, r := range w.going {
		switch {
		case !sameGroup(r.file, file):
		case r.Status == "pending":
			if pending != nil {
				w.violate("two runs are pending in the group of %s", file)
			}
			pending = r
		default:
			if holder != nil {
				w.violate("two runs hold the group of %s", file)
			}
			holder = r
		}
	}
	return holder, pending
}

// start makes a run, as after a dispatch.
func (w *world) start(file, by string, rest int) *modelRun {
	r := &modelRun{
		Run: Run{ID: int64(len(w.runs) + 1), Created: w.now, Updated: w.now}, file: file, by: by, rest: rest,
		takes: w.between(10*time.Second, 2*time.Minute), hangs: w.chance(w.hanging), stubborn: w.chance(0.5),
	}
	switch {
	case file == backfillFile:
		r.takes = w.between(time.Hour, 15*time.Hour)
	case by == hand && w.chance(0.5):
		r.takes = w.between(time.Hour, 5*time.Hour) // a full one
	}
	holder, pending := w.inGroup(file)
	if pending != nil {
		if file != PacerFile && pending.by == hand && by != hand {
			w.violate("run %d by hand was pushed aside by the %s", pending.ID, by)
		}
		w.end(pending, "cancelled")
	}
	r.Status = "pending"
	w.runs, w.going = append(w.runs, r), append(w.going, r)
	if holder == nil && pending == nil && !w.wedged[file == PacerFile] {
		w.begin(r)
	}
	return r
}

func (w *world) become(r *modelRun, status string) { r.Status, r.Updated = status, w.now }

// begin gives a group to a run.
func (w *world) begin(r *modelRun) {
	w.become(r, "queued")
	wait := time.Duration(0)
	if r.file == PacerFile {
		if w.deleted {
			w.deleted, w.timer = false, 0
		}
		if !w.ignored {
			wait = w.timer
		}
		w.become(r, "waiting")
	}
	if r.hangs {
		return
	}
	w.after(wait+w.between(2*time.Second, 40*time.Second), func() {
		if !r.over() {
			w.become(r, "in_progress")
			w.work(r)
		}
	})
}

// work does what a run is for.
func (w *world) work(r *modelRun) {
	if r.file == PacerFile {
		w.pace(r)
		w.after(15*time.Second, func() { w.end(r, "success") })
		return
	}
	w.after(r.takes, func() {
		if w.failing {
			w.end(r, "failure")
		}
		w.end(r, "success")
	})
}

// end ends a run; the pending one gets its group.
func (w *world) end(r *modelRun, conclusion string) {
	if r.over() {
		return
	}
	held := r.Status != "pending"
	w.become(r, "completed")
	r.Conclusion = conclusion
	w.going = slices.DeleteFunc(w.going, func(g *modelRun) bool { return g == r })
	if _, next := w.inGroup(r.file); held && next != nil && !w.wedged[r.file == PacerFile] {
		w.begin(next)
	}
}

// A hub is GitHub as one run meets it.
type hub struct {
	w    *world
	self *modelRun // nil for the mender, which has a file of its own
	by   string
	made map[string]int // starts, by file
}

var errDown = errors.New("GitHub answers 503 (unavailable)")

func (h *hub) answers() error {
	switch {
	case h.self != nil && h.self.over():
		return context.Canceled // somebody cancelled this very run
	case h.w.broken && h.w.chance(0.7):
		return errDown
	}
	return nil
}

func (h *hub) Timer(context.Context, string) (time.Duration, error) {
	if err := h.answers(); err != nil {
		return 0, err
	}
	if h.w.deleted {
		return 0, nil
	}
	return h.w.timer, nil
}

func (h *hub) Active(_ context.Context, file string) ([]Run, error) {
	return h.list(h.w.going, file, false)
}

func (h *hub) Done(_ context.Context, file string) ([]Run, error) {
	return h.list(h.w.runs, file, true)
}

func (h *hub) list(all []*modelRun, file string, over bool) (runs []Run, err error) {
	if err := h.answers(); err != nil {
		return nil, err
	}
	for _, r := range slices.Backward(all) {
		if len(runs) == 100 {
			break
		}
		if r.file == file && r.over() == over {
			runs = append(runs, r.Run)
		}
	}
	return runs, nil
}

func (h *hub) Dispatch(_ context.Context, file string, rest int) (int64, error) {
	if err := h.answers(); err != nil {
		return 0, err
	}
	w := h.w
	if w.disabled[file] {
		return 0, fmt.Errorf("%w: disabled", ErrDisabled)
	}
	if h.by == pacer && (w.timer < MinTimer || w.deleted) {
		w.violate("without a timer the chain started %s", file)
	}
	if h.made[file]++; h.made[file] > 1 {
		w.violate("one run started %s twice", file)
	}
	if h.by == pacer && file == PacerFile {
		w.arms = append(w.arms, w.now)
	} else if h.by == pacer {
		w.starts = append(w.starts, w.now)
	}
	r := w.start(file, h.by, rest)
	if w.noIDs {
		return 0, nil
	}
	return r.ID, nil
}

func (h *hub) Cancel(_ context.Context, id int64, force bool) error {
	if err := h.answers(); err != nil {
		return err
	}
	r := h.w.runs[id-1]
	if !r.hangs || r.Status == "pending" {
		h.w.violate("run %d, by %s, is %s and was cancelled by the %s", id, r.by, r.Status, h.by)
	}
	if force || !r.stubborn {
		h.w.cleared++
		h.w.end(r, "cancelled")
	}
	return nil
}

func (w *world) actor(h *hub, said *[]string) *Pacer {
	return &Pacer{
		GitHub: h, Environment: "pace", Now: func() time.Time { return w.now },
		Wait:   func(_ context.Context, d time.Duration) error { w.advance(d); return nil },
		Newest: func(context.Context) (time.Time, error) { return w.newest, h.answers() },
		Say:    func(text string) { *said = append(*said, text) },
	}
}

// pace runs the real code of one run of the chain.
func (w *world) pace(r *modelRun) {
	var said []string
	h := &hub{w, r, pacer, map[string]int{}}
	p := w.actor(h, &said)
	p.Run, p.Rest = r.ID, r.rest
	err := p.Pace(context.Background())
	switch told := strings.Join(said, "\n"); {
	case r.over():
		w.stops["cancelled by a person"]++
	case err != nil:
		w.stops[reason(err.Error())]++
	case strings.Contains(told, "ends here"):
		w.stops["a disabled workflow"]++
		if !w.disabled[PacerFile] && !w.disabled[MirrorFile] {
			w.violate("run %d ended the chain without need: %q", r.ID, said)
		}
	case h.made[PacerFile] != 1:
		w.violate("run %d left neither a successor nor a reason: %q", r.ID, said)
	}
}

func reason(text string) string {
	for _, word := range []string{"wait timer", "this run waited", "503"} {
		if strings.Contains(text, word) {
			return word
		}
	}
	return text
}

// cron is the schedule, when GitHub delivers it.
func (w *world) cron() {
	if w.mending || w.disabled["mend.yml"] {
		return // its group has one at a time
	}
	w.mending = true
	defer func() { w.mending = false }()
	var said []string
	h := &hub{w, nil, menda, map[string]int{}}
	fit := func() bool {
		return !w.wedged[true] && !w.broken && !w.ignored && !w.disabled[PacerFile] && !w.deleted && w.timer >= MinTimer
	}
	before, meddled := fit(), w.meddled
	err := w.actor(h, &said).Mend(context.Background())
	w.crons++
	if err != nil && strings.Contains(err.Error(), "rename") {
		w.wedges++
		if strings.Contains(err.Error(), "nothing holds") && len(w.wedged) == 0 {
			w.violate("no group is stuck, and the mender says so: %v", err)
		}
	}
	w.mended += h.made[PacerFile]
	if before && fit() && meddled == w.meddled && !w.alive() {
		w.violate("the chain is dead after the schedule has run: %v, %q", err, said)
	}
}

// alive reports whether the chain goes on, or hangs since a short time.
func (w *world) alive() bool {
	holder, pending := w.inGroup(PacerFile)
	if holder == nil {
		return pending != nil
	}
	return !holder.hangs || w.now.Sub(holder.Updated) < w.timer+patience
}
