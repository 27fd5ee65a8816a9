// Package pace keeps a mirror's steady pace on GitHub: a chain of runs of pace.yml,
// each of which waits for the timer of an environment, starts mirror.yml and then
// its successor. The schedule, in a file of its own, mends the chain.
//
// It relies on these rules of GitHub:
//
//   - A concurrency group has one run that holds it and one that is pending. A
//     newer pending run takes the place of the older one. All runs of pace.yml share
//     a group, so there is one chain, however many are started.
//   - A run that waits for a timer holds its group, and no runner.
//   - An environment that was deleted comes back without its timer at the next run.
//
// And it keeps these of its own:
//
//   - mirror.yml is started only when nothing runs or waits in its group. So nothing
//     that somebody started by hand is pushed aside. A busy mirror never ends the
//     chain.
//   - Nothing is started when the timer is missing, or when a run did not wait.
//   - A run judges by its own age, never by that of another workflow.
//   - A run leaves a successor, or says why not.
package pace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// minutes is the form of a time in messages.
const minutes = "2006-01-02 15:04 UTC"

// The workflows that this package knows, by file.
const (
	PacerFile    = "pace.yml"
	MirrorFile   = "mirror.yml"
	backfillFile = "backfill.yml"
)

// Times that the chain keeps to.
const (
	MinTimer  = 10 * time.Minute // the shortest timer
	normal    = 30 * time.Minute // the timer of those who chose none
	slack     = 30 * time.Minute // how late a run may be when the data are late
	patience  = 3 * time.Hour    // how late it may be otherwise
	stuckAge  = 6 * time.Hour    // a mirror that waited so long for a runner hangs
	maxRun    = 24 * time.Hour   // no run of a mirror takes longer
	quietAge  = 6 * time.Hour    // upstream is quiet when nothing came for so long
	cancelled = time.Minute      // how long GitHub may take to cancel a run
	maxRest   = 7                // waits that are let pass at most
)

// A Run is one of a workflow.
type Run struct {
	ID         int64
	Status     string    // pending for its group, waiting for its timer, queued for a runner, in_progress, completed
	Conclusion string    // of a completed one
	Created    time.Time // when it was started
	Updated    time.Time // when its status changed last
}

// GitHub is what the chain asks of it.
type GitHub interface {
	// Timer returns how long an environment makes a job wait, 0 if it does not.
	Timer(ctx context.Context, environment string) (time.Duration, error)
	// Active returns all runs of a workflow that are not completed, the newest
	// first, none if there is no such workflow.
	Active(ctx context.Context, file string) ([]Run, error)
	// Done returns the last completed runs of a workflow, the newest first.
	Done(ctx context.Context, file string) ([]Run, error)
	// Dispatch starts a workflow, after rest waits. It returns the run's id, 0 if
	// GitHub does not say it.
	Dispatch(ctx context.Context, file string, rest int) (int64, error)
	// Cancel ends a run, by force if asking did not help.
	Cancel(ctx context.Context, run int64, force bool) error
}

// ErrDisabled is GitHub's answer when a workflow may not be started.
var ErrDisabled = errors.New("GitHub does not start this workflow")

// A Pacer is one run of the chain, or of what mends it.
type Pacer struct {
	GitHub      GitHub
	Environment string // whose timer paces
	Run         int64  // the run's own id
	Rest        int    // how many waits to let pass before the mirror is started
	Now         func() time.Time
	Wait        func(ctx context.Context, d time.Duration) error
	Newest      func(ctx context.Context) (time.Time, error) // upstream's last change
	Say         func(text string)
}

func (p *Pacer) say(format string, args ...any) { p.Say(fmt.Sprintf(format, args...)) }

// Pace is what a run of the chain does once it has waited.
func (p *Pacer) Pace(ctx context.Context) error {
	timer, err := p.timer(ctx)
	if err == nil {
		err = p.waited(ctx, timer)
	}
	if err != nil {
		return fmt.Errorf("the chain ends here: %w", err)
	}
	rest := p.Rest - 1
	if p.Rest > 0 {
		p.say("The mirror is not started now. It is after this many waits more: %d.", p.Rest)
	} else {
		rest, err = p.tend(ctx)
		if errors.Is(err, ErrDisabled) {
			p.say("%s is disabled, and that is obeyed: the chain ends here. Enable it on the Actions page; the schedule then restarts the chain. (%v)", MirrorFile, err)
			return nil
		}
	}
	if err != nil {
		p.say("The mirror could not be looked at or started, so the next run tries again: %v", err)
		rest = 0
	}
	return p.arm(ctx, rest)
}

// timer returns the environment's timer. Without one the chain would run hot.
func (p *Pacer) timer(ctx context.Context) (time.Duration, error) {
	timer, err := p.GitHub.Timer(ctx, p.Environment)
	switch {
	case err != nil:
		return 0, fmt.Errorf("read the timer of the environment %q: %w", p.Environment, err)
	case timer < MinTimer:
		return 0, fmt.Errorf("the environment %q has a wait timer of %d minutes, and %d is the least; set it under Settings > Environments, then run %s again",
			p.Environment, timer/time.Minute, MinTimer/time.Minute, PacerFile)
	}
	return timer, nil
}

// waited refuses a run that did not wait, whatever the environment says: private
// repositories on most plans ignore its rules, and somebody may skip them.
func (p *Pacer) waited(ctx context.Context, timer time.Duration) error {
	runs, err := p.GitHub.Active(ctx, PacerFile)
	if err != nil {
		return fmt.Errorf("look for this run: %w", err)
	}
	for _, run := range runs {
		if age := p.Now().Sub(run.Created); run.ID == p.Run && age < timer*9/10 {
			return fmt.Errorf("this run waited %s, and the timer says %s; in a private repository most plans ignore timers, and somebody may have skipped it", age.Round(time.Second), timer)
		}
	}
	return nil
}

// tend starts the mirror unless it is busy, and returns how many waits the chain
// should let pass then.
func (p *Pacer) tend(ctx context.Context) (rest int, err error) {
	busy, err := p.busy(ctx, mirrorLimit, MirrorFile, backfillFile)
	if err != nil {
		return 0, err
	}
	done, err := p.GitHub.Done(ctx, MirrorFile)
	if busy || err != nil {
		return 0, err
	}
	id, err := p.GitHub.Dispatch(ctx, MirrorFile, 0)
	if err != nil {
		return 0, err
	}
	p.say("The mirror was started%s.", named(id))
	return p.slower(ctx, done), nil
}

// mirrorLimit is how long a run of the mirror may stay as it is.
func mirrorLimit(run Run) time.Duration {
	if run.Status == "in_progress" || run.Status == "pending" {
		return maxRun
	}
	return stuckAge
}

// busy reports whether a run of these workflows, which share a concurrency group,
// goes on. It ends those that have been as they are for longer than limit allows.
func (p *Pacer) busy(ctx context.Context, limit func(Run) time.Duration, files ...string) (busy bool, err error) {
	held := false
	for _, pending := range []bool{false, true} { // one that is pending hangs only if nobody holds the group
		for _, file := range files {
			runs, err := p.GitHub.Active(ctx, file)
			if err != nil {
				return false, err
			}
			for _, run := range runs {
				switch {
				case (run.Status == "pending") != pending:
				case p.Now().Sub(run.Updated) <= limit(run) || pending && held:
					busy = true
					p.say("Run %d of %s is %s.", run.ID, file, strings.ReplaceAll(run.Status, "_", " "))
				case pending:
					return true, fmt.Errorf("run %d of %s is pending since %s, and nothing holds its concurrency group: GitHub has such a group stuck; rename it in %[2]s", run.ID, file, run.Updated.UTC().Format(minutes))
				default:
					if err := p.clear(ctx, file, run); err != nil {
						return false, err
					}
				}
				held = held || run.Status != "pending"
			}
		}
	}
	return busy, nil
}

// slower returns how many waits to let pass after failures, and when upstream has
// been quiet.
func (p *Pacer) slower(ctx context.Context, runs []Run) int {
	failures := 0
	for _, run := range runs {
		if run.Conclusion == "success" {
			break
		}
		if run.Conclusion == "failure" || run.Conclusion == "timed_out" || run.Conclusion == "startup_failure" {
			failures++
		}
	}
	if failures > 1 {
		rest := min(1<<(min(failures, 9)-1)-1, maxRest)
		p.say("The last %d runs of the mirror failed, so the chain goes slower: it lets %d waits pass.", failures, rest)
		return rest
	}
	newest, err := p.Newest(ctx)
	if err == nil && p.Now().Sub(newest) > quietAge {
		p.say("Upstream has had nothing new since %s, so the chain goes slower: it lets one wait pass.", newest.UTC().Format(minutes))
		return 1
	}
	return 0
}

// arm starts the successor.
func (p *Pacer) arm(ctx context.Context, rest int) (err error) {
	for _, pause := range []time.Duration{0, 10 * time.Second, time.Minute} {
		if err := p.Wait(ctx, pause); err != nil {
			return err
		}
		if _, err := p.timer(ctx); err != nil { // it may have gone meanwhile
			return fmt.Errorf("the chain ends here: %w", err)
		}
		var id int64
		id, err = p.GitHub.Dispatch(ctx, PacerFile, rest)
		switch {
		case err == nil:
			p.say("The next run of the chain waits%s.", named(id))
			return nil
		case errors.Is(err, ErrDisabled):
			p.say("%s is disabled, and that is obeyed: the chain ends here. (%v)", PacerFile, err)
			return nil
		}
	}
	return fmt.Errorf("start the next run of the chain: %w; the schedule restarts the chain", err)
}

// named is a run's id in a sentence.
func named(id int64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf(" (run %d)", id)
}

// clear ends a run that hangs.
func (p *Pacer) clear(ctx context.Context, file string, run Run) error {
	p.say("Run %d of %s hangs: it is %s since %s. It is cancelled.", run.ID, file, strings.ReplaceAll(run.Status, "_", " "), run.Updated.UTC().Format(minutes))
	for _, force := range []bool{false, true} {
		if err := p.GitHub.Cancel(ctx, run.ID, force); err != nil && force {
			return fmt.Errorf("cancel run %d, which hangs: %w", run.ID, err)
		}
		if err := p.Wait(ctx, cancelled); err != nil {
			return err
		}
		runs, err := p.GitHub.Active(ctx, file)
		if err != nil || !slices.ContainsFunc(runs, func(r Run) bool { return r.ID == run.ID }) {
			return err
		}
	}
	return fmt.Errorf("run %d hangs and does not end, even by force. GitHub may keep its concurrency group stuck: rename it in %s", run.ID, file)
}
