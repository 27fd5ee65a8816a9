package allcabal

import (
	"archive/tar"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A branch of something else gets no packages beside its files.
func TestBranchOfSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	for name, paths := range map[string][]string{
		"a program":      {"README.md", "src/Main.hs", "app/Main.hs", "foo.cabal"},
		"many packages":  {"foo/foo.cabal", "bar/bar.cabal", "bar/src/Bar.hs"},
		"only a README":  {"README.md"},
		"vendored files": {"src/a.hs", "test/b.hs", "docs/c.md", "alpha/1.0/alpha.cabal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, hackagetest.Small())
			r.options.Hashes = false
			r.open()
			entries := map[string]string{}
			blob := strings.TrimSpace(r.git("hash-object", "-w", "HEAD"))
			for _, path := range paths {
				entries[path] = "100644 " + blob
			}
			r.plumbRoot(entries)
			refs := r.git("for-each-ref")
			_, _, err := r.run()
			if !errors.Is(err, ErrBranch) || !strings.Contains(err.Error(), "adopt") || r.git("for-each-ref") != refs {
				t.Fatalf("error %v", err)
			}
			r.options.Adopt = true
			r.mustRun()
			if files := r.tree("hackage"); !slices.Contains(files, paths[0]) || !slices.Contains(files, "extra/1.0/extra.cabal") {
				t.Errorf("there is %q", files)
			}
		})
	}
}

// No time but that of an index entry, and none beyond the clock, dates a commit.
func TestTimesOfOthersDateNothing(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	for _, when := range []string{"4102444799", "9000000000000", "99999999999999999"} {
		tree := r.id("hackage^{tree}")
		head := r.id("hackage")
		raw := "tree " + tree + "\nparent " + head + "\nauthor X <x@x> " + when + " +0000\ncommitter X <x@x> 1700000000 +0000\n\nUpdate from Hackage at 2099-01-01T00:00:00Z\n"
		name := filepath.Join(t.TempDir(), "commit")
		if err := os.WriteFile(name, []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		r.git("update-ref", "refs/heads/hackage", strings.TrimSpace(r.git("hash-object", "-t", "commit", "-w", "--literally", name)))
		h.Raw(tar.Header{Name: "alpha/0.2/alpha.cabal", ModTime: r.now.AddDate(50, 0, 0)}, text(len(when)))
		h.Upload("later", strconv.Itoa(len(when)), nil, nil)
		r.options.Adopt = true // so that nothing is undone: the tree is ours
		r.mustRun()
		r.options.Adopt = false
		commits := r.commits()
		if last := commits[len(commits)-1]; last.author.After(h.Now()) || last.subject != subject(last.author) {
			t.Errorf("with %s it says %q and is of %s", when, last.subject, last.author)
		}
		if tag := r.git("cat-file", "tag", "current-hackage"); !strings.Contains(tag, "\n"+commits[len(commits)-1].subject+"\n") {
			t.Errorf("the tag says %q", tag)
		}
	}
}

// Every revision of an owed release is in the history when it is listed.
func TestRevisionsOfAnOwedRelease(t *testing.T) {
	t.Parallel()
	late := release("late", "1")
	for name, c := range map[string]struct {
		lost   error
		upload []hackagetest.UploadOption
		pay    func(r *rig)
	}{
		"missing":  {state.ErrMissing, nil, func(r *rig) { delete(r.lost, late) }},
		"mismatch": {state.ErrMismatch, nil, func(r *rig) { delete(r.lost, late) }},
		"unsigned": {nil, []hackagetest.UploadOption{hackagetest.Unsigned()}, func(r *rig) { r.hackage.AddTargets("late", "1") }},
	} {
		for _, runs := range []int{1, 2, 4} {
			for _, comesWith := range []bool{false, true} {
				t.Run(fmt.Sprint(name, runs, comesWith), func(t *testing.T) {
					t.Parallel()
					h := hackagetest.Small()
					r := newRig(t, h)
					if c.lost != nil {
						r.lost[late] = c.lost
					}
					h.Upload("late", "1", text(0), nil, c.upload...)
					r.mustRun()
					for i := range runs {
						h.Upload("between", strconv.Itoa(i), nil, nil)
						h.Revise("late", "1", text(i+1))
						d, _ := r.mustRun()
						if n := d.State().Ledger[late].Revisions; n != int64(i+2) {
							t.Errorf("the ledger counts %d revisions", n)
						}
					}
					r.check(late)
					c.pay(r)
					if comesWith {
						h.Revise("late", "1", text(99))
					}
					h.Upload("other", "1", nil, nil)
					r.mustRun()
					r.check()
					r.hasAll()
				})
			}
		}
	}
}

// A release whose package.json comes a run after its .cabal file is listed in one
// commit with what else is new.
func TestSignedLaterIsOneCommit(t *testing.T) {
	t.Parallel()
	for name, history := range map[string]History{"daily": Daily, "snapshot": Snapshot} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			r := newRig(t, h)
			r.options.History = history
			h.Upload("late", "1", text(0), nil, hackagetest.Unsigned())
			r.mustRun()
			before := len(r.commits())
			h.AddTargets("late", "1")
			h.Upload("other", "1", nil, nil)
			_, result := r.mustRun()
			r.check()
			if n := len(r.commits()) - before; n != 1 || result.Commits != 1 || result.Files != 4 {
				t.Errorf("%d commits came, result %+v", n, result)
			}
		})
	}
}

// What the older tools did not come to is committed whole, and nothing is turned
// back.
func TestAdoptionCommitsWhatCameLater(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content int // that the tree has of alpha-0.2
		line    func(at []time.Time) time.Time
		want    []int // contents that are committed, in order
	}{
		// The index has 0, 1, 0, 2 at at[0..3].
		"up to the first":           {0, func(at []time.Time) time.Time { return at[0] }, []int{1, 0, 2}},
		"up to the second":          {1, func(at []time.Time) time.Time { return at[1] }, []int{0, 2}},
		"up to the third":           {0, func(at []time.Time) time.Time { return at[2] }, []int{2}},
		"lagging behind its line":   {0, func(at []time.Time) time.Time { return at[1] }, []int{1, 0, 2}},
		"up to the end":             {2, func(at []time.Time) time.Time { return at[3] }, nil},
		"further than its line":     {2, func(at []time.Time) time.Time { return at[0] }, nil},
		"with a line of the future": {0, func(at []time.Time) time.Time { return at[3].AddDate(80, 0, 0) }, []int{1, 0, 2}},
		"of no revision":            {7, func(at []time.Time) time.Time { return at[3] }, []int{2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hackagetest.New(hackagetest.Options{Seed: "adopt"})
			h.Upload("alpha", "0.2", text(0), nil)
			at := []time.Time{h.Now()}
			for _, i := range []int{1, 0, 2} {
				h.Upload("between", strconv.Itoa(len(at)), nil, nil)
				h.Revise("alpha", "0.2", text(i))
				at = append(at, h.Now())
			}
			h.Prefer("alpha", "alpha <3")
			r := newRig(t, h)
			r.options.Hashes = false
			r.open()
			r.plumbRoot(map[string]string{"alpha/0.2/alpha.cabal": "100644 " + r.hashObject(text(c.content))})
			r.byOlderTool(c.line(at), "hackage^{tree}")
			r.mustRun()
			var got []string
			for _, commit := range r.commits()[1:] {
				if slices.Contains(commit.changed, "alpha/0.2/alpha.cabal") {
					got = append(got, r.git("cat-file", "blob", commit.id+":alpha/0.2/alpha.cabal"))
				}
			}
			var want []string
			for _, i := range c.want {
				want = append(want, string(text(i)))
			}
			if !slices.Equal(got, want) {
				t.Errorf("committed %q\nwant      %q", got, want)
			}
			if files := r.tree("hackage"); !slices.Contains(files, "alpha/preferred-versions") || !slices.Contains(files, "between/1/between.cabal") {
				t.Errorf("there is %q", files)
			}
		})
	}
}

// An upstream that shows less than the tree turns nothing back.
func TestUpstreamBehindIsRefused(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.options.Hashes = false
	r.mustRun()
	r.plumb("hackage", map[string]string{"alpha/0.2/alpha.cabal": "100644 " + r.hashObject(text(5))})
	r.byOlderTool(h.Now().Add(2*time.Hour), "hackage^{tree}")
	refs := r.git("for-each-ref")
	_, _, err := r.run()
	if !errors.Is(err, ErrBehind) || !strings.Contains(err.Error(), "alpha/0.2/alpha.cabal") || r.git("for-each-ref") != refs {
		t.Errorf("error %v", err)
	}
	h.Revise("alpha", "0.2", text(5))
	r.mustRun()
	r.checkFiles()
	// A line of a clock that is wrong by minutes is none of that.
	r = newRig(t, hackagetest.Small())
	r.options.Hashes = false
	r.mustRun()
	r.plumb("hackage", map[string]string{"alpha/0.2/alpha.cabal": "100644 " + r.hashObject(text(5))})
	r.byOlderTool(r.hackage.Now().Add(10*time.Minute), "hackage^{tree}")
	r.mustRun()
	r.checkFiles()
}

// A repository that is recomputed has its records compared with the tarballs.
func TestRecomputedRecords(t *testing.T) {
	t.Parallel()
	alpha := release("alpha", "0.2")
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	good := r.git("cat-file", "blob", "hackage:"+alpha.JSONPath())
	at := strings.Index(good, `"SHA512":"`) + len(`"SHA512":"`)
	forged := good[:at] + strings.Repeat("0", 128) + good[at+128:]
	r.plumb("hackage", map[string]string{alpha.JSONPath(): "100644 " + r.hashObject([]byte(forged))})
	r.byOlderTool(h.Now(), "hackage^{tree}")
	if _, result := r.mustRun(); result.Commits != 0 {
		t.Errorf("result %+v", result)
	}
	r.full = true
	if _, result := r.mustRun(); result.Files != 1 || result.Commits != 1 {
		t.Errorf("result %+v", result)
	}
	r.checkFiles()
}

// A dry run says how many files would change, and pushes nothing.
func TestDryRunOfAnAdoption(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	r.byOlderTool(h.Now(), "hackage^{tree}")
	h.Revise("alpha", "0.2", text(1))
	h.Revise("alpha", "0.2", text(2))
	h.Upload("new", "1", nil, nil)
	refs := r.git("for-each-ref")
	r.options.DryRun, r.options.Signer, r.options.Keys = true, nil, nil
	d, result := r.mustRun()
	if result.Changed || result.Files != 3 || result.Commits != 2 || len(result.New) != 1 || d.Adopting() == "" || r.git("for-each-ref") != refs {
		t.Errorf("result %+v", result)
	}
}
