package allcabal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

// Every file is to be checked out as it is stored: some have CRLF line ends, and
// git for Windows changes the others.
const (
	attributesPath = ".gitattributes"
	attributes     = "* -text\n"
)

// startImport starts on the base. A new branch gets its attributes along with
// its first commit; an existing one keeps what it has.
func (d *Repository) startImport(ctx context.Context) (*gitpack.TreeWriter, error) {
	im, err := d.o.Repo.TreeWriter(ctx, d.base.commit)
	if err != nil || d.base.commit != "" {
		return im, err
	}
	if err := im.Write(attributesPath, []byte(attributes)); err != nil {
		return nil, errors.Join(err, im.Close())
	}
	return im, nil
}

// undo commits the tree of the base, with what the owner keeps, on top of what
// somebody else committed.
func (r *replay) undo() error {
	b := r.d.base
	if !b.undo {
		return nil
	}
	if err := b.writeKept(r.im); err != nil {
		return err
	}
	for _, change := range b.undone {
		r.result.Undone = append(r.result.Undone, change.Path)
	}
	tree, _, err := r.im.Tree()
	if err != nil {
		return err
	}
	return r.commitTree(tree)
}

// write puts a file into the commit under way.
func (r *replay) write(path string, content []byte) error {
	r.uncommitted = true
	if r.result.Files++; r.d.adopting != "" {
		// Few, and a dry run tells of files, not of how often they change.
		r.rewrites[path] = true
		r.result.Files = len(r.rewrites)
	}
	if !r.newBranch {
		r.d.tree.written[path] = gitpack.BlobID(content)
	}
	return r.im.Write(path, content)
}

// commit ends the commit under way, if it changes the tree.
func (r *replay) commit() error {
	if !r.uncommitted {
		return nil
	}
	tree, changed, err := r.im.Tree()
	if err != nil {
		return err
	}
	r.uncommitted = false
	clear(r.paths)
	if !changed {
		return nil
	}
	return r.commitTree(tree)
}

// commitTree hands a tree over to be committed. The subject of a commit is what
// readers take for the state of the index: it names the newest entry up to there, and
// it does not go back.
func (r *replay) commitTree(tree string) error {
	r.d.lastTime = r.d.commitTime(r.newest, r.in)
	r.result.Commits++
	return r.committer.add(gitpack.Commit{
		Tree: tree, Author: r.d.identity(), AuthorWhen: r.d.lastTime,
		Committer: r.d.identity(), CommitterWhen: r.now,
		Message: subject(r.d.lastTime) + "\n",
	})
}

// commitTime returns the time of the next commit or tag, given that of the newest
// entry in it: the zero time if none was read.
func (d *Repository) commitTime(newest time.Time, in Input) time.Time {
	when := later(d.lastTime, newest)
	if when.IsZero() && d.sane(in.Tail.To.Time) {
		when = in.Tail.To.Time
	}
	if when.IsZero() {
		when = d.o.Now().UTC().Truncate(time.Second) // all entries are beyond the clock
	}
	return when
}

// A committer makes commits one on top of the other, while the trees of the next
// ones are under way: a signature takes up to some milliseconds, and each commit
// names the one before it, signature and all.
type committer struct {
	group  *errgroup.Group
	ctx    context.Context // of the group
	drafts chan gitpack.Commit

	// For the group alone until it ended.
	head    string   // the last commit
	parents []string // of the next one
}

// maxDrafts is how many trees may wait for their commit.
const maxDrafts = 64

// startCommitter starts on the base.
func (d *Repository) startCommitter(ctx context.Context) *committer {
	c := &committer{drafts: make(chan gitpack.Commit, maxDrafts), head: d.base.commit, parents: d.base.parents}
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
func (c *committer) add(draft gitpack.Commit) error {
	select {
	case c.drafts <- draft:
		return nil
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

// finish waits until all is done and returns the last commit. The error is that of
// the committer, if that is what stopped the caller.
func (c *committer) finish(err error) (string, error) {
	close(c.drafts)
	own := c.group.Wait()
	if own != nil && (err == nil || errors.Is(err, own)) {
		err = own
	}
	return c.head, err
}
