package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// oddEntries are entries that no Hackage writes, and none of which may get
// anywhere.
func oddEntries() []tar.Header {
	return []tar.Header{
		{Name: "../evil/1.0/evil.cabal"},
		{Name: "/evil/1.0/evil.cabal"},
		{Name: "evil/../../1.0/evil.cabal"},
		{Name: "evil/1.0/../evil.cabal"},
		{Name: "evil//1.0/evil.cabal"},
		{Name: "./evil/1.0/evil.cabal"},
		{Name: `evil\1.0\evil.cabal`},
		{Name: "evil/1.0/alpha.cabal"},
		{Name: "evil/1.0/sub/evil.cabal"},
		{Name: "evil/1.0/evil.json"},
		{Name: "evil/01/evil.cabal"},
		{Name: "evil/1.0-rc/evil.cabal"},
		{Name: ".git/1.0/.git.cabal"},
		{Name: "ev il/1.0/ev il.cabal"},
		{Name: "ev\x1b[31mil/1.0/x.cabal"},
		{Name: "evil\xe9/1.0/evil\xe9.cabal"},
		{Name: "deprecated.json"},
		{Name: "preferred-versions"},
		{Name: "evil/", Typeflag: tar.TypeDir},
		{Name: "alpha/9.0/alpha.cabal", Typeflag: tar.TypeSymlink, Linkname: "../../../../etc/passwd"},
		{Name: "alpha/9.1/alpha.cabal", Typeflag: tar.TypeLink, Linkname: "alpha/0.2/alpha.cabal"},
		{Name: "alpha/9.2/alpha.cabal", Typeflag: tar.TypeFifo},
		{Name: "alpha/9.3/alpha.cabal", Size: index.MaxEntry + 1},
	}
}

// cabalFiles lists the bucket's files that are made of index entries.
func (w *world) cabalFiles() []string {
	var names []string
	for name := range w.contents(w.bucket()) {
		if strings.HasSuffix(name, ".cabal") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestOddEntriesArePassedOverAndCounted(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	w := newWorld(t, h)
	w.sync(CodeDone)
	files, hashes, cabals := w.tree(w.files()), w.tree(w.hashes()), w.cabalFiles()
	odd := oddEntries()
	for _, header := range odd {
		h.Raw(header, nil)
	}
	r := h.Upload("proper", "1.0", nil, nil)
	said := w.sync(CodeDone)
	w.says(said, fmt.Sprintf("%d entries of the index that belong to no release", len(odd)),
		`"../evil/1.0/evil.cabal": unclean path`, `"evil/1.0/alpha.cabal": other file name`)
	if strings.ContainsRune(said, '\x1b') {
		t.Errorf("an entry's name reached the terminal: %q", said)
	}
	content := h.Generation().Revisions(r)[0]
	files[r.CabalPath()], hashes[r.CabalPath()] = content, content
	gotFiles, gotHashes := w.tree(w.files()), w.tree(w.hashes())
	delete(gotHashes, r.JSONPath())
	if !maps.EqualFunc(gotFiles, files, bytes.Equal) || !maps.EqualFunc(gotHashes, hashes, bytes.Equal) {
		t.Errorf("the repositories list %q and %q", slices.Sorted(maps.Keys(gotFiles)), slices.Sorted(maps.Keys(gotHashes)))
	}
	cabals = append(cabals, "package/proper-1.0/proper.cabal", "package/proper-1.0/revision/0.cabal")
	if got := w.cabalFiles(); !slices.Equal(got, slices.Sorted(slices.Values(cabals))) {
		t.Errorf("the bucket lists %q", got)
	}
	w.owesNothing()
	w.sameFile("01-index.tar.gz", h.Generation().File("01-index.tar.gz"))
}

func TestAllIsOddInTheFirstRunToo(t *testing.T) {
	t.Parallel()
	h := hackagetest.New(hackagetest.Options{Seed: "odd"})
	for _, header := range oddEntries() {
		h.Raw(header, nil)
	}
	w := newWorld(t, h)
	w.says(w.sync(CodeDone), "done: 0 releases, 0 revisions", "23 entries of the index that belong to no release")
	if got := w.cabalFiles(); len(got) != 0 {
		t.Errorf("the bucket lists %q", got)
	}
	h.Upload("proper", "1.0", nil, nil)
	w.sync(CodeDone)
	if got := slices.Collect(maps.Keys(w.tree(w.files()))); !slices.Equal(got, []string{"proper/1.0/proper.cabal"}) {
		t.Errorf("the files repository lists %q", got)
	}
}

func TestBytesOfCabalFilesAreKeptEverywhere(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	odd := map[index.Release][]byte{
		release("crlf", "2.0"):       []byte("name: crlf\r\nversion: 2.0\r\n\r\n"),
		release("latin1", "2.0"):     []byte("name: latin1\nauthor: Andr\xe9 \xff\n"),
		release("no-newline", "3.0"): []byte("name: no-newline"),
		release("bare-cr", "1.0"):    []byte("name: bare-cr\rversion: 1.0\r"),
		release("bom", "1.0"):        []byte("\xef\xbb\xbfname: bom\n"),
		release("nul", "1.0"):        []byte("name: nul\x00\n"),
		release("Twin", "1.0"):       []byte("name: Twin\n"),
		release("twin", "1.0"):       []byte("name: twin\n"),
		release("blank", "1.0"):      {},
		release("future", "1.0"):     []byte("cabal-version: 99.0\nname: future\n"),
	}
	for r, content := range odd {
		h.Upload(r.Package, r.Version, content, nil)
	}
	w := newWorld(t, h)
	w.sync(CodeDone)
	w.checkAll()
	files, hashes, legacy := w.tree(w.files()), w.tree(w.hashes()), w.legacy()
	for r, want := range odd {
		for where, got := range map[string][]byte{
			"files repository": files[r.CabalPath()], "hashes repository": hashes[r.CabalPath()],
			"bucket":   w.read("package/" + r.String() + "/" + r.Package + ".cabal"),
			"revision": w.read("package/" + r.String() + "/revision/0.cabal"),
			"00-index": legacy[r.CabalPath()],
		} {
			if !bytes.Equal(got, want) {
				t.Errorf("%s of %s: %q, want %q", where, r, got, want)
			}
		}
	}
}

// legacy reads the bucket's 00-index.tar.gz.
func (w *world) legacy() map[string][]byte {
	w.Helper()
	z, err := gzip.NewReader(bytes.NewReader(w.read("00-index.tar.gz")))
	if err != nil {
		w.Fatal(err)
	}
	files := map[string][]byte{}
	for archive := tar.NewReader(z); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			w.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(archive); err != nil {
			w.Fatal(err)
		}
	}
}

func TestDeprecatedListIsTakenAndLeftAlone(t *testing.T) {
	t.Parallel()
	const first = `[{"deprecated-package":"a","in-favour-of":["b"]}]` + "\n"
	h := hackagetest.Small()
	w := newWorld(t, h)
	for i, step := range []struct {
		upstream, want string
		says           string
	}{
		{"", "", ""},
		{first, first, ""},
		{"", first, ""},
		{"<html>login</html>", first, "deprecated.json was not updated"},
		{`{"a":1}`, first, "deprecated.json was not updated"},
		{`["a"]`, first, "deprecated.json was not updated"},
		{`[{"deprecated-package":"b","in-favour-of":[],"token":"secret"}]`, first, "deprecated.json was not updated"},
		{"", first, ""},
		{`[{"deprecated-package":"b","in-favour-of":["c","d"]}]`, `[{"deprecated-package":"b","in-favour-of":["c","d"]}]`, "\n  deprecated         b in favour of c, d\n  deprecated         a is no longer deprecated\n"},
		{`[]`, `[]`, "\n  deprecated         b is no longer deprecated\n"},
	} {
		h.Deprecate(nil)
		if step.upstream != "" {
			h.Deprecate([]byte(step.upstream))
		}
		h.Upload("step", fmt.Sprint(i), nil, nil)
		w.says(w.sync(CodeDone), step.says)
		got, there := w.tree(w.hashes())["deprecated.json"]
		if string(got) != step.want || there != (step.want != "") {
			t.Errorf("step %d: deprecated.json is %q (%v), want %q", i, got, there, step.want)
		}
		if _, there := w.tree(w.files())["deprecated.json"]; there {
			t.Errorf("step %d: the files repository has a deprecated.json", i)
		}
	}
	w.server.Fault("/packages/deprecated.json", hackagetest.Status(500))
	h.Upload("last", "1", nil, nil)
	w.says(w.sync(CodeDone), "deprecated.json was not updated", "500")
	w.checkAll()
}

// A bucket alone knows what changed as well, where somebody reads the summary.
func TestDeprecationsOfABucketAreTold(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	w := newWorld(t, h)
	w.onGitHub()
	h.Deprecate([]byte(`[{"deprecated-package":"a","in-favour-of":[]}]`))
	sync := func() (summary string) {
		w.sync(CodeDone, "--files-repository=", "--hashes-repository=")
		_, summary = w.afterStep()
		return summary
	}
	if summary := sync(); strings.Contains(summary, "Deprecated") {
		t.Errorf("the first run tells of changes:\n%s", summary)
	}
	h.Deprecate([]byte(`[{"deprecated-package":"b","in-favour-of":["a"]}]`))
	h.Upload("step", "1", nil, nil)
	w.says(sync(), "**Deprecated**: <code>b</code> in favour of <code>a</code> · <code>a</code> is no longer deprecated")
}

// outcome is what a world's destinations hold, but for signatures and what
// tells of the run itself.
func (w *world) outcome() map[string]string {
	w.Helper()
	all := untold(w.contents(w.bucket()))
	delete(all, "hackage-mirror.json")
	for _, repository := range []string{w.files(), w.hashes()} {
		all[filepath.Base(repository)] = w.git(repository, "log", "--format=%T %ad %s", "hackage")
	}
	return all
}

func TestFolderAndHTTPGiveTheSame(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	web, folder := newWorld(t, h), newWorld(t, h)
	folder.server.URL = folder.path("upstream")
	for step, change := range []func(){
		func() { h.Withdraw("alpha", "0.2", 404) },
		func() { h.Upload("new", "1.0", nil, nil); h.Deprecate([]byte("[]")) },
		func() { h.Reinstate("alpha", "0.2") },
		func() { h.Replace("extra", "1.0", hackagetest.Sdist(release("extra", "1.0"), []byte("replaced"))) },
	} {
		change()
		if err := h.Write(folder.path("upstream")); err != nil {
			t.Fatal(err)
		}
		web.sync(CodeDone)
		folder.sync(CodeDone)
		if a, b := web.outcome(), folder.outcome(); !maps.Equal(a, b) {
			t.Errorf("step %d: over HTTP %q, from a folder %q", step, slices.Sorted(maps.Keys(a)), slices.Sorted(maps.Keys(b)))
		}
	}
	folder.checkAll()
	web.checkAll()
}

func TestSnapshotMayNameOnlyThePackedIndex(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	h.OmitTar(true)
	w := newWorld(t, h)
	w.sync(CodeDone)
	w.checkAll()
	h.Upload("new", "1.0", nil, nil)
	w.sync(CodeDone)
	w.checkAll()
	files, hashes := w.heads()
	h.Resign()
	w.sync(CodeDone)
	w.checkAll()
	w.continues(files, hashes, 0)
	other := h.Clone()
	other.Rewrite(3)
	w.server.Show(other.Generation())
	w.refused("the index was rewritten", "--accept-rewrite")
}
