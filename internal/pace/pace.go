// Package pace keeps a mirror's steady pace on GitHub: a chain of runs of pace.yml,
// each of which waits for the timer of an environment, starts mirror.yml and then
// its successor. The schedule, in a file of its own, mends the chain.
//
// It relies on these rules of GitHub:
//
//   - A concurrency group has one run that goes on and one that is pending. A
//     newer pending run replaces the older one. All runs of pace.yml share
//     a group, so there is one chain, however many are started.
//   - A run that waits for a timer keeps its group, and no runner.
//   - An environment that was deleted comes back without its timer at the next run.
//
// And it keeps these of its own:
//
//   - mirror.yml is started only when nothing runs or waits in its group. So nothing
//     that somebody started by hand is pushed aside. A busy mirror never ends the
//     chain.
//   - Nothing is started when the timer is missing, or when a run did not wait.
//   - A run judges by its own age, never by that of another workflow. It asks for
//     itself by its id: lists lag behind by up to a minute. What it cannot learn of
//     itself ends the chain.
//   - A run leaves a successor, or says why not. Only a named reason ends the chain;
//     an API that does not answer is asked again for as long as the job has time.
//   - A run of the mirror that a person started is never cancelled.
package pace

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// minutes is the form of a time in messages.
const minutes = "2006-01-02 15:04 UTC"

// The workflows that this package knows, by file.
const (
	PacerFile    = "pace.yml"
	MirrorFile   = "mirror.yml"
	MenderFile   = "mend.yml"
	backfillFile = "backfill.yml"
)

// Times that the chain keeps to.
const (
	MinTimer  = 10 * time.Minute // the shortest timer, and the shortest wait
	normal    = 30 * time.Minute // the timer of those who chose none
	slack     = 30 * time.Minute // the delay that a run may have when the data are overdue
	patience  = 3 * time.Hour    // the delay that it may have otherwise
	stuckAge  = 6 * time.Hour    // a mirror that waited so long for a runner hangs
	maxRun    = 30 * time.Hour   // no run is longer; a backfill of 64 shards lasts 27.5 hours
	quietAge  = 6 * time.Hour    // upstream is quiet when nothing came for so long
	cancelled = time.Minute      // how long GitHub may need to cancel a run
	retryTime = 10 * time.Minute // how long a run asks an API that does not answer; the job has 20
	stale     = time.Hour        // how old the time in status.json may be though the mirror runs
	maxRest   = 7                // waits that are let pass at most
)

// A Run is one of a workflow.
type Run struct {
	ID         int64
	Status     string    // pending for its group, waiting for its timer, queued for a runner, in_progress, completed
	Conclusion string    // of a completed one
	Created    time.Time // when it was started
	Updated    time.Time // when its status changed last
	ByHand     bool      // a person started it, or a program with a person's token
	Dry        bool      // it changes nothing
}

// failed reports whether a run ended badly by itself.
func (r Run) failed() bool {
	return r.Conclusion == "failure" || r.Conclusion == "timed_out" || r.Conclusion == "startup_failure"
}

// stands says how a run is, for messages.
func (r Run) stands() string {
	return fmt.Sprintf("%s since %s", strings.ReplaceAll(r.Status, "_", " "), r.Updated.UTC().Format(minutes))
}

// GitHub is what the chain asks of it.
type GitHub interface {
	// DefaultBranch returns the repository's.
	DefaultBranch(ctx context.Context) (string, error)
	// Rules returns how long an environment makes a job wait, 0 if it does not, and
	// the types of its other rules.
	Rules(ctx context.Context, environment string) (timer time.Duration, others []string, err error)
	// State returns that of a workflow: active, disabled_manually and others, "" if
	// there is no such workflow.
	State(ctx context.Context, file string) (string, error)
	// Run returns a run, a zero one if there is no such run.
	Run(ctx context.Context, id int64) (Run, error)
	// Active returns all runs of a workflow that are not completed, the newest
	// first, none if there is no such workflow. Like Done it lags behind.
	Active(ctx context.Context, file string) ([]Run, error)
	// Done returns the last completed runs of a workflow, the newest first.
	Done(ctx context.Context, file string) ([]Run, error)
	// Dispatch starts a workflow, after rest waits. It returns the run's id, 0 if
	// GitHub does not say it.
	Dispatch(ctx context.Context, file string, rest int) (int64, error)
	// Cancel ends a run, by force if asking did not help.
	Cancel(ctx context.Context, run int64, force bool) error
}

// The reasons for which a run starts nothing more. Any other error may pass.
var (
	errEnds     = errors.New("the chain ends here")
	errDisabled = errors.New("disabled, and that is obeyed")
)

// A Pacer is one run of the chain, or of what mends it.
type Pacer struct {
	GitHub      GitHub
	Environment string // whose timer paces
	Branch      string // on which it runs
	Run         int64  // the run's own id
	Attempt     int    // 1, or more if somebody has it run again
	Rest        int    // how many waits to let pass before the mirror is started
	Now         func() time.Time
	Wait        func(ctx context.Context, d time.Duration) error
	Newest      func(ctx context.Context) (time.Time, error) // upstream's last change
	// Checked returns when the published data were last compared with upstream. Nil
	// if nobody can know: then the conclusions of runs have to tell.
	Checked func(ctx context.Context) (time.Time, error)
	Say     func(text string)

	firstTry time.Time // when it asked first
}

func (p *Pacer) say(format string, args ...any) { p.Say(fmt.Sprintf(format, args...)) }

// Pace is what a run of the chain does once it has waited.
func (p *Pacer) Pace(ctx context.Context) error {
	if err := p.retry(ctx, p.checkRun); err != nil {
		return err
	}
	var mirrorErr error
	rest := min(p.Rest, maxRest) - 1
	if p.Rest > 0 {
		p.say("The mirror is not started now. It is after this many waits more: %d.", rest+1)
	} else if rest, mirrorErr = p.startMirror(ctx); mirrorErr != nil {
		rest = 0
	}
	if errors.Is(mirrorErr, errDisabled) {
		p.say("%v: the chain ends here. Enable it on the Actions page; the schedule then restarts the chain.", mirrorErr)
		return nil
	} else if mirrorErr != nil {
		mirrorErr = fmt.Errorf("look at the mirror and start it: %w; the next run tries again", mirrorErr)
	}
	err := p.startNext(ctx, rest)
	if errors.Is(err, errDisabled) {
		p.say("%v: the chain ends here.", err)
		err = nil
	}
	if err := p.enabled(ctx, MenderFile); errors.Is(err, errDisabled) {
		p.say("%v. So nothing restarts the chain when it ends: enable it on the Actions page.", err)
	}
	return errors.Join(mirrorErr, err)
}

// retry does something again until it is done, a reason against it is known, or
// the time is over.
func (p *Pacer) retry(ctx context.Context, act func(context.Context) error) error {
	if p.firstTry.IsZero() {
		p.firstTry = p.Now()
	}
	for pause := 10 * time.Second; ; pause = min(2*pause, 2*time.Minute) {
		err := act(ctx)
		switch {
		case err == nil || errors.Is(err, errEnds) || errors.Is(err, errDisabled) || ctx.Err() != nil:
			return err
		case p.Now().Add(pause).Sub(p.firstTry) > retryTime:
			return fmt.Errorf("%w, after %s of trying: %w; the schedule restarts it", errEnds, retryTime, err)
		}
		if err := p.Wait(ctx, pause); err != nil {
			return err
		}
	}
}

// checkRun says why a run may not go on with the chain.
func (p *Pacer) checkRun(ctx context.Context) error {
	if p.Attempt > 1 {
		return fmt.Errorf("%w: this is attempt %d of its run, so its age does not tell how long it waited; run %s anew instead", errEnds, p.Attempt, PacerFile)
	}
	if err := p.checkBranch(ctx); err != nil {
		return err
	}
	if _, err := p.timer(ctx); err != nil {
		return err
	}
	return p.waited(ctx)
}

// checkBranch refuses a branch without a schedule that mends.
func (p *Pacer) checkBranch(ctx context.Context) error {
	branch, err := p.GitHub.DefaultBranch(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("look for the default branch: %w", err)
	case branch != p.Branch:
		return fmt.Errorf("%w: this is the branch %q, and a chain runs on the default one, %q", errEnds, p.Branch, branch)
	}
	return nil
}

// timer returns the environment's timer. Without one the chain would run hot, and
// by another rule it would wait for a person or be refused before it can say so.
func (p *Pacer) timer(ctx context.Context) (time.Duration, error) {
	timer, others, err := p.GitHub.Rules(ctx, p.Environment)
	switch {
	case err != nil:
		return 0, fmt.Errorf("read the timer of the environment %q: %w", p.Environment, err)
	case timer < MinTimer:
		return 0, fmt.Errorf("%w: the environment %q has a wait timer of %d minutes, and %d is the least; set it under Settings > Environments, then run %s again",
			errEnds, p.Environment, timer/time.Minute, MinTimer/time.Minute, PacerFile)
	case len(others) > 0:
		return 0, fmt.Errorf("%w: the environment %q has more rules than a wait timer (%s), which make runs wait for a person or refuse them; remove them under Settings > Environments, then run %s again",
			errEnds, p.Environment, strings.Join(others, ", "), PacerFile)
	}
	return timer, nil
}

// waited refuses a run that did not wait, whatever the environment says: private
// repositories on most plans ignore its rules, and somebody may skip them. The timer
// may have been another one when the wait started.
func (p *Pacer) waited(ctx context.Context) error {
	run, err := p.GitHub.Run(ctx, p.Run)
	age := p.Now().Sub(run.Created)
	switch {
	case err != nil:
		return fmt.Errorf("look for this run: %w", err)
	case run.ID != p.Run || run.Created.IsZero() || run.Status == "completed":
		return fmt.Errorf("%w: GitHub does not know this run, %d, or contradicts itself about it, so nothing tells how long it waited", errEnds, p.Run)
	case age < MinTimer:
		return fmt.Errorf("%w: this run waited %s, and %s is the least; in a private repository most plans ignore timers, and somebody may have skipped it", errEnds, age.Round(time.Second), MinTimer)
	}
	return nil
}

// enabled says whether a person or GitHub disabled a workflow. Only its state tells:
// GitHub refuses starts for other reasons as well, by the same number.
func (p *Pacer) enabled(ctx context.Context, file string) error {
	state, err := p.GitHub.State(ctx, file)
	switch {
	case err != nil:
		return fmt.Errorf("read the state of %s: %w", file, err)
	case strings.HasPrefix(state, "disabled"):
		return fmt.Errorf("%s is %w (%s)", file, errDisabled, state)
	}
	return nil
}

// startMirror starts the mirror unless it is busy, and returns how many waits the chain
// should let pass then.
func (p *Pacer) startMirror(ctx context.Context) (rest int, err error) {
	if err := p.enabled(ctx, MirrorFile); err != nil {
		return 0, err
	}
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
	running := false                              // some run has the group
	for _, pending := range []bool{false, true} { // one that is pending hangs only if no other has the group
		for _, file := range files {
			runs, err := p.GitHub.Active(ctx, file)
			if err != nil {
				return false, err
			}
			for _, run := range runs {
				switch {
				case (run.Status == "pending") != pending:
				case p.Now().Sub(run.Updated) <= limit(run) || pending && running:
					busy = true
					p.say("Run %d of %s is %s.", run.ID, file, strings.ReplaceAll(run.Status, "_", " "))
				default:
					gone, err := p.cancelStuck(ctx, file, run)
					if err != nil {
						return false, err
					}
					busy = busy || !gone
				}
				running = running || run.Status != "pending"
			}
		}
	}
	return busy, nil
}

// slower returns how many waits to let pass after failures, and when upstream has
// been quiet.
func (p *Pacer) slower(ctx context.Context, runs []Run) int {
	fresh, failures := p.fresh(ctx), 0
	for _, run := range runs {
		if run.Conclusion == "success" && !run.Dry || run.Created.Before(fresh) {
			break // later runs that end red did publish
		}
		if run.failed() && !run.Dry {
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

// fresh returns until when the published data were surely equal to upstream's or may
// have been: quiet runs write status.json once an hour. Zero if it is not known.
func (p *Pacer) fresh(ctx context.Context) time.Time {
	if p.Checked == nil {
		return time.Time{}
	}
	checked, err := p.Checked(ctx)
	now := p.Now()
	switch {
	case err != nil:
		p.say("The conclusions of runs have to tell how old the published data are: %v", err)
		return time.Time{}
	case checked.After(now) || checked.IsZero():
		return time.Time{}
	case now.Sub(checked) < stale:
		return now
	}
	return checked.Add(stale)
}

func (p *Pacer) startNext(ctx context.Context, rest int) error {
	return p.retry(ctx, func(ctx context.Context) error {
		if _, err := p.timer(ctx); err != nil { // it may have gone meanwhile
			return err
		}
		if err := p.enabled(ctx, PacerFile); err != nil {
			return err
		}
		id, err := p.GitHub.Dispatch(ctx, PacerFile, rest)
		if err == nil {
			p.say("The next run of the chain waits%s.", named(id))
		}
		return err
	})
}

// named is a run's id in a sentence.
func named(id int64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf(" (run %d)", id)
}

// cancelStuck ends a run that hangs, and reports whether it has ended. One that went on
// is left alone, because lists lag behind; what only a person can mend is an error.
func (p *Pacer) cancelStuck(ctx context.Context, file string, run Run) (gone bool, err error) {
	for try := 0; ; try++ {
		now, err := p.GitHub.Run(ctx, run.ID)
		switch {
		case err != nil || now.Status != run.Status:
			return now.Status == "completed" || now.ID == 0, err
		case run.Status == "pending":
			return false, fmt.Errorf("run %d of %s is %s, and nothing holds its concurrency group: GitHub has such a group stuck; rename it in %[2]s", run.ID, file, run.stands())
		case run.ByHand && file != PacerFile:
			return false, fmt.Errorf("run %d of %s, which a person started, is %s: it is stuck or waits for an approval, and nothing else starts until it ends; cancel it if nobody needs it", run.ID, file, run.stands())
		case try == 2:
			return false, fmt.Errorf("run %d hangs and does not end, even by force. GitHub may keep its concurrency group stuck: rename it in %s", run.ID, file)
		}
		p.say("Run %d of %s hangs: it is %s. It is cancelled.", run.ID, file, run.stands())
		if err := p.GitHub.Cancel(ctx, run.ID, try == 1); err != nil && try == 1 {
			return false, fmt.Errorf("cancel run %d, which hangs: %w", run.ID, err)
		}
		if err := p.Wait(ctx, cancelled); err != nil {
			return false, err
		}
	}
}
