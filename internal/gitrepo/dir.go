package gitrepo

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Modes of what is in a tree, as six octal digits.
const (
	ModeFile       = "100644" // a plain file
	ModeExecutable = "100755"
	ModeLink       = "120000" // a symbolic link: the blob is where it leads
	ModeCommit     = "160000" // a submodule: the id is that of a commit elsewhere
	ModeFolder     = "040000"
)

// spelled is a mode as git writes it in a tree: without zeros before it.
func spelled(mode string) string { return strings.TrimLeft(mode, "0") }

// keptBytes is how large a tree must be for its buffer to be used again.
const keptBytes = 1 << 16

// A dir is one folder of a tree that is being changed. Of the folder as it was
// last written it holds the bytes of the tree object, which is the least that
// can be held of it.
type dir struct {
	raw   []byte // "MODE NAME<nul>ID" for each entry, in git's order
	odd   oid    // of the folder as it was read, if that was spelled otherwise
	at    place  // of raw
	spare []byte // for the next raw
	anchor

	subs  map[string]*dir // folders that were looked into
	fresh map[string]*dir // those of them in which something changed since raw
	leafs map[string]leaf // files written or removed since raw
}

// openDir is a folder of a tree as it was read. One that an old or an odd writer
// spelled otherwise than git keeps its id for as long as nothing in it changes.
func openDir(id oid, raw []byte) (*dir, error) {
	proper, err := respell(raw)
	d := &dir{raw: proper}
	if !bytes.Equal(proper, raw) {
		d.odd = id
	}
	return d, err
}

// dirty reports whether something changed since raw.
func (d *dir) dirty() bool { return len(d.fresh)+len(d.leafs) > 0 }

// A leaf is an entry that is no folder of ours, or with the zero id nothing.
type leaf struct {
	id   oid
	mode string
}

// An entry is one of raw's; its parts point into raw.
type entry struct {
	mode, name, id []byte
	start, end     int
}

// isTree reports whether the entry is a folder.
func (e entry) isTree() bool { return e.kind() == ModeFolder }

// kind is the entry's mode as git reads it: old writers put zeros before it or
// had other permissions, and what is nothing else is a commit.
func (e entry) kind() string {
	switch string(e.mode) {
	case "40000":
		return ModeFolder
	case ModeFile:
		return ModeFile
	}
	bits, _ := strconv.ParseUint(string(e.mode), 8, 32) // no number is no mode
	switch bits & 0o170000 {
	case 0o100000:
		if bits&0o100 != 0 {
			return ModeExecutable
		}
		return ModeFile
	case 0o120000:
		return ModeLink
	case 0o040000:
		return ModeFolder
	}
	return ModeCommit
}

// entryAt reads the entry that begins at a place of raw.
func entryAt(raw []byte, start int) (entry, error) {
	space := bytes.IndexByte(raw[start:], ' ')
	nul := bytes.IndexByte(raw[start:], 0)
	end := start + nul + 1 + len(oid{})
	if space < 0 || nul < space || end > len(raw) {
		return entry{}, fmt.Errorf("read tree: entry at byte %d: %w", start, ErrObject)
	}
	return entry{
		mode: raw[start : start+space], name: raw[start+space+1 : start+nul],
		id: raw[start+nul+1 : end], start: start, end: end,
	}, nil
}

// find looks an entry up by name, whatever it is.
func find(raw []byte, name string) (entry, bool, error) {
	if !bytes.Contains(raw, []byte(" "+name+"\x00")) {
		return entry{}, false, nil // a large folder is soon looked through for that
	}
	for at := 0; at < len(raw); {
		e, err := entryAt(raw, at)
		if err != nil {
			return entry{}, false, err
		}
		if string(e.name) == name {
			return e, true, nil
		}
		at = e.end
	}
	return entry{}, false, nil
}

// file returns the blob of a name, zero if it is no file.
func (d *dir) file(name string) (oid, error) {
	if l, ok := d.leafs[name]; ok {
		return l.id, nil
	}
	e, ok, err := find(d.raw, name)
	if err != nil || !ok || e.isTree() {
		return oid{}, err
	}
	return oid(e.id), nil
}

// A change is one name's new entry; an empty mode takes the name away.
type change struct {
	name string
	mode string
	id   oid
}

// changes collects what is new since raw. All folders below must be written.
func (d *dir) changes(written map[string]oid) []change {
	var list []change
	for name, id := range written {
		c := change{name: name, mode: ModeFolder, id: id}
		if id == (oid{}) {
			c.mode = ""
		}
		list = append(list, c)
	}
	for name, l := range d.leafs {
		list = append(list, change{name: name, mode: l.mode, id: l.id})
	}
	return list
}

// A mark is a place in git's order where a change takes an entry away, or puts
// one in, or both. A name has two places: as a file, and as a folder, which
// sorts as if its name ended in a slash.
type mark struct {
	key, put []byte // put is the new entry, nil for none
}

// marks returns the places of changes, in git's order.
func marks(changes []change) []mark {
	list := make([]mark, 0, 2*len(changes))
	for _, c := range changes {
		var put []byte
		if c.mode != "" {
			put = slices.Concat([]byte(spelled(c.mode)+" "+c.name+"\x00"), c.id[:])
		}
		file, folder := mark{key: []byte(c.name)}, mark{key: []byte(c.name + "/")}
		if c.mode == ModeFolder {
			folder.put = put
		} else {
			file.put = put
		}
		list = append(list, file, folder)
	}
	slices.SortFunc(list, func(a, b mark) int { return bytes.Compare(a.key, b.key) })
	return list
}

// merge returns raw with the changes, in to's memory if that is large enough,
// and the delta that leads there.
func merge(raw []byte, changes []change, to []byte) (merged, delta []byte, err error) {
	var d deltaWriter
	todo := marks(changes)
	grow := 0
	for _, m := range todo {
		grow += len(m.put)
	}
	to = slices.Grow(to, len(raw)+grow)
	put := func(m mark) {
		if m.put != nil {
			to = append(to, m.put...)
			d.insert(m.put)
		}
	}
	for at := 0; at < len(raw); {
		e, err := entryAt(raw, at)
		if err != nil {
			return nil, nil, err
		}
		at = e.end
		gone := false
		for len(todo) > 0 && !gone {
			order := compareEntry(e, todo[0].key)
			if order < 0 {
				break
			}
			gone = order == 0
			put(todo[0])
			todo = todo[1:]
		}
		if !gone {
			to = append(to, raw[e.start:e.end]...)
			d.copy(e.start, e.end)
		}
	}
	for _, m := range todo {
		put(m)
	}
	return to, d.end(len(raw)), nil
}

// compareEntry compares an entry with a key of git's order.
func compareEntry(e entry, key []byte) int {
	if !e.isTree() || !bytes.HasPrefix(key, e.name) {
		return bytes.Compare(e.name, key)
	}
	return bytes.Compare([]byte("/"), key[len(e.name):])
}

// respell returns a folder as git writes it: modes without zeros before them, in
// git's order, each name once (the first counts), and no name to which no path
// leads. It is raw itself if that is so.
func respell(raw []byte) ([]byte, error) {
	var entries []entry
	seen, proper := map[string]bool{}, true
	for at := 0; at < len(raw); {
		e, err := entryAt(raw, at)
		if err != nil {
			return nil, err
		}
		at = e.end
		if seen[string(e.name)] || len(e.name) == 0 || bytes.IndexByte(e.name, '/') >= 0 {
			proper = false
			continue
		}
		seen[string(e.name)] = true
		proper = proper && string(e.mode) == spelled(e.kind()) &&
			(len(entries) == 0 || bytes.Compare(entries[len(entries)-1].key(), e.key()) < 0)
		entries = append(entries, e)
	}
	if proper {
		return raw, nil
	}
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.key(), b.key()) })
	out := make([]byte, 0, len(raw))
	for _, e := range entries {
		out = append(append(append(out, spelled(e.kind())...), ' '), e.name...)
		out = append(append(out, 0), e.id...)
	}
	return out, nil
}

// key is what git sorts an entry by.
func (e entry) key() []byte {
	if e.isTree() {
		return append(e.name[:len(e.name):len(e.name)], '/')
	}
	return e.name
}

// A folders is where the objects of folders come from and go to.
type folders interface {
	readTree(id oid) ([]byte, error)
	writeTree(raw []byte, base place, delta []byte) (oid, place, error)
}

// sub returns the folder of a name, loading it if need be. With make it puts a
// new one in the place of nothing or of a file, without it there may be none.
func (d *dir) sub(store folders, name string, make bool) (*dir, error) {
	if s, ok := d.subs[name]; ok {
		return s, nil
	}
	s := &dir{}
	_, replaced := d.leafs[name]
	e, ok, err := find(d.raw, name)
	switch {
	case err != nil:
		return nil, err
	case ok && e.isTree() && !replaced:
		raw, err := store.readTree(oid(e.id))
		if err != nil {
			return nil, err
		}
		if s, err = openDir(oid(e.id), raw); err != nil {
			return nil, err
		}
	case !make:
		return nil, nil
	}
	delete(d.leafs, name)
	if d.subs == nil {
		d.subs = map[string]*dir{}
	}
	d.subs[name] = s
	return s, nil
}

// set puts a file in the place of whatever has its name, or takes that away.
func (d *dir) set(name string, l leaf) {
	delete(d.subs, name)
	delete(d.fresh, name)
	if d.leafs == nil {
		d.leafs = map[string]leaf{}
	}
	d.leafs[name] = l
}

// touch notes that something changed in a folder that sub returned.
func (d *dir) touch(name string, below *dir) {
	if d.fresh == nil {
		d.fresh = map[string]*dir{}
	}
	d.fresh[name] = below
}

// write writes the folder and those below if they changed, and returns the id,
// zero for an empty folder, which git does not have below the root. The folders
// keep those below them only down to a depth; deeper ones are read again when
// they are needed, and so are never written as deltas.
func (d *dir) write(store folders, keep int) (oid, error) {
	written := make(map[string]oid, len(d.fresh))
	for name, s := range d.fresh {
		id, err := s.write(store, keep-1)
		if err != nil {
			return oid{}, err
		}
		if written[name] = id; id == (oid{}) {
			delete(d.subs, name)
		}
	}
	merged, delta, err := merge(d.raw, d.changes(written), d.spare[:0])
	if err != nil {
		return oid{}, err
	}
	if keep <= 0 {
		d.subs = nil
	}
	if keep < 0 {
		delta = nil
	}
	d.leafs, d.fresh = nil, nil
	if d.odd != (oid{}) && bytes.Equal(merged, d.raw) {
		return d.odd, nil
	}
	d.odd = oid{}
	return d.store(store, merged, delta)
}

// store puts a new content in the place of raw.
func (d *dir) store(store folders, merged, delta []byte) (oid, error) {
	if len(merged) == 0 {
		d.raw, d.at = nil, place{}
		return oid{}, nil
	}
	base, large := d.at, len(merged) >= keptBytes
	if large {
		var err error
		if base, delta, err = d.anchor.base(base, merged, delta); err != nil {
			return oid{}, err
		}
	}
	if len(delta) == 0 || len(delta) >= len(merged) {
		base = place{}
	}
	id, at, err := store.writeTree(merged, base, delta)
	if err != nil {
		return oid{}, err
	}
	if large {
		d.spare = d.raw
		d.hold(merged, at)
	}
	d.raw, d.at = merged, at
	return id, nil
}

// stride is how many trees lie between two anchors.
const stride = maxDepth / 2

// An anchor is a large folder as it was up to stride trees ago. Every so many
// trees the delta is one to it and not to the tree before, which makes a new
// anchor: so hundreds of trees are within the reach of a whole one, and not only
// maxDepth. A whole one of all of Hackage takes as much as a thousand deltas.
type anchor struct {
	held  []byte
	place place
	trees int // since the last whole one
}

// base returns what the next tree is to be a delta to, and that delta, given those
// to the tree before it.
func (a *anchor) base(before place, merged, delta []byte) (place, []byte, error) {
	a.trees++
	switch {
	case a.place.serial != before.serial || a.trees%stride != 0:
		return before, delta, nil
	case a.trees == stride*stride:
		return place{}, nil, nil
	}
	delta, err := deltaOfTrees(a.held, merged)
	return a.place, delta, err
}

// hold takes the tree as an anchor if it is its turn, or the pack is a new one.
func (a *anchor) hold(merged []byte, at place) {
	if a.place.serial != at.serial || a.trees == stride*stride {
		a.trees = 0
	}
	if a.trees%stride == 0 {
		a.held, a.place = append(a.held[:0], merged...), at
	}
}

// deltaOfTrees returns the delta from one tree to another.
func deltaOfTrees(old, raw []byte) ([]byte, error) {
	var d deltaWriter
	from := 0
	for at := 0; at < len(raw); {
		e, err := entryAt(raw, at)
		if err != nil {
			return nil, err
		}
		at = e.end
		whole := raw[e.start:e.end]
		if !bytes.HasPrefix(old[from:], whole) {
			if from, err = seek(old, from, e.key()); err != nil {
				return nil, err
			}
		}
		if bytes.HasPrefix(old[from:], whole) {
			d.copy(from, from+len(whole))
			from += len(whole)
		} else {
			d.insert(whole)
		}
	}
	return d.end(len(old)), nil
}

// seek returns where in raw, from a place on, the first entry begins that is not
// before a key in git's order.
func seek(raw []byte, from int, key []byte) (int, error) {
	for from < len(raw) {
		e, err := entryAt(raw, from)
		if err != nil {
			return 0, err
		}
		if bytes.Compare(e.key(), key) >= 0 {
			break
		}
		from = e.end
	}
	return from, nil
}
