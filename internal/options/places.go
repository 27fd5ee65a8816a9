package options

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
)

// A place is where an option's value leads: a folder, a remote repository, or
// something else that has a name.
type place struct {
	option, name string // the name is for people
	folder       string // real path
	store        string // a bucket's address on S3
	repository   bool
	remote       gitrepo.Endpoint
}

// claim notes that an option uses a place. It refuses one place under two names, and
// a folder inside another: each would write over what the other has.
func (c *checker) claim(p place) {
	for _, q := range c.places {
		name, other := addresses.Shown(p.name), addresses.Shown(q.name)
		switch {
		case p.same(q) && p.option == q.option:
			c.refuse("%s %q is given twice; name each once", p.option, name)
		case p.same(q) && q.option == "upstream":
			c.refuse("%s %q is upstream itself; a mirror must not write into what it reads", p.option, name)
		case p.same(q):
			c.refuse("%s and %s are the same, %q; each needs its own place", q.option, p.option, name)
		case p.inside(q):
			c.refuse("%s %q is inside %s %q; each needs its own place", p.option, name, q.option, other)
		case q.inside(p):
			c.refuse("%s %q is inside %s %q; each needs its own place", q.option, other, p.option, name)
		}
	}
	c.places = append(c.places, p)
}

// folderAt is the place of a folder.
func folderAt(option, path string) place {
	return place{option: option, name: path, folder: realPath(path)}
}

// repositoryAt is the place of a repository, of which an address is given that can
// be used, and how people call it.
func repositoryAt(option, address, name string) place {
	p := place{option: option, name: name, repository: true}
	p.remote, _ = gitrepo.ParseEndpoint(address)
	if p.remote.Folder != "" {
		p.folder = realPath(p.remote.Folder)
	}
	return p
}

func (p place) same(q place) bool {
	switch {
	case p.folder != "" && q.folder != "":
		a, b := p.folder, q.folder
		if p.repository && q.repository {
			a, b = plainEnd(a), plainEnd(b)
		}
		return a == b || sameFile(p.folder, q.folder)
	case p.folder != "" || q.folder != "" || p.repository != q.repository:
		return false
	case p.repository:
		return p.remote.Same(q.remote)
	}
	return p.store == q.store
}

// inside reports whether a folder is below another one.
func (p place) inside(q place) bool {
	separator := string(filepath.Separator)
	return p.folder != "" && q.folder != "" && strings.HasPrefix(p.folder, strings.TrimSuffix(q.folder, separator)+separator)
}

// plainEnd is the path of a repository without the ends that git finds by itself.
func plainEnd(path string) string {
	if filepath.Base(path) == ".git" {
		path = filepath.Dir(path)
	}
	return strings.TrimSuffix(path, ".git")
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	two, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(one, two)
}

// realPath is absolute and without links, as far as it exists; in lower case where
// names of files have no case.
func realPath(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return filepath.Clean(path)
	}
	for rest := ""; ; {
		parent := filepath.Dir(abs)
		real, err := filepath.EvalSymlinks(abs)
		if err != nil && parent == abs {
			real, err = abs, nil
		}
		if err == nil {
			return foldCase(filepath.Join(real, rest))
		}
		abs, rest = parent, filepath.Join(filepath.Base(abs), rest)
	}
}

func foldCase(path string) string {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return strings.ToLower(path)
	}
	return path
}
