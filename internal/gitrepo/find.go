package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

// An unresolved path has lost the folders that were found.
type unresolved struct {
	rest string
	file *gitpack.File
}

// ResolvePaths returns what rev, a commit or tree id, has at paths, in the same order,
// with no mode for each where there is nothing. A path below what is no folder
// has nothing. All folders on the way are here afterwards, for a TreeWriter too.
// Those that must be fetched are: first the top, then what is wanted of the next
// level with all folders below it, since a second request takes longer than these
// small ones.
func (r *Repo) ResolvePaths(ctx context.Context, rev string, paths ...string) ([]gitpack.File, error) {
	found := make([]gitpack.File, len(paths))
	if err := r.resolve(ctx, rev, paths, found); err != nil {
		return nil, fmt.Errorf("find files of %.40q: %w", rev, err)
	}
	return found, nil
}

func (r *Repo) resolve(ctx context.Context, rev string, paths []string, found []gitpack.File) error {
	top, err := r.treeOf(ctx, rev)
	if err != nil {
		return err
	}
	level := map[string][]unresolved{} // by the tree they are in
	for i, path := range paths {
		if err := gitpack.CheckPath(path); err != nil {
			return err
		}
		found[i].Path = path
		level[top] = append(level[top], unresolved{path, &found[i]})
	}
	for filter := noTrees; len(level) > 0; filter = noFiles {
		if err := r.fetchObjects(ctx, filter, slices.Collect(maps.Keys(level))); err != nil {
			return err
		}
		below := map[string][]unresolved{}
		for tree, paths := range level {
			raw, err := r.readTree(ctx, tree)
			if err == nil {
				err = resolveIn(raw, paths, below)
			}
			if err != nil {
				return err
			}
		}
		level = below
	}
	return nil
}

// resolveIn looks through one tree: it enters what is found and adds to below what is
// to be looked for in the next trees. Of two entries of one name the first counts.
func resolveIn(raw []byte, paths []unresolved, below map[string][]unresolved) error {
	wanted := map[string][]unresolved{}
	for _, p := range paths {
		name, rest, _ := strings.Cut(p.rest, "/")
		wanted[name] = append(wanted[name], unresolved{rest, p.file})
	}
	for e, err := range gitpack.Entries(raw) {
		if err != nil {
			return err
		}
		name, id := e.Name(), e.ID().String()
		for _, p := range wanted[name] {
			switch {
			case p.rest == "":
				p.file.Mode, p.file.ID = e.Mode(), id
			case e.IsFolder():
				below[id] = append(below[id], p)
			}
		}
		delete(wanted, name)
	}
	return nil
}

// treeOf returns the id of the tree of a commit, or of a tree itself.
func (r *Repo) treeOf(ctx context.Context, rev string) (string, error) {
	if err := gitpack.CheckID(rev); err != nil {
		return "", err
	}
	c, err := r.ReadCommit(ctx, rev)
	if errors.Is(err, gitpack.ErrObject) {
		return rev, nil // readTree says if it is none
	}
	return c.Tree, err
}
