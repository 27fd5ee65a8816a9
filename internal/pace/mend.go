package pace

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Mend is what the schedule does. It restarts a chain that ended or hangs, and
// starts the mirror itself when the published data are late, whatever the chain
// looks like.
func (p *Pacer) Mend(ctx context.Context) error {
	timer, lost := p.timer(ctx)
	if lost != nil {
		timer = normal
	}
	mirrors, err := p.GitHub.Done(ctx, MirrorFile)
	if err != nil {
		return fmt.Errorf("look at the mirror: %w", err)
	}
	age := p.age(mirrors)
	late := age > 2*timer+slack
	alive := false
	if lost == nil {
		alive, lost = p.mendChain(ctx, timer, late)
	}
	if alive && !late {
		return nil
	}
	p.say("The published data were last brought up to date %s ago.", age.Round(time.Minute))
	if _, err := p.tend(ctx); errors.Is(err, ErrDisabled) {
		p.say("%s is disabled, and that is obeyed. (%v)", MirrorFile, err)
	} else {
		lost = errors.Join(lost, err)
	}
	return lost
}

// age returns how old the published data may be: for how long no run has made them
// equal to upstream. A dry run counts as one, because GitHub does not tell them apart.
func (p *Pacer) age(mirrors []Run) time.Duration {
	oldest := p.Now()
	for _, run := range mirrors {
		if run.Conclusion == "success" {
			return p.Now().Sub(run.Updated)
		}
		oldest = run.Created
	}
	return max(p.Now().Sub(oldest), maxRun)
}

// mendChain makes sure that the chain goes on, and reports whether it did so by
// itself. When the data are late it has less patience.
func (p *Pacer) mendChain(ctx context.Context, timer time.Duration, late bool) (alive bool, err error) {
	limit := timer + patience
	if late {
		limit = timer + slack
	}
	alive, err = p.busy(ctx, func(Run) time.Duration { return limit }, PacerFile)
	switch {
	case err != nil:
		return false, fmt.Errorf("look at the chain: %w", err)
	case alive:
		return true, nil
	}
	p.say("The chain had ended and is restarted.")
	return false, p.arm(ctx, 0)
}
