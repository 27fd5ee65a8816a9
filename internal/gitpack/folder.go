package gitpack

import (
	"bytes"
	"slices"
	"strings"
)

// largeTree is how many bytes a tree must have for an anchor, and for its memory to be
// used again.
const largeTree = 1 << 16

// A folder is one of a tree that is being changed. Of the folder as it was last
// written it holds the bytes of the tree object, which is the least that can be
// held of it.
type folder struct {
	name   string
	parent *folder // nil for the root

	raw    []byte   // "MODE NAME<nul>ID" for each entry, in git's order
	readID *ID      // of the tree that was read, nil if git would write it as raw is
	at     location // of raw
	large  *anchor  // nil if raw is small

	subs    map[string]*folder // folders in it that were read or made
	changed map[string]*folder // those of them in which something changed since raw
	files   map[string]file    // written or removed since raw
}

// openFolder is a folder of a tree as it was read. One that an old or another
// writer spelled otherwise than git keeps its id for as long as nothing in it
// changes.
func openFolder(id ID, raw []byte) (*folder, error) {
	normal, err := normalize(raw)
	f := &folder{raw: normal}
	if !bytes.Equal(normal, raw) {
		f.readID = &id
	}
	return f, err
}

// A file is an entry that is no folder of ours, or with no mode nothing.
type file struct {
	id   ID
	mode string
}

// file returns the file of a name, zero if there is none.
func (f *folder) file(name string) (file, error) {
	if written, ok := f.files[name]; ok {
		return written, nil
	}
	e, ok, err := lookUp(f.raw, name)
	if err != nil || !ok || e.IsFolder() {
		return file{}, err
	}
	return file{e.ID(), e.Mode()}, nil
}

// set puts a file in the place of whatever has its name, or takes that away.
func (f *folder) set(name string, to file) {
	delete(f.subs, name)
	delete(f.changed, name)
	if f.files == nil {
		f.files = map[string]file{}
	}
	f.files[name] = to
	for ; f.parent != nil; f = f.parent {
		if f.parent.changed == nil {
			f.parent.changed = map[string]*folder{}
		}
		f.parent.changed[f.name] = f
	}
}

// sub returns the folder of a name, reading it if need be. With make it puts a
// new one in the place of nothing or of a file, without it there may be none.
func (f *folder) sub(t *TreeWriter, name string, make bool) (*folder, error) {
	if s, ok := f.subs[name]; ok {
		return s, nil
	}
	s := &folder{}
	_, replaced := f.files[name]
	e, ok, err := lookUp(f.raw, name)
	switch {
	case err != nil:
		return nil, err
	case ok && e.IsFolder() && !replaced:
		raw, err := t.read(e.ID())
		if err != nil {
			return nil, err
		}
		if s, err = openFolder(e.ID(), raw); err != nil {
			return nil, err
		}
	case !make:
		return nil, nil
	}
	delete(f.files, name)
	name = strings.Clone(name) // not to hold on to a whole path
	s.name, s.parent = name, f
	if f.subs == nil {
		f.subs = map[string]*folder{}
	}
	f.subs[name] = s
	return s, nil
}

// write writes the folder and those below if they changed, and returns the id,
// zero for an empty folder, which git does not have below the root. The folders in
// the root stay in memory, since they change again and again; deeper ones are read
// again when they are needed, and so are never written as deltas.
func (f *folder) write(t *TreeWriter) (ID, error) {
	changes := make([]edit, 0, 2*(len(f.changed)+len(f.files)))
	for name, s := range f.changed {
		id, err := s.write(t)
		if err != nil {
			return ID{}, err
		}
		mode := ModeFolder
		if s.subs = nil; id == (ID{}) {
			mode = ""
			delete(f.subs, name)
		}
		changes = appendEdits(changes, name, file{id, mode})
	}
	for name, to := range f.files {
		changes = appendEdits(changes, name, to)
	}
	var memory []byte
	if f.large != nil {
		memory = f.large.spare
	}
	merged, delta, err := merge(f.raw, changes, memory[:0])
	if err != nil {
		return ID{}, err
	}
	f.files, f.changed = nil, nil
	if f.readID != nil && bytes.Equal(merged, f.raw) {
		return *f.readID, nil
	}
	f.readID = nil
	return f.store(t, merged, delta)
}

// store puts a new content in the place of raw.
func (f *folder) store(t *TreeWriter, merged, delta []byte) (ID, error) {
	if len(merged) == 0 {
		f.raw, f.at = nil, location{}
		return ID{}, nil
	}
	if f.large == nil && len(merged) >= largeTree {
		f.large = &anchor{}
	}
	base := f.at
	if f.large != nil {
		base, delta = f.large.base(base, merged, delta)
	}
	if len(delta) == 0 || len(delta) >= len(merged) {
		base = location{}
	}
	id, at, err := t.objects.addDelta(Object{"tree", merged}, base, delta)
	if err != nil {
		return ID{}, err
	}
	if f.large != nil {
		f.large.spare = f.raw
		f.large.update(merged, at)
	}
	f.raw, f.at = merged, at
	return id, nil
}

// An edit takes an entry away at a place in git's order, or puts one in, or both.
type edit struct {
	key, put []byte // put is the new entry, nil for none
}

// appendEdits appends what makes a name what it shall be. A name has two places: as
// a file, and as a folder, which sorts as if its name ended in a slash.
func appendEdits(list []edit, name string, to file) []edit {
	asFile, asFolder := edit{key: []byte(name)}, edit{key: []byte(name + "/")}
	put := slices.Concat([]byte(modeText(to.mode)+" "+name+"\x00"), to.id[:])
	switch to.mode {
	case "":
	case ModeFolder:
		asFolder.put = put
	default:
		asFile.put = put
	}
	return append(list, asFile, asFolder)
}

// merge returns raw with the changes, in to's memory if that is large enough,
// and the delta that leads there.
func merge(raw []byte, todo []edit, to []byte) (merged, delta []byte, err error) {
	slices.SortFunc(todo, func(a, b edit) int { return bytes.Compare(a.key, b.key) })
	var d deltaWriter
	size := len(raw)
	for _, c := range todo {
		size += len(c.put)
	}
	to = slices.Grow(to, size)
	put := func(c edit) {
		if c.put != nil {
			to = append(to, c.put...)
			d.insert(c.put)
		}
	}
	at := 0
	for e, err := range Entries(raw) {
		if err != nil {
			return nil, nil, err
		}
		gone := false
		for len(todo) > 0 && !gone {
			order := e.compare(todo[0].key)
			if order < 0 {
				break
			}
			gone = order == 0
			put(todo[0])
			todo = todo[1:]
		}
		if !gone {
			to = append(to, e.raw...)
			d.copy(at, at+len(e.raw))
		}
		at += len(e.raw)
	}
	for _, c := range todo {
		put(c)
	}
	return to, d.end(len(raw)), nil
}

// stride is how many trees lie between two anchors.
const stride = maxDepth / 2

// An anchor is a large folder as it was up to stride trees ago. Every so many
// trees the delta is one to it and not to the tree before, which makes a new
// anchor: so hundreds of trees are within the reach of a whole one, and not only
// maxDepth. A whole one of all of Hackage takes as much as a thousand deltas.
type anchor struct {
	tree  []byte
	where location
	trees int    // since the last whole one
	spare []byte // memory for the next tree
}

// base returns what the next tree is to be a delta to, and that delta, given those
// to the tree before it.
func (a *anchor) base(before location, merged, delta []byte) (location, []byte) {
	a.trees++
	switch {
	case a.where.pack != before.pack || a.trees%stride != 0:
		return before, delta
	case a.trees == stride*stride:
		return location{}, nil
	}
	return a.where, new(deltaFinder).delta(a.tree, merged, len(merged))
}

// update makes the tree the anchor if it is its turn, or the pack is a new one.
func (a *anchor) update(merged []byte, at location) {
	if a.where.pack != at.pack || a.trees == stride*stride {
		a.trees = 0
	}
	if a.trees%stride == 0 {
		a.tree, a.where = append(a.tree[:0], merged...), at
	}
}
