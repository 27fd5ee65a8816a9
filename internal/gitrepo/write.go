package gitrepo

import (
	"context"
	"fmt"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
)

// WriteCommit writes the commit, signed unless s is nil, and returns its id. It may be
// called while a TreeWriter is in use in another goroutine.
func (r *Repo) WriteCommit(ctx context.Context, c gitpack.Commit, s *openpgp.Signer) (id string, err error) {
	o, err := c.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("write commit: %w", err)
	}
	return r.write(ctx, o)
}

// WriteTag is WriteCommit for an annotated tag.
func (r *Repo) WriteTag(ctx context.Context, t gitpack.Tag, s *openpgp.Signer) (id string, err error) {
	o, err := t.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("write tag %q: %w", t.Name, err)
	}
	return r.write(ctx, o)
}

// write writes an object into the pack under way.
func (r *Repo) write(ctx context.Context, o gitpack.Object) (string, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	id, err := r.objects.Add(o)
	return id.String(), err
}

// TreeWriter starts on top of the tree of parent, a commit's id, or of the empty
// tree if parent is "". Its objects can be read and pushed after its Close.
func (r *Repo) TreeWriter(ctx context.Context, parent string) (*gitpack.TreeWriter, error) {
	tree := gitpack.EmptyTree
	if parent != "" {
		c, err := r.ReadCommit(ctx, parent)
		if err == nil {
			err = r.fetchObjects(ctx, noTrees, []string{c.Tree})
		}
		if err != nil {
			return nil, fmt.Errorf("start from commit %q: %w", parent, err)
		}
		tree = c.Tree
	}
	id, err := gitpack.ParseID(tree)
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	context.AfterFunc(r.life, end)
	return gitpack.NewTreeWriter(ctx, r.objects, id, func(id gitpack.ID) ([]byte, error) { return r.readTree(ctx, id.String()) })
}

// Flush lets git see all that was written. Push and the reading methods do it by
// themselves. Trees that a commit names need not have been written yet.
func (r *Repo) Flush(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return r.objects.Finish()
}
