package cli

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// selection holds the destinations against the packages that are taken: the
// index is whole, the rest is theirs alone.
func (w *world) checkSelection(packages ...string) {
	w.Helper()
	g := w.hackage.Generation()
	for _, name := range []string{"01-index.tar.gz", "01-index.tar", "root.json", "mirrors.json", "snapshot.json", "timestamp.json"} {
		w.sameFile(name, g.File(name))
	}
	want := map[string][]byte{}
	for name, content := range g.Tree() {
		if first, _, _ := strings.Cut(name, "/"); slices.Contains(packages, first) {
			want[name] = content
		}
	}
	files, hashes, bucket := w.tree(w.files()), w.tree(w.hashes()), w.contents(w.bucket())
	if !maps.EqualFunc(files, want, bytes.Equal) {
		w.Errorf("files repository: %q", slices.Sorted(maps.Keys(files)))
	}
	for _, r := range g.Releases() {
		taken := slices.Contains(packages, r.Package)
		if _, there := bucket[r.TarballKey()]; there != taken {
			w.Errorf("tarball of %s is in the bucket: %v", r, there)
		}
		if !taken {
			continue
		}
		w.sameFile(r.TarballKey(), g.Tarball(r))
		w.checkRecord("hashes repository", r, g, hashes[r.JSONPath()])
		delete(hashes, r.JSONPath())
		for number, content := range g.Revisions(r) {
			w.sameFile("package/"+r.String()+"/revision/"+string(rune('0'+number))+".cabal", content)
		}
	}
	if !maps.EqualFunc(hashes, want, bytes.Equal) {
		w.Errorf("hashes repository: %q", slices.Sorted(maps.Keys(hashes)))
	}
}

func TestPackagesAreChosenThenMoreThenFewer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone, "--packages", "alpha,t*,!tool")
	w.checkSelection("alpha", "two-words")
	w.says(w.sync(CodeDone, "--packages", "!tool,t*,alpha"), "nothing new") // the order means nothing

	w.grow()
	w.sync(CodeDone, "--packages", "alpha,t*")
	w.checkSelection("alpha", "two-words", "tool")

	before := w.contents(w.bucket())
	files, hashes := w.tree(w.files()), w.tree(w.hashes())
	w.hackage.Upload("alpha", "0.9", nil, nil)
	w.hackage.Upload("tool", "9", nil, nil)
	w.sync(CodeDone, "--packages", "alpha")
	w.keeps("bucket", before, w.contents(w.bucket()), "package/")
	w.keeps("files repository", asText(files), asText(w.tree(w.files())), "")
	w.keeps("hashes repository", asText(hashes), asText(w.tree(w.hashes())), "")
	if now := w.contents(w.bucket()); now["package/tool-9.tar.gz"] != "" || now["package/alpha-0.9.tar.gz"] == "" {
		t.Error("the narrower choice is not what was taken")
	}

	w.sync(CodeDone)
	w.checkAll()
}

// keeps says that nothing is gone or changed below a prefix.
func (w *world) keeps(where string, before, now map[string]string, prefix string) {
	w.Helper()
	for name, content := range before {
		if strings.HasPrefix(name, prefix) && now[name] != content {
			w.Errorf("%s: %q is gone or another", where, name)
		}
	}
}

func asText(tree map[string][]byte) map[string]string {
	text := map[string]string{}
	for name, content := range tree {
		text[name] = string(content)
	}
	return text
}

// past is a Hackage whose uploads and revisions lie days apart.
func past() *hackagetest.Hackage {
	h := hackagetest.New(hackagetest.Options{Seed: "past", Start: time.Date(2026, 1, 5, 22, 0, 0, 0, time.UTC)})
	h.SetTick(time.Hour)
	h.Upload("a", "1", nil, nil)                                  // 5 January, 23:00
	h.Upload("b", "1", nil, nil)                                  // 6 January, 00:00
	h.Upload("c", "1", nil, nil)                                  // 6 January
	h.SetTick(48 * time.Hour)                                     //
	h.Revise("a", "1", []byte("name: a\nversion: 1\n-- first\n")) // 8 January
	h.SetTick(time.Minute)                                        //
	h.Revise("a", "1", []byte("name: a\nversion: 1\n-- again\n")) // 8 January
	h.Upload("d", "1", nil, nil)                                  // 8 January
	return h
}

func TestDailyHistoryHasACommitForEachDayAndEveryRevision(t *testing.T) {
	t.Parallel()
	w := newWorld(t, past())
	w.sync(CodeDone)
	want := []string{ // a day with two revisions of one file has two commits
		"Update from Hackage at 2026-01-08T01:02:00Z",
		"Update from Hackage at 2026-01-08T01:00:00Z",
		"Update from Hackage at 2026-01-06T01:00:00Z",
		"Update from Hackage at 2026-01-05T23:00:00Z",
	}
	for _, repository := range []string{w.files(), w.hashes()} {
		if got := w.subjects(repository); !slices.Equal(got, want) {
			t.Errorf("%s has the commits %q", repository, got)
		}
		w.checkTree(repository, nil)
		authored := strings.Fields(w.git(repository, "log", "--format=%aI", "hackage"))
		for i, when := range authored {
			if at, err := time.Parse(time.RFC3339, when); err != nil || !strings.HasSuffix(want[i], at.UTC().Format(time.RFC3339)) {
				t.Errorf("commit %q has the author's date %s", want[i], when)
			}
		}
	}
	w.checkAll()
}

func TestSnapshotHistoryHasOneCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, past())
	w.sync(CodeDone, "--history", "snapshot")
	for _, repository := range []string{w.files(), w.hashes()} {
		if got := w.subjects(repository); !slices.Equal(got, []string{"Update from Hackage at 2026-01-08T01:02:00Z"}) {
			t.Errorf("%s has the commits %q", repository, got)
		}
		tree := w.tree(repository)
		for name, content := range w.hackage.Generation().Tree() {
			if !bytes.Equal(tree[name], content) {
				t.Errorf("%s: %q is not the newest", repository, name)
			}
		}
	}
	w.hackage.Revise("a", "1", []byte("name: a\nversion: 1\n-- third\n"))
	w.hackage.Revise("a", "1", []byte("name: a\nversion: 1\n-- fourth\n"))
	w.sync(CodeDone, "--history", "snapshot")
	if got := w.subjects(w.files()); len(got) != 3 {
		t.Errorf("two revisions after the snapshot made the commits %q", got)
	}
	if objects := w.git(w.files(), "rev-list", "--objects", "hackage"); !strings.Contains(objects, gitpack.BlobID([]byte("name: a\nversion: 1\n-- third\n")).String()) {
		t.Error("a revision after the snapshot is not in the history")
	}
}

func TestBranchAndTagOfOtherNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	names := []string{"--branch", "data/all", "--tag", "newest"}
	w.sync(CodeDone, names...)
	w.grow()
	w.sync(CodeDone, names...)
	for _, repository := range []string{w.files(), w.hashes()} {
		want := "refs/heads/data/all\nrefs/heads/display\nrefs/tags/newest\n"
		if got := w.git(repository, "for-each-ref", "--format=%(refname)"); got != want {
			t.Errorf("%s has the refs %q", repository, got)
		}
		if w.git(repository, "rev-parse", "newest^{commit}") != w.git(repository, "rev-parse", "data/all") {
			t.Errorf("%s: the tag is not at the head of the branch", repository)
		}
		w.gitKeyring(w.keyring(), repository, "verify-tag", "newest")
		w.says(w.git(repository, "cat-file", "blob", "display:README.md"), "data/all", "newest")
	}
	w.says(w.sync(CodeDone, names...), "nothing new")
}

func TestDisplayBranchHasOnlyAReadmeAndIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.git(w.dir, "init", "--quiet", "--bare", "--initial-branch=main", w.hashes())
	w.sync(CodeDone)
	for _, repository := range []string{w.files(), w.hashes()} {
		if got := w.git(repository, "ls-tree", "-r", "--name-only", "display"); got != "README.md\n" {
			t.Errorf("display has %q", got)
		}
		w.gitKeyring(w.keyring(), repository, "verify-commit", "display")
	}
	if head := w.git(w.files(), "symbolic-ref", "HEAD"); head != "refs/heads/display\n" {
		t.Errorf("a repository that we made shows %s", head)
	}
	clone := w.path("clone")
	w.git(w.dir, "clone", "--quiet", w.files(), clone)
	if entries, err := os.ReadDir(clone); err != nil || len(entries) != 2 { // .git and README.md
		t.Errorf("a plain clone has %v, %v", entries, err)
	}
	w.foreign(w.hashes(), "display", "README.md", "the owner's words\n")
	w.grow()
	w.sync(CodeDone)
	if got := w.git(w.hashes(), "cat-file", "blob", "display:README.md"); got != "the owner's words\n" {
		t.Errorf("the owner's README is now %q", got)
	}
	w.checkAll()
}

func TestRemoteWithBranchesGetsNoDisplay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.git(w.dir, "init", "--quiet", "--bare", "--initial-branch=main", w.files())
	w.git(w.files(), "update-ref", "refs/heads/main", strings.TrimSpace(w.git(w.files(), "commit-tree", "-m", "theirs", "4b825dc642cb6eb9a060e54bf8d69288fbee4904")))
	w.sync(CodeDone)
	want := "refs/heads/hackage\nrefs/heads/main\nrefs/tags/current-hackage\n"
	if got := w.git(w.files(), "for-each-ref", "--format=%(refname)"); got != want {
		t.Errorf("the refs are %q", got)
	}
	w.checkAll()
}

func TestDryRunWritesNothingAndSaysWhatWouldBeDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	said := w.sync(CodeDone, "--dry-run")
	w.says(said, "writing nothing", "9 releases", w.bucket(), w.files(), w.hashes(), "new for it")
	for _, name := range []string{w.bucket(), w.files(), w.hashes()} {
		if _, err := os.Stat(name); !os.IsNotExist(err) {
			t.Errorf("a dry run made %q: %v", name, err)
		}
	}
	if n := w.server.Count("/package/"); n != 0 {
		t.Errorf("a dry run fetched %d tarballs", n)
	}
	w.sync(CodeDone)
	w.grow()
	all := w.contents(w.dir)
	w.says(w.sync(CodeDone, "--dry-run"), "2 releases", "new for it")
	if !maps.Equal(w.contents(w.dir), all) {
		t.Error("a dry run changed something")
	}
	w.sync(CodeDone)
	w.checkAll()
	w.says(w.sync(CodeDone, "--dry-run"), "nothing new")
}

// TestRepositoryThatCannotBeReached: each kind of nowhere is named, nothing is
// made in its place, and the rest is done.
func TestRepositoryThatCannotBeReached(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ address, says string }{
		"a file":               {"FILE", "precious.txt"},
		"a folder of others":   {"FOLDER", "git repository"},
		"a closed port":        {"http://127.0.0.1:1/r.git", "127.0.0.1"},
		"a host that is none":  {"https://nowhere.invalid/r.git", "nowhere.invalid"},
		"an ssh port closed":   {"ssh://git@127.0.0.1:1/r.git", "127.0.0.1"},
		"a helper of git's":    {"ext::sh -c true", "ext::"},
		"an option of git's":   {"--upload-pack=true", "dash"},
		"a password in it":     {"https://me:hunter22222@127.0.0.1/r.git", "password"},
		"below a file's path":  {"FILE/r.git", "r.git"},
		"a scheme of its own":  {"gopher://127.0.0.1/r.git", "gopher"},
		"a query behind":       {"https://127.0.0.1/r.git?x=1", "query"},
		"a line break in path": {"/tmp/a\nb", "control"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			file, folder := w.path("precious.txt"), w.path("folder")
			writeFile(t, file, []byte("precious"))
			writeFile(t, filepath.Join(folder, "precious.txt"), []byte("precious"))
			address := strings.NewReplacer("FILE", file, "FOLDER", folder).Replace(test.address)
			code, said := w.run(append(w.upstreamArgs(), "--bucket", w.bucket(), "--public-url", "https://mirror.example/hackage",
				"--hashes-repository", w.hashes(), "--files-repository="+address)...)
			w.says(said, test.says)
			w.hides(said, "hunter22222")
			switch code {
			case CodeUsage:
				if left := w.contents(w.bucket()); len(left) > 0 {
					t.Error("bad usage, and yet the bucket was filled")
				}
			case CodeError:
				w.checkBucket(w.hackage.Generation(), nil)
				w.checkHashes(w.hackage.Generation(), nil)
			default:
				t.Errorf("exit code %d:\n%s", code, said)
			}
			if got := w.contents(folder); !maps.Equal(got, map[string]string{"precious.txt": "precious"}) {
				t.Errorf("the folder is now %q", got)
			}
		})
	}
}

// A selection that nothing matches is a mistake, and empties no mirror.
func TestSelectionOfNothingIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	before := w.contents(w.path("bucket"))
	said := w.sync(CodeError, "--packages", "nosuch")
	w.says(said, `upstream has nothing that "nosuch" selects`, "nothing was changed")
	if after := w.contents(w.path("bucket")); after["01-index.tar"] != before["01-index.tar"] || after["hackage-mirror.json"] != before["hackage-mirror.json"] {
		t.Error("the bucket was changed")
	}
	w.says(w.sync(CodeDone, "--packages", "alpha", "--dry-run"), "which is at index-state 20", "and would be compared with the whole index")
}
