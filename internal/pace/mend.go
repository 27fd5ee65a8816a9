package pace

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Mend is what the schedule does. It restarts a chain that ended or hangs, and
// starts the mirror itself when the published data are overdue, whatever the chain
// looks like. It starts neither while the mirror is disabled.
func (p *Pacer) Mend(ctx context.Context) error {
	err := p.checkBranch(ctx)
	if err == nil {
		err = p.enabled(ctx, MirrorFile)
	}
	if errors.Is(err, errDisabled) {
		p.say("%v: neither it nor the chain is started.", err)
		return nil
	} else if err != nil {
		return err
	}
	timer, lost := p.timer(ctx)
	if lost != nil {
		timer = normal
	}
	mirrors, err := p.GitHub.Done(ctx, MirrorFile)
	if err != nil {
		return fmt.Errorf("look at the mirror: %w", err)
	}
	last := p.published(ctx, mirrors)
	overdue := p.Now().Sub(last) > 2*timer+slack
	alive := false
	if lost == nil {
		alive, lost = p.mendChain(ctx, timer, overdue)
	}
	switch {
	case alive && !overdue:
		return nil
	case last.IsZero():
		p.say("No run is known that brought the published data up to date.")
	default:
		p.say("The published data were up to date at about %s.", last.UTC().Format(minutes))
	}
	_, err = p.startMirror(ctx)
	return errors.Join(lost, err)
}

// published returns when the published data were last equal to upstream's, zero if
// that is not known.
func (p *Pacer) published(ctx context.Context, mirrors []Run) time.Time {
	if at := p.fresh(ctx); !at.IsZero() {
		return at
	}
	for _, run := range mirrors {
		if run.Conclusion == "success" && !run.Dry {
			return run.Updated
		}
	}
	return time.Time{}
}

// mendChain makes sure that the chain goes on, and reports whether it did so by
// itself. When the data are overdue it has less patience.
func (p *Pacer) mendChain(ctx context.Context, timer time.Duration, overdue bool) (alive bool, err error) {
	limit := timer + patience
	if overdue {
		limit = timer + slack
	}
	alive, err = p.busy(ctx, func(Run) time.Duration { return limit }, PacerFile)
	if err != nil || alive {
		return alive, err
	}
	ended, err := p.GitHub.Done(ctx, PacerFile)
	if err != nil {
		return false, err
	}
	switch err := p.startNext(ctx, 0); {
	case errors.Is(err, errDisabled):
		p.say("%v: the chain is not restarted.", err)
		return false, nil
	case err != nil:
		return false, err
	}
	p.say("The chain had ended and was restarted.")
	if len(ended) > 1 && ended[0].failed() && ended[1].failed() {
		return false, fmt.Errorf("the last two runs of %s failed, %d and %d: look at their summaries", PacerFile, ended[0].ID, ended[1].ID)
	}
	return false, nil
}
