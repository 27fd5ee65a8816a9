package options

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
)

// A location is where an option's value leads: a folder, a remote repository, or
// something else that has a name.
type location struct {
	option, name string // the name is for people
	folder       string // real path
	store        string // the name of a bucket elsewhere
	repository   bool
	remote       gitrepo.Endpoint
}

// use adds the location of an option. It refuses one location under two names, and a
// folder inside another: each would write over what the other has.
func (c *checker) use(p location) {
	for _, q := range c.used {
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
	c.used = append(c.used, p)
}

func folderAt(option, path string) location {
	return location{option: option, name: path, folder: realPath(path)}
}

// repositoryAt is the location of a repository, of which an address is given that can be
// used, and how people call it.
func repositoryAt(option, address, name string) location {
	p := location{option: option, name: name, repository: true}
	p.remote, _ = gitrepo.ParseEndpoint(address)
	if p.remote.Folder != "" {
		p.folder = realPath(p.remote.Folder)
	}
	return p
}

func (p location) same(q location) bool {
	switch {
	case p.folder != "" && q.folder != "":
		a, b := p.folder, q.folder
		if p.repository && q.repository {
			a, b = plainEnd(a), plainEnd(b)
		}
		one, err := os.Stat(p.folder)
		two, err2 := os.Stat(q.folder)
		return a == b || err == nil && err2 == nil && os.SameFile(one, two)
	case p.folder != "" || q.folder != "" || p.repository != q.repository:
		return false
	case p.repository:
		return p.remote.Same(q.remote)
	}
	return p.store == q.store
}

// inside reports whether a folder is below another one.
func (p location) inside(q location) bool {
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
		if path = filepath.Join(real, rest); err == nil && (runtime.GOOS == "windows" || runtime.GOOS == "darwin") {
			return strings.ToLower(path)
		} else if err == nil {
			return path
		}
		abs, rest = parent, filepath.Join(filepath.Base(abs), rest)
	}
}
