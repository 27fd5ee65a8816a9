package allcabal

import (
	"bytes"
	"sort"
)

// A blobID is git's SHA-1 of a file.
type blobID [20]byte

// A listing has the ids of all files of a tree, of which there may be 300,000,
// in as little memory as may be.
type listing struct {
	paths  []byte // one behind the other, in their order as bytes
	starts []uint32
	ids    []blobID
	later  map[string]blobID // paths out of order, and new ones
}

// add enters a file. git lists them in their order as bytes, unless the tree is
// not well made.
func (l *listing) add(path string, id blobID) {
	if n := len(l.starts); n > 0 && string(l.path(n-1)) >= path {
		l.set(path, id)
		return
	}
	l.starts = append(l.starts, uint32(len(l.paths)))
	l.ids = append(l.ids, id)
	l.paths = append(l.paths, path...)
}

// path returns that of the file at a place.
func (l *listing) path(i int) []byte {
	if i+1 == len(l.starts) {
		return l.paths[l.starts[i]:]
	}
	return l.paths[l.starts[i]:l.starts[i+1]]
}

// find returns the place of a path.
func (l *listing) find(path string) (int, bool) {
	wanted := []byte(path)
	i := sort.Search(len(l.starts), func(i int) bool { return bytes.Compare(l.path(i), wanted) >= 0 })
	return i, i < len(l.starts) && bytes.Equal(l.path(i), wanted)
}

// get returns the id of the file at a path. A nil listing has none.
func (l *listing) get(path string) (blobID, bool) {
	if l == nil {
		return blobID{}, false
	}
	if i, ok := l.find(path); ok {
		return l.ids[i], true
	}
	id, ok := l.later[path]
	return id, ok
}

// set notes that a file was written.
func (l *listing) set(path string, id blobID) {
	if i, ok := l.find(path); ok {
		l.ids[i] = id
		return
	}
	if l.later == nil {
		l.later = map[string]blobID{}
	}
	l.later[path] = id
}
