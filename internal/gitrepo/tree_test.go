package gitrepo

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

func TestImportMatchesGit(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"Extra/1.0/Extra.cabal":             "name: Extra\r\n",
		"extra/1.7.14/extra.cabal":          "name: extra\n",
		"foo-0.1/a":                         "without newline",
		"foo-0.1.1/a":                       "x\n",
		"foo.b":                             "",
		"foo/0.1/foo.cabal":                 "r\xe9sum\xe9 in Latin-1\r\n\x00\xff",
		"odd \"name\"/with space, \xc3\xa9": "quoted\n",
	}
	r := open(t, bareRemote(t), Auth{})
	commit := publish(t, r, files)

	want := t.TempDir()
	for path, content := range files {
		if err := os.MkdirAll(filepath.Join(want, filepath.Dir(path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(want, path), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plainGit(t, want, "init", "--quiet")
	plainGit(t, want, "config", "core.autocrlf", "false")
	plainGit(t, want, "add", ".")
	if got, want := treeOf(t, r, commit), plainGit(t, want, "write-tree"); got != want {
		t.Errorf("tree %s, git makes %s", got, want)
	}

	var listed []string
	for file, err := range r.Tree(t.Context(), commit) {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, file.Path)
		if content, ok := files[file.Path]; !ok || file.ID != gitpack.BlobID([]byte(content)).String() || file.Mode != "100644" {
			t.Errorf("listed %+v", file)
		}
		got, err := r.Blob(t.Context(), commit, file.Path)
		if err != nil || string(got) != files[file.Path] {
			t.Errorf("blob %q is %q, %v", file.Path, got, err)
		}
	}
	if want := strings.Split(strings.TrimSuffix(plainGit(t, want, "ls-files", "-z"), "\x00"), "\x00"); !slices.Equal(listed, want) {
		t.Errorf("listed %q, git lists %q", listed, want)
	}
	plainGit(t, r.remote.forGit, "fsck", "--strict")
}

func treeOf(t *testing.T, r *Repo, commit string) string {
	t.Helper()
	c, err := r.ReadCommit(t.Context(), commit)
	if err != nil {
		t.Fatal(err)
	}
	return c.Tree
}

func TestTreesBuildOnEachOther(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	im, err := r.TreeWriter(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	tree := func(wantChanged bool) string {
		t.Helper()
		id, changed, err := im.Tree()
		if err != nil || changed != wantChanged {
			t.Fatalf("tree %s changed %v, %v", id, changed, err)
		}
		return id
	}
	write := func(path, content string) {
		t.Helper()
		if err := im.Write(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if id := tree(false); id != gitpack.EmptyTree {
		t.Errorf("first tree %s", id)
	}
	write("a/b", "1")
	one := tree(true)
	write("a/b", "1")
	if tree(false) != one {
		t.Error("the same content made another tree")
	}
	write("a/c", "2")
	tree(true)
	if err := im.Remove("a/c"); err != nil {
		t.Fatal(err)
	}
	if tree(true) != one {
		t.Error("removing did not lead back")
	}
	if err := errors.Join(im.Remove("a"), im.Remove("not/there")); err != nil {
		t.Fatal(err)
	}
	if id := tree(true); id != gitpack.EmptyTree {
		t.Errorf("emptied tree %s", id)
	}
	write("z", "3")
	last := tree(true)
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	if err := im.Write("late", nil); err == nil {
		t.Error("a closed import takes files")
	}
	commit, err := r.WriteCommit(t.Context(), commitOf(last), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Blob(t.Context(), commit, "z"); err != nil || string(got) != "3" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestEmptyTreeCanBePushed(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	id := publish(t, r, nil)
	plainGit(t, r.remote.forGit, "fsck", "--strict")
	for file, err := range r.Tree(t.Context(), id) {
		t.Errorf("listed %v, %v", file, err)
	}
	publish(t, r, map[string]string{"a": "b"})
}

func TestImportContinuesAShallowRemote(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	first := open(t, remote, Auth{})
	publish(t, first, map[string]string{"a/1": "one", "b": "two"})
	publish(t, first, map[string]string{"a/2": "three"})
	second := open(t, remote, Auth{})
	head := publish(t, second, map[string]string{"c": "four"})
	if got := plainGit(t, remote, "rev-list", "--count", "data"); got != "3" {
		t.Errorf("%s commits", got)
	}
	if got := plainGit(t, remote, "ls-tree", "-r", "--name-only", head); got != "a/1\na/2\nb\nc" {
		t.Errorf("files %q", got)
	}
	if got := plainGit(t, second.git.dir, "rev-list", "--count", head); got != "2" {
		t.Errorf("the local repository holds %s commits, 2 are needed", got)
	}
	plainGit(t, remote, "fsck", "--strict")
}

func TestBadPaths(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	im, err := r.TreeWriter(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"", "/a", "a//b", "a/", "../a", "a/../b", "./a", "a/.", ".git", "x/.GIT/config", ".git ", ".git.", ".git::$INDEX", "GIT~1/x",
		"a\nb", "a\x00b", "a\tb", "a\x7fb", `a\b`, strings.Repeat("n", 256), strings.Repeat("ab/", 2000) + "c",
	} {
		if err := im.Write(path, nil); !errors.Is(err, gitpack.ErrPath) {
			t.Errorf("write %.40q: %v", path, err)
		}
		if err := im.WriteEntry(gitpack.File{Path: path, Mode: gitpack.ModeFile, ID: gitpack.BlobID(nil).String()}); !errors.Is(err, gitpack.ErrPath) {
			t.Errorf("put %.40q: %v", path, err)
		}
	}
	if _, changed, err := im.Tree(); changed || err != nil {
		t.Errorf("refused paths left something: %v, %v", changed, err)
	}
	if err := im.Close(); err != nil {
		t.Error(err)
	}
}

func TestReadWhatIsNotThere(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	commit := publish(t, r, map[string]string{"a/b": "c"})
	none := strings.Repeat("0", 39) + "1"
	ctx := t.Context()
	for name, read := range map[string]func() error{
		"path":   func() error { _, err := r.Blob(ctx, commit, "a/c"); return err },
		"rev":    func() error { _, err := r.Blob(ctx, none, "a/b"); return err },
		"id":     func() error { _, err := r.BlobByID(ctx, none); return err },
		"commit": func() error { _, err := r.ReadCommit(ctx, none); return err },
		"tag":    func() error { _, err := r.ReadTag(ctx, none); return err },
	} {
		if err := read(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.Blob(ctx, commit, "a"); !errors.Is(err, ErrNotFile) {
		t.Errorf("a folder read as a file: %v", err)
	}
	if _, err := r.ReadTag(ctx, commit); !errors.Is(err, gitpack.ErrObject) {
		t.Errorf("a commit read as a tag: %v", err)
	}
	if _, err := r.Blob(ctx, "HEAD", "a/b"); !errors.Is(err, gitpack.ErrObject) {
		t.Errorf("a name in the place of an id: %v", err)
	}
	failed := false
	for _, err := range r.Tree(ctx, none) {
		failed = err != nil
	}
	if !failed {
		t.Error("listing a commit that is not there did not fail")
	}
}

func TestTooLargeObject(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	commit := publish(t, r, map[string]string{"big": strings.Repeat("\x00", 70<<20), "larger": strings.Repeat("\x00", MaxBlob+1), "fits": strings.Repeat("\x00", MaxBlob)})
	for _, path := range []string{"big", "larger"} {
		if _, err := r.Blob(t.Context(), commit, path); !errors.Is(err, ErrTooLarge) || !errors.Is(err, ErrNotFile) {
			t.Errorf("read %q: %v", path, err)
		}
	}
	if got, err := r.Blob(t.Context(), commit, "fits"); err != nil || len(got) != MaxBlob {
		t.Errorf("the next read: %d bytes, %v", len(got), err)
	}
}

func TestTreeStopsEarly(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	commit := publish(t, r, map[string]string{"a": "1", "b": "2", "c": "3"})
	seen := 0
	for _, err := range r.Tree(t.Context(), commit) {
		if err != nil {
			t.Fatal(err)
		}
		seen++
		break
	}
	if seen != 1 {
		t.Errorf("%d files", seen)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	commit := publish(t, r, map[string]string{"a": "1"})
	ctx, cancel := context.WithCancel(t.Context())
	im, err := r.TreeWriter(ctx, commit)
	if err != nil {
		t.Fatal(err)
	}
	if err := im.Write("b", nil); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := r.Refs(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("refs: %v", err)
	}
	if _, err := r.Blob(ctx, commit, "a"); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("blob: %v", err)
	}
	if got, err := r.Blob(t.Context(), commit, "a"); err != nil || string(got) != "1" {
		t.Errorf("the next read: %q, %v", got, err)
	}
	if _, _, err := im.Tree(); !errors.Is(err, context.Canceled) {
		t.Errorf("tree: %v", err)
	}
	if err := im.Close(); !errors.Is(err, context.Canceled) {
		t.Errorf("close import: %v", err)
	}
}

func TestCloseEndsAnImport(t *testing.T) {
	t.Parallel()
	r, err := Open(t.Context(), Options{Dir: t.TempDir(), URL: bareRemote(t)})
	if err != nil {
		t.Fatal(err)
	}
	im, err := r.TreeWriter(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(im.Write("a", nil), r.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := im.Tree(); !errors.Is(err, context.Canceled) {
		t.Errorf("tree after the end: %v", err)
	}
}

func TestImportOnUnknownParent(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	for _, parent := range []string{strings.Repeat("1", 40), "HEAD", "refs/heads/x\nreset"} {
		if im, err := r.TreeWriter(t.Context(), parent); err == nil || im != nil {
			t.Errorf("started from %q", parent)
		}
	}
}

func TestBlobID(t *testing.T) {
	t.Parallel()
	content := []byte("r\xe9sum\xe9\r\n")
	out, err := tryGit(t, t.TempDir(), nil, string(content), "hash-object", "--stdin")
	if err != nil || strings.TrimSpace(out) != gitpack.BlobID(content).String() {
		t.Errorf("%s, git says %s %v", gitpack.BlobID(content).String(), out, err)
	}
}
