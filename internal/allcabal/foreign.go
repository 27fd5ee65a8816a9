package allcabal

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

// undoForeign sets the base below what somebody else committed. Its changes to data
// are undone, and to other files unless the owner keeps them. The commit that
// does so has the head as its parent, and others if the head does not lead there.
// It is made also if nothing differs: the head is to be a commit of ours.
func (d *Repository) undoForeign(ctx context.Context, commit string, foreign []string, others ...string) error {
	b := base{commit: commit, dated: commit, parents: append([]string{d.head}, others...), foreign: foreign}
	for change, err := range d.o.Repo.Diff(ctx, commit, d.head) {
		if err != nil {
			return fmt.Errorf("compare %s with %s: %w", d.head, commit, err)
		}
		if d.keeps(change) {
			b.kept = append(b.kept, change)
		} else {
			b.undone = append(b.undone, change)
		}
	}
	if err := d.undoInFolders(ctx, &b); err != nil {
		return err
	}
	onlyKept, err := d.onlyKept(ctx, b)
	if err != nil {
		return err
	}
	if onlyKept && len(others) == 0 {
		b.commit, b.parents = d.head, []string{d.head}
	} else {
		b.undo, d.whyPush = true, "somebody else committed to the branch"
		if b.first() != "" {
			d.raise(b.first(), d.o.Now())
		}
	}
	d.base = b
	return d.fetchUndone(ctx)
}

// maxKept is how many commits of the owner's are looked at one by one.
const maxKept = 100

// onlyKept reports whether foreign commits hold nothing but what the owner keeps:
// each of them, so that none adds what a later one takes away, and the tree as a
// whole, which may have what is no file.
func (d *Repository) onlyKept(ctx context.Context, b base) (bool, error) {
	if len(b.undone) > 0 || len(b.kept) == 0 || len(b.foreign) > maxKept {
		return false, nil
	}
	before := b.commit
	for _, id := range slices.Backward(b.foreign) {
		for change, err := range d.o.Repo.Diff(ctx, before, id) {
			if err != nil {
				return false, fmt.Errorf("compare %s with %s: %w", id, before, err)
			}
			if !d.keeps(change) {
				return false, nil
			}
		}
		before = id
	}
	tree, err := d.makeTree(ctx, b.commit, b.writeKept)
	if err != nil {
		return false, err
	}
	head, err := d.o.Repo.ReadCommit(ctx, d.head)
	return tree == head.Tree, err
}

// makeTree returns the tree of a commit, "" for none, with what is written into it.
func (d *Repository) makeTree(ctx context.Context, commit string, write func(*gitpack.TreeWriter) error) (tree string, err error) {
	im, err := d.o.Repo.TreeWriter(ctx, commit)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, im.Close()) }()
	if err := write(im); err != nil {
		return "", err
	}
	tree, _, err = im.Tree()
	return tree, err
}

// writeKept writes what the owner keeps into a tree.
func (b base) writeKept(im *gitpack.TreeWriter) error {
	for _, change := range b.kept {
		err := error(nil)
		if change.NewID == "" {
			err = im.Remove(change.Path)
		} else {
			err = im.WriteEntry(gitpack.File{Path: change.Path, Mode: change.NewMode, ID: change.NewID})
		}
		if err != nil {
			return fmt.Errorf("keep %q: %w", change.Path, err)
		}
	}
	return nil
}

// undoInFolders keeps nothing that would stand where the base has a folder:
// the name of a file may be that of a package.
func (d *Repository) undoInFolders(ctx context.Context, b *base) error {
	var paths []string
	for _, change := range b.kept {
		paths = append(paths, change.Path)
	}
	found, err := d.o.Repo.ResolvePaths(ctx, b.commit, paths...)
	if err != nil {
		return fmt.Errorf("look up kept files: %w", err)
	}
	kept := b.kept
	b.kept = nil
	for i, change := range kept {
		if found[i].Mode == gitpack.ModeFolder {
			b.undone = append(b.undone, change)
		} else {
			b.kept = append(b.kept, change)
		}
	}
	return nil
}

// fetchUndone fetches the files that come back: git sends along what the commit
// before does not have.
func (d *Repository) fetchUndone(ctx context.Context) error {
	var ids []string
	for _, change := range d.base.undone {
		if change.OldID != "" && change.OldMode != gitpack.ModeCommit {
			ids = append(ids, change.OldID)
		}
	}
	if err := d.o.Repo.FetchObjects(ctx, ids...); err != nil {
		return fmt.Errorf("fetch the files to restore: %w", err)
	}
	return nil
}

// keeps reports whether a change of somebody else's stays: one of a plain file
// that is no data, or its removal, if a pattern names the file or a folder above
// it.
func (d *Repository) keeps(change gitpack.Change) bool {
	if isData(change.Path) || gitpack.CheckPath(change.Path) != nil || change.NewID != "" && change.NewMode != "100644" && change.NewMode != "100755" {
		return false
	}
	for name := change.Path; name != "."; name = path.Dir(name) {
		for _, pattern := range d.o.Keep {
			if ok, err := path.Match(strings.TrimSuffix(pattern, "/"), name); ok && err == nil {
				return true
			}
		}
	}
	return false
}

// CheckKeep refuses a pattern that could never keep anything.
func CheckKeep(pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil {
		return fmt.Errorf("read pattern %q: %w", pattern, err)
	}
	if plain := strings.TrimSuffix(pattern, "/"); isData(plain) || plain != pattern && !strings.HasPrefix(plain, ".") {
		return fmt.Errorf("pattern %q matches data, which only the mirror writes; only files of the root and folders that begin with a dot can be kept", pattern)
	}
	return nil
}
