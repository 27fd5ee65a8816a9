package cli

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// retag puts another tag object in the place of a repository's tag: the same
// with an edit of its text.
func (w *world) retag(repository string, edit func(text string) string) {
	w.Helper()
	before := w.git(repository, "cat-file", "tag", "current-hackage")
	after := edit(before)
	if after == before {
		w.Fatalf("the edit changes nothing in the tag:\n%s", before)
	}
	file := filepath.Join(w.dir, "tag")
	writeFile(w.T, file, []byte(after))
	id := w.git(repository, "hash-object", "-t", "tag", "-w", "--literally", file)
	w.git(repository, "update-ref", "refs/tags/current-hackage", strings.TrimSpace(id))
}

// stateLine edits a line of the state in a tag's text.
func stateLine(key, value string) func(text string) string {
	return func(text string) string {
		return regexp.MustCompile(`(?m)^`+key+`: .*$`).ReplaceAllLiteralString(text, key+": "+value)
	}
}

// damage is what somebody did to a repository.
type damage func(w *world, repository string)

func damages() map[string]damage {
	edit := func(change func(string) string) damage {
		return func(w *world, repository string) { w.retag(repository, change) }
	}
	return map[string]damage{
		"tag deleted": func(w *world, repository string) { w.git(repository, "update-ref", "-d", "refs/tags/current-hackage") },
		"tag is lightweight": func(w *world, repository string) {
			w.git(repository, "tag", "-f", "current-hackage", "hackage")
		},
		"tag of somebody else": func(w *world, repository string) {
			w.git(repository, "tag", "-f", "-a", "-m", "Update from Hackage at 2026-01-05T06:11:00Z", "current-hackage", "hackage")
		},
		"tag is behind the branch": func(w *world, repository string) {
			w.git(repository, "update-ref", "refs/heads/hackage", strings.TrimSpace(w.git(repository, "commit-tree", "-p", "hackage", "-m", "empty", "hackage^{tree}")))
		},
		"tag is ahead of the branch": func(w *world, repository string) {
			w.git(repository, "update-ref", "refs/heads/hackage", "hackage~1")
		},
		"branch deleted": func(w *world, repository string) { w.git(repository, "update-ref", "-d", "refs/heads/hackage") },
		"everything deleted": func(w *world, repository string) {
			for _, ref := range []string{"refs/heads/hackage", "refs/heads/display", "refs/tags/current-hackage"} {
				w.git(repository, "update-ref", "-d", ref)
			}
		},
		"position is no number":        edit(stateLine("Index-Length", "many")),
		"position is negative":         edit(stateLine("Index-Length", "-512")),
		"position inside a block":      edit(stateLine("Index-Length", "1000")),
		"position past the end":        edit(stateLine("Index-Length", "104857600")),
		"position without a length":    edit(stateLine("Index-Length", "")),
		"position of the start":        edit(stateLine("Index-Length", "0")),
		"midstate of another prefix":   edit(stateLine("Index-Midstate", strings.Repeat("ab", 32))),
		"midstate is short":            edit(stateLine("Index-Midstate", "abcd")),
		"time is none":                 edit(stateLine("Index-Time", "yesterday")),
		"seen something from far away": edit(stateLine("Timestamp-Version", "999999999")),
		"ledger lists what is there": edit(func(text string) string {
			return strings.Replace(text, "Tool: ", "Pending: alpha-0.2 missing since=2026-01-01T00:00:00Z\nTool: ", 1)
		}),
		"ledger line points at another entry": edit(func(text string) string {
			return regexp.MustCompile(`cabal=\d+\+`).ReplaceAllLiteralString(text, "cabal=512+")
		}),
		"ledger line of another digest": edit(func(text string) string {
			return regexp.MustCompile(`(cabal=\d+\+\d+):[0-9a-f]{8}`).ReplaceAllString(text, "${1}:00000000")
		}),
		"ledger line of another tarball": edit(func(text string) string {
			return regexp.MustCompile(`(tarball=\d+):[0-9a-f]{8}`).ReplaceAllString(text, "${1}:00000000")
		}),
		"ledger line taken out": edit(func(text string) string {
			return regexp.MustCompile(`(?m)^Pending: .*\n`).ReplaceAllLiteralString(text, "")
		}),
		"ledger line is garbage": edit(stateLine("Pending", "../../x")),
	}
}

// TestDamagedRepositoryIsHealed: whatever somebody did to a repository's refs,
// the next run finds out and puts it right, nothing is lost, and the run after
// it has nothing to do.
func TestDamagedRepositoryIsHealed(t *testing.T) {
	t.Parallel()
	for name, do := range damages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			w.hackage.Withdraw("tool", "0", http.StatusNotFound)
			w.sync(CodeDone)
			w.grow()
			w.sync(CodeDone)
			w.hackage.Reinstate("tool", "0")
			w.hackage.Upload("last", "1", nil, nil)
			do(w, w.hashes())
			if !strings.HasPrefix(name, "ledger") { // only that of hashes has one
				do(w, w.files())
			}
			code := CodeDone
			if name == "tag is behind the branch" {
				code = CodeDegraded // by a commit of somebody else
			}
			w.sync(code)
			for _, repository := range []string{w.files(), w.hashes()} {
				w.checkTree(repository, nil)
				w.checkLinear(repository, "hackage")
			}
			w.checkBucket(w.hackage.Generation(), nil)
			w.says(w.sync(code), "nothing new")
		})
	}
}

// TestBranchOfOtherContentIsBroughtUp: somebody put another history in the place
// of ours. Both are kept, the content is ours, and a person is told.
func TestBranchOfOtherContentIsBroughtUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, hackagetest.Small())
	w.sync(CodeDone)
	ours := w.git(w.files(), "rev-parse", "hackage")
	w.git(w.files(), "update-ref", "refs/heads/hackage", "display")
	w.says(w.sync(CodeDegraded), "look at this", "git show ")
	w.checkTree(w.files(), nil)
	w.git(w.files(), "merge-base", "--is-ancestor", "display", "hackage")
	w.git(w.files(), "merge-base", "--is-ancestor", strings.TrimSpace(ours), "hackage")
	w.sync(CodeDone, "--adopt")
	w.says(w.sync(CodeDone), "nothing new")
}

// TestDamageAloneIsHealed: nothing is new upstream, and the run still looks.
func TestDamageAloneIsHealed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"tag deleted", "tag is ahead of the branch", "branch deleted", "midstate of another prefix", "everything deleted"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			w.sync(CodeDone)
			damages()[name](w, w.hashes())
			w.sync(CodeDone)
			w.checkTree(w.hashes(), nil)
			w.checkLinear(w.hashes(), "hackage")
			w.checkFiles(w.hackage.Generation())
		})
	}
}

// editState edits the bucket's state file.
func (w *world) editState(edit func(text string) string) {
	w.Helper()
	before := string(w.read("hackage-mirror.json"))
	after := edit(before)
	if after == before {
		w.Fatalf("the edit changes nothing in the state:\n%s", before)
	}
	writeFile(w.T, filepath.Join(w.bucket(), "hackage-mirror.json"), []byte(after))
}

func TestDamagedStateOfABucketIsHealed(t *testing.T) {
	t.Parallel()
	replace := func(pattern, with string) func(*world) {
		return func(w *world) {
			w.editState(func(text string) string { return regexp.MustCompile(pattern).ReplaceAllString(text, with) })
		}
	}
	for name, do := range map[string]func(*world){
		"deleted": func(w *world) {
			if err := os.Remove(filepath.Join(w.bucket(), "hackage-mirror.json")); err != nil {
				t.Fatal(err)
			}
		},
		"empty":                  func(w *world) { w.editState(func(string) string { return "" }) },
		"cut":                    func(w *world) { w.editState(func(text string) string { return text[:len(text)/2] }) },
		"not JSON":               func(w *world) { w.editState(func(string) string { return "<html>502 Bad Gateway</html>" }) },
		"JSON of something else": func(w *world) { w.editState(func(string) string { return `{"state":[]}` }) },
		"position is no number":  replace(`"Index-Length": "\d+"`, `"Index-Length": "x"`),
		"position of the start":  replace(`"Index-Length": "\d+"`, `"Index-Length": "0"`),
		"midstate is short":      replace(`"Index-Midstate": "\w{8}`, `"Index-Midstate": "`),
		"ledger is garbage":      replace(`tool-0 missing`, `tool-0 eaten`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			w.hackage.Withdraw("tool", "0", http.StatusNotFound)
			w.sync(CodeDone)
			w.grow()
			do(w)
			w.hackage.Reinstate("tool", "0")
			said := w.sync(CodeDone)
			told := strings.Count(said, "its state could not be read (")
			if readable := name == "deleted" || name == "position of the start"; told != 1 && !readable || told != 0 && readable {
				t.Errorf("the state is said %d times to be unreadable:\n%s", told, said)
			}
			w.checkAll()
			w.says(w.sync(CodeDone), "nothing new")
		})
	}
}

// TestStateThatCannotBeTrueIsRefused: what the state says of the index is not
// so. The bucket stays as it is, the others are done, and the message says how
// to go on.
func TestStateThatCannotBeTrueIsRefused(t *testing.T) {
	t.Parallel()
	other := newWorld(t, hackagetest.New(hackagetest.Options{Seed: "another"}))
	other.hackage.Upload("elsewhere", "1", nil, nil)
	other.sync(CodeDone)
	foreign := string(other.read("hackage-mirror.json"))
	for name, edit := range map[string]func(text string) string{
		"midstate of another prefix": func(text string) string {
			return regexp.MustCompile(`"Index-Midstate": "\w{8}`).ReplaceAllString(text, `"Index-Midstate": "00000000`)
		},
		"position past the end": func(text string) string {
			return regexp.MustCompile(`"Index-Length": "\d+"`).ReplaceAllString(text, `"Index-Length": "104857600"`)
		},
		"state of another mirror": func(string) string { return foreign },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, hackagetest.Small())
			w.sync(CodeDone)
			w.editState(edit)
			bucket := w.contents(w.bucket())
			w.grow()
			said := w.sync(CodeError)
			w.says(said, "bucket", "hackage-mirror.json, which says so, may be damaged", "nothing was written to it", "then compares everything")
			if first := strings.Index(said, "First remove hackage-mirror.json"); first < 0 || first > strings.Index(said, "--accept-rewrite") {
				t.Errorf("it does not name the state before upstream:\n%s", said)
			}
			if !maps.Equal(untold(w.contents(w.bucket())), untold(bucket)) {
				t.Error("the bucket was changed")
			}
			w.checkFiles(w.hackage.Generation())
			w.checkHashes(w.hackage.Generation(), nil)
			if name == "midstate of another prefix" {
				if err := os.Remove(filepath.Join(w.bucket(), "hackage-mirror.json")); err != nil {
					t.Fatal(err)
				}
				w.sync(CodeDone)
			} else {
				w.sync(CodeDone, "--accept-rewrite")
			}
			w.checkAll()
		})
	}
}
