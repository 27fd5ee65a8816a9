package gitrepo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

// manyFolders are files like those of a repository of packages.
func manyFolders(packages int) map[string]string {
	files := map[string]string{"top.json": "[]"}
	for p := range packages {
		for v := range 3 {
			files[fmt.Sprintf("p%d/%d/p%d.cabal", p, v, p)] = fmt.Sprintf("name: p%d\nversion: %d\n", p, v)
			files[fmt.Sprintf("p%d/%d/p%d.json", p, v, p)] = fmt.Sprintf(`{"p":%d,"v":%d}`, p, v)
		}
	}
	return files
}

// traced has git note every command that it starts, at whatever depth, and
// returns how many of a name there were.
func traced(t *testing.T, r *Repo) func(command string) int {
	t.Helper()
	notes := t.TempDir()
	r.git.env = append(slices.Clone(r.git.env), "GIT_TRACE2_EVENT="+notes)
	return func(command string) int {
		t.Helper()
		files, err := os.ReadDir(notes)
		if err != nil || len(files) == 0 {
			t.Fatalf("git noted nothing: %v", err)
		}
		n := 0
		for _, file := range files {
			raw, err := os.ReadFile(filepath.Join(notes, file.Name()))
			if err != nil {
				t.Fatal(err)
			}
			n += strings.Count(string(raw), `"name":"`+command+`","hierarchy"`)
		}
		return n
	}
}

// changeRemote does on a remote what a run does: find, read, write, push.
func changeRemote(t *testing.T, r *Repo) (head string) {
	t.Helper()
	ctx := t.Context()
	got, err := r.Fetch(ctx, "refs/heads/data")
	if err != nil {
		t.Fatal(err)
	}
	old := got["refs/heads/data"]
	paths := []string{"p1/0/p1.cabal", "p1/0/p1.json", "p2/7/p2.json", "p3/1/p3.json", "new/1/new.cabal", "p4", "top.json", "top.json/x"}
	ids, err := r.ResolvePaths(ctx, old, paths...)
	if err != nil {
		t.Fatal(err)
	}
	files := manyFolders(20)
	for i, path := range paths {
		want := ""
		if content, ok := files[path]; ok {
			want = gitpack.BlobID([]byte(content)).String()
		}
		if path != "p4" && ids[i].ID != want {
			t.Errorf("%q has id %q, want %q", path, ids[i].ID, want)
		}
		if mode := ids[i].Mode; path == "p4" && mode != gitpack.ModeFolder || want != "" && mode != gitpack.ModeFile {
			t.Errorf("%q has mode %q", path, mode)
		}
	}
	if err := r.FetchObjects(ctx, ids[1].ID, ids[3].ID, ids[1].ID); err != nil {
		t.Fatal(err)
	}
	if got, err := r.BlobByID(ctx, ids[3].ID); err != nil || string(got) != files["p3/1/p3.json"] {
		t.Errorf("read %q, %v", got, err)
	}
	head = commitFiles(t, r, old, map[string]string{"p1/0/p1.cabal": "revised\n", "p2/7/p2.json": "{}", "new/1/new.cabal": "new\n", "top.json": "[1]"})
	if err := r.Push(ctx, Update{Ref: "refs/heads/data", Old: old, New: head}); err != nil {
		t.Fatal(err)
	}
	return head
}

// checkChange holds the remote against what changeRemote did.
func checkChange(t *testing.T, remote, head string) {
	t.Helper()
	plainGit(t, remote, "fsck", "--strict")
	changed := plainGit(t, remote, "diff", "--name-status", head+"^", head)
	if want := "A\tnew/1/new.cabal\nM\tp1/0/p1.cabal\nA\tp2/7/p2.json\nM\ttop.json"; changed != want {
		t.Errorf("it changed\n%s\nwant\n%s", changed, want)
	}
}

// TestOnlyWhatIsNeededIsFetched: one fetch for the commit, one for the top folder,
// one for the folders below, one for the files that are read; nothing for what is
// written.
func TestOnlyWhatIsNeededIsFetched(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	publish(t, open(t, remote, Auth{}), manyFolders(20))
	var said []string
	r := openWith(t, Options{Dir: t.TempDir(), URL: remote, Notify: func(s string) { said = append(said, s) }})
	count := traced(t, r)
	head := changeRemote(t, r)
	checkChange(t, remote, head)
	const want = 1 + 2 + 1
	if r.fetches != want || count("fetch") != want || count("upload-pack") != want {
		t.Errorf("%d fetches by our count, %d by git's, answered %d times; want %d", r.fetches, count("fetch"), count("upload-pack"), want)
	}
	if r.filter != noTrees || len(said) != 0 {
		t.Errorf("filterLevel %d, %q", r.filter, said)
	}
	objects := plainGit(t, r.git.dir, "cat-file", "--batch-all-objects", "--batch-check")
	if n := strings.Count(objects, "\n") + 1; n > 30 {
		t.Errorf("%d objects are here", n)
	}
	// All folders, and still no files.
	files := 0
	for _, err := range r.Tree(t.Context(), head) {
		if err != nil {
			t.Fatal(err)
		}
		files++
	}
	if files != len(manyFolders(20))+2 || r.fetches != want+1 {
		t.Errorf("%d files listed, %d fetches", files, r.fetches)
	}
	if got := plainGit(t, r.git.dir, "config", "--local", "--list"); strings.Contains(got, "remote") {
		t.Errorf("local settings:\n%s", got)
	}
}

// TestRemotesThatGiveLess: whatever a remote refuses, the result is the same.
func TestRemotesThatGiveLess(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		remote, home [2]string
		want         filterLevel
		says         []string
	}{
		"gives all":          {[2]string{"uploadpack.allowFilter", "true"}, [2]string{}, noTrees, nil},
		"knows no filters":   {[2]string{}, [2]string{}, noFilter, []string{"all files of the newest commit are fetched: it does not know filters (uploadpack.allowFilter, over ssh with uploadpack.allowAnySHA1InWant)"}},
		"refuses one filter": {[2]string{"uploadpackfilter.tree.allow", "false"}, [2]string{}, noFiles, []string{"all folders of the newest commit are fetched: it refuses to leave files out (tree:0)"}},
		"refuses both": {
			[2]string{"uploadpackfilter.allow", "false"},
			[2]string{},
			noFilter,
			[]string{"all folders of", "all files of the newest commit are fetched: it refuses to leave files out (blob:none)"},
		},
		"speaks the old protocol": {
			[2]string{"uploadpack.allowFilter", "true"},
			[2]string{"protocol", "version = 0"},
			noFilter,
			[]string{"all folders of the newest commit are fetched: it sends no objects by id (uploadpack.allowAnySHA1InWant)", "all files of the newest commit are fetched: it sends no objects by id"},
		},
		"speaks the old protocol and gives all": {
			[2]string{"uploadpack.allowAnySHA1InWant", "true"},
			[2]string{"protocol", "version = 0"},
			noTrees, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := newGitHost(t)
			remote := filepath.Join(host.folder, "r.git")
			publish(t, open(t, remote, Auth{}), manyFolders(20))
			if c.remote[0] != "" {
				plainGit(t, remote, "config", c.remote[0], c.remote[1])
			}
			if name != "knows no filters" {
				plainGit(t, remote, "config", "uploadpack.allowFilter", "true")
			}
			home := t.TempDir()
			if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("["+c.home[0]+"]\n"+c.home[1]+"\n"), 0o600); c.home[0] != "" && err != nil {
				t.Fatal(err)
			}
			if c.home[0] == "" {
				_ = os.Remove(filepath.Join(home, ".gitconfig")) // it has no section
			}
			var said []string
			r := openWith(t, Options{
				Dir: t.TempDir(), URL: host.URL + "/r.git", Auth: Auth{Token: []byte(testToken)},
				Getenv: environ("HOME="+home, "GIT_CONFIG_NOSYSTEM=1"), Notify: func(s string) { said = append(said, s) },
			})
			checkChange(t, remote, changeRemote(t, r))
			if r.filter != c.want || len(said) != len(c.says) {
				t.Fatalf("filterLevel %d, want %d; it said %q", r.filter, c.want, said)
			}
			for i, want := range c.says {
				if !strings.Contains(said[i], want) || !strings.Contains(said[i], host.URL) {
					t.Errorf("it said %q, want %q", said[i], want)
				}
			}
			// The same repository again: nothing is said twice.
			if c.want != noTrees {
				before := len(said)
				if _, err := r.Fetch(t.Context(), "refs/heads/data"); err != nil || len(said) != before {
					t.Errorf("fetched again: %v, it said %q", err, said[before:])
				}
			}
		})
	}
}

// TestShallowRemote: a remote without its own history is filled like any other.
func TestShallowRemote(t *testing.T) {
	t.Parallel()
	whole := bareRemote(t)
	first := open(t, whole, Auth{})
	publish(t, first, map[string]string{"a": "1"})
	publish(t, first, manyFolders(20))
	remote := filepath.Join(t.TempDir(), "shallow.git")
	plainGit(t, t.TempDir(), "clone", "--quiet", "--bare", "--depth=1", "--branch=data", "file://"+whole, remote)
	if plainGit(t, remote, "rev-parse", "--is-shallow-repository") != "true" {
		t.Fatal("the remote is not shallow")
	}
	checkChange(t, remote, changeRemote(t, open(t, remote, Auth{})))
}

// TestObjectsThatAreGone: a remote that was rewound and cleaned up has moved.
func TestObjectsThatAreGone(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	first := open(t, remote, Auth{})
	one := publish(t, first, map[string]string{"a": "1"})
	two := publish(t, first, manyFolders(3))
	r := open(t, remote, Auth{})
	if _, err := r.Fetch(t.Context(), "refs/heads/data"); err != nil {
		t.Fatal(err)
	}
	plainGit(t, remote, "update-ref", "refs/heads/data", one)
	plainGit(t, remote, "-c", "gc.reflogExpire=now", "-c", "gc.pruneExpire=now", "gc", "--quiet", "--prune=now")
	if _, err := r.ResolvePaths(t.Context(), two, "p1/0/p1.cabal"); !errors.Is(err, ErrMoved) {
		t.Errorf("find: %v", err)
	}
	// And then it goes on from there.
	if got, err := r.Fetch(t.Context(), "refs/heads/data"); err != nil || got["refs/heads/data"] != one {
		t.Fatalf("fetch: %v, %v", got, err)
	}
	if got, err := r.Blob(t.Context(), one, "a"); err != nil || string(got) != "1" {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestFindWhatIsNotThere(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	commit := publish(t, r, map[string]string{"a/b": "c"})
	for _, path := range []string{"", "/", "a//b", "../a"} {
		if _, err := r.ResolvePaths(t.Context(), commit, path); !errors.Is(err, gitpack.ErrPath) {
			t.Errorf("find %q: %v", path, err)
		}
	}
	if _, err := r.ResolvePaths(t.Context(), strings.Repeat("1", 40), "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("find in no commit: %v", err)
	}
	if _, err := r.ResolvePaths(t.Context(), gitpack.BlobID([]byte("c")).String(), "a"); !errors.Is(err, gitpack.ErrObject) {
		t.Errorf("find in a file: %v", err)
	}
	if ids, err := r.ResolvePaths(t.Context(), gitpack.EmptyTree, "a"); err != nil || ids[0] != (gitpack.File{Path: "a"}) {
		t.Errorf("find in the empty tree: %+v, %v", ids, err)
	}
}
