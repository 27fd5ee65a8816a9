package allcabal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"sort"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
)

// A blobID is git's SHA-1 of a file.
type blobID [20]byte

// readID reads an id in hexadecimal.
func readID(text string) (id blobID, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("read object id %.80q: no SHA-1: %w", text, errors.ErrUnsupported)
	}
	return blobID(raw), nil
}

// blobOf is the id that git gives to a file of this content.
func blobOf(content []byte) blobID {
	id, err := readID(gitrepo.BlobID(content))
	if err != nil {
		panic("allcabal: an object id that is not hexadecimal: " + err.Error())
	}
	return id
}

// A listing has the ids of files of a tree: of those that a run looks at, or of
// all, of which there may be 300,000, in as little memory as may be. What is no
// plain file (a link, an executable) is not in it, so that it is written anew.
type listing struct {
	paths  []byte // one behind the other, in their order as bytes
	starts []uint32
	ids    []blobID
	later  map[string]blobID // paths out of order, and new ones

	matches []match // of ids, once match was called
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

// match makes room for a match of each file.
func (l *listing) match() { l.matches = make([]match, len(l.ids)) }

// matched returns the match of a file that was added in order, and its id.
func (l *listing) matched(path string) (*match, blobID, bool) {
	if l == nil || l.matches == nil {
		return nil, blobID{}, false
	}
	i, ok := l.find(path)
	if !ok {
		return nil, blobID{}, false
	}
	return &l.matches[i], l.ids[i], true
}

// all yields the files that were added in order, with their matches.
func (l *listing) all() iter.Seq2[string, match] {
	return func(yield func(string, match) bool) {
		for i, m := range l.matches {
			if !yield(string(l.path(i)), m) {
				return
			}
		}
	}
}
