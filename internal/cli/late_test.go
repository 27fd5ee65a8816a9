package cli

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// revision returns a .cabal file that says which one it is.
func revision(r index.Release, text string) []byte {
	return []byte("name: " + r.Package + "\nversion: " + r.Version + "\nsynopsis: " + text + "\n")
}

// listed reports whether the hashes repository and the files repository list a
// release.
func (w *world) listed(r index.Release) (hashes, files bool) {
	w.Helper()
	inHashes, inFiles := w.tree(w.hashes()), w.tree(w.files())
	_, record := inHashes[r.JSONPath()]
	_, cabal := inHashes[r.CabalPath()]
	if record != cabal {
		w.Errorf("%s has a record: %v, a .cabal file: %v", r, record, cabal)
	}
	_, files = inFiles[r.CabalPath()]
	return record, files
}

func TestUnsignedReleaseWaitsForItsPackageJSON(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := h.Upload("early", "0.1", nil, nil, hackagetest.Unsigned())
	w := newWorld(t, h)
	now := w.stop()
	w.says(w.sync(CodeDone), "early-0.1 unsigned", "every run looks again")
	w.checkAll(r)
	w.owes("unsigned", now, r)
	later := h.Upload("later", "0.1", nil, nil, hackagetest.Unsigned())
	h.Revise("early", "0.1", revision(r, "revised"))
	w.sync(CodeDone)
	w.checkAll(r, later)
	w.owes("unsigned", now, r, later)
	h.AddTargets("early", "0.1")
	w.sync(CodeDone)
	w.checkAll(later)
	w.owes("unsigned", now, later)
	h.AddTargets("later", "0.1")
	w.sync(CodeDone)
	w.checkAll()
	w.owesNothing()
}

func TestReleaseIsListedOnlyWithBothFiles(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	w := newWorld(t, h)
	w.sync(CodeDone)
	// The index has package.json already, but no .cabal file.
	r := h.Upload("halves", "1.0", revision(release("halves", "1.0"), "first"), nil, hackagetest.In(hackagetest.Reference))
	h.Truncate(1)
	w.sync(CodeDone)
	if hashes, files := w.listed(r); hashes || files {
		t.Errorf("without a .cabal file it is listed with hashes: %v, as a file: %v", hashes, files)
	}
	bucket, hashes := w.ledgers()
	if len(bucket) != 0 || len(hashes) != 1 || !strings.HasPrefix(hashes[0], "halves-1.0 missing since=") {
		t.Errorf("ledgers are %q and %q", bucket, hashes)
	}
	before := w.holdings()
	w.says(w.sync(CodeDone), "halves-1.0 missing")
	w.unchanged(before)
	h.Raw(tar.Header{Name: r.CabalPath()}, revision(r, "first"))
	w.sync(CodeDone)
	w.checkAll()
	w.owesNothing()
}

func TestPendingReleaseIsListedWithItsNewestRevision(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	w := newWorld(t, h)
	now := w.stop()
	w.sync(CodeDone)
	r := h.Upload("slow", "1.0", nil, nil)
	h.Withdraw("slow", "1.0", 404)
	w.sync(CodeDone)
	w.owes("missing", now, r)
	for _, text := range []string{"one", "two"} {
		h.Revise("slow", "1.0", revision(r, text))
		w.sync(CodeDone)
		w.checkAll(r)
		w.owes("missing", now, r) // and the line points to this revision
	}
	h.Revise("slow", "1.0", revision(r, "three"))
	h.Revise("slow", "1.0", revision(r, "four"))
	w.sync(CodeDone)
	w.checkAll(r)
	h.Reinstate("slow", "1.0")
	w.sync(CodeDone)
	w.checkAll()
	w.owesNothing()
	if got := w.tree(w.hashes())[r.CabalPath()]; !bytes.Equal(got, revision(r, "four")) {
		t.Errorf("it is listed as %q", got)
	}
}

// What comes between two runs is in all destinations after the second.
func TestWhatComesBetweenTwoRuns(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before, between func(h *hackagetest.Hackage)
		says            string
	}{
		"a pending release with a revision": {
			func(h *hackagetest.Hackage) { h.Withdraw("alpha", "0.2", 404) },
			func(h *hackagetest.Hackage) {
				h.Reinstate("alpha", "0.2")
				h.Revise("alpha", "0.2", revision(alpha(), "revised"))
			}, "",
		},
		"a replaced tarball": {
			func(*hackagetest.Hackage) {},
			func(h *hackagetest.Hackage) {
				h.Replace("alpha", "0.2", hackagetest.Sdist(alpha(), revision(alpha(), "replaced")))
			}, "done: 1 release, 0 revisions",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			w := newWorld(t, h)
			test.before(h)
			w.sync(CodeDone)
			old, there := w.tree(w.hashes())[alpha().JSONPath()]
			test.between(h)
			w.says(w.sync(CodeDone), test.says)
			w.checkAll()
			w.owesNothing()
			if _, err := w.tryGit(w.hashes(), "cat-file", "blob", gitpack.BlobID(old).String()); there && err != nil {
				t.Error("the old record is not in the history")
			}
		})
	}
}

func TestReplacedTarballThatComesLateIsTaken(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]hackagetest.Fault{
		"missing":   hackagetest.Status(404),
		"failed":    hackagetest.Status(403),
		"mismatch":  hackagetest.Corrupt(9),
		"withdrawn": hackagetest.Status(451),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			w := newWorld(t, h)
			now := w.stop()
			w.sync(CodeDone)
			old, record := w.read(alpha().TarballKey()), w.tree(w.hashes())[alpha().JSONPath()]
			h.Replace("alpha", "0.2", hackagetest.Sdist(alpha(), revision(alpha(), "replaced")))
			w.server.Fault("/"+alpha().TarballKey(), fault)
			code := CodeDone
			if name == "mismatch" {
				code = CodeDegraded
			}
			w.says(w.sync(code), "alpha-0.2 "+name+" since "+now.UTC().Format("2006-01-02"))
			w.sameFile(alpha().TarballKey(), old)
			if got := w.tree(w.hashes())[alpha().JSONPath()]; !bytes.Equal(got, record) {
				t.Errorf("while the new tarball is owed the record is %s", got)
			}
			w.server.Heal()
			w.sync(CodeDone)
			w.checkAll()
			w.owesNothing()
		})
	}
}

func TestForeignTarballInTheBucketIsAnAlarm(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	w := newWorld(t, h)
	w.sync(CodeDone)
	r := h.Upload("new", "1.0", nil, nil)
	foreign := filepath.Join(w.bucket(), filepath.FromSlash(r.TarballKey()))
	if err := os.WriteFile(foreign, []byte("somebody else's"), 0o644); err != nil {
		t.Fatal(err)
	}
	said := w.sync(CodeDegraded)
	w.says(said, "new-1.0 mismatch", "up to date, but look at this: new-1.0: bucket "+w.bucket()+" has other bytes than the signed ones at package/new-1.0.tar.gz", "delete the object")
	w.sameFile(r.TarballKey(), []byte("somebody else's"))
	g := h.Generation()
	w.checkFiles(g)
	w.checkHashes(g, nil) // the digests are those of the signed bytes
	w.sameFile("timestamp.json", g.File("timestamp.json"))
	bucket, hashes := w.ledgers()
	if len(bucket) != 1 || !strings.HasPrefix(bucket[0], "new-1.0 mismatch since=") || len(hashes) != 0 {
		t.Errorf("ledgers are %q and %q", bucket, hashes)
	}
	before := w.holdings()
	w.says(w.sync(CodeDegraded), "new-1.0 mismatch")
	w.unchanged(before)
	if err := os.Remove(foreign); err != nil {
		t.Fatal(err)
	}
	w.sync(CodeDone)
	w.checkAll()
	w.owesNothing()
}

func TestAlarmOfOneDestinationIsNotHiddenByAnother(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	w := newWorld(t, h)
	w.sync(CodeDone)
	r := h.Upload("halves", "1.0", nil, nil, hackagetest.In(hackagetest.Reference))
	h.Truncate(1)
	if err := os.WriteFile(filepath.Join(w.bucket(), filepath.FromSlash(r.TarballKey())), []byte("foreign"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.says(w.sync(CodeDegraded), "halves-1.0 mismatch")
	bucket, hashes := w.ledgers()
	if len(bucket) != 1 || len(hashes) != 1 || !strings.HasPrefix(hashes[0], "halves-1.0 missing since=") {
		t.Errorf("ledgers are %q and %q", bucket, hashes)
	}
}

func TestTwoRevisionsOfOneFileMakeTwoCommits(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	w := newWorld(t, h)
	w.sync(CodeDone)
	files, hashes := w.heads()
	one, two := revision(alpha(), "one"), revision(alpha(), "two")
	h.Revise("alpha", "0.2", one)
	h.Revise("alpha", "0.2", two)
	w.sync(CodeDone)
	w.checkAll()
	w.continues(files, hashes, 2)
	for repository, head := range map[string]string{w.files(): files, w.hashes(): hashes} {
		objects := strings.Fields(w.git(repository, "rev-list", "--objects", head+"..hackage"))
		for _, content := range [][]byte{one, two} {
			if !slices.Contains(objects, gitpack.BlobID(content).String()) {
				t.Errorf("the history of %s lacks %q", repository, content)
			}
		}
	}
}
