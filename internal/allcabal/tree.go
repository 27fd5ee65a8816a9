package allcabal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// A tree has the ids of files of the base: of those that a run reads or writes, or
// of all, of which there may be 300,000. What is no plain file (a link, an
// executable) is not in it, so that it is written anew.
type tree struct {
	files   []file                // by path
	written map[string]gitpack.ID // since
}

func newTree() *tree { return &tree{written: map[string]gitpack.ID{}} }

// A file is one of the tree, with the entry of the index that it is of.
type file struct {
	path  string
	id    gitpack.ID
	match match
}

// add adds a file behind those that come before it.
func (t *tree) add(f gitpack.File) error {
	if f.Mode != gitpack.ModeFile {
		return nil
	}
	id, err := gitpack.ParseID(f.ID)
	if err != nil {
		return fmt.Errorf("file %q: %w", f.Path, err)
	}
	t.files = append(t.files, file{path: f.Path, id: id})
	return nil
}

// sort makes the tree ready to be asked. git lists the files of a tree that is well
// made in this order.
func (t *tree) sort() {
	slices.SortStableFunc(t.files, func(a, b file) int { return cmp.Compare(a.path, b.path) })
}

// lookUp returns the file at a path of the base, nil if there is none.
func (t *tree) lookUp(path string) *file {
	i, ok := slices.BinarySearchFunc(t.files, path, func(f file, path string) int { return cmp.Compare(f.path, path) })
	if !ok {
		return nil
	}
	return &t.files[i]
}

// id returns the id of the file that is at a path now, if there is one.
func (t *tree) id(path string) (gitpack.ID, bool) {
	id, ok := t.written[path]
	if f := t.lookUp(path); f != nil && !ok {
		return f.id, true
	}
	return id, ok
}

// listTree reads the names and ids of all files of the base, and refuses a tree
// that is not what it is given as.
func (d *Repository) listTree(ctx context.Context) error {
	d.tree = newTree()
	s := shape{roots: map[string]bool{}}
	for f, err := range d.o.Repo.Tree(ctx, d.base.commit) {
		if err == nil {
			s.add(f.Path)
			err = d.tree.add(f)
		}
		if err != nil {
			return fmt.Errorf("list tree: %w", err)
		}
	}
	d.tree.sort()
	return d.checkShape(s)
}

// lookUpFiles finds the given files of the base, in a few steps.
func (d *Repository) lookUpFiles(ctx context.Context, paths []string) error {
	d.tree = newTree()
	if d.base.commit == "" {
		return nil
	}
	slices.Sort(paths)
	found, err := d.o.Repo.ResolvePaths(ctx, d.base.commit, slices.Compact(paths)...)
	for _, f := range found {
		err = errors.Join(err, d.tree.add(f))
	}
	if err != nil {
		return fmt.Errorf("look up %d files: %w", len(paths), err)
	}
	return nil
}

// A shape tells from the names alone what a tree may be.
type shape struct {
	roots           map[string]bool // folders, and whether they are those of packages
	cabals, records int
}

// add takes a path into account.
func (s *shape) add(path string) {
	root, _, nested := strings.Cut(path, "/")
	if !nested || strings.HasPrefix(root, ".") {
		return
	}
	r, ok := releaseAt(path)
	switch {
	case ok && path == r.CabalPath():
		s.cabals++
	case ok && path == r.JSONPath():
		s.records++
	default:
		ok = false
	}
	s.roots[root] = s.roots[root] || ok
}

// isData reports whether the tree is one of this data: most folders of its root
// are those of packages, NAME/VERSION/NAME.cabal.
func (s *shape) isData() bool {
	packages := 0
	for _, is := range s.roots {
		if is {
			packages++
		}
	}
	return s.cabals > 0 && 2*packages >= len(s.roots)
}

// checkShape refuses a tree that is somebody else's, or of the other repository.
func (d *Repository) checkShape(s shape) error {
	branch, tag := d.refs()
	switch {
	case d.o.Adopt:
		return nil
	case (d.owner == noTag || d.owner == edited) && !d.signedByUs && !s.isData():
		return fmt.Errorf("adopt branch %q of %q: it has no tag %q, and its folders are not those of packages, NAME/VERSION/NAME.cabal: %w; "+
			"nothing was written. Name another branch or repository; if this is the right one, run once with adopt",
			d.o.Branch, d, d.o.Tag, ErrBranch)
	case d.o.Hashes && s.records == 0 && s.cabals > 0:
		return d.otherKind("its tree has .cabal files and no JSON, like a files repository", branch, tag)
	case !d.o.Hashes && s.records > 0:
		return d.otherKind("its tree has JSON files of hashes, like a hashes repository", branch, tag)
	}
	return nil
}

// isData reports whether a path is one of those that readers take for data: all
// below a folder of the root, but for folders with a dot, and deprecated.json.
func isData(path string) bool {
	_, _, nested := strings.Cut(path, "/")
	return nested && !strings.HasPrefix(path, ".") || path == deprecatedPath
}

// releaseAt returns the release whose folder a path is in, if it is one.
func releaseAt(path string) (index.Release, bool) {
	parts := strings.Split(path, "/")
	if len(parts) != 3 || index.CheckPackage(parts[0]) != nil || index.CheckVersion(parts[1]) != nil {
		return index.Release{}, false
	}
	return index.Release{Package: parts[0], Version: parts[1]}, true
}

// preferredPath is where a package's preferred versions stand.
func preferredPath(pkg string) string { return pkg + "/preferred-versions" }
