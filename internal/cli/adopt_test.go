package cli

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha512"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// oldRecord is a JSON record as the older tools wrote it: another order of
// keys, another mirror, no size, and sometimes not all digests.
func oldRecord(r index.Release, tarball []byte) []byte {
	const hackage = "https://hackage.haskell.org/package/"
	return fmt.Appendf(nil, `{"package-hashes":{"SHA1":"%x","SHA512":"%x","SHA256":"%s","MD5":"%x"},"package-locations":["%s%s/%s.tar.gz","https://s3.amazonaws.com/old/package/%s.tar.gz"]}`,
		sha1.Sum(tarball), sha512.Sum512(tarball), sha256Hex(tarball), md5.Sum(tarball), hackage, r, r, r)
}

// An oldRepository is one that an older tool left behind.
type oldRepository struct {
	files map[string][]byte
	head  string
}

// adoptable returns a world whose hashes or files repository was made by an
// older tool with plain git, and has fallen behind since: alpha lacks a
// revision, beta a release, gamma has the record of a tarball that was replaced,
// delta's .cabal was touched by hand, epsilon is as it should be.
func adoptable(t *testing.T, hashes, tagged bool) (*world, oldRepository) {
	t.Helper()
	h := hackagetest.New(hackagetest.Options{Seed: "adopt"})
	for _, name := range []string{"alpha", "beta", "gamma", "delta", "epsilon"} {
		h.Upload(name, "1.0", nil, nil)
	}
	h.Prefer("epsilon", "epsilon >=1")
	w := newWorld(t, h)
	old := oldRepository{files: h.Generation().Tree()}
	old.files["delta/1.0/delta.cabal"] = []byte("name: by-hand\n")
	if hashes {
		for _, r := range h.Generation().Releases() {
			old.files[r.JSONPath()] = oldRecord(r, h.Generation().Tarball(r))
		}
		old.files["deprecated.json"] = []byte("[]")
	}
	for name, content := range map[string]string{
		"README.md": "# an older tool\n", ".travis.yml": "language: nix\n", "scripts/update.sh": "#!/bin/sh\n",
	} {
		old.files[name] = []byte(content)
	}
	repository := w.files()
	if hashes {
		repository = w.hashes()
	}
	old.head = w.plainRepository(repository, old.files, tagged)
	h.Revise("alpha", "1.0", []byte("name: alpha\nversion: 1.0\nx-revision: 1\n"))
	h.Upload("beta", "2.0", nil, nil)
	h.Replace("gamma", "1.0", []byte("other bytes, signed"))
	h.Deprecate([]byte(`[{"deprecated-package":"alpha","in-favour-of":["beta"]}]`))
	return w, old
}

// plainRepository makes a bare repository with some files and a history of two
// commits on its branch, by git alone.
func (w *world) plainRepository(repository string, files map[string][]byte, tagged bool) (head string) {
	w.Helper()
	work := filepath.Join(w.T.TempDir(), "work")
	writeFile(w.T, filepath.Join(work, "LICENSE"), []byte("theirs\n"))
	w.git(work, "init", "--quiet", "--initial-branch=hackage")
	w.git(work, "add", ".")
	w.git(work, "commit", "--quiet", "-m", "Update from Hackage at 2015-03-01T12:00:00+0000")
	w.git(work, "rm", "--quiet", "LICENSE")
	for name, content := range files {
		writeFile(w.T, filepath.Join(work, filepath.FromSlash(name)), content)
	}
	w.git(work, "-c", "core.autocrlf=false", "add", ".")
	w.git(work, "commit", "--quiet", "-m", "Update from Hackage at 2015-03-02T12:00:00+0000")
	if tagged {
		w.git(work, "tag", "-a", "-m", "Update from Hackage at 2015-03-02T12:00:00+0000", "current-hackage")
	}
	w.git(work, "clone", "--quiet", "--bare", work, repository)
	return strings.TrimSpace(w.git(repository, "rev-parse", "hackage"))
}

// adopted is what the tree must be after the adoption.
func (old oldRepository) adopted(g *hackagetest.Generation) map[string][]byte {
	want := maps.Clone(old.files)
	maps.Copy(want, g.Tree())
	return want
}

func TestHashesOfAnOlderToolAreAdopted(t *testing.T) {
	t.Parallel()
	for name, tagged := range map[string]bool{"with a tag": true, "without a tag": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, old := adoptable(t, true, tagged)
			hashesOnly := append(w.upstreamArgs(), "--hashes-repository", w.hashes(), "--public-url", "https://mirror.example/hackage")
			if code, said := w.run(hashesOnly...); code != CodeDone {
				t.Fatalf("exit code %d:\n%s", code, said)
			}
			g := w.hackage.Generation()
			want := old.adopted(g)
			want["deprecated.json"] = g.File("packages/deprecated.json")
			tree := w.tree(w.hashes())
			for _, r := range []index.Release{release("beta", "2.0"), release("gamma", "1.0")} {
				w.checkRecord("adopted repository", r, g, tree[r.JSONPath()])
				want[r.JSONPath()] = tree[r.JSONPath()]
			}
			if !maps.EqualFunc(tree, want, bytes.Equal) {
				t.Errorf("the tree has %d files, and they are not the %d expected", len(tree), len(want))
			}
			var asked []string
			for _, request := range w.server.Requests("/package/") {
				asked = append(asked, request.Path)
			}
			if len(asked) != 2 {
				t.Errorf("tarballs were fetched for records that fit: %q", asked)
			}
			w.checkLinear(w.hashes(), old.head)
			changed := strings.Fields(w.git(w.hashes(), "diff", "--name-only", old.head, "hackage"))
			if len(changed) != 6 {
				t.Errorf("more was committed than differed: %q", changed)
			}
			w.checkRunAfterAdoption(hashesOnly, w.hashes())
		})
	}
}

// checkRunAfterAdoption says that the next runs are like any other: quiet, and
// then incremental.
func (w *world) checkRunAfterAdoption(args []string, repository string) {
	w.Helper()
	refs := w.refs(repository)
	code, said := w.run(args...)
	w.says(said, "nothing new")
	if code != CodeDone || w.refs(repository) != refs {
		w.Errorf("the quiet run ended with %d, or moved something:\n%s", code, said)
	}
	w.hackage.Upload("zeta", "1.0", nil, nil)
	before := strings.TrimSpace(w.git(repository, "rev-parse", "hackage"))
	if code, said := w.run(append(args, "--dry-run")...); code != CodeDone || strings.Contains(said, "compared with the whole index") {
		w.Errorf("the next run is not incremental (exit code %d):\n%s", code, said)
	}
	if code, said := w.run(args...); code != CodeDone {
		w.Fatalf("exit code %d:\n%s", code, said)
	}
	for _, name := range strings.Fields(w.git(repository, "diff", "--name-only", before, "hackage")) {
		if !strings.HasPrefix(name, "zeta/") {
			w.Errorf("a run with one new release changed %q", name)
		}
	}
}

func TestFilesOfAnOlderToolAreAdopted(t *testing.T) {
	t.Parallel()
	for name, tagged := range map[string]bool{"with a tag": true, "without a tag": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, old := adoptable(t, false, tagged)
			filesOnly := append(w.upstreamArgs(), "--files-repository", w.files())
			code, said := w.run(append(filesOnly, "--dry-run")...)
			if w.says(said, "it would change 3 files in 1 commit", "comparison with the whole index"); code != CodeDone {
				t.Errorf("dry run: exit code %d:\n%s", code, said)
			}
			if code, said := w.run(filesOnly...); code != CodeDone {
				t.Fatalf("exit code %d:\n%s", code, said)
			}
			if tree, want := w.tree(w.files()), old.adopted(w.hackage.Generation()); !maps.EqualFunc(tree, want, bytes.Equal) {
				t.Errorf("the tree has %d files, and they are not the %d expected", len(tree), len(want))
			}
			if n := w.server.Count("/package/"); n != 0 {
				t.Errorf("the files repository needs no tarball, and %d were fetched", n)
			}
			w.checkLinear(w.files(), old.head)
			if refs := w.refs(w.files()); strings.Contains(refs, "refs/heads/display") {
				t.Errorf("an old repository got a branch that nobody asked for: %s", refs)
			}
			w.checkRunAfterAdoption(filesOnly, w.files())
		})
	}
}

// TestAdoptedRepositoryThatIsUpToDateGetsOnlyATag: no difference, no commit.
func TestAdoptedRepositoryThatIsUpToDateGetsOnlyATag(t *testing.T) {
	t.Parallel()
	h := hackagetest.New(hackagetest.Options{Seed: "adopt"})
	r := h.Upload("alpha", "1.0", []byte("name: alpha\r\nversion: 1.0\r\n"), nil)
	w := newWorld(t, h)
	files := h.Generation().Tree()
	files[r.JSONPath()] = oldRecord(r, h.Generation().Tarball(r))
	head := w.plainRepository(w.hashes(), files, false)
	refs, key := w.refs(w.hashes()), w.key
	w.key = nil // a dry run needs none
	code, said := w.run(append(w.upstreamArgs(), "--hashes-repository", w.hashes(), "--dry-run")...)
	if w.key = key; code != CodeDone || w.refs(w.hashes()) != refs {
		t.Fatalf("dry run: exit code %d:\n%s", code, said)
	}
	w.says(said, "signatures are not checked", "it would change 0 files in 0 commits", "because it has no tag")
	if code, said = w.run(append(w.upstreamArgs(), "--hashes-repository", w.hashes())...); code != CodeDone {
		t.Fatalf("exit code %d:\n%s", code, said)
	}
	w.says(said, "done: 0 releases, 0 revisions, 0 B in", "no file changed; the tag was moved in", "compared with the whole index, because it has no tag")
	if now := strings.TrimSpace(w.git(w.hashes(), "rev-parse", "hackage")); now != head {
		t.Errorf("the branch moved from %s to %s although nothing differs", head, now)
	}
	w.gitKeyring(w.keyring(), w.hashes(), "verify-tag", "current-hackage")
	if n := w.server.Count("/package/"); n != 0 {
		t.Errorf("%d tarballs were fetched although the record fits", n)
	}
}
