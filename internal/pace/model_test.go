package pace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
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
	attempt  int
	takes    time.Duration
	queues   time.Duration // how long it waits for a runner, or for an approval
	hangs    bool          // its status never changes by itself
	stubborn bool          // only force ends it
	past     []Run         // how it was, by Updated
}

func (r *modelRun) over() bool { return r.Status == "completed" }

// An event happens at a time, in the order in which it was put there.
type event struct {
	at time.Time
	do func()
}

// at returns how a run was at a time, as lists that lag behind have it.
func (r *modelRun) at(t time.Time) (was Run, ok bool) {
	if !r.Updated.After(t) {
		return r.Run, true
	}
	for _, was := range slices.Backward(r.past) {
		if !was.Updated.After(t) {
			return was, true
		}
	}
	return Run{}, false
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
	red      bool          // the mirror publishes, and ends red because a person should look
	site     bool          // status.json can be had
	fresh    time.Time     // when a mirror published last
	refused  bool          // GitHub refuses to start the mirror, though it is not disabled
	approval bool          // the environment has reviewers
	branch   string        // the default one
	hanging  float64       // share of runs that hang
	scarce   float64       // share of runs that wait for a runner for long
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
		timer: 30 * time.Minute, stops: map[string]int{}, branch: "main",
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
		Run: Run{ID: int64(len(w.runs) + 1), Created: w.now, Updated: w.now, ByHand: by == hand}, file: file, by: by, rest: rest, attempt: 1,
		takes: w.between(10*time.Second, 2*time.Minute), queues: w.between(2*time.Second, 40*time.Second), hangs: w.chance(w.hanging), stubborn: w.chance(0.5),
	}
	if w.chance(w.scarce) && file != PacerFile {
		r.queues = w.between(time.Minute, 5*time.Hour) // runners are rare
		if by == hand {
			r.queues *= 4 // it waits for an approval
		}
	}
	switch {
	case by == hand && file == MirrorFile && w.chance(0.2):
		r.Dry = true
	case file == backfillFile:
		r.takes = w.between(time.Hour, 15*time.Hour)
	case by == hand && w.chance(0.5):
		r.takes = w.between(time.Hour, 5*time.Hour) // a full one
	}
	holder, pending := w.inGroup(file)
	if pending != nil {
		if file != PacerFile && pending.by == hand && by != hand && w.now.Sub(pending.Updated) > lag {
			w.violate("run %d by hand was pushed aside by the %s", pending.ID, by)
		}
		w.end(pending, "cancelled")
	}
	w.runs, w.going = append(w.runs, r), append(w.going, r)
	w.queue(r, holder == nil && pending == nil)
	return r
}

// queue lets a run wait for its group.
func (w *world) queue(r *modelRun, free bool) {
	w.become(r, "pending")
	if free && !w.wedged[r.file == PacerFile] {
		w.begin(r)
	}
}

// again is what "Re-run all jobs" does: the run keeps its id and its age.
func (w *world) again(r *modelRun) {
	holder, pending := w.inGroup(r.file)
	if pending != nil {
		w.end(pending, "cancelled")
	}
	r.attempt++
	w.going = append(w.going, r)
	w.queue(r, holder == nil && pending == nil)
}

func (w *world) become(r *modelRun, status string) {
	if r.Status != "" {
		r.past = append(r.past, r.Run)
	}
	r.Status, r.Updated = status, w.now
}

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
	if r.hangs || r.file == PacerFile && w.approval {
		r.hangs = true
		return
	}
	w.after(wait+r.queues, func() {
		if !r.over() {
			w.become(r, "in_progress")
			w.work(r)
		}
	})
}

// work does what a run is for.
func (w *world) work(r *modelRun) {
	if r.file == PacerFile {
		conclusion := w.pace(r)
		w.after(15*time.Second, func() { w.end(r, conclusion) })
		return
	}
	w.after(r.takes, func() {
		if r.over() {
			return
		}
		if w.failing {
			w.end(r, "failure")
			return
		}
		if r.file == MirrorFile && !r.Dry {
			w.fresh = w.now
		}
		if w.red {
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
	off  bool           // the mirror was disabled when it began
}

var errDown = errors.New("GitHub answers 503 (unavailable)")

// lag is by how much lists of runs lag behind at most.
const lag = time.Minute

func (h *hub) answers() error {
	switch {
	case h.self != nil && h.self.over():
		return context.Canceled // somebody cancelled this very run
	case h.w.broken && h.w.chance(0.7):
		return errDown
	}
	return nil
}

func (h *hub) DefaultBranch(context.Context) (string, error) { return h.w.branch, h.answers() }

func (h *hub) Rules(context.Context, string) (timer time.Duration, others []string, err error) {
	if err := h.answers(); err != nil {
		return 0, nil, err
	}
	if h.w.deleted {
		return 0, nil, nil
	}
	if h.w.approval {
		others = []string{"required_reviewers"}
	}
	return h.w.timer, others, nil
}

func (h *hub) State(_ context.Context, file string) (string, error) {
	if h.w.disabled[file] {
		return "disabled_manually", h.answers()
	}
	return "active", h.answers()
}

func (h *hub) Run(_ context.Context, id int64) (Run, error) {
	if err := h.answers(); err != nil {
		return Run{}, err
	}
	return h.w.runs[id-1].Run, nil
}

func (h *hub) Active(_ context.Context, file string) ([]Run, error) {
	return h.list(h.w.runs, file, false)
}

func (h *hub) Done(_ context.Context, file string) ([]Run, error) {
	return h.list(h.w.runs, file, true)
}

func (h *hub) list(all []*modelRun, file string, over bool) (runs []Run, err error) {
	if err := h.answers(); err != nil {
		return nil, err
	}
	then := h.w.now.Add(-h.w.between(0, lag))
	for _, r := range slices.Backward(all) {
		if len(runs) == 100 {
			break
		}
		if r.file != file || r.over() != over && r.Updated.Before(then) {
			continue
		}
		if was, ok := r.at(then); ok && (was.Status == "completed") == over {
			runs = append(runs, was)
		}
	}
	return runs, nil
}

func (h *hub) Dispatch(_ context.Context, file string, rest int) (int64, error) {
	if err := h.answers(); err != nil {
		return 0, err
	}
	w := h.w
	switch {
	case w.disabled[file]:
		return 0, errors.New("GitHub answers 422 (Cannot trigger a 'workflow_dispatch' on a disabled workflow)")
	case w.refused && file == MirrorFile:
		return 0, errors.New("GitHub answers 422 (No ref found for: main)")
	case file == PacerFile && (w.timer < 10*time.Minute || w.deleted || w.approval):
		w.violate("the %s started %s in an environment that lost its timer or wants an approval", h.by, file)
	case h.off && w.disabled[MirrorFile] && h.by == menda:
		w.violate("the mender started %s while the mirror was disabled", file)
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
	w := h.w
	r := w.runs[id-1]
	lowered := r.file == PacerFile && w.now.Sub(r.Updated) > w.timer+30*time.Minute
	if !r.hangs && !lowered || r.Status == "pending" || r.by == hand && r.file != PacerFile {
		w.violate("run %d, by %s, is %s and was cancelled by the %s", id, r.by, r.Status, h.by)
	}
	if force || !r.stubborn {
		w.cleared++
		w.end(r, "cancelled")
	}
	return nil
}

func (w *world) actor(h *hub, said *[]string) *Pacer {
	p := &Pacer{
		GitHub: h, Environment: "pace", Branch: "main", Attempt: 1, Now: func() time.Time { return w.now },
		Wait:   func(_ context.Context, d time.Duration) error { w.advance(d); return nil },
		Newest: func(context.Context) (time.Time, error) { return w.newest, h.answers() },
		Say:    func(text string) { *said = append(*said, text) },
	}
	if w.site {
		p.Checked = func(context.Context) (time.Time, error) { return w.fresh.Truncate(time.Hour), nil }
	}
	return p
}

// pace runs the real code of one run of the chain, and returns its conclusion.
func (w *world) pace(r *modelRun) string {
	var said []string
	h := &hub{w, r, pacer, map[string]int{}, w.disabled[MirrorFile]}
	p := w.actor(h, &said)
	p.Run, p.Rest, p.Attempt = r.ID, r.rest, r.attempt
	began, disabled := w.now, maps.Clone(w.disabled)
	err := p.Pace(context.Background())
	told := strings.Join(append(said, fmt.Sprint(err)), "\n")
	why := w.why(r, told, began, disabled)
	switch {
	case r.over():
		w.stops["cancelled by a person"]++
	case h.made[PacerFile] == 1 && why != "":
		w.violate("run %d went on, and %s: %q, %v", r.ID, why, said, err)
	case h.made[PacerFile] != 1 && why == "":
		w.violate("run %d ended the chain without need: %q, %v", r.ID, said, err)
	case h.made[PacerFile] != 1 && !words.MatchString(told):
		w.violate("run %d ended the chain because of %s, and says: %q, %v", r.ID, why, said, err)
	case h.made[PacerFile] != 1:
		w.stops[why]++
	}
	if err != nil {
		return "failure"
	}
	return "success"
}

// words are those by which a run says why it ends the chain. Of several reasons it
// says one.
var words = regexp.MustCompile("is attempt|runs on the default one|this run waited|wait timer|required_reviewers|(mirror|pace).yml is disabled|503")

// why is the reason for which a run had to end the chain, by the state of the world
// and not by what the run thinks, as long as it says so as well. None is "".
func (w *world) why(r *modelRun, told string, began time.Time, disabled map[string]bool) string {
	both := func(file string) bool { return w.disabled[file] && disabled[file] }
	either := func(file string) bool { return w.disabled[file] || disabled[file] }
	says := func(word string) bool { return strings.Contains(told, word) }
	idle := r.rest == 0 && !w.broken && !says("503")
	switch {
	case r.attempt > 1:
		return "a re-run"
	case w.branch != "main":
		return "another branch"
	case w.now.Sub(r.Created) < 10*time.Minute || says("this run waited"):
		return "no wait"
	case (w.deleted || w.timer < 10*time.Minute) && (w.now.Equal(began) || says("wait timer")):
		return "no timer"
	case w.approval && (w.now.Equal(began) || says("reviewers")):
		return "an approval"
	case both(MirrorFile) && idle || either(MirrorFile) && says("mirror.yml is disabled"):
		return "the mirror is disabled"
	case both(PacerFile) && !w.broken || either(PacerFile) && says("pace.yml is disabled"):
		return "the chain is disabled"
	case w.now.Sub(began) >= 8*time.Minute && says("503") && says("of trying"):
		return "GitHub is down"
	}
	return ""
}

// cron is the schedule, when GitHub delivers it.
func (w *world) cron() {
	if w.mending || w.disabled[MenderFile] {
		return // its group has one at a time
	}
	w.mending = true
	defer func() { w.mending = false }()
	var said []string
	h := &hub{w, nil, menda, map[string]int{}, w.disabled[MirrorFile]}
	fit := func() bool {
		return !w.wedged[true] && !w.broken && !w.ignored && !w.disabled[PacerFile] && !w.disabled[MirrorFile] &&
			!w.deleted && w.timer >= 10*time.Minute && !w.approval && w.branch == "main"
	}
	before, meddled, due, wedged := fit(), w.meddled, w.due(), len(w.wedged) > 0
	err := w.actor(h, &said).Mend(context.Background())
	w.crons++
	if err != nil && strings.Contains(err.Error(), "rename") {
		w.wedges++
		if strings.Contains(err.Error(), "nothing holds") && !wedged && len(w.wedged) == 0 {
			w.violate("no group is stuck, and the mender says so: %v", err)
		}
	}
	w.mended += h.made[PacerFile]
	if before && fit() && meddled == w.meddled && !w.alive() {
		w.violate("the chain is dead after the schedule has run: %v, %q", err, said)
	}
	if due && w.due() && h.made[MirrorFile] == 0 {
		w.violate("the data are of %s, and the mender starts no mirror: %v, %q", w.fresh, err, said)
	}
}

// due reports whether the mender has to start the mirror, as far as anybody can know.
func (w *world) due() bool {
	if w.broken || w.refused || w.disabled[MirrorFile] || w.wedged[false] || w.branch != "main" {
		return false
	}
	for _, r := range slices.Backward(w.runs) {
		if r.file != PacerFile && (!r.over() || w.now.Sub(r.Updated) < lag) {
			return false
		}
	}
	timer := w.timer
	if timer < 10*time.Minute || w.deleted {
		timer = 30 * time.Minute
	}
	return w.now.Sub(w.fresh) > 2*timer+30*time.Minute+2*time.Hour
}

// alive reports whether the chain goes on, or hangs since a short time.
func (w *world) alive() bool {
	holder, pending := w.inGroup(PacerFile)
	if holder == nil {
		last := slices.IndexFunc(w.runs, func(r *modelRun) bool { return r.file == PacerFile && r.over() && w.now.Sub(r.Updated) < lag })
		return pending != nil || last >= 0 // nobody can see yet that it ended
	}
	return !holder.hangs || w.now.Sub(holder.Updated) < w.timer+3*time.Hour
}
