package doctest

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the repository's folder.
const root = "../.."

// maxREADME is how long the README may be, in bytes.
const maxREADME = 8192

// A document is a Markdown file, by its path in the repository.
type document struct {
	name, text string
}

// documents are all of the repository.
func documents(t *testing.T) []document {
	t.Helper()
	var all []document
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "demo", "dist"}, name):
			return fs.SkipDir
		case path.Ext(name) != ".md":
			return nil
		}
		all = append(all, document{name, read(t, name)})
		return nil
	})
	if err != nil || len(all) < 14 {
		t.Fatalf("%d documents: %v", len(all), err)
	}
	return all
}

// read returns a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

var (
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
	span    = regexp.MustCompile("`[^`\n]*`")
	link    = regexp.MustCompile(`(?:\]\(|<img src=")([^()\s"]+)["\)]`)
	heading = regexp.MustCompile(`(?m)^(#+) (.+)$`)
	ownPage = regexp.MustCompile(`https://github\.com/hackage-mirror/hackage-mirror/blob/main/([\w./-]+\w)(#[\w-]+)?`)
)

// anchors are the names that GitHub gives to a document's headings.
func anchors(text string) []string {
	var names []string
	seen := map[string]int{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[2]), "")
		name = strings.ReplaceAll(name, " ", "-")
		if n := seen[name]; n > 0 {
			names = append(names, fmt.Sprintf("%s-%d", name, n))
		} else {
			names = append(names, name)
		}
		seen[name]++
	}
	return names
}

// leads fails the test unless a file is there, and has the anchor.
func leads(t *testing.T, from, file, anchor string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(file))); err != nil {
		t.Errorf("%s leads to %s, which is not there", from, file)
		return
	}
	if anchor != "" && !slices.Contains(anchors(read(t, file)), anchor) {
		t.Errorf("%s leads to #%s in %s, which has %q", from, anchor, file, anchors(read(t, file)))
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	found := 0
	for _, d := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(span.ReplaceAllString(fence.ReplaceAllString(d.text, ""), ""), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			switch {
			case strings.Contains(target, ":"):
				continue
			case target == "":
				target = d.name
			default:
				target = path.Join(path.Dir(d.name), target)
			}
			found++
			leads(t, d.name, target, anchor)
		}
	}
	if found < 60 {
		t.Errorf("only %d links were found", found)
	}
}

// What the program, the workflows and the Action print leads to documents, too.
func TestAddressesOfDocuments(t *testing.T) {
	t.Parallel()
	found := 0
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "demo", "dist"}, name):
			return fs.SkipDir
		case !slices.Contains([]string{".go", ".md", ".yml"}, path.Ext(name)) || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		for _, m := range ownPage.FindAllStringSubmatch(read(t, name), -1) {
			found++
			leads(t, name, m[1], strings.TrimPrefix(m[2], "#"))
		}
		return nil
	})
	if err != nil || found < 2 {
		t.Errorf("%d addresses, %v", found, err)
	}
}

// Whoever opens a document sees what is in it.
func TestDocsHaveContents(t *testing.T) {
	t.Parallel()
	for _, d := range documents(t) {
		if path.Dir(d.name) != "docs" {
			continue
		}
		var want, got []string
		for i, anchor := range anchors(d.text) {
			if m := heading.FindAllStringSubmatch(fence.ReplaceAllString(d.text, ""), -1)[i]; m[1] == "##" {
				want = append(want, anchor)
			}
		}
		list, _, _ := strings.Cut(d.text, "\n## ")
		for _, m := range regexp.MustCompile(`(?m)^- \[[^\]]+\]\(#([^)]+)\)$`).FindAllStringSubmatch(list, -1) {
			got = append(got, m[1])
		}
		if !slices.Equal(want, got) {
			t.Errorf("%s lists %q, and has %q", d.name, got, want)
		}
	}
}

// Whoever reads from the top has the program before a line needs it.
func TestREADMEInstallsFirst(t *testing.T) {
	t.Parallel()
	text := read(t, "README.md")
	installed := strings.Index(text, "\nsudo install hackage-mirror /usr/local/bin/\n")
	if built := strings.Index(text, "\ngo build\n"); built < 0 || installed < built {
		t.Errorf("it is built at %d and installed at %d", built, installed)
	}
	for _, use := range []string{"\nhackage-mirror ", "ExecStart=/usr/local/bin/hackage-mirror ", "`hackage-mirror init`"} {
		if first := strings.Index(text, use); first < installed {
			t.Errorf("%q is at %d, before it is installed", use, first)
		}
	}
}

func TestREADMEIsShort(t *testing.T) {
	t.Parallel()
	if n := len(read(t, "README.md")); n > maxREADME {
		t.Errorf("the README has %d bytes, want at most %d", n, maxREADME)
	}
}

// A test that a document names is one that there is.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	all := map[string]bool{}
	err := fs.WalkDir(os.DirFS(filepath.Join(root, "internal")), ".", func(name string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, "_test.go") {
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(read(t, "internal/"+name), -1) {
				all[m[1]] = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, d := range documents(t) {
		for _, m := range regexp.MustCompile("`(Test[A-Z]\\w+)`").FindAllStringSubmatch(d.text, -1) {
			found++
			if !all[m[1]] {
				t.Errorf("%s names %s, which there is not", d.name, m[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d tests are named", found)
	}
}
