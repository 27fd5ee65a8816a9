package allcabal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// Update commits what the index holds behind the repository's position and
// pushes the commits with the tag. It pushes nothing if neither the position
// nor the ledger moved and there is no WhyPush, and in a dry run nothing at all.
//
// When somebody else moved the branch or the tag meanwhile the error is
// gitrepo.ErrMoved and the remote is as they left it: Load again, and go on
// from there. state.ErrForm means that the state in the tag is not one that a
// run wrote: Forget it, and go again.
func (d *Repository) Update(ctx context.Context, in Input) (Result, error) {
	_ = d.prefetch.Wait() // it returns none
	if d.o.DryRun {
		in.Outcome = assumeVerified(d.state.Wants(in.Tail, state.Rotation{}))
	}
	p, err := d.plan(ctx, in)
	if err != nil {
		return Result{}, err
	}
	if d.empty && !d.o.DryRun {
		if err := d.display(ctx); err != nil {
			return Result{}, err
		}
	}
	if p.next.Equal(d.state) && d.adopting == "" && d.whyPush == "" {
		return Result{Commit: d.head}, nil
	}
	result, err := d.replay(ctx, in, p)
	if err != nil || d.o.DryRun {
		return result, err
	}
	if result.Commit == "" {
		return result, nil // an index without a single entry
	}
	if err := d.push(ctx, p, result, in); err != nil {
		return Result{}, err
	}
	result.Changed = true
	return result, nil
}

// assumeVerified stands in for what became of tarballs: in a dry run they are not
// fetched, and all are taken for right.
func assumeVerified(wants []state.Want) func(index.Release) (state.Outcome, bool, error) {
	targets := make(map[index.Release]index.Target, len(wants))
	for _, w := range wants {
		targets[w.Release] = w.Target
	}
	return func(r index.Release) (state.Outcome, bool, error) {
		target, ok := targets[r]
		return state.Outcome{Digests: hashes.Digests{SHA256: target.SHA256, Size: target.Length}}, ok, nil
	}
}

// push signs the tag and moves branch and tag together.
func (d *Repository) push(ctx context.Context, p *plan, result Result, in Input) error {
	tag, err := d.o.Repo.WriteTag(ctx, gitpack.Tag{
		Object: result.Commit, Name: d.o.Tag,
		Tagger: d.identity(), When: d.o.Now(),
		Message: p.next.Message(subject(d.commitTime(time.Time{}, in)), d.o.Tool),
	}, d.o.Signer)
	if err != nil {
		return fmt.Errorf("tag %q: %w", d.o.Tag, err)
	}
	updates := []gitrepo.Update{{Ref: "refs/tags/" + d.o.Tag, Old: d.tag, New: tag, Force: true}}
	if result.Commit != d.head {
		updates = append(updates, gitrepo.Update{Ref: "refs/heads/" + d.o.Branch, Old: d.head, New: result.Commit})
	}
	err = d.o.Repo.Push(ctx, updates...)
	if errors.Is(err, gitrepo.ErrRefused) && d.base.undo && strings.Contains(err.Error(), "refs/heads/"+d.o.Branch) {
		return d.refusedUndo(err)
	}
	if err != nil {
		return err
	}
	d.state, d.head, d.tag, d.adopting, d.whyPush = p.next, result.Commit, tag, "", ""
	return nil
}
