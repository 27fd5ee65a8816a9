package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"
)

// EmptyTree is the id of the tree without entries. git knows it without having
// it.
const EmptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

// keptDepth is how many levels of folders below the root an Import keeps in
// memory: those that change again and again.
const keptDepth = 1

// settleAfter is how many changes wait in memory before the folders that they
// are in are written. What is written too early is never pushed.
const settleAfter = 8192

// An Import makes trees, one after the other. Its objects can be read and
// pushed after Close. Of the parent's trees it reads only those on the paths
// that are written.
type Import struct {
	ctx    context.Context // ends with the caller's
	end    context.CancelFunc
	repo   *Repo
	root   *dir
	made   string         // the id of root as last written
	id     string         // of the last tree
	fresh  int            // changes since root was written
	like   map[uint64]oid // the last file that was written, by kinOf
	err    error          // the first that happened; nothing is done after it
	closed bool
}

// Import starts on top of the tree of parent, a commit's id, or of the empty
// tree if parent is "". It ends with Close or with ctx.
func (r *Repo) Import(ctx context.Context, parent string) (*Import, error) {
	im := &Import{repo: r, root: &dir{}, made: EmptyTree, id: EmptyTree, like: map[uint64]oid{}}
	if parent != "" {
		c, err := r.ReadCommit(ctx, parent)
		if err != nil {
			return nil, fmt.Errorf("start from commit %q: %w", parent, err)
		}
		if im.root, err = r.rootDir(ctx, c.Tree); err != nil {
			return nil, fmt.Errorf("start from commit %q: %w", parent, err)
		}
		im.made, im.id = c.Tree, c.Tree
	}
	im.ctx, im.end = context.WithCancel(ctx)
	return im, nil
}

// rootDir is the folder that a tree begins with.
func (r *Repo) rootDir(ctx context.Context, tree string) (*dir, error) {
	if err := r.need(ctx, asNeeded, []string{tree}); err != nil {
		return nil, err
	}
	raw, err := r.treeByID(ctx, tree)
	if err != nil {
		return nil, err
	}
	id, err := parseID(tree)
	if err != nil {
		return nil, err
	}
	return openDir(id, raw)
}

// Write puts a plain file at path. It takes the place of whatever has its name: a
// folder, a link, a submodule, a file that can be run; and so do the folders
// on its way. content may be changed afterwards.
func (im *Import) Write(path string, content []byte) error {
	if err := errors.Join(im.failure(), CheckPath(path)); err != nil {
		return err
	}
	s, err := im.find(path, true)
	if err != nil {
		return im.fail(err)
	}
	before, err := s.dir.file(s.name)
	if err != nil {
		return im.fail(err)
	}
	kin := kinOf(path)
	id, err := im.repo.objects.addLater(content, before, im.like[kin])
	if err != nil {
		return im.fail(err)
	}
	im.like[kin] = id
	return im.fail(im.set(s, leaf{id, ModeFile}))
}

// kinOf is a digest of what files have in common that may resemble each other: the
// folder of the root and their own name. It is short, since there are many; two that
// are the same by chance cost a search in vain.
func kinOf(path string) uint64 {
	h := fnv.New64a()
	top := max(0, strings.IndexByte(path, '/'))
	_, _ = io.WriteString(h, path[:top]+"/"+path[strings.LastIndexByte(path, '/')+1:]) // never fails
	return h.Sum64()
}

// Put puts back what a tree held: any mode but a folder's. A blob must be here
// (Need brings it) or in the remote's newest commit at another place.
func (im *Import) Put(file File) error {
	if err := errors.Join(im.failure(), CheckPath(file.Path)); err != nil {
		return err
	}
	id, err := parseID(file.ID)
	if err == nil && file.Mode != ModeFile && file.Mode != ModeExecutable && file.Mode != ModeLink && file.Mode != ModeCommit {
		err = fmt.Errorf("put %q with mode %q: %w", file.Path, file.Mode, ErrObject)
	}
	if err != nil {
		return err
	}
	s, err := im.find(file.Path, true)
	if err == nil {
		err = im.set(s, leaf{id, file.Mode})
	}
	return im.fail(err)
}

// Remove takes away whatever is at path, a folder with all that is in it; that
// there is nothing is no error. A name that Write refuses can be removed.
func (im *Import) Remove(path string) error {
	if err := im.failure(); err != nil {
		return err
	}
	if path == "" || slices.Contains(strings.Split(path, "/"), "") {
		return fmt.Errorf("remove %.80q: empty part: %w", path, ErrPath)
	}
	s, err := im.find(path, false)
	if err == nil && s.dir != nil {
		err = im.set(s, leaf{})
	}
	return im.fail(err)
}

// A spot is a place in the tree: a name in a folder, and the folders on the way.
type spot struct {
	dir  *dir
	name string
	way  []step
}

type step struct {
	above, below *dir
	name         string
}

// find returns the spot of a path. Without make it has no folder if there is none.
func (im *Import) find(path string, make bool) (spot, error) {
	s := spot{dir: im.root}
	for {
		name, rest, more := strings.Cut(path, "/")
		if !more {
			s.name = name
			return s, nil
		}
		below, err := s.dir.sub(im, name, make)
		if err != nil || below == nil {
			return spot{}, err
		}
		s.way = append(s.way, step{s.dir, below, name})
		s.dir, path = below, rest
	}
}

// set puts a leaf at a spot.
func (im *Import) set(s spot, l leaf) error {
	s.dir.set(s.name, l)
	for _, step := range s.way {
		step.above.touch(step.name, step.below)
	}
	if im.fresh++; im.fresh < settleAfter {
		return nil
	}
	return im.settle()
}

// settle writes all folders that changed.
func (im *Import) settle() error {
	if !im.root.dirty() {
		return nil
	}
	id, err := im.root.write(im, keptDepth)
	if err == nil && im.repo.objects.full() {
		err = im.repo.objects.finish()
	}
	im.fresh, im.made = 0, EmptyTree
	if id != (oid{}) {
		im.made = id.String()
	}
	return err
}

// Tree ends one tree and returns its id, and whether it differs from the one
// before (at first: from the parent's). What is written next builds on it.
func (im *Import) Tree() (id string, changed bool, err error) {
	if err := im.failure(); err != nil {
		return "", false, fmt.Errorf("make tree: %w", err)
	}
	if err := im.settle(); err != nil {
		return "", false, fmt.Errorf("make tree: %w", im.fail(err))
	}
	changed = im.made != im.id
	im.id = im.made
	return im.id, changed, nil
}

// readTree and writeTree make an Import the folders of its dirs.
func (im *Import) readTree(id oid) ([]byte, error) {
	return im.repo.treeByID(im.ctx, id.String())
}

func (im *Import) writeTree(raw []byte, base place, delta []byte) (oid, place, error) {
	if base == (place{}) {
		return im.repo.objects.add(object{"tree", raw})
	}
	return im.repo.objects.addDelta(object{"tree", raw}, base, delta)
}

// fail keeps an error for all later calls.
func (im *Import) fail(err error) error {
	if im.err == nil {
		im.err = err
	}
	return err
}

// failure returns why nothing more can be done, if that is so.
func (im *Import) failure() error {
	for _, life := range []context.Context{im.ctx, im.repo.run} {
		if im.err == nil && life.Err() != nil {
			im.err = context.Cause(life)
		}
	}
	return im.err
}

// Close ends the Import. What was written after the last Tree is in no tree.
func (im *Import) Close() error {
	err := im.failure()
	im.end()
	if !im.closed && err == nil {
		im.err = errors.New("the import is closed")
	}
	if !im.closed {
		im.closed = true
		return err
	}
	return nil
}

// Limits of a path, in bytes. git has none for the whole; file systems do.
const (
	maxPath = 4096
	maxPart = 255
)

// CheckPath refuses what git's own check refuses in a tree on any system, what
// would break out of a folder, and control characters.
func CheckPath(path string) error {
	if path == "" || len(path) > maxPath {
		return fmt.Errorf("check path %.80q: empty or too long: %w", path, ErrPath)
	}
	if i := strings.IndexFunc(path, func(r rune) bool { return isControl(r) || r == '\\' }); i >= 0 {
		return fmt.Errorf("check path %.80q: control character or backslash: %w", path, ErrPath)
	}
	for part := range strings.SplitSeq(path, "/") {
		if err := checkPart(part); err != nil {
			return fmt.Errorf("check path %.80q: %w", path, err)
		}
	}
	return nil
}

// checkPart refuses one name. Dots and spaces at the end and what follows a
// colon do not count on Windows, and git~1 is its short form of .git.
func checkPart(part string) error {
	if part == "" || len(part) > maxPart {
		return fmt.Errorf("empty or too long part: %w", ErrPath)
	}
	if part == "." || part == ".." {
		return fmt.Errorf("part %q: %w", part, ErrPath)
	}
	plain, _, _ := strings.Cut(strings.ToLower(part), ":")
	plain = strings.TrimRight(plain, ". ")
	if plain == ".git" || plain == "git~1" {
		return fmt.Errorf("part %q is git's own: %w", part, ErrPath)
	}
	return nil
}
