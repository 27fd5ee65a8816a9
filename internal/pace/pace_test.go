package pace

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// A fixed GitHub has runs that somebody wrote down.
type fixed struct {
	active, done map[string][]Run
	states       map[string]string
	runs         map[int64]Run // by id
	branch       string        // "" for main
	rules        []string      // beside the timer
	timers       []int         // minutes, as they are read; then 30
	broken       error         // what lists answer
	failures     int           // of the next starts
	started      []string
	rests        []int
}

func (f *fixed) DefaultBranch(context.Context) (string, error) { return cmp.Or(f.branch, "main"), nil }

func (f *fixed) Rules(context.Context, string) (time.Duration, []string, error) {
	timer := 30
	if len(f.timers) > 0 {
		timer, f.timers = f.timers[0], f.timers[1:]
	}
	return time.Duration(timer) * time.Minute, f.rules, nil
}

func (f *fixed) State(_ context.Context, file string) (string, error) {
	return cmp.Or(f.states[file], "active"), nil
}

func (f *fixed) Run(_ context.Context, id int64) (Run, error) { return f.runs[id], nil }

func (f *fixed) Active(_ context.Context, file string) ([]Run, error) {
	return f.active[file], f.broken
}

func (f *fixed) Done(_ context.Context, file string) ([]Run, error) { return f.done[file], nil }

func (f *fixed) Dispatch(_ context.Context, file string, rest int) (int64, error) {
	if f.failures > 0 {
		f.failures--
		return 0, errDown
	}
	f.started, f.rests = append(f.started, file), append(f.rests, rest)
	return 1, nil
}

func (f *fixed) Cancel(context.Context, int64, bool) error {
	return errors.New("nothing is to be cancelled")
}

// pacer returns one at noon that has waited half an hour, for which upstream changed
// some hours ago.
func (f *fixed) pacer(quiet time.Duration) (p *Pacer, said *[]string) {
	said = new([]string)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if f.runs == nil {
		f.runs = map[int64]Run{99: {ID: 99, Status: "in_progress", Created: now.Add(-30 * time.Minute)}}
	}
	return &Pacer{
		GitHub: f, Environment: "pace", Branch: "main", Run: 99, Attempt: 1, Now: func() time.Time { return now },
		Wait:   func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil },
		Newest: func(context.Context) (time.Time, error) { return now.Add(-quiet), nil },
		Say:    func(text string) { *said = append(*said, text) },
	}, said
}

// A run that is pending for long behind one that works waits; one that is pending
// behind nobody is GitHub's fault, and a person's work.
func TestPendingForLong(t *testing.T) {
	t.Parallel()
	p, _ := (&fixed{}).pacer(0)
	pending := Run{ID: 7, Status: "pending", Updated: p.Now().Add(-40 * time.Hour)}
	holder := Run{ID: 8, Status: "in_progress", Updated: p.Now().Add(-time.Hour)}
	f := &fixed{active: map[string][]Run{MirrorFile: {pending}, backfillFile: {holder}}}
	p, _ = f.pacer(0)
	if _, err := p.startMirror(t.Context()); err != nil || len(f.started) > 0 {
		t.Errorf("behind a backfill: %v, started %q", err, f.started)
	}
	f = &fixed{active: map[string][]Run{MirrorFile: {pending}}, runs: map[int64]Run{7: pending}}
	p, _ = f.pacer(0)
	if _, err := p.startMirror(t.Context()); err == nil || !strings.Contains(err.Error(), "rename it in mirror.yml") || len(f.started) > 0 {
		t.Errorf("behind nobody: %v, started %q", err, f.started)
	}
}

// What GitHub refuses or does not answer for a while is tried again, for as long as
// the job has time.
func TestSuccessorIsTriedAgain(t *testing.T) {
	t.Parallel()
	f := &fixed{failures: 6}
	p, said := f.pacer(0)
	if err := p.startNext(t.Context(), 0); err != nil || !slices.Equal(f.started, []string{PacerFile}) {
		t.Errorf("%v, %q, %q", err, f.started, *said)
	}
	f.failures = 100
	p, _ = f.pacer(0)
	began := p.Now()
	err := p.startNext(t.Context(), 0)
	if took := p.Now().Sub(began); !errors.Is(err, errDown) || !errors.Is(err, errEnds) || !strings.Contains(err.Error(), "the schedule restarts it") || took < 8*time.Minute || took > 10*time.Minute {
		t.Errorf("after %s it says %v", took, err)
	}
}

// Each of these ends the chain with its reason, and nothing is started.
func TestReasonsToEnd(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	run := func(status string, age time.Duration) map[int64]Run {
		return map[int64]Run{99: {ID: 99, Status: status, Created: now.Add(-age)}}
	}
	for _, test := range []struct {
		f      fixed
		change func(*Pacer)
		says   string
	}{
		{fixed{runs: map[int64]Run{}}, nil, "does not know this run"},
		{fixed{runs: map[int64]Run{99: {ID: 7, Created: now.Add(-time.Hour)}}}, nil, "contradicts itself"},
		{fixed{runs: map[int64]Run{99: {ID: 99}}}, nil, "contradicts itself"},
		{fixed{runs: run("completed", time.Hour)}, nil, "contradicts itself"},
		{fixed{runs: run("in_progress", 599*time.Second)}, nil, "this run waited 9m59s, and 10m0s is the least"},
		{fixed{runs: run("in_progress", -time.Minute)}, nil, "this run waited -1m0s"},
		{fixed{}, func(p *Pacer) { p.Attempt = 2 }, "attempt 2"},
		{fixed{branch: "trunk"}, nil, `the branch "main", and a chain runs on the default one, "trunk"`},
		{fixed{timers: []int{9}}, nil, "wait timer of 9 minutes"},
		{fixed{rules: []string{"required_reviewers"}}, nil, "required_reviewers"},
	} {
		p, said := test.f.pacer(0)
		if test.change != nil {
			test.change(p)
		}
		if err := p.Pace(t.Context()); !errors.Is(err, errEnds) || !strings.Contains(err.Error(), test.says) || len(test.f.started) > 0 {
			t.Errorf("%q: %v, %q, started %q", test.says, err, *said, test.f.started)
		}
	}
}

// The timer is read again right before the successor is started.
func TestTimerThatGoesMeanwhile(t *testing.T) {
	t.Parallel()
	f := &fixed{timers: []int{30, 0}}
	p, _ := f.pacer(0)
	if err := p.Pace(t.Context()); !errors.Is(err, errEnds) || !slices.Equal(f.started, []string{MirrorFile}) {
		t.Errorf("%v, started %q", err, f.started)
	}
}

// Who waited for a shorter timer than the one that is set now goes on.
func TestTimerThatWasRaised(t *testing.T) {
	t.Parallel()
	f := &fixed{timers: []int{120, 120, 120}}
	p, _ := f.pacer(0)
	if err := p.Pace(t.Context()); err != nil || len(f.started) != 2 {
		t.Errorf("%v, started %q", err, f.started)
	}
}

// A mirror that cannot be started is told in red, and the chain goes on.
func TestMirrorThatCannotBeStarted(t *testing.T) {
	t.Parallel()
	f := &fixed{failures: 1}
	p, _ := f.pacer(0)
	if err := p.Pace(t.Context()); !errors.Is(err, errDown) || !slices.Equal(f.started, []string{PacerFile}) {
		t.Errorf("%v, started %q", err, f.started)
	}
}

// Disabled workflows are obeyed by the chain and by what mends it; a disabled mender
// is told of.
func TestDisabled(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file, says    string
		paced, mended []string
	}{
		{MirrorFile, "mirror.yml is disabled, and that is obeyed (disabled_manually)", nil, nil},
		{PacerFile, "pace.yml is disabled, and that is obeyed (disabled_manually)", []string{MirrorFile}, []string{MirrorFile}},
		{MenderFile, "nothing restarts the chain when it ends", []string{MirrorFile, PacerFile}, []string{PacerFile, MirrorFile}},
	} {
		for act, want := range map[string][]string{"pace": test.paced, "mend": test.mended} {
			f := &fixed{states: map[string]string{test.file: "disabled_manually"}}
			p, said := f.pacer(0)
			do := map[string]func(context.Context) error{"pace": p.Pace, "mend": p.Mend}[act]
			err := do(t.Context())
			if err != nil || !slices.Equal(f.started, want) || !strings.Contains(strings.Join(*said, "\n"), test.says) && (act == "pace" || test.file != MenderFile) {
				t.Errorf("%s with %s disabled: %v, %q, started %q", act, test.file, err, *said, f.started)
			}
		}
	}
}

// What the mender cannot see it leaves alone, and a lost timer it does not replace.
func TestMenderThatCannotSee(t *testing.T) {
	t.Parallel()
	p, _ := (&fixed{}).pacer(0)
	waits := Run{ID: 5, Status: "waiting", Updated: p.Now()}
	for name, f := range map[string]*fixed{"no lists": {broken: errDown}, "no timer": {timers: []int{0, 0, 0}}, "no timer, and a run that waits": {timers: []int{0}, active: map[string][]Run{PacerFile: {waits}}}, "another branch": {branch: "trunk"}} {
		p, _ := f.pacer(0)
		if err := p.Mend(t.Context()); err == nil || slices.Contains(f.started, PacerFile) || !strings.HasPrefix(name, "no timer") && len(f.started) > 0 {
			t.Errorf("%s: %v, started %q", name, err, f.started)
		}
	}
}

// Runs of the chain that fail again and again are told of by what mends it, because
// GitHub mails nobody about them.
func TestChainThatFails(t *testing.T) {
	t.Parallel()
	f := &fixed{done: map[string][]Run{PacerFile: {{ID: 5, Conclusion: "failure"}, {ID: 4, Conclusion: "failure"}}}}
	p, _ := f.pacer(0)
	if err := p.Mend(t.Context()); err == nil || !strings.Contains(err.Error(), "5 and 4: look at their summaries") || !slices.Equal(f.started, []string{PacerFile, MirrorFile}) {
		t.Errorf("%v, started %q", err, f.started)
	}
}

// What a person started is named when it is stuck, and never cancelled.
func TestHandsAreLeftAlone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status string
		age    time.Duration
		stuck  bool
	}{{"waiting", 7 * time.Hour, true}, {"queued", 7 * time.Hour, true}, {"in_progress", 29 * time.Hour, false}, {"in_progress", 31 * time.Hour, true}} {
		p, _ := (&fixed{}).pacer(0)
		run := Run{ID: 8, Status: test.status, ByHand: true, Updated: p.Now().Add(-test.age)}
		f := &fixed{active: map[string][]Run{backfillFile: {run}}, runs: map[int64]Run{8: run}}
		p, said := f.pacer(0)
		_, err := p.startMirror(t.Context())
		if (err != nil) != test.stuck || err != nil && !strings.Contains(err.Error(), "run 8 of backfill.yml, which a person started, is") || len(f.started) > 0 {
			t.Errorf("%s for %s: %v, %q, started %q", test.status, test.age, err, *said, f.started)
		}
	}
}

// A list that lags behind does not have a run cancelled that went on.
func TestListsLagBehind(t *testing.T) {
	t.Parallel()
	p, _ := (&fixed{}).pacer(0)
	hung := Run{ID: 8, Status: "queued", Updated: p.Now().Add(-7 * time.Hour)}
	for status, started := range map[string]bool{"in_progress": false, "completed": true} {
		f := &fixed{active: map[string][]Run{MirrorFile: {hung}}, runs: map[int64]Run{8: {ID: 8, Status: status}}}
		p, said := f.pacer(0)
		if _, err := p.startMirror(t.Context()); err != nil || (len(f.started) > 0) != started {
			t.Errorf("%s: %v, %q, started %q", status, err, *said, f.started)
		}
	}
}

// The age of the data is that of status.json where it can be had, else that of the
// last good run. A dry run and a run that failed bring nothing up to date.
func TestAgeOfTheData(t *testing.T) {
	t.Parallel()
	p, _ := (&fixed{}).pacer(0)
	now := p.Now()
	ago := func(minutes int) time.Time { return now.Add(time.Duration(-minutes) * time.Minute) }
	good := Run{Conclusion: "success", Created: ago(21), Updated: ago(20)}
	dry, red := good, good
	dry.Dry, red.Conclusion = true, "failure"
	for name, test := range map[string]struct {
		runs    []Run
		checked time.Time
		want    time.Time
	}{
		"a good run":                   {[]Run{good}, time.Time{}, ago(20)},
		"a dry run":                    {[]Run{dry}, time.Time{}, time.Time{}},
		"a red run":                    {[]Run{red}, time.Time{}, time.Time{}},
		"no run":                       {nil, time.Time{}, time.Time{}},
		"a red run that publishes":     {[]Run{red}, ago(30), now},
		"green runs that reach nobody": {[]Run{good}, ago(300), ago(240)},
		"a time to come":               {[]Run{good}, now.Add(time.Hour), ago(20)},
	} {
		p.Checked = func(context.Context) (time.Time, error) { return test.checked, nil }
		if got := p.published(t.Context(), test.runs); !got.Equal(test.want) {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	p.Checked = func(context.Context) (time.Time, error) { return ago(5), errDown }
	if got := p.published(t.Context(), []Run{good}); !got.Equal(ago(20)) {
		t.Errorf("a site that is down: %s", got)
	}
}

// A rest that somebody gives by hand is kept within bounds.
func TestRestIsBounded(t *testing.T) {
	t.Parallel()
	for rest, want := range map[int]int{1000000: 6, 7: 6, 1: 0, -5: 0} {
		f := &fixed{}
		p, said := f.pacer(0)
		p.Rest = rest
		if err := p.Pace(t.Context()); err != nil || f.rests[len(f.rests)-1] != want {
			t.Errorf("%d: %v, %d, %q", rest, err, f.rests, *said)
		}
	}
}

func TestChainGoesSlower(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		conclusions string // of the mirror's runs, the newest first
		quiet       time.Duration
		want        int
	}{
		{"", time.Hour, 0},
		{"success failure failure", time.Hour, 0},
		{"failure success", time.Hour, 0},
		{"failure failure success", time.Hour, 1},
		{"failure cancelled timed_out startup_failure success", time.Hour, 3},
		{"failure failure failure failure failure failure failure failure failure failure", time.Hour, 7},
		{"success", 7 * time.Hour, 1},
		{"dry failure failure success", time.Hour, 1},
		{"failure failure published failure failure", time.Hour, 1},
		{"published published published", time.Hour, 0},
	} {
		var done []Run
		noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		for _, conclusion := range strings.Fields(test.conclusions) {
			run := Run{Status: "completed", Conclusion: conclusion, Created: noon}
			switch conclusion {
			case "dry":
				run.Conclusion, run.Dry = "success", true
			case "published": // in red
				run.Conclusion, run.Created = "failure", noon.Add(-3*time.Hour)
			}
			done = append(done, run)
		}
		p, said := (&fixed{}).pacer(test.quiet)
		p.Checked = func(context.Context) (time.Time, error) { return noon.Add(-2 * time.Hour), nil }
		if got := p.slower(t.Context(), done); got != test.want || (got > 0) != (len(*said) > 0) {
			t.Errorf("%q, quiet for %s: %d waits, want %d; %q", test.conclusions, test.quiet, got, test.want, *said)
		}
	}
}
