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
)

// A Generation is a repository at one moment: a set of files that never
// changes. Its files are made when they are first asked for.
type Generation struct {
	state state
	files func() map[string]*content
}

func newGeneration(s state, form Form) *Generation {
	return &Generation{state: s, files: sync.OnceValue(func() map[string]*content { return s.files(form) })}
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
	return g.edit(func(files map[string]*content) {
		delete(files, path)
		if raw != nil {
			files[path] = newContent(raw)
		}
	})
}

// Take returns the generation with some files as they are in another one, which
// makes the torn sets that caches serve.
func (g *Generation) Take(other *Generation, paths ...string) *Generation {
	return g.edit(func(files map[string]*content) {
		for _, path := range paths {
			delete(files, path)
			if c := other.files()[path]; c != nil {
				files[path] = c
			}
		}
	})
}

func (g *Generation) edit(do func(files map[string]*content)) *Generation {
	return &Generation{state: g.state, files: sync.OnceValue(func() map[string]*content {
		files := maps.Clone(g.files())
		do(files)
		return files
	})}
}

// Write makes the folder dir hold the generation: its files are written, and
// files of the layout that it lacks (withdrawn tarballs, 01-index.tar) are
// removed. Files that already are right stay untouched.
func (g *Generation) Write(dir string) error {
	files := g.files()
	stale := []string{indexTar, deprecated}
	for _, role := range signedFiles() {
		stale = append(stale, role.file())
	}
	tarballs, err := filepath.Glob(filepath.Join(dir, "package", "*.tar.gz"))
	if err != nil {
		return fmt.Errorf("list tarballs in %q: %w", dir, err)
	}
	for _, name := range tarballs {
		stale = append(stale, "package/"+filepath.Base(name))
	}
	for _, path := range stale {
		if files[path] != nil {
			continue
		}
		if err := os.Remove(filepath.Join(dir, filepath.FromSlash(path))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %q from the repository: %w", path, err)
		}
	}
	for path, c := range files {
		name := filepath.Join(dir, filepath.FromSlash(path))
		raw := c.bytes()
		if old, err := os.ReadFile(name); err == nil && bytes.Equal(old, raw) {
			continue
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, raw, 0o644)); err != nil {
			return fmt.Errorf("write %q of the repository: %w", path, err)
		}
	}
	return nil
}

// withdrawn returns the HTTP status of a path that was withdrawn, or 0.
func (g *Generation) withdrawn(path string) int {
	for r, status := range g.state.gone {
		if r.TarballKey() == path {
			return status
		}
	}
	return 0
}
