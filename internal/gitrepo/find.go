package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// A search is for paths below one folder.
type search struct {
	tree  string
	paths []searched
}

// A searched path has lost the folders that were found, and knows which it was.
type searched struct {
	rest  string
	index int
}

// Find returns what rev, a commit or tree id, has at paths, in the same order,
// with no mode for each where there is nothing. A path below what is no folder
// has nothing. All folders on the way are here afterwards, for an Import too.
// Those that must be fetched are: first the top, then what is wanted of the next
// level with all folders below it, since a second request takes longer than these
// small ones.
func (r *Repo) Find(ctx context.Context, rev string, paths ...string) ([]File, error) {
	top, err := r.treeOf(ctx, rev)
	if err != nil {
		return nil, fmt.Errorf("find files of %.40q: %w", rev, err)
	}
	first := search{tree: top}
	found := make([]File, len(paths))
	for i, path := range paths {
		if err := CheckPath(path); err != nil {
			return nil, fmt.Errorf("find files of %.40q: %w", rev, err)
		}
		first.paths = append(first.paths, searched{path, i})
		found[i].Path = path
	}
	leaveOut := asNeeded
	for level := []search{first}; len(level) > 0; leaveOut = foldersOnly {
		if level, err = r.descend(ctx, level, leaveOut, found); err != nil {
			return nil, fmt.Errorf("find files of %.40q: %w", rev, err)
		}
	}
	return found, nil
}

// treeOf returns the id of the tree of a commit, or of a tree itself.
func (r *Repo) treeOf(ctx context.Context, rev string) (string, error) {
	if err := checkID(rev); err != nil {
		return "", err
	}
	c, err := r.ReadCommit(ctx, rev)
	if errors.Is(err, ErrObject) {
		return rev, nil // treeByID says if it is none
	}
	return c.Tree, err
}

// descend looks into the folders of one level and returns those of the next.
func (r *Repo) descend(ctx context.Context, level []search, leaveOut sparseness, found []File) ([]search, error) {
	trees := make([]string, len(level))
	for i, s := range level {
		trees[i] = s.tree
	}
	if err := r.need(ctx, leaveOut, trees); err != nil {
		return nil, err
	}
	var next []search
	for _, s := range level {
		raw, err := r.treeByID(ctx, s.tree)
		if err != nil {
			return nil, err
		}
		below, err := s.in(raw, found)
		if err != nil {
			return nil, err
		}
		next = append(next, below...)
	}
	return next, nil
}

// in looks through one folder: it enters what is found and returns the folders to
// look into next. Of two entries of one name the first counts.
func (s search) in(raw []byte, found []File) ([]search, error) {
	wanted := map[string][]searched{}
	for _, p := range s.paths {
		name, rest, _ := strings.Cut(p.rest, "/")
		wanted[name] = append(wanted[name], searched{rest, p.index})
	}
	var next []search
	for at := 0; at < len(raw); {
		e, err := entryAt(raw, at)
		if err != nil {
			return nil, err
		}
		at = e.end
		paths, ok := wanted[string(e.name)]
		if !ok {
			continue
		}
		delete(wanted, string(e.name))
		below := search{tree: oid(e.id).String()}
		for _, p := range paths {
			switch {
			case p.rest == "":
				found[p.index].Mode, found[p.index].ID = e.kind(), below.tree
			case e.isTree():
				below.paths = append(below.paths, p)
			}
		}
		if len(below.paths) > 0 {
			next = append(next, below)
		}
	}
	return next, nil
}
