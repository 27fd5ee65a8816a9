// Package selection reads the patterns by which the packages to mirror are chosen.
package selection

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Parse returns the function that says which packages the patterns select. A
// pattern is a name or a glob as path.Match reads it; one that starts with !
// leaves out, and that always wins, in whatever order the patterns come. If no
// pattern selects (there are none, or all leave out), everything not left out is
// selected. The returned function is safe for concurrent use.
func Parse(patterns []string) (func(name string) bool, error) {
	var included, excluded matcher
	for _, pattern := range patterns {
		into := &included
		glob, out := strings.CutPrefix(pattern, "!")
		if out {
			into = &excluded
		}
		if err := into.add(glob); err != nil {
			return nil, fmt.Errorf("read package pattern %q: %w", pattern, err)
		}
	}
	all := len(included.names)+len(included.globs) == 0
	return func(name string) bool {
		return (all || included.match(name)) && !excluded.match(name)
	}, nil
}

// Unmatched returns the patterns that select but match none of the packages.
func Unmatched(patterns []string, packages map[string]bool) []string {
	return slices.DeleteFunc(slices.Clone(patterns), func(pattern string) bool {
		var m matcher
		if strings.HasPrefix(pattern, "!") || m.add(pattern) != nil || packages[pattern] {
			return true
		}
		for name := range packages {
			if len(m.globs) > 0 && m.match(name) {
				return true
			}
		}
		return false
	})
}

// A matcher has plain names apart from globs: a list of thousands of names
// must not cost thousands of comparisons for each of a million entries.
type matcher struct {
	names map[string]bool
	globs []string
}

// Characters of a package name, and those that only patterns have.
const (
	nameCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
	globCharacters = `*?[]^\`
)

func (m *matcher) add(glob string) error {
	if glob == "" {
		return fmt.Errorf("it is empty; write a package name or a pattern such as servant-*")
	}
	if rest := strings.Trim(glob, nameCharacters+globCharacters); rest != "" {
		return fmt.Errorf("no package name contains %q; write names without versions", rest)
	}
	if !strings.ContainsAny(glob, globCharacters) {
		if m.names == nil {
			m.names = make(map[string]bool)
		}
		m.names[glob] = true
		return nil
	}
	if _, err := path.Match(glob, ""); err != nil {
		return err
	}
	m.globs = append(m.globs, glob)
	return nil
}

func (m *matcher) match(name string) bool {
	if m.names[name] {
		return true
	}
	for _, glob := range m.globs {
		if ok, err := path.Match(glob, name); err == nil && ok {
			return true
		}
	}
	return false
}
