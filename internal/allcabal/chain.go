package allcabal

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
)

// A chain makes commits one on top of the other, while the trees of the next
// ones are under way: a signature takes up to some milliseconds, and each commit
// names the one before it, signature and all.
type chain struct {
	group  *errgroup.Group
	ctx    context.Context // of the group
	drafts chan gitrepo.Commit

	// For the group alone until it ended.
	head    string   // the last commit
	parents []string // of the next one
}

// ahead is how many trees may wait for their commit.
const ahead = 64

// newChain starts on the ground.
func (d *Repository) newChain(ctx context.Context) *chain {
	c := &chain{drafts: make(chan gitrepo.Commit, ahead), head: d.ground.commit, parents: d.ground.parents}
	c.group, c.ctx = errgroup.WithContext(ctx)
	c.group.Go(func() error {
		for draft := range c.drafts {
			draft.Parents = c.parents
			id, err := d.o.Repo.WriteCommit(c.ctx, draft, d.o.Signer)
			if err != nil {
				return fmt.Errorf("commit: %w", err)
			}
			c.head, c.parents = id, []string{id}
		}
		return nil
	})
	return c
}

// add hands over a commit without its parent.
func (c *chain) add(draft gitrepo.Commit) error {
	select {
	case c.drafts <- draft:
		return nil
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

// end waits until all is done and returns the last commit. The error is that of
// the chain, if that is what stopped the caller.
func (c *chain) end(err error) (string, error) {
	close(c.drafts)
	own := c.group.Wait()
	if own != nil && (err == nil || errors.Is(err, own)) {
		err = own
	}
	return c.head, err
}
