package gitrepo

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

// rawTree writes a tree object of lines "MODE NAME ID" into a repository, however
// they are spelled and ordered, and returns its id.
func rawTree(t testing.TB, remote string, lines ...string) string {
	t.Helper()
	var raw strings.Builder
	for _, line := range lines {
		fields := strings.SplitN(line, " ", 3)
		id, err := hex.DecodeString(fields[2])
		if err != nil {
			t.Fatal(err)
		}
		raw.WriteString(fields[0] + " " + fields[1] + "\x00" + string(id))
	}
	out, err := tryGit(t, remote, nil, raw.String(), "hash-object", "-t", "tree", "-w", "--literally", "--stdin")
	if err != nil {
		t.Fatalf("write tree: %v: %s", err, out)
	}
	return strings.TrimSpace(out)
}

// rawBlob writes a file into a repository.
func rawBlob(t testing.TB, remote, content string) string {
	t.Helper()
	out, err := tryGit(t, remote, nil, content, "hash-object", "-w", "--stdin")
	if err != nil {
		t.Fatalf("write file: %v: %s", err, out)
	}
	return strings.TrimSpace(out)
}

// rawCommit moves the branch data to a commit of a tree.
func rawCommit(t testing.TB, remote, tree string, parents ...string) string {
	t.Helper()
	args := []string{"-c", "user.name=A", "-c", "user.email=a@b", "commit-tree", "-m", "x"}
	for _, parent := range parents {
		args = append(args, "-p", parent)
	}
	id := plainGit(t, remote, append(args, tree)...)
	plainGit(t, remote, "update-ref", "refs/heads/data", id)
	return id
}

// fetchedHead opens a remote and fetches its branch data.
func fetchedHead(t testing.TB, remote string) *Repo {
	t.Helper()
	r := open(t, remote, Auth{})
	if _, err := r.Fetch(t.Context(), "refs/heads/data"); err != nil {
		t.Fatal(err)
	}
	return r
}

// paddedRemote has trees as old writers made them: with zeros before each mode, at
// the root, in a package and in a version.
func paddedRemote(t testing.TB) (remote, head string) {
	t.Helper()
	remote = bareRemote(t)
	version := func(name string) string {
		return rawTree(t, remote, "0100644 "+name+".cabal "+rawBlob(t, remote, "name: "+name+"\n"), "0100644 "+name+".json "+rawBlob(t, remote, "{}"))
	}
	a, b := version("a"), version("b")
	head = rawCommit(t, remote, rawTree(t, remote,
		"0100644 README "+rawBlob(t, remote, "hi\n"),
		"040000 a "+rawTree(t, remote, "0040000 1 "+a, "040000 2 "+a),
		"040000 b "+rawTree(t, remote, "040000 1 "+b)))
	return remote, head
}

func TestPaddedModesAreRead(t *testing.T) {
	t.Parallel()
	remote, head := paddedRemote(t)
	r := fetchedHead(t, remote)
	var listed []string
	for file, err := range r.Tree(t.Context(), head) {
		if err != nil || file.Mode != gitpack.ModeFile {
			t.Fatalf("listed %+v, %v", file, err)
		}
		listed = append(listed, file.Path)
	}
	want := []string{"README", "a/1/a.cabal", "a/1/a.json", "a/2/a.cabal", "a/2/a.json", "b/1/b.cabal", "b/1/b.json"}
	if !slices.Equal(listed, want) {
		t.Errorf("listed %q", listed)
	}
	found, err := r.ResolvePaths(t.Context(), head, "a/1/a.json", "a", "b/1/b.cabal")
	if err != nil || found[0].Mode != gitpack.ModeFile || found[0].ID != gitpack.BlobID([]byte("{}")).String() || found[1].Mode != gitpack.ModeFolder || found[2].Mode != gitpack.ModeFile {
		t.Errorf("found %+v, %v", found, err)
	}
}

// TestPaddedModesChangeOnlyWithTheirTree: a tree in which nothing changes keeps its
// id; the others lose nothing, and are spelled as git does.
func TestPaddedModesChangeOnlyWithTheirTree(t *testing.T) {
	t.Parallel()
	remote, head := paddedRemote(t)
	r := fetchedHead(t, remote)
	same := commitFiles(t, r, head, map[string]string{"a/1/a.json": "{}", "b/1/b.cabal": "name: b\n", "README": "hi\n"})
	if got, want := treeOf(t, r, same), treeOf(t, r, head); got != want {
		t.Errorf("writing what is there made tree %s of %s", got, want)
	}
	next := commitFiles(t, r, head, map[string]string{"a/1/a.json": "{1}", "c/1/c.cabal": "new\n"})
	if err := r.Push(t.Context(), Update{Ref: "refs/heads/data", Old: head, New: next}); err != nil {
		t.Fatal(err)
	}
	if got, want := plainGit(t, remote, "diff", "--name-status", head, next), "M\ta/1/a.json\nA\tc/1/c.cabal"; got != want {
		t.Errorf("it changed\n%s\nwant\n%s", got, want)
	}
	for _, kept := range []string{":b", ":a/2"} {
		if plainGit(t, remote, "rev-parse", head+kept) != plainGit(t, remote, "rev-parse", next+kept) {
			t.Errorf("%s was written anew", kept)
		}
	}
	for _, tree := range []string{":", ":a", ":a/1"} {
		if raw := plainGit(t, remote, "cat-file", "tree", next+tree); strings.Contains(raw, "040000 ") || strings.Contains(raw, "0100644 ") {
			t.Errorf("%s still has zeros: %q", tree, raw)
		}
	}
}

// TestOddTreesAreWrittenProperly: names twice, out of order, or that no path leads to.
func TestOddTreesAreWrittenProperly(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	one, two := rawBlob(t, remote, "1"), rawBlob(t, remote, "2")
	folder := rawTree(t, remote, "100644 x "+one)
	head := rawCommit(t, remote, rawTree(t, remote, "100664 z "+one, "100644 b "+one, "40000 b "+folder, "40000 a "+folder, "100644 b "+two, "100644 q/r "+one))
	r := fetchedHead(t, remote)
	next := commitFiles(t, r, head, map[string]string{"c": "3"})
	if err := r.Push(t.Context(), Update{Ref: "refs/heads/new", New: next}); err != nil {
		t.Fatal(err)
	}
	if got, want := plainGit(t, remote, "ls-tree", "-r", "--name-only", next), "a/x\nb\nc\nz"; got != want {
		t.Errorf("it has\n%s\nwant\n%s", got, want)
	}
	if raw := plainGit(t, remote, "cat-file", "tree", next+":"); !strings.HasPrefix(raw, "40000 a\x00") || strings.Contains(raw, "100664") {
		t.Errorf("its tree is %q", raw)
	}
	if got, err := r.Blob(t.Context(), next, "b"); err != nil || string(got) != "1" {
		t.Errorf("b is %q, %v", got, err)
	}
}

// TestWhatOthersMayPutThere: whatever a pusher puts in the place of a file is seen,
// stops nothing and is written over or removed.
func TestWhatOthersMayPutThere(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	ours := rawBlob(t, remote, "name: p\n")
	elsewhere := strings.Repeat("1", 40)
	link := rawBlob(t, remote, "/etc/passwd")
	odd := map[string]string{
		"link": "120000 f " + link, "commit": "160000 f " + elsewhere, "run": "100755 f " + ours,
		"folder": "40000 f " + rawTree(t, remote, "100644 x "+ours),
	}
	modes := map[string]string{"link": gitpack.ModeLink, "commit": gitpack.ModeCommit, "run": gitpack.ModeExecutable, "folder": gitpack.ModeFolder}
	lines := []string{"160000 .git " + elsewhere, "160000 above " + elsewhere, "120000 above2 " + link}
	var paths []string
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range odd {
			if !yield(name) {
				return
			}
		}
	}) {
		lines = append(lines, "40000 "+name+" "+rawTree(t, remote, odd[name]))
		paths = append(paths, name+"/f")
	}
	head := rawCommit(t, remote, rawTree(t, remote, append(lines, "160000 x\\y "+elsewhere)...))
	r := fetchedHead(t, remote)
	found, err := r.ResolvePaths(t.Context(), head, append(paths, "above/f", "above2/f")...)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range found {
		name, _, _ := strings.Cut(file.Path, "/")
		if file.Mode != modes[name] {
			t.Errorf("found %+v", file)
		}
		_, err := r.Blob(t.Context(), head, file.Path)
		if wrong := file.Mode == gitpack.ModeCommit || file.Mode == gitpack.ModeFolder; errors.Is(err, ErrNotFile) != wrong {
			t.Errorf("read %+v: %v", file, err)
		}
	}
	im, err := r.TreeWriter(t.Context(), head)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(paths, "above/f", "above2/f") {
		err = errors.Join(err, im.Write(path, []byte("name: p\n")))
	}
	err = errors.Join(err, im.Remove(".git"), im.Remove(`x\y`))
	tree, changed, treeErr := im.Tree()
	if err := errors.Join(err, treeErr, im.Close()); err != nil || !changed {
		t.Fatal(err)
	}
	next, err := r.WriteCommit(t.Context(), commitOf(tree, head), nil)
	if err := errors.Join(err, r.Push(t.Context(), Update{Ref: "refs/heads/data", Old: head, New: next})); err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, path := range append([]string{"above/f", "above2/f"}, paths...) {
		want += "100644 blob " + ours + "\t" + path + "\n"
	}
	if got := plainGit(t, remote, "ls-tree", "-r", next) + "\n"; got != want {
		t.Errorf("there is\n%swant\n%s", got, want)
	}
}

// TestPutBack: what a tree held can be put back with its mode.
func TestPutBack(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	run := rawBlob(t, remote, "#!/bin/sh\n")
	before := rawTree(t, remote, "120000 link "+rawBlob(t, remote, "target"), "160000 module "+strings.Repeat("1", 40), "100755 run "+run)
	old := rawCommit(t, remote, before)
	head := rawCommit(t, remote, rawTree(t, remote, "100644 run "+run), old)
	r := fetchedHead(t, remote)
	im, err := r.TreeWriter(t.Context(), head)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []gitpack.File{
		{Path: "run", Mode: gitpack.ModeExecutable, ID: run},
		{Path: "link", Mode: gitpack.ModeLink, ID: gitpack.BlobID([]byte("target")).String()},
		{Path: "module", Mode: gitpack.ModeCommit, ID: strings.Repeat("1", 40)},
	} {
		if err := im.WriteEntry(file); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []gitpack.File{{Path: "x", Mode: gitpack.ModeFolder, ID: before}, {Path: "x", Mode: "", ID: run}, {Path: "x", Mode: gitpack.ModeFile, ID: "HEAD"}} {
		if err := im.WriteEntry(file); !errors.Is(err, gitpack.ErrObject) {
			t.Errorf("put %+v: %v", file, err)
		}
	}
	if tree, _, err := im.Tree(); err != nil || tree != before {
		t.Errorf("tree %s, %v, want %s", tree, err, before)
	}
}
