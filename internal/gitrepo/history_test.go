package gitrepo

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

// TestHistoryComesInFewSteps: only commits, and ten times as many each time.
func TestHistoryComesInFewSteps(t *testing.T) {
	t.Parallel()
	const length = 600
	remote := bareRemote(t)
	first := open(t, remote, Auth{})
	head := writeMany(t, first, nil, length)
	if err := first.Push(t.Context(), Update{Ref: "refs/heads/data", New: head}); err != nil {
		t.Fatal(err)
	}
	for most, fetches := range map[int]int{1: 0, 50: 1, 51: 2, 100: 2, length: 3, 10 * length: 3} {
		r := fetchedHead(t, remote)
		count := traced(t, r)
		n := 0
		for c, err := range r.History(t.Context(), head, "", most) {
			if err != nil || c.ID == "" || c.Tree == "" {
				t.Fatalf("commit %+v, %v", c, err)
			}
			n++
		}
		if n != min(most, length) || r.fetches != 1+fetches || fetches > 0 && count("fetch") != fetches {
			t.Errorf("%d commits of %d, %d fetches; want %d more", n, most, r.fetches, fetches)
		}
		kinds := plainGit(t, r.git.dir, "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)")
		if strings.Contains(kinds, "blob") || strings.Contains(kinds, "tree") {
			t.Errorf("more than commits came: %q", kinds)
		}
	}
}

func TestHistoryThatEnds(t *testing.T) {
	t.Parallel()
	whole := bareRemote(t)
	line, _ := longRemote(t, whole, 10)
	shallow := filepath.Join(t.TempDir(), "shallow.git")
	plainGit(t, t.TempDir(), "clone", "--quiet", "--bare", "--depth=4", "--branch=data", "file://"+whole, shallow)
	for remote, want := range map[string]int{whole: 10, shallow: 4} {
		r := fetchedHead(t, remote)
		n := 0
		for _, err := range r.History(t.Context(), line[9], strings.Repeat("1", 40), 100) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != want {
			t.Errorf("%d commits, want %d", n, want)
		}
		for _, err := range r.History(t.Context(), strings.Repeat("1", 40), "", 100) {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("no commit: %v", err)
			}
		}
		for range r.History(t.Context(), line[9], line[9], 100) {
			t.Error("there is something between a commit and itself")
		}
	}
}

// TestHistoryAfterAnotherRefWasFetched: it is that of all that was fetched.
func TestHistoryAfterAnotherRefWasFetched(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	line, side := longRemote(t, remote, 70)
	plainGit(t, remote, "branch", "other", side)
	plainGit(t, remote, "tag", "t", line[60])
	r := open(t, remote, Auth{})
	for _, ref := range []string{"refs/heads/data", "refs/tags/t", "refs/heads/other"} {
		if _, err := r.Fetch(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	plainGit(t, remote, "tag", "-d", "t")
	refsOf(t, r) // a tag that is gone is no longer asked for
	n := 0
	for _, err := range r.History(t.Context(), line[69], "", 100) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 70 {
		t.Errorf("%d commits", n)
	}
}

// TestHistoryOfARemoteThatMoves: what was seen no longer holds.
func TestHistoryOfARemoteThatMoves(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	line, _ := longRemote(t, remote, 10)
	r := fetchedHead(t, remote)
	plainGit(t, remote, "update-ref", "refs/heads/data", line[8])
	var last error
	for _, err := range r.History(t.Context(), line[9], "", 100) {
		last = err
	}
	if !errors.Is(last, ErrMoved) {
		t.Errorf("history: %v", last)
	}
}

// TestAncestorLooksBackSoFarAndNoFurther: the limit is about what is fetched.
func TestAncestorLooksBackSoFarAndNoFurther(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	line, _ := longRemote(t, remote, 80)
	r := fetchedHead(t, remote)
	if is, err := r.IsAncestor(t.Context(), line[5], line[79], 50); is || err != nil {
		t.Errorf("74 commits back, of 50: %v, %v", is, err)
	}
	if is, err := r.IsAncestor(t.Context(), line[5], line[79], 51); !is || err != nil {
		t.Errorf("74 commits back: %v, %v", is, err)
	}
	// A branch that was set back, while a tag was not, is pushed to by what is
	// known now.
	plainGit(t, remote, "tag", "kept", line[79])
	plainGit(t, remote, "update-ref", "refs/heads/data", line[70])
	next := commitFiles(t, r, line[79], map[string]string{"counter": "1"})
	if err := r.Push(t.Context(), Update{Ref: "refs/heads/data", Old: line[70], New: next}); err != nil {
		t.Errorf("push: %v", err)
	}
}

// TestAncestorDoesNotGoByTimes: commits bear the times of uploads, and a release that was
// not available for days comes after younger ones.
func TestAncestorDoesNotGoByTimes(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	tree := plainGit(t, remote, "write-tree")
	by := []string{"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org"}
	var line []string
	for i := range 30 {
		args := []string{"commit-tree", "-m", "commit", tree}
		if i > 0 {
			args = append(args, "-p", line[i-1])
		}
		date := fmt.Sprintf("@%d +0000", 1_800_000_000-i*86_400)
		id, err := tryGit(t, remote, append(by, "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date), "", args...)
		if err != nil {
			t.Fatal(id, err)
		}
		line = append(line, strings.TrimSpace(id))
	}
	plainGit(t, remote, "update-ref", "refs/heads/data", line[29])
	r := fetchedHead(t, remote)
	for _, c := range []struct {
		old, new int
		want     bool
	}{{0, 29, true}, {15, 29, true}, {29, 29, true}, {29, 0, false}, {29, 15, false}} {
		if is, err := r.IsAncestor(t.Context(), line[c.old], line[c.new], 100); is != c.want || err != nil {
			t.Errorf("ancestor of commit %d at %d: %v, %v", c.new, c.old, is, err)
		}
	}
}

// TestDiffFetchesWhatDiffers: of a tree of many folders the top and those that
// differ, in two steps after the one for the older commit.
func TestDiffFetchesWhatDiffers(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	first := open(t, remote, Auth{})
	im, err := first.TreeWriter(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20_000 {
		if err := im.Write(fmt.Sprintf("p%d/1/p.cabal", i), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	tree, _, err := im.Tree()
	if err != nil {
		t.Fatal(err)
	}
	one, err := first.WriteCommit(t.Context(), commitOf(tree), nil)
	if err := errors.Join(err, im.Close(), first.Push(t.Context(), Update{Ref: "refs/heads/data", New: one})); err != nil {
		t.Fatal(err)
	}
	two := publish(t, first, map[string]string{"p7/1/p.cabal": "y", "p19999/2/p.cabal": "z"})
	r := fetchedHead(t, remote)
	var paths []string
	for c, err := range r.Diff(t.Context(), one, two) {
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, c.Path)
	}
	if !slices.Equal(paths, []string{"p19999/2/p.cabal", "p7/1/p.cabal"}) {
		t.Errorf("differs at %q", paths)
	}
	objects := plainGit(t, r.git.dir, "cat-file", "--batch-all-objects", "--batch-check")
	if n := strings.Count(objects, "\n") + 1; n > 2+2+2*2+4 || r.fetches != 1+1+2 {
		t.Errorf("%d objects are here, %d fetches", n, r.fetches)
	}
}

// TestDiffOfAllKinds: files that become folders, modes, submodules, odd trees.
func TestDiffOfAllKinds(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	x, y := rawBlob(t, remote, "x"), rawBlob(t, remote, "y")
	folder := rawTree(t, remote, "100644 a "+x, "100644 b "+y)
	elsewhere := strings.Repeat("1", 40)
	old := rawCommit(t, remote, rawTree(t, remote, "100644 file "+x, "40000 folder "+folder, "100644 run "+x, "40000 same "+folder))
	head := rawCommit(t, remote, rawTree(t, remote,
		"40000 file "+folder, "100644 folder "+y, "160000 module "+elsewhere, "100755 run "+x, "040000 same "+folder, "100644 same "+x), old)
	r := fetchedHead(t, remote)
	if is, err := r.IsAncestor(t.Context(), old, head, 10); !is || err != nil {
		t.Fatal(is, err)
	}
	want := []gitpack.Change{
		{Path: "file", OldMode: gitpack.ModeFile, OldID: x},
		{Path: "folder", NewMode: gitpack.ModeFile, NewID: y},
		{Path: "module", NewMode: gitpack.ModeCommit, NewID: elsewhere},
		{Path: "run", OldMode: gitpack.ModeFile, OldID: x, NewMode: gitpack.ModeExecutable, NewID: x},
		{Path: "same", NewMode: gitpack.ModeFile, NewID: x},
		{Path: "file/a", NewMode: gitpack.ModeFile, NewID: x},
		{Path: "file/b", NewMode: gitpack.ModeFile, NewID: y},
		{Path: "folder/a", OldMode: gitpack.ModeFile, OldID: x},
		{Path: "folder/b", OldMode: gitpack.ModeFile, OldID: y},
	}
	list := func(old, new string) (got []gitpack.Change) {
		for c, err := range r.Diff(t.Context(), old, new) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, c)
		}
		return got
	}
	if got := list(old, head); !slices.Equal(got, want) {
		t.Errorf("differs\n%+v\nwant\n%+v", got, want)
	}
	if got := list(head, head); len(got) != 0 {
		t.Errorf("a commit differs from itself: %+v", got)
	}
	if got := list("", old); len(got) != 6 || got[0] != (gitpack.Change{Path: "file", NewMode: gitpack.ModeFile, NewID: x}) {
		t.Errorf("nothing and a commit differ: %+v", got)
	}
	for range r.Diff(t.Context(), old, head) {
		break // leaving early is no error
	}
	for _, err := range r.Diff(t.Context(), elsewhere, head) {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("no commit: %v", err)
		}
	}
}

// TestTagsOnAnything: whatever a tag is on, it can be fetched and replaced.
func TestTagsOnAnything(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	head := publish(t, open(t, remote, Auth{}), manyFolders(20))
	annotated := func(name, at string) {
		plainGit(t, remote, "-c", "user.name=A", "-c", "user.email=a@b", "tag", "-a", "-m", "x", name, at)
	}
	plainGit(t, remote, "tag", "light-commit", head)
	plainGit(t, remote, "tag", "light-tree", head+":")
	plainGit(t, remote, "tag", "light-folder", head+":p1")
	plainGit(t, remote, "tag", "light-file", head+":top.json")
	annotated("commit", head)
	annotated("tag", "commit")
	annotated("tree", head+":")
	annotated("file", head+":top.json")
	for tag, isTag := range map[string]bool{
		"light-commit": false, "light-tree": false, "light-folder": false, "light-file": false,
		"commit": true, "tag": true, "tree": true, "file": true,
	} {
		r := open(t, remote, Auth{})
		ref := "refs/tags/" + tag
		got, err := r.Fetch(t.Context(), "refs/heads/data", ref)
		if err != nil {
			t.Errorf("fetch %s: %v", tag, err)
			continue
		}
		if _, err := r.ReadTag(t.Context(), got[ref]); isTag != (err == nil) || !isTag && !errors.Is(err, gitpack.ErrObject) {
			t.Errorf("read %s: %v", tag, err)
		}
		if _, err := r.Blob(t.Context(), head, "p1/0/p1.json"); err != nil {
			t.Errorf("read beside %s: %v", tag, err)
		}
		next := commitFiles(t, r, head, map[string]string{"p1/1/x": tag})
		made := tagOf(next)
		made.Name = tag
		id, err := r.WriteTag(t.Context(), made, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = r.Push(t.Context(), Update{Ref: "refs/heads/data", Old: head, New: next}, Update{Ref: ref, Old: got[ref], New: id, Force: true})
		if err != nil {
			t.Errorf("replace %s: %v", tag, err)
			continue
		}
		head = next
	}
}

// longRemote has a branch of this many commits, the last of which are a foreign
// change, a merge of a side branch, and a removal. It returns the commits of the
// first parents, oldest first, and the side branch's.
func longRemote(t *testing.T, remote string, length int) (line []string, side string) {
	t.Helper()
	r := openWith(t, Options{Dir: t.TempDir(), URL: remote})
	signer := testSigner(t)
	add := func(parent string, files map[string]string) string {
		id, err := tryCommit(t.Context(), r, parent, files, signer)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	line = []string{add("", manyFolders(20))}
	for len(line) < length-3 {
		n := len(line)
		line = append(line, add(line[n-1], map[string]string{"counter": strings.Repeat("x", n)}))
	}
	last := func() string { return line[len(line)-1] }
	side = add(line[2], map[string]string{"side": "1"})
	line = append(line, add(last(), map[string]string{"p1/0/p1.json": "evil", "evil/1/evil.cabal": "name: evil\n"}))
	c := commitOf(treeOf(t, r, last()), last(), side)
	merge, err := r.WriteCommit(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	line = append(line, merge)
	im, err := r.TreeWriter(t.Context(), merge)
	if err != nil {
		t.Fatal(err)
	}
	err = im.Remove("p3/1")
	tree, _, treeErr := im.Tree()
	if err != nil || treeErr != nil || im.Close() != nil {
		t.Fatal(err, treeErr)
	}
	head, err := r.WriteCommit(t.Context(), commitOf(tree, merge), signer)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Push(t.Context(), Update{Ref: "refs/heads/data", New: head}); err != nil {
		t.Fatal(err)
	}
	return append(line, head), side
}

// TestDiffIsGits holds differences of trees made at random against git's own.
func TestDiffIsGits(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(10, 18))
	names := []string{"a", "a.b", "a-b", "b", "c", "a0"}
	for range 10 {
		remote := bareRemote(t)
		first := open(t, remote, Auth{})
		var ids []string
		parent := ""
		for range 2 {
			im, err := first.TreeWriter(t.Context(), parent)
			if err != nil {
				t.Fatal(err)
			}
			for range 30 {
				path := names[random.IntN(len(names))]
				for random.IntN(3) > 0 {
					path += "/" + names[random.IntN(len(names))]
				}
				if random.IntN(4) == 0 {
					err = errors.Join(err, im.Remove(path))
				} else {
					err = errors.Join(err, im.Write(path, []byte{byte(random.IntN(5))}))
				}
			}
			tree, _, treeErr := im.Tree()
			if err := errors.Join(err, treeErr, im.Close()); err != nil {
				t.Fatal(err)
			}
			if parent, err = first.WriteCommit(t.Context(), commitOf(tree, parent), nil); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, parent)
		}
		if err := first.Push(t.Context(), Update{Ref: "refs/heads/data", New: parent}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for c, err := range fetchedHead(t, remote).Diff(t.Context(), ids[0], ids[1]) {
			if err != nil {
				t.Fatal(err)
			}
			none := func(id string) string { return cmp.Or(id, strings.Repeat("0", 40)) }
			got = append(got, fmt.Sprintf(":%s %s %s %s\t%s", cmp.Or(c.OldMode, "000000"), cmp.Or(c.NewMode, "000000"), none(c.OldID), none(c.NewID), c.Path))
		}
		var want []string
		for line := range strings.Lines(plainGit(t, remote, "diff-tree", "-r", "--no-renames", "--no-abbrev", ids[0], ids[1])) {
			head, path, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			want = append(want, head[:strings.LastIndexByte(head, ' ')]+"\t"+path)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("differs\n%s\ngit says\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
