package gitrepo

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

// TestTreesAreGits changes a tree at random, folders in the place of files and
// back, and has git make the same trees from the same lists of files.
func TestTreesAreGits(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	im, err := r.TreeWriter(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(4, 2))
	files, trees := map[string]string{}, map[string]map[string]string{}
	for range 200 {
		for range 1 + random.IntN(9) {
			if err := changeAtRandom(im, files, random); err != nil {
				t.Fatal(err)
			}
		}
		id, _, err := im.Tree()
		if err != nil {
			t.Fatal(err)
		}
		trees[id] = maps.Clone(files)
	}
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out := plainGit(t, r.git.dir, "fsck", "--strict", "--full"); strings.Contains(out, "error") || strings.Contains(out, "missing") {
		t.Errorf("git fsck: %s", out)
	}
	for id, files := range trees {
		if want := treeByGit(t, r, files); id != want {
			t.Errorf("tree of %d files is %s, git makes %s", len(files), id, want)
		}
	}
	if len(trees) < 100 {
		t.Errorf("only %d trees", len(trees))
	}
}

// changeAtRandom writes or removes something, and does the same to files.
func changeAtRandom(im *gitpack.TreeWriter, files map[string]string, random *rand.Rand) error {
	var parts []string
	for range 1 + random.IntN(4) {
		parts = append(parts, []string{"a", "a.b", "a-b", "a0", "b", "é", "a.cabal"}[random.IntN(7)])
	}
	path := strings.Join(parts, "/")
	remove := random.IntN(4) == 0
	for other := range files {
		if other == path || strings.HasPrefix(other, path+"/") || !remove && strings.HasPrefix(path, other+"/") {
			delete(files, other)
		}
	}
	if remove {
		return im.Remove(path)
	}
	files[path] = fmt.Sprintf("%d\n", random.IntN(50))
	return im.Write(path, []byte(files[path]))
}

// treeByGit has git write a tree of files whose blobs are there.
func treeByGit(t *testing.T, r *Repo, files map[string]string) string {
	t.Helper()
	index := filepath.Join(t.TempDir(), "index")
	var lines strings.Builder
	for path, content := range files {
		fmt.Fprintf(&lines, "100644 %s\t%s\n", gitpack.BlobID([]byte(content)).String(), path)
	}
	env := []string{"GIT_INDEX_FILE=" + index, "GIT_DIR=" + r.git.dir}
	if out, err := tryGit(t, r.git.dir, env, lines.String(), "update-index", "--add", "--index-info"); err != nil {
		t.Fatalf("git update-index: %v\n%s", err, out)
	}
	out, err := tryGit(t, r.git.dir, env, "", "write-tree")
	if err != nil {
		t.Fatalf("git write-tree: %v\n%s", err, out)
	}
	return strings.TrimSpace(out)
}

// TestForeignEntriesStay: other modes than ours, and folders that were not
// looked into, are in the new trees as they were.
func TestForeignEntriesStay(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	for path, content := range map[string]string{"run.sh": "#!/bin/sh\n", "x/y/z": "deep\n", "x/keep": "1\n", "old": "file\n"} {
		if err := os.MkdirAll(filepath.Join(work, filepath.Dir(path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(work, path), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("x/keep", filepath.Join(work, "link")); err != nil {
		t.Skip("not tested: no symbolic links here")
	}
	plainGit(t, work, "init", "--quiet", "--initial-branch=data")
	plainGit(t, work, "add", ".")
	plainGit(t, work, "update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("1", 40)+",module")
	plainGit(t, work, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "-m", "x")
	plainGit(t, work, "checkout", "--quiet", "--detach")
	r := open(t, work, Auth{})
	head := publish(t, r, map[string]string{"x/new/file": "2\n", "old/is/a-folder": "3\n"})
	got := plainGit(t, work, "ls-tree", "-r", "--format=%(objectmode) %(path)", head)
	if want := "120000 link\n160000 module\n100644 old/is/a-folder\n100755 run.sh\n100755 x/keep\n100644 x/new/file\n100755 x/y/z"; got != want {
		t.Errorf("it holds\n%s\nwant\n%s", got, want)
	}
	plainGit(t, work, "fsck", "--strict")
}

// TestPacks holds what is written against git's own reading: many small
// objects, chains of deltas longer than git makes, objects that come twice, and
// more than one pack.
func TestPacks(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	im, err := r.TreeWriter(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	parent := ""
	for i := range 3 * 50 {
		for j := range 30 {
			content := strings.Repeat(fmt.Sprintf("%d %d\n", i%2, j), j*j)
			if err := im.Write(fmt.Sprintf("p%d/%d/file", j, i), []byte(content)); err != nil {
				t.Fatal(err)
			}
		}
		tree, _, err := im.Tree()
		if err != nil {
			t.Fatal(err)
		}
		if parent, err = r.WriteCommit(t.Context(), commitOf(tree, parent), nil); err != nil {
			t.Fatal(err)
		}
		if i%70 == 69 {
			if err := r.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatalf("flush: %v", err)
	}
	packs, err := filepath.Glob(filepath.Join(r.git.dir, "objects", "pack", "*.idx"))
	if err != nil || len(packs) != 3 {
		t.Fatalf("packs %q, %v", packs, err)
	}
	for _, pack := range packs {
		said := plainGit(t, r.git.dir, "verify-pack", "--verbose", pack)
		if !strings.Contains(said, "chain length = ") {
			t.Errorf("%s holds no delta", pack)
		}
		// git makes the same index from the pack alone.
		again := filepath.Join(t.TempDir(), "again.idx")
		plainGit(t, r.git.dir, "index-pack", "--strict", "-o", again, strings.TrimSuffix(pack, "idx")+"pack")
		ours, _ := os.ReadFile(pack)
		gits, err := os.ReadFile(again)
		if err != nil || string(ours) != string(gits) {
			t.Errorf("the index of %s is not git's: %v", pack, err)
		}
	}
	if err := r.Push(t.Context(), Update{Ref: "refs/heads/data", New: parent}); err != nil {
		t.Fatal(err)
	}
	if out := plainGit(t, r.remote.forGit, "fsck", "--strict", "--full"); out != "" {
		t.Errorf("git fsck: %s", out)
	}
}

// TestUnfinishedPackIsTakenAway: nothing is left of objects that nobody asked
// for.
func TestUnfinishedPackIsTakenAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := Open(t.Context(), Options{Dir: dir, URL: bareRemote(t)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.WriteCommit(t.Context(), commitOf(gitpack.EmptyTree), nil); err != nil {
		t.Fatal(err)
	}
	left := func() int {
		names, _ := filepath.Glob(filepath.Join(dir, "*", "objects", "pack", "*"))
		return len(names)
	}
	if left() != 1 {
		t.Fatalf("%d files while a pack is written", left())
	}
	if err := r.Close(); err != nil || left() != 0 {
		t.Errorf("%d files are left, %v", left(), err)
	}
}

// TestManyChangesInOneTree: so many that folders are written before the tree is
// asked for. It is the same tree, and changes that come to nothing are none.
func TestManyChangesInOneTree(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	files := map[string]string{}
	im, err := r.TreeWriter(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8192 + 100 {
		path := fmt.Sprintf("p%d/%d/file", i%97, i/97)
		files[path] = strconv.Itoa(i % 10)
		if err := im.Write(path, []byte(files[path])); err != nil {
			t.Fatal(err)
		}
	}
	id, changed, err := im.Tree()
	if err != nil || !changed {
		t.Fatalf("changed %v, %v", changed, err)
	}
	for i := range 8192 + 1 {
		if err := im.Write("p0/0/file", []byte(strconv.Itoa(i%2))); err != nil {
			t.Fatal(err)
		}
	}
	if again, changed, err := im.Tree(); err != nil || changed || again != id {
		t.Errorf("changed %v from %s to %s, %v", changed, id, again, err)
	}
	if err := errors.Join(im.Close(), r.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	if want := treeByGit(t, r, files); id != want {
		t.Errorf("tree %s, git makes %s", id, want)
	}
}

// TestLargeTreesAreDeltas: a large folder that changes many times is written whole
// but once, git reads every one of its trees, and no chain is too long.
func TestLargeTreesAreDeltas(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	im, err := r.TreeWriter(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 6))
	name := func() string {
		return fmt.Sprintf("package%d", random.IntN(4000)) + []string{"", "-a", "0"}[random.IntN(3)]
	}
	const trees = 25*25 + 3*25
	parent := ""
	for i := range trees {
		n := 4
		if i == 0 {
			n = 3000
		}
		for range n {
			err := im.Write(name()+"/file", []byte(strconv.Itoa(random.Int())))
			if i > 0 {
				err = errors.Join(err, im.Remove(name()))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		tree, _, err := im.Tree()
		if err != nil {
			t.Fatal(err)
		}
		if parent, err = r.WriteCommit(t.Context(), commitOf(tree, parent), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(im.Close(), r.Push(t.Context(), Update{Ref: "refs/heads/data", New: parent})); err != nil {
		t.Fatal(err)
	}
	if size := strictPacks(t, r); size > 1_300_000 {
		t.Errorf("%d trees are packed in %d bytes", trees, size)
	}
}
