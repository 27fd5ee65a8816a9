package gitrepo

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// A Change is a path at which two trees differ. A side that has nothing there has
// no mode and no id.
type Change struct {
	// Path has slashes between its parts, on every system. A tree that was made
	// by hand may have it twice.
	Path string
	// The modes are those of File, but for folders: instead of one, all that
	// is in it is listed.
	OldMode, OldID string
	NewMode, NewID string
}

// Diff lists what differs between two commits, or between nothing, "", and one.
// The commits are such as History takes. Of the trees it fetches those that
// differ, in one step for the top and as a rule one for all below; files come by
// Need. What comes first is nearer to the top; in a folder the order is that of
// the names. Errors are those of History.
//
// Who makes the old state again with an Import of old needs the files that the new
// one lacks: Need them, or the push has nothing to send.
func (r *Repo) Diff(ctx context.Context, old, new string) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		goOn := true
		err := r.diff(ctx, old, new, func(c Change) bool {
			goOn = yield(c, nil)
			return goOn
		})
		if err != nil && goOn {
			yield(Change{}, fmt.Errorf("compare %.40q with %.40q: %w", old, new, err))
		}
	}
}

// A folderPair is a folder of both trees; the id of one that is not there is "".
type folderPair struct{ path, old, new string }

func (r *Repo) diff(ctx context.Context, old, new string, yield func(Change) bool) error {
	var top folderPair
	if old != "" {
		c, err := r.commit(ctx, old)
		if err != nil {
			return err
		}
		top.old = c.Tree
	}
	c, err := r.commit(ctx, new)
	if err != nil {
		return err
	}
	top.new = c.Tree
	level, leaveOut := []folderPair{top}, asNeeded
	for len(level) > 0 {
		var ids []string
		for _, p := range level {
			ids = append(ids, p.sides()...)
		}
		if err := r.need(ctx, leaveOut, ids); err != nil {
			return err
		}
		var next []folderPair
		for _, p := range level {
			below, more, err := r.diffFolder(ctx, p, yield)
			if err != nil || !more {
				return err
			}
			next = append(next, below...)
		}
		level, leaveOut = next, foldersOnly
	}
	return nil
}

// sides are the ids of folders that are there and differ.
func (p folderPair) sides() []string {
	if p.old == p.new {
		return nil
	}
	return slices.DeleteFunc([]string{p.old, p.new}, func(id string) bool { return id == "" })
}

// diffFolder yields the files that differ in one folder and returns the folders to
// look into next, and whether more is wanted.
func (r *Repo) diffFolder(ctx context.Context, p folderPair, yield func(Change) bool) (next []folderPair, more bool, err error) {
	names := map[string]*Change{}
	for _, id := range p.sides() {
		raw, err := r.treeByID(ctx, id)
		if err != nil {
			return nil, false, err
		}
		if err := enter(names, raw, id == p.new); err != nil {
			return nil, false, err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(names)) {
		c := names[key]
		c.Path = p.path + c.Path
		below := folderPair{path: c.Path + "/"}
		if c.OldMode == ModeFolder {
			below.old, c.OldMode, c.OldID = c.OldID, "", ""
		}
		if c.NewMode == ModeFolder {
			below.new, c.NewMode, c.NewID = c.NewID, "", ""
		}
		if below.old != below.new {
			next = append(next, below)
		}
		if (c.OldMode != c.NewMode || c.OldID != c.NewID) && !yield(*c) {
			return nil, false, nil
		}
	}
	return next, true, nil
}

// enter puts the entries of one side of a folder beside those of the other. A name
// that comes again, as git never writes it, is another entry.
func enter(names map[string]*Change, raw []byte, isNew bool) error {
	times := map[string]int{}
	for at := 0; at < len(raw); {
		e, err := entryAt(raw, at)
		if err != nil {
			return err
		}
		at = e.end
		name := string(e.name)
		times[name]++
		key := fmt.Sprintf("%s\x00%d", name, times[name])
		c := names[key]
		if c == nil {
			c = &Change{Path: name}
			names[key] = c
		}
		if isNew {
			c.NewMode, c.NewID = e.kind(), oid(e.id).String()
		} else {
			c.OldMode, c.OldID = e.kind(), oid(e.id).String()
		}
	}
	return nil
}
