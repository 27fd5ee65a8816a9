package allcabal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// Nothing that somebody else commits is signed: it is undone on top of it, without
// force, and told as an alarm.
func TestForeignCommitsAreUndone(t *testing.T) {
	t.Parallel()
	for name, push := range map[string]func(r *rig){
		"files":      func(r *rig) { r.commitByHand(r.evil()) },
		"a link":     func(r *rig) { r.modes("120000") },
		"a module":   func(r *rig) { r.modes("160000") },
		"executable": func(r *rig) { r.modes("100755") },
		"a module at the root": func(r *rig) {
			r.plumb("hackage", map[string]string{"evil": "160000 " + r.id("hackage")})
		},
		"a file in the place of a package": func(r *rig) {
			r.plumb("hackage", map[string]string{"alpha2": "100644 " + r.id("hackage:extra/1.0/extra.cabal")})
			r.removeByHand("alpha")
		},
		"nothing left": func(r *rig) { r.removeByHand("alpha", "extra", "Extra", "tool") },
		"many": func(r *rig) {
			for i := range 60 {
				r.plumb("hackage", map[string]string{"backdoor/" + strconv.Itoa(i) + "/x": "100644 " + r.id("hackage:extra/1.0/extra.cabal")})
			}
		},
		"a merge": func(r *rig) {
			ours := r.id("hackage")
			r.git("update-ref", "refs/heads/hackage", "display")
			r.commitByHand(r.evil())
			id := r.git("-c", "user.name=X", "-c", "user.email=x@x", "commit-tree", "-p", "hackage", "-p", ours, "-m", "x", "hackage^{tree}")
			r.git("update-ref", "refs/heads/hackage", strings.TrimSpace(id))
		},
		"another history": func(r *rig) {
			r.git("update-ref", "refs/heads/hackage", "display")
			r.commitByHand(r.evil())
		},
		"signed by another key":            func(r *rig) { r.commitBy(r.newSigner(), r.evil()) },
		"the branch display in its place":  func(r *rig) { r.git("update-ref", "refs/heads/hackage", "display") },
		"nothing":                          func(r *rig) { r.commitTree("hackage^{tree}", "hackage") },
		"nothing, without what was before": func(r *rig) { r.commitTree("hackage^{tree}") },
		"what is taken back": func(r *rig) {
			r.commitByHand(r.evil())
			r.commitTree("hackage^^{tree}", "hackage")
		},
		"a merge that takes nothing": func(r *rig) { r.commitTree("hackage^{tree}", "hackage", "display") },
		"empty folders": func(r *rig) {
			empty := r.pipe("", "mktree")
			r.commitTree(r.pipe(r.git("ls-tree", "hackage")+"040000 tree "+empty+"\tzz\n", "mktree"), "hackage")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, hackagetest.Small())
			r.mustRun()
			ours := r.id("hackage")
			push(r)
			r.checkUndone(ours)
		})
	}
}

// checkUndone runs twice and checks that what stands above a commit of ours was
// undone, and that the alarm lasts for a week.
func (r *rig) checkUndone(ours string) {
	r.Helper()
	foreign := r.id("hackage")
	d, result := r.mustRun()
	first := strings.Join(d.Alarms(), "\n")
	if result.Commits != 1 || first == "" || !strings.Contains(first, " show "+strings.Fields(r.git("cat-file", "tag", "current-hackage")[strings.Index(r.git("cat-file", "tag", "current-hackage"), "Alarm: "):])[1]) {
		r.Errorf("result %+v, alarm %q", result, first)
	}
	r.checkFiles()
	if trees := strings.Count(r.git("ls-tree", "-r", "-t", "hackage"), " tree "); trees != strings.Count(r.git("ls-tree", "-r", "-t", ours), " tree ") {
		r.Errorf("there are %d folders", trees)
	}
	for _, commit := range []string{ours, foreign} {
		r.git("merge-base", "--is-ancestor", commit, "hackage")
	}
	r.signed()
	r.hackage.Upload("later", "1", nil, nil)
	d, result = r.mustRun()
	if result.Commits != 1 || len(result.Undone) != 0 {
		r.Errorf("the next result is %+v", result)
	}
	if said := strings.Join(d.Alarms(), "\n"); !strings.Contains(said, "was not signed by this mirror") || !strings.Contains(r.git("cat-file", "tag", "current-hackage"), "\nAlarm: ") {
		r.Errorf("the alarm is %q", said)
	}
	r.checkFiles()
	r.now = r.now.Add(state.AlarmStands + time.Hour)
	if d, result := r.mustRun(); d.Alarms() != nil || result.Changed {
		r.Errorf("after a week it is %q, %+v", d.Alarms(), result)
	}
}

// An alarm is told whatever becomes of tag and branch: the commit that undid what
// it tells of is in the history.
func TestAlarmOutlivesTheTag(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(r *rig, before string){
		"tag removed":            func(r *rig, _ string) { r.git("update-ref", "-d", "refs/tags/current-hackage") },
		"tag of before":          func(r *rig, before string) { r.git("update-ref", "refs/tags/current-hackage", before) },
		"another foreign commit": func(r *rig, _ string) { r.commitByHand(map[string][]byte{"typo.md": []byte("x\n")}) },
		"both": func(r *rig, before string) {
			r.commitByHand(map[string][]byte{"typo.md": []byte("x\n")})
			r.git("update-ref", "-d", "refs/tags/current-hackage")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, hackagetest.Small())
			r.mustRun()
			before := r.id("refs/tags/current-hackage")
			r.commitByHand(r.evil())
			evil := r.id("hackage")
			r.hackage.Upload("later", "1", nil, nil)
			r.mustRun()
			then(r, before)
			for range 2 {
				d, _ := r.mustRun()
				if said := strings.Join(d.Alarms(), "\n"); !strings.Contains(said, evil) {
					t.Errorf("it says %q", said)
				}
				r.checkFiles()
			}
			r.now = r.now.Add(state.AlarmStands + time.Hour)
			r.git("update-ref", "-d", "refs/tags/current-hackage")
			if d, _ := r.mustRun(); d.Alarms() != nil {
				t.Errorf("after a week it says %q", d.Alarms())
			}
		})
	}
}

// A host that takes the branch and not the tag gets nothing twice, and once the tag
// is taken the alarm is told.
func TestTagIsRefusedAlone(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	r.git("config", "receive.advertiseAtomic", "false")
	r.commitByHand(r.evil())
	hook := filepath.Join(r.remote, "hooks", "update")
	if err := os.MkdirAll(filepath.Dir(hook), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hook, []byte("#!/bin/sh\ncase $1 in refs/tags/current-hackage) exit 1;; esac\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.Upload("new", "1", nil, nil)
	for i := range 3 {
		if _, _, err := r.run(); err == nil || strings.Contains(err.Error(), "undo its changes") {
			t.Errorf("run %d: error %v", i, err)
		}
	}
	commits := len(r.commits())
	if err := os.Remove(hook); err != nil {
		t.Fatal(err)
	}
	d, result := r.mustRun()
	if result.Commits != 0 || len(r.commits()) != commits || len(d.Alarms()) != 1 {
		t.Errorf("result %+v, alarms %q", result, d.Alarms())
	}
	r.checkFiles()
	r.signed()
}

// However many foreign commits there are above ours, ours are found.
func TestManyForeignCommitsWithoutATag(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.mustRun()
	ours := r.id("hackage")
	var stream strings.Builder
	for i := range 5_100 {
		fmt.Fprintf(&stream, "commit refs/heads/hackage\ncommitter X <x@x> 1700000000 +0000\ndata 44\nUpdate from Hackage at 2026-01-05T06:11:00Z\n\n")
		if i == 0 {
			fmt.Fprintf(&stream, "from refs/heads/hackage^0\n")
		}
		fmt.Fprintf(&stream, "M 100644 inline backdoor/%d/backdoor.cabal\ndata 2\nx\n\n", i%7)
	}
	r.pipe(stream.String(), "fast-import", "--quiet")
	r.git("update-ref", "-d", "refs/tags/current-hackage")
	r.checkUndone(ours)
}

// A run that was killed between branch and tag left commits of ours above the tag.
// They stay, whatever somebody else put below, between or above them.
func TestCommitsOfOursAboveTheTag(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		between, above bool // foreign commits
	}{
		"nothing else":  {},
		"foreign above": {above: true},
		"foreign below": {between: true},
		"foreign both":  {between: true, above: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			r := newRig(t, h)
			r.mustRun()
			before := r.id("refs/tags/current-hackage")
			if c.between {
				r.commitByHand(r.evil())
			}
			h.Revise("alpha", "0.2", text(1))
			h.Revise("alpha", "0.2", text(2))
			h.Upload("new", "1", text(3), nil)
			r.mustRun()
			r.git("update-ref", "refs/tags/current-hackage", before)
			ours := len(r.commits())
			if c.above {
				r.commitByHand(r.evil())
			}
			h.Revise("alpha", "0.2", text(4))
			d, result := r.mustRun()
			r.checkFiles()
			r.signed()
			if foreign := c.between || c.above; (d.Alarms() != nil) != foreign || !foreign && (result.Commits != 1 || len(r.commits()) != ours+1) {
				t.Errorf("result %+v, alarm %q", result, d.Alarms())
			}
			r.hasAll()
			if _, result := r.mustRun(); result.Changed {
				t.Errorf("the next run did something: %+v", result)
			}
		})
	}
}

// Whoever can push can move the tag too, but not make one.
func TestPusherMovesTheTagToo(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(r *rig, before string){
		"deleted":     func(r *rig, _ string) { r.git("update-ref", "-d", "refs/tags/current-hackage") },
		"lightweight": func(r *rig, _ string) { r.git("update-ref", "refs/tags/current-hackage", "hackage^") },
		"as the older tools": func(r *rig, _ string) {
			r.git("-c", "user.name=X", "-c", "user.email=x@x", "tag", "-f", "-a", "-m", "Update from Hackage at 2026-01-05T06:11:00Z", "current-hackage", "hackage")
		},
		"an old one of ours": func(r *rig, before string) { r.git("update-ref", "refs/tags/current-hackage", before) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			r := newRig(t, h)
			before, ours := r.twice()
			id := r.id("hackage:extra/1.0/extra.cabal")
			r.plumb("hackage", map[string]string{"backdoor/1/backdoor.cabal": "100644 " + id})
			r.commitByHand(r.evil())
			move(r, before)
			r.checkUndone(ours)
		})
	}
}

// What the owner wants to keep stays; data never does.
func TestOwnerKeepsFiles(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	r.commitByHand(map[string][]byte{"README.md": []byte("one\n"), ".github/workflows/a/x.yml": []byte("on: push\n")})
	r.options.Keep = []string{"README.md", ".github"}
	d, result := r.mustRun()
	if result.Changed || d.Alarms() != nil || d.WhyPush() != "" {
		t.Errorf("result %+v, alarm %q, due %q", result, d.Alarms(), d.WhyPush())
	}
	h.Upload("new", "1", nil, nil)
	if d, result = r.mustRun(); result.Commits != 1 || d.Alarms() != nil {
		t.Errorf("result %+v, alarm %q", result, d.Alarms())
	}
	r.signed()
	// One file is to be kept, and another is not.
	r.commitByHand(r.evil())
	d, result = r.mustRun()
	if result.Commits != 1 || !strings.Contains(strings.Join(d.Alarms(), "\n"), "keep: .gitattributes") {
		t.Errorf("result %+v, alarm %q", result, d.Alarms())
	}
	r.signed()
	if got := r.git("cat-file", "blob", "hackage:README.md"); got != "read me\n" {
		t.Errorf("README.md is %q", got)
	}
	if files := r.tree("hackage"); !slices.Contains(files, ".github/workflows/x.yml") || slices.Contains(files, "backdoor/1.0/backdoor.json") {
		t.Errorf("there is %q", files)
	}
	// Without the option what was kept before stays, as it is in our commit.
	r.options.Keep = nil
	h.Upload("newer", "1", nil, nil)
	r.mustRun()
	if got := r.git("cat-file", "blob", "hackage:README.md"); got != "read me\n" {
		t.Errorf("README.md is %q", got)
	}
	r.options.Adopt = true
	if d, _ := r.mustRun(); d.Alarms() != nil {
		t.Errorf("it was acknowledged, and the alarm is %q", d.Alarms())
	}
	if strings.Contains(r.git("cat-file", "tag", "current-hackage"), "\nAlarm: ") {
		t.Error("the tag has an alarm that was acknowledged")
	}
}

// A file that is to be kept takes the place of no package, and keeps no name that
// nobody can have.
func TestKeptFileReplacesNoFolder(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.options.Keep = []string{"*"}
	r.mustRun()
	blob := r.id("hackage:extra/1.0/extra.cabal")
	r.removeByHand("alpha")
	r.plumb("hackage", map[string]string{"alpha": "100644 " + blob, "NOTES": "100755 " + blob, "a\x01b": "100644 " + blob})
	d, result := r.mustRun()
	if result.Commits != 1 || d.Alarms() == nil {
		t.Errorf("result %+v", result)
	}
	r.signed()
	if files := r.tree("hackage"); !slices.Contains(files, "NOTES") || !slices.Contains(files, "alpha/0.2/alpha.cabal") || len(files) != 21 {
		t.Errorf("there are %d: %q", len(files), files)
	}
}

func TestPatternsThatKeepNothingAreRefused(t *testing.T) {
	t.Parallel()
	for pattern, fine := range map[string]bool{
		"README.md": true, "*.md": true, ".github": true, ".github/": true, ".github/workflows/*.yml": true, "*": true, ".travis.yml": true,
		"alpha/": false, "alpha/0.2/alpha.cabal": false, "deprecated.json": false, "[": false, "*/x": false,
	} {
		if err := CheckKeep(pattern); (err == nil) != fine {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

// A host that does not let us undo keeps its tag where it is, and a person is told
// what to do.
func TestUndoIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.mustRun()
	ours := r.id("hackage")
	r.commitByHand(r.evil())
	foreign := r.id("hackage")
	hooks := filepath.Join(r.remote, "hooks")
	if err := os.MkdirAll(hooks, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(hooks, "pre-receive"), []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	refs := r.git("for-each-ref")
	_, _, err := r.run()
	if !errors.Is(err, gitrepo.ErrRefused) || r.git("for-each-ref") != refs {
		t.Errorf("error %v", err)
	}
	if want := "--force-with-lease=hackage:" + foreign + " origin " + ours + ":refs/heads/hackage"; !strings.Contains(err.Error(), want) {
		t.Errorf("error %v\ndoes not say %q", err, want)
	}
}

// A branch that was set back is brought forward again; its commits stay.
func TestBranchThatWasSetBack(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	old := r.id("hackage")
	for i := range 60 {
		h.Revise("alpha", "0.2", text(i))
	}
	r.mustRun()
	newest := r.id("hackage")
	r.git("update-ref", "refs/heads/hackage", old)
	if _, result := r.mustRun(); result.Commits != 0 || r.id("hackage") != newest {
		t.Errorf("result %+v", result)
	}
	r.hasAll()
	r.git("update-ref", "refs/heads/hackage", old)
	h.Upload("new", "1", nil, nil)
	if _, result := r.mustRun(); result.Commits != 1 {
		t.Errorf("result %+v", result)
	}
	r.git("merge-base", "--is-ancestor", newest, "hackage")
	r.hasAll()
	r.check()
}

var _ Keys = (*rig)(nil)
