package cli

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/folder"
	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// hook gives a repository a hook that refuses, saying why.
func (w *world) hook(repository, why string) (file string) {
	w.Helper()
	file = filepath.Join(repository, "hooks", "pre-receive")
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte("#!/bin/sh\necho '"+why+"' >&2\nexit 1\n"), 0o755)
	}
	if err != nil {
		w.Fatal(err)
	}
	return file
}

// foreign commits one file to a branch of a repository, as somebody else would.
func (w *world) foreign(repository, branch, name, content string) {
	w.Helper()
	clone, err := os.MkdirTemp(w.dir, "clone-")
	if err != nil {
		w.Fatal(err)
	}
	writeFile(w.T, filepath.Join(clone, "blob"), []byte(content))
	w.git(clone, "clone", "--quiet", "--no-checkout", "--branch", branch, repository, "r")
	r := filepath.Join(clone, "r")
	id := strings.TrimSpace(w.git(r, "hash-object", "-w", "--no-filters", filepath.Join(clone, "blob")))
	w.git(r, "read-tree", "HEAD")
	w.git(r, "update-index", "--add", "--cacheinfo", "100644,"+id+","+name)
	w.git(r, "commit", "--quiet", "-m", "put "+name)
	w.git(r, "push", "--quiet", "origin", "HEAD:refs/heads/"+branch)
}

// once calls do before the first request of a path is answered.
func (w *world) once(path string, do func()) {
	w.Helper()
	var begin sync.Once
	w.serve(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(out http.ResponseWriter, request *http.Request) {
			if request.URL.Path == path || strings.HasSuffix(path, "/") && strings.HasPrefix(request.URL.Path, path) {
				begin.Do(do)
			}
			next.ServeHTTP(out, request)
		})
	})
}

// checkTree holds a repository's tree against the served Hackage where others
// have put files of their own, and every revision against its history.
func (w *world) checkTree(repository string, foreign map[string]string) {
	w.Helper()
	g, tree := w.hackage.Generation(), w.tree(repository)
	want := g.Tree()
	for name, content := range foreign {
		want[name] = []byte(content)
	}
	objects := w.git(repository, "rev-list", "--objects", "hackage")
	for _, r := range g.Releases() {
		if repository == w.hashes() {
			w.checkRecord(repository, r, g, tree[r.JSONPath()])
			delete(tree, r.JSONPath())
		}
		for number, content := range g.Revisions(r) {
			if !strings.Contains(objects, gitpack.BlobID(content).String()) {
				w.Errorf("%s: revision %d of %s is not in the history", repository, number, r)
			}
		}
	}
	if deprecated := g.File("packages/deprecated.json"); deprecated != nil && repository == w.hashes() {
		want["deprecated.json"] = deprecated
	}
	for name, content := range want {
		if got, ok := tree[name]; !ok || !bytes.Equal(got, content) {
			w.Errorf("%s: %q is %q (there: %v), want %q", repository, name, got, ok, content)
		}
		delete(tree, name)
	}
	for name := range tree {
		w.Errorf("%s has %q, which nobody put there", repository, name)
	}
}

// checkLinear says that a repository's history has no merge and holds a commit.
func (w *world) checkLinear(repository, commit string) {
	w.Helper()
	if merges := w.git(repository, "rev-list", "--merges", "hackage"); merges != "" {
		w.Errorf("%s has merges: %s", repository, merges)
	}
	w.git(repository, "merge-base", "--is-ancestor", strings.TrimSpace(commit), "hackage")
	w.gitKeyring(w.keyring(), repository, "verify-tag", "current-hackage")
	if w.git(repository, "rev-parse", "current-hackage^{commit}") != w.git(repository, "rev-parse", "hackage") {
		w.Errorf("%s: the tag is not at the head of the branch", repository)
	}
}

// grow makes three releases and two revisions of one file.
func (w *world) grow() {
	w.hackage.Upload("new", "1.0", nil, nil)
	w.hackage.Revise("alpha", "0.2", []byte("name: alpha\nversion: 0.2\nx-revision: 1\n"))
	w.hackage.Revise("alpha", "0.2", []byte("name: alpha\nversion: 0.2\nx-revision: 2\n"))
	w.hackage.Upload("new", "1.1", nil, nil)
	w.hackage.Prefer("new", "new <1.1")
}

func TestRemoteThatRefusesIsNamedAndTheRestIsDone(t *testing.T) {
	t.Parallel()
	needShell(t)
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	w.grow()
	hook, refs := w.hook(w.files(), "no pushes on Sundays"), w.refs(w.files())
	said := w.sync(CodeError)
	w.says(said, "no pushes on Sundays", "files-repository", "the remote refused")
	if w.refs(w.files()) != refs {
		t.Error("the refusing remote has moved")
	}
	w.checkBucket(w.hackage.Generation(), nil)
	w.checkHashes(w.hackage.Generation(), nil)
	if err := os.Remove(hook); err != nil {
		t.Fatal(err)
	}
	w.sync(CodeDone)
	w.checkAll()
}

// needShell leaves out what needs a hook where git's hooks are no shell scripts.
func needShell(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("not tested: hooks need a shell")
	}
}

func TestEmptyRemoteThatRefuses(t *testing.T) {
	t.Parallel()
	needShell(t)
	w := newWorld(t, hackagetest.Small())
	w.git(w.dir, "init", "--quiet", "--bare", w.hashes())
	hook := w.hook(w.hashes(), "ask the owner first")
	w.says(w.sync(CodeError), "ask the owner first", "hashes-repository")
	if refs := w.refs(w.hashes()); refs != "" {
		t.Errorf("the refusing remote has refs: %s", refs)
	}
	w.checkBucket(w.hackage.Generation(), nil)
	w.checkFiles(w.hackage.Generation())
	if err := os.Remove(hook); err != nil {
		t.Fatal(err)
	}
	w.sync(CodeDone)
	w.checkAll()
}

func TestForeignCommitMeanwhileIsUndoneAndNothingIsLost(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"before both": "/package/", "before hashes alone": "/packages/deprecated.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			w.hackage.Deprecate([]byte(`[{"deprecated-package":"tool","in-favour-of":[]}]`))
			w.sync(CodeDone)
			w.grow()
			repositories := []string{w.hashes()}
			if path == "/package/" {
				repositories = append(repositories, w.files())
			}
			w.once(path, func() {
				for _, repository := range repositories {
					w.foreign(repository, "hackage", "LICENSE", "theirs\n")
				}
			})
			said := w.sync(CodeDegraded)
			w.says(said, "somebody else changed", "undone: LICENSE", "keep: LICENSE")
			for _, repository := range repositories {
				w.checkTree(repository, nil)
				theirs := w.git(repository, "log", "--format=%H", "--author=Somebody", "hackage")
				w.checkLinear(repository, theirs)
			}
			w.server.Forget()
			w.hackage.Upload("later", "3", nil, nil)
			w.sync(CodeDegraded)
			for _, repository := range repositories {
				w.checkTree(repository, nil)
			}
			if n := w.server.Count("/package/"); n != 1 {
				t.Errorf("the run after it fetched %d tarballs, want 1", n)
			}
		})
	}
}

// TestAnotherRunGotFurtherMeanwhile: what it published is not taken back.
func TestAnotherRunGotFurtherMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	w.hackage.Upload("new", "1.0", nil, nil)
	w.hackage.Revise("alpha", "0.2", []byte("name: alpha\nversion: 0.2\nx-revision: 1\n"))
	slow := *w
	slow.server = w.hackage.Serve()
	t.Cleanup(slow.server.Close)
	slow.server.Show(w.hackage.Generation())
	w.hackage.Revise("alpha", "0.2", []byte("name: alpha\nversion: 0.2\nx-revision: 2\n"))
	w.hackage.Upload("newer", "1.0", nil, nil)
	var after map[string]string
	slow.once("/01-index.tar.gz", func() {
		w.sync(CodeDone)
		after = w.everything()
	})
	said := slow.sync(CodeError)
	slow.says(said, "another run has updated", "another run is writing")
	if !maps.Equal(w.everything(), after) {
		t.Error("the slower run changed what the other one published")
	}
	w.checkAll()
	w.sync(CodeDone)
	w.checkAll()
}

// TestTwoRunsAtTheSameTime: both end, one may say that it lost to the other, and
// the state is right.
func TestTwoRunsAtTheSameTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	twice := func() {
		t.Helper()
		var codes [2]int
		var said [2]string
		var both sync.WaitGroup
		for i := range codes {
			both.Go(func() { codes[i], said[i] = w.run(w.args()...) })
		}
		both.Wait()
		for i, code := range codes {
			lost := strings.Contains(said[i], "another run is writing")
			if code != CodeDone && (code != CodeError || !lost) {
				t.Errorf("run %d ended with %d:\n%s", i, code, said[i])
			}
		}
		w.sync(CodeDone)
		w.checkAll()
	}
	twice()
	w.grow()
	twice()
}

func TestDestinationsAtDifferentPositionsAreEachBroughtUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	part := func(args ...string) {
		t.Helper()
		args = append(args, "--public-url", "https://mirror.example/hackage")
		if code, said := w.run(append(w.upstreamArgs(), args...)...); code != CodeDone {
			t.Fatalf("exit code %d:\n%s", code, said)
		}
	}
	part("--bucket", w.bucket())
	w.hackage.Upload("one", "1", nil, nil)
	w.hackage.Revise("one", "1", []byte("name: one\nversion: 1\nx-revision: 1\n"))
	part("--files-repository", w.files())
	w.hackage.Revise("one", "1", []byte("name: one\nversion: 1\nx-revision: 2\n"))
	w.hackage.Upload("two", "2", nil, nil)
	part("--hashes-repository", w.hashes())
	w.grow()
	w.server.Forget()
	w.sync(CodeDone)
	w.checkAll()
	for _, r := range w.hackage.Generation().Releases() {
		if n := w.server.Count("/" + r.TarballKey()); n > 1 {
			t.Errorf("tarball of %s was fetched %d times", r, n)
		}
	}
	if n := w.server.Count("/01-index.tar.gz"); n != 1 {
		t.Errorf("the index was fetched %d times", n)
	}
}

func TestLostDestinationIsMadeAgainWhileTheOthersStay(t *testing.T) {
	t.Parallel()
	for _, lost := range []string{"bucket", "files.git", "hashes.git"} {
		t.Run(lost, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			w.sync(CodeDone)
			w.grow()
			w.sync(CodeDone)
			if err := os.RemoveAll(w.path(lost)); err != nil {
				t.Fatal(err)
			}
			others := map[string]string{}
			for _, name := range []string{"bucket", "files.git", "hashes.git"} {
				for file, content := range w.contents(w.path(name)) {
					others[name+"/"+file] = content
				}
			}
			w.sync(CodeDone)
			w.checkAll()
			for _, name := range []string{"bucket", "files.git", "hashes.git"} {
				now := w.contents(w.path(name))
				for file := range others {
					if short, in := strings.CutPrefix(file, name+"/"); in && now[short] != others[file] {
						t.Errorf("%s changed although only %s was lost", file, lost)
					}
				}
			}
			w.says(w.sync(CodeDone), "nothing new")
		})
	}
}

func TestTwoBuckets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	w.grow()
	second := w.path("second")
	w.server.Forget()
	w.sync(CodeDone, "--bucket", second)
	w.checkAll()
	for _, r := range w.hackage.Generation().Releases() {
		if n := w.server.Count("/" + r.TarballKey()); n != 1 {
			t.Errorf("tarball of %s was fetched %d times for two buckets", r, n)
		}
	}
	one, two := untold(w.contents(w.bucket())), untold(w.contents(second))
	delete(one, "hackage-mirror.json") // has the time of writing
	delete(two, "hackage-mirror.json")
	if !maps.Equal(one, two) || len(one) == 0 {
		t.Errorf("two buckets of %d and %d files are not the same", len(one), len(two))
	}
}

func TestBucketThatIsAFileIsNamedAndTheRestIsDone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	writeFile(t, w.bucket(), []byte("precious"))
	w.says(w.sync(CodeError), w.bucket(), "it is a file")
	if raw, err := os.ReadFile(w.bucket()); err != nil || string(raw) != "precious" {
		t.Errorf("the file is now %q, %v", raw, err)
	}
	w.checkFiles(w.hackage.Generation())
	w.checkHashes(w.hackage.Generation(), nil)
}

func TestBucketThatAnotherProcessWritesTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	other, err := folder.New(w.bucket())
	if err != nil {
		t.Fatal(err)
	}
	note := bucket.Object{Body: strings.NewReader(""), SHA256: sha256.Sum256(nil)}
	if _, err := other.Put(t.Context(), "note", note, bucket.Always()); err != nil {
		t.Fatal(err)
	}
	w.says(w.sync(CodeError), "another run is writing", w.bucket())
	if _, err := os.Stat(filepath.Join(w.bucket(), "timestamp.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("metadata in a locked bucket: %v", err)
	}
	w.checkFiles(w.hackage.Generation())
	w.checkHashes(w.hackage.Generation(), nil)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	w.sync(CodeDone)
	w.checkAll()
}
