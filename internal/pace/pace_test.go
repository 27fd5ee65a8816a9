package pace

import (
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
	failures     int // of the next starts
	started      []string
}

func (f *fixed) Timer(context.Context, string) (time.Duration, error) { return 30 * time.Minute, nil }

func (f *fixed) Active(_ context.Context, file string) ([]Run, error) { return f.active[file], nil }

func (f *fixed) Done(_ context.Context, file string) ([]Run, error) { return f.done[file], nil }

func (f *fixed) Dispatch(_ context.Context, file string, _ int) (int64, error) {
	if f.failures > 0 {
		f.failures--
		return 0, errDown
	}
	f.started = append(f.started, file)
	return 1, nil
}

func (f *fixed) Cancel(context.Context, int64, bool) error {
	return errors.New("nothing is to be cancelled")
}

// pacer returns one at noon, for which upstream changed some hours ago.
func (f *fixed) pacer(quiet time.Duration) (p *Pacer, said *[]string) {
	said = new([]string)
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &Pacer{
		GitHub: f, Now: func() time.Time { return noon }, Wait: func(context.Context, time.Duration) error { return nil },
		Newest: func(context.Context) (time.Time, error) { return noon.Add(-quiet), nil },
		Say:    func(text string) { *said = append(*said, text) },
	}, said
}

// A run that is pending for long behind one that works waits; one that is pending
// behind nobody is GitHub's fault, and a person's work.
func TestPendingForLong(t *testing.T) {
	t.Parallel()
	p, _ := (&fixed{}).pacer(0)
	pending := Run{ID: 7, Status: "pending", Updated: p.Now().Add(-30 * time.Hour)}
	holder := Run{ID: 8, Status: "in_progress", Updated: p.Now().Add(-time.Hour)}
	f := &fixed{active: map[string][]Run{MirrorFile: {pending}, backfillFile: {holder}}}
	p, _ = f.pacer(0)
	if _, err := p.tend(t.Context()); err != nil || len(f.started) > 0 {
		t.Errorf("behind a backfill: %v, started %q", err, f.started)
	}
	f = &fixed{active: map[string][]Run{MirrorFile: {pending}}}
	p, _ = f.pacer(0)
	if _, err := p.tend(t.Context()); err == nil || !strings.Contains(err.Error(), "rename it in mirror.yml") || len(f.started) > 0 {
		t.Errorf("behind nobody: %v, started %q", err, f.started)
	}
}

// A start that GitHub refuses for a moment is tried again.
func TestSuccessorIsTriedAgain(t *testing.T) {
	t.Parallel()
	f := &fixed{failures: 2}
	p, said := f.pacer(0)
	if err := p.arm(t.Context(), 0); err != nil || !slices.Equal(f.started, []string{PacerFile}) {
		t.Errorf("%v, %q, %q", err, f.started, *said)
	}
	f.failures = 3
	if err := p.arm(t.Context(), 0); !errors.Is(err, errDown) || !strings.Contains(err.Error(), "the schedule restarts the chain") {
		t.Errorf("it says %v", err)
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
	} {
		var done []Run
		for _, conclusion := range strings.Fields(test.conclusions) {
			done = append(done, Run{Status: "completed", Conclusion: conclusion})
		}
		p, said := (&fixed{}).pacer(test.quiet)
		if got := p.slower(t.Context(), done); got != test.want || (got > 0) != (len(*said) > 0) {
			t.Errorf("%q, quiet for %s: %d waits, want %d; %q", test.conclusions, test.quiet, got, test.want, *said)
		}
	}
}
