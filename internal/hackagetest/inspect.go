package hackagetest

import (
	"bytes"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// An Entry is one of the index, as a test may want to compare it.
type Entry struct {
	Path string
	Time time.Time
	// Offset is where the header starts in 01-index.tar, End where the next
	// one does; the content starts at Offset + 512 and has Size bytes.
	Offset, End, Size int64
	// Content is the entry's content, without zeros that only Size declares.
	Content []byte
}

// Entries lists the index of g, entries of Raw included; those of RawBytes have
// no path.
func (g *Generation) Entries() []Entry {
	var list []Entry
	var offset int64
	for _, e := range g.state.entries {
		end := offset + int64(len(e.data))
		list = append(list, Entry{Path: e.path, Time: e.time, Offset: offset, End: end, Size: e.size, Content: bytes.Clone(e.content)})
		offset = end
	}
	return list
}

// Releases lists what was uploaded, withdrawn releases included, sorted.
func (g *Generation) Releases() []index.Release {
	return slices.SortedFunc(maps.Keys(g.state.releases), index.Release.Compare)
}

// Tree returns the newest content of every .cabal file and preferred-versions
// by its path in the index: what a files repository must hold.
func (g *Generation) Tree() map[string][]byte {
	tree := map[string][]byte{}
	for _, e := range g.Entries() {
		if path.Ext(e.Path) == ".cabal" || path.Base(e.Path) == "preferred-versions" {
			tree[e.Path] = e.Content
		}
	}
	return tree
}

// Revisions returns all contents of a release's .cabal file, oldest first.
func (g *Generation) Revisions(r index.Release) [][]byte {
	var list [][]byte
	for _, e := range g.Entries() {
		if e.Path == r.CabalPath() {
			list = append(list, e.Content)
		}
	}
	return list
}

// Tarball returns the bytes that the index vouches for, withdrawn or not.
func (g *Generation) Tarball(r index.Release) []byte {
	return g.state.mustHave(r).tarball.bytes()
}
