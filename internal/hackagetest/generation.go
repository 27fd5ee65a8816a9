package hackagetest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// A Generation is a repository at one moment: a set of files that never
// changes. Its files are made when they are first asked for.
type Generation struct {
	state state
	files func() map[string]*content
}

// Paths lists the generation's files, sorted: root.json, 01-index.tar.gz,
// package/NAME-VERSION.tar.gz and so on.
func (g *Generation) Paths() []string { return slices.Sorted(maps.Keys(g.files())) }

// File returns a file by its path, nil if there is none.
func (g *Generation) File(path string) []byte {
	c := g.files()[path]
	if c == nil {
		return nil
	}
	return c.bytes()
}

// With returns the generation with one file of another content; nil takes the
// file out. Nothing is signed anew, so with a signed file it is an attack.
func (g *Generation) With(path string, raw []byte) *Generation {
	other := map[string]*content{}
	if raw != nil {
		other[path] = newContent(raw)
	}
	return g.with(func() map[string]*content { return other }, path)
}

// WithFrom returns the generation with some files as they are in another one, which
// makes the torn sets that caches serve.
func (g *Generation) WithFrom(other *Generation, paths ...string) *Generation {
	return g.with(other.files, paths...)
}

func (g *Generation) with(other func() map[string]*content, paths ...string) *Generation {
	return &Generation{state: g.state, files: sync.OnceValue(func() map[string]*content {
		files := maps.Clone(g.files())
		for _, path := range paths {
			delete(files, path)
			if c := other()[path]; c != nil {
				files[path] = c
			}
		}
		return files
	})}
}

// Write makes the folder dir hold the generation: its files are written, and
// files of the layout that it lacks (withdrawn tarballs, 01-index.tar) are
// removed. Files that already are right stay untouched.
func (g *Generation) Write(dir string) error {
	old, err := filepath.Glob(filepath.Join(dir, "package", "*.tar.gz"))
	if err != nil {
		return fmt.Errorf("list tarballs in %q: %w", dir, err)
	}
	paths := append(g.Paths(), indexTar, deprecated)
	for _, name := range old {
		paths = append(paths, "package/"+filepath.Base(name))
	}
	for _, path := range paths {
		if err := g.write(filepath.Join(dir, filepath.FromSlash(path)), path); err != nil {
			return fmt.Errorf("write %q of the repository: %w", path, err)
		}
	}
	return nil
}

// write writes one file, or removes it if g has none of its path.
func (g *Generation) write(name, path string) error {
	c := g.files()[path]
	if c == nil {
		if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	raw := c.bytes()
	if old, err := os.ReadFile(name); err == nil && bytes.Equal(old, raw) {
		return nil
	}
	return errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, raw, 0o644))
}

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
		list = append(list, Entry{e.header.Name, e.header.ModTime, offset, end, e.header.Size, bytes.Clone(e.content)})
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
		if name := filepath.Base(e.Path); filepath.Ext(name) == ".cabal" || name == "preferred-versions" {
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

// withdrawn returns the HTTP status of a path that was withdrawn, or 0.
func (g *Generation) withdrawn(path string) int {
	for r, known := range g.state.releases {
		if known.gone != 0 && r.TarballKey() == path {
			return known.gone
		}
	}
	return 0
}
