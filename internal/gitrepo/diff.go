package gitrepo

import (
	"context"
	"fmt"
	"iter"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

// Diff lists what differs between two commits, or between nothing, "", and one.
// The commits are such as History takes. Of the trees it fetches those that
// differ, in one step for the top and as a rule one for all below; files come by
// FetchObjects. Instead of a folder all that is in it is listed. What comes first is
// nearer to the top; in a folder the order is that of the names. Errors are those of
// History.
//
// Who makes the old state again with a TreeWriter on old needs the files that the
// new one lacks: fetch them, or the push has nothing to send.
func (r *Repo) Diff(ctx context.Context, old, new string) iter.Seq2[gitpack.Change, error] {
	return func(yield func(gitpack.Change, error) bool) {
		level, err := r.topPair(ctx, old, new)
		for filter := noTrees; err == nil && len(level) > 0; filter = noFiles {
			var ids []string
			for _, p := range level {
				ids = append(ids, p.old, p.new)
			}
			err = r.fetchObjects(ctx, filter, ids)
			var below []folderPair
			for _, p := range level {
				var changes []gitpack.Change
				if err == nil {
					changes, err = r.diffFolder(ctx, p)
				}
				for _, c := range changes {
					if pair := splitFolders(&c); pair.old != pair.new {
						below = append(below, pair)
					}
					if c.OldMode+c.NewMode != "" && !yield(c, nil) {
						return
					}
				}
			}
			level = below
		}
		if err != nil {
			yield(gitpack.Change{}, fmt.Errorf("compare %.40q with %.40q: %w", old, new, err))
		}
	}
}

// A folderPair is a folder of both trees; one that is not there is the empty tree.
type folderPair struct{ path, old, new string }

// topPair are the roots of two commits.
func (r *Repo) topPair(ctx context.Context, old, new string) ([]folderPair, error) {
	top := folderPair{old: gitpack.EmptyTree}
	if old != "" {
		c, err := r.commit(ctx, old)
		if err != nil {
			return nil, err
		}
		top.old = c.Tree
	}
	c, err := r.commit(ctx, new)
	if top.new = c.Tree; err != nil || top.old == top.new {
		return nil, err
	}
	return []folderPair{top}, nil
}

// diffFolder returns what differs in one folder.
func (r *Repo) diffFolder(ctx context.Context, p folderPair) ([]gitpack.Change, error) {
	old, err := r.readTree(ctx, p.old)
	if err != nil {
		return nil, err
	}
	new, err := r.readTree(ctx, p.new)
	if err != nil {
		return nil, err
	}
	changes, err := gitpack.DiffTrees(old, new)
	for i := range changes {
		changes[i].Path = p.path + changes[i].Path
	}
	return changes, err
}

// splitFolders takes the folders out of a change and returns them.
func splitFolders(c *gitpack.Change) folderPair {
	pair := folderPair{c.Path + "/", gitpack.EmptyTree, gitpack.EmptyTree}
	if c.OldMode == gitpack.ModeFolder {
		pair.old, c.OldMode, c.OldID = c.OldID, "", ""
	}
	if c.NewMode == gitpack.ModeFolder {
		pair.new, c.NewMode, c.NewID = c.NewID, "", ""
	}
	return pair
}
