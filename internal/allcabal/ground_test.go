package allcabal

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// evil is what a pusher without the signing key might want to have signed.
func (r *rig) evil() map[string][]byte {
	r.Helper()
	alpha := release("alpha", "0.2")
	sum := sha256.Sum256(r.hackage.Generation().Tarball(alpha))
	const elsewhere = `},"package-locations":["https://evil.example/x.tar.gz"],"package-size":12}`
	record := fmt.Appendf(nil, `{"package-hashes":{"SHA256":"%x","SHA512":"%0128x"`+elsewhere, sum, 7)
	return map[string][]byte{
		alpha.JSONPath():              record,
		"alpha/99.0/alpha.cabal":      []byte("name: alpha\n"),
		"alpha/99.0/alpha.json":       record,
		"backdoor/1.0/backdoor.cabal": []byte("name: backdoor\n"),
		"backdoor/1.0/backdoor.json":  record,
		".github/workflows/x.yml":     []byte("on: push\n"),
		".gitattributes":              []byte("* filter=evil\n"),
		"alpha/0.1.0.0/Setup.hs":      []byte("main = evil\n"),
		"alpha/preferred-versions":    []byte("alpha <0"),
		"README.md":                   []byte("read me\n"),
		"deprecated.json":             []byte("[]"),
	}
}

// modes puts something else than a plain file in the place of a .cabal file.
func (r *rig) modes(mode string) {
	r.Helper()
	id := strings.Fields(r.git("ls-tree", "hackage:alpha/0.2", "alpha.cabal"))[2]
	r.plumb("hackage", map[string]string{"alpha/0.2/alpha.cabal": mode + " " + id})
}

// plumb commits entries, "MODE ID" by path, to the branch by plain git.
func (r *rig) plumb(parent string, entries map[string]string) {
	r.Helper()
	index := filepath.Join(r.TempDir(), "index")
	r.env = []string{"GIT_INDEX_FILE=" + index}
	r.git("read-tree", parent)
	for path, entry := range entries {
		mode, id, _ := strings.Cut(entry, " ")
		r.git("update-index", "--add", "--cacheinfo", mode+","+id+","+path)
	}
	tree := strings.TrimSpace(r.git("write-tree"))
	r.env = nil
	id := r.git("-c", "user.name=X", "-c", "user.email=x@x", "commit-tree", "-p", parent, "-m", "Update from Hackage at 2026-01-05T06:11:00Z", tree)
	r.git("update-ref", "refs/heads/hackage", strings.TrimSpace(id))
}

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
			r.plumb("hackage", map[string]string{"evil": "160000 " + strings.TrimSpace(r.git("rev-parse", "hackage"))})
		},
		"a file in the place of a package": func(r *rig) {
			r.plumb("hackage", map[string]string{"alpha2": "100644 " + strings.TrimSpace(r.git("rev-parse", "hackage:extra/1.0/extra.cabal"))})
			r.removeByHand("alpha")
		},
		"nothing left": func(r *rig) { r.removeByHand("alpha", "extra", "Extra", "tool") },
		"many": func(r *rig) {
			for i := range 60 {
				r.plumb("hackage", map[string]string{"backdoor/" + strconv.Itoa(i) + "/x": "100644 " + strings.TrimSpace(r.git("rev-parse", "hackage:extra/1.0/extra.cabal"))})
			}
		},
		"a merge": func(r *rig) {
			ours := strings.TrimSpace(r.git("rev-parse", "hackage"))
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
			ours := strings.TrimSpace(r.git("rev-parse", "hackage"))
			push(r)
			r.checkUndone(ours, func() {})
		})
	}
}

// checkUndone runs twice and checks that what stands above a commit of ours was
// undone, and that the alarm lasts until between was called.
func (r *rig) checkUndone(ours string, between func()) {
	r.Helper()
	foreign := strings.TrimSpace(r.git("rev-parse", "hackage"))
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
	between()
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

// signed checks that branch and tag are at a commit that we signed.
func (r *rig) signed() {
	r.Helper()
	repo := r.open()
	got, err := repo.Fetch(r.Context(), "refs/heads/hackage", "refs/tags/current-hackage")
	if err != nil {
		r.Fatal(err)
	}
	c, err := repo.ReadCommit(r.Context(), got["refs/heads/hackage"])
	if err != nil {
		r.Fatal(err)
	}
	if err := r.signer.Verify(c.Signed, c.Signature); err != nil {
		r.Error(err)
	}
	tag, err := repo.ReadTag(r.Context(), got["refs/tags/current-hackage"])
	if err != nil || tag.Object != c.ID {
		r.Errorf("the tag is at %s, not at %s (%v)", tag.Object, c.ID, err)
	}
	if err := r.signer.Verify(tag.Signed, tag.Signature); err != nil {
		r.Error(err)
	}
}

// commitTree commits a tree to the branch by plain git.
func (r *rig) commitTree(tree string, parents ...string) {
	r.Helper()
	args := []string{"-c", "user.name=X", "-c", "user.email=x@x", "commit-tree", "-m", "Update from Hackage at 2026-01-05T06:11:00Z", tree}
	for _, parent := range parents {
		args = append(args, "-p", parent)
	}
	r.git("update-ref", "refs/heads/hackage", strings.TrimSpace(r.git(args...)))
}

// pipe runs git in the remote with an input.
func (r *rig) pipe(input string, args ...string) string {
	r.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin = r.remote, strings.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		r.Fatalf("git %q: %v", args, err)
	}
	return strings.TrimSpace(string(out))
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
			before := strings.TrimSpace(r.git("rev-parse", "refs/tags/current-hackage"))
			r.commitByHand(r.evil())
			evil := strings.TrimSpace(r.git("rev-parse", "hackage"))
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
		if _, _, err := r.run(); err == nil || strings.Contains(err.Error(), "put back") {
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
	ours := strings.TrimSpace(r.git("rev-parse", "hackage"))
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
	r.checkUndone(ours, func() {})
}

// removeByHand commits that folders are gone.
func (r *rig) removeByHand(folders ...string) {
	r.Helper()
	r.env = []string{"GIT_INDEX_FILE=" + filepath.Join(r.TempDir(), "index")}
	r.git("read-tree", "hackage")
	for _, folder := range folders {
		r.git("rm", "--quiet", "-r", "--cached", folder)
	}
	tree := strings.TrimSpace(r.git("write-tree"))
	r.env = nil
	id := r.git("-c", "user.name=X", "-c", "user.email=x@x", "commit-tree", "-p", "hackage", "-m", "x", tree)
	r.git("update-ref", "refs/heads/hackage", strings.TrimSpace(id))
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
			before := strings.TrimSpace(r.git("rev-parse", "refs/tags/current-hackage"))
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

// hasAll checks that every revision of every release is in the history.
func (r *rig) hasAll() {
	r.Helper()
	reachable := r.git("rev-list", "--objects", "hackage")
	g := r.hackage.Generation()
	for _, release := range g.Releases() {
		for number, content := range g.Revisions(release) {
			if !strings.Contains(reachable, gitrepo.BlobID(content)) {
				r.Errorf("revision %d of %s is in no commit", number, release)
			}
		}
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
			r.mustRun()
			before := strings.TrimSpace(r.git("rev-parse", "refs/tags/current-hackage"))
			h.Upload("new", "1", nil, nil)
			r.mustRun()
			ours := strings.TrimSpace(r.git("rev-parse", "hackage"))
			id := strings.TrimSpace(r.git("rev-parse", "hackage:extra/1.0/extra.cabal"))
			r.plumb("hackage", map[string]string{"backdoor/1/backdoor.cabal": "100644 " + id})
			r.commitByHand(r.evil())
			move(r, before)
			r.checkUndone(ours, func() {})
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
	if result.Changed || d.Alarms() != nil || d.Due() != "" {
		t.Errorf("result %+v, alarm %q, due %q", result, d.Alarms(), d.Due())
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
	blob := strings.TrimSpace(r.git("rev-parse", "hackage:extra/1.0/extra.cabal"))
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
	ours := strings.TrimSpace(r.git("rev-parse", "hackage"))
	r.commitByHand(r.evil())
	foreign := strings.TrimSpace(r.git("rev-parse", "hackage"))
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

// files and hashes exchanged, or the one pushed over the other.
func TestOtherKindIsRefused(t *testing.T) {
	t.Parallel()
	for _, hashes := range []bool{true, false} {
		for name, spoil := range map[string]func(r *rig){
			"as it is":                         func(*rig) {},
			"without tag":                      func(r *rig) { r.git("update-ref", "-d", "refs/tags/current-hackage") },
			"of an older tool":                 func(r *rig) { r.byOlderTool(r.hackage.Now(), "hackage^{tree}") },
			"with a tag of the first versions": func(r *rig) { r.tagOfFirstVersions() },
		} {
			t.Run(fmt.Sprint(name, hashes), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, hackagetest.Small())
				r.options.Hashes = hashes
				r.mustRun()
				spoil(r)
				refs := r.git("for-each-ref")
				r.options.Hashes = !hashes
				_, _, err := r.run()
				if !errors.Is(err, ErrKind) || r.git("for-each-ref") != refs {
					t.Errorf("error %v", err)
				}
			})
		}
	}
}

// tagOfFirstVersions takes out of the tag what the first versions did not write.
func (r *rig) tagOfFirstVersions() {
	r.Helper()
	d := New(r.withRepo())
	if _, err := d.Load(r.Context()); err != nil {
		r.Fatal(err)
	}
	s := d.State()
	s.Kind, s.Branch, s.Alarms = "", "", nil
	r.tagByHand(s, r.signer)
}

// A tag of the first versions is believed once the tree fits, and then says it.
func TestTagOfTheFirstVersionsIsBroughtUp(t *testing.T) {
	t.Parallel()
	for _, hashes := range []bool{true, false} {
		r := newRig(t, hackagetest.Small())
		r.options.Hashes = hashes
		r.mustRun()
		head := r.git("rev-parse", "hackage")
		r.tagOfFirstVersions()
		d, result := r.mustRun()
		if !result.Changed || result.Commits != 0 || r.git("rev-parse", "hackage") != head || d.State().Kind != d.kind() {
			t.Errorf("result %+v", result)
		}
		if _, result := r.mustRun(); result.Changed {
			t.Error("it is brought up a second time")
		}
	}
}

func TestTagOfAnotherBranchIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.mustRun()
	r.git("branch", "other", "hackage")
	r.options.Branch = "other"
	if _, _, err := r.run(); !errors.Is(err, ErrTag) || !strings.Contains(err.Error(), `branch "hackage"`) {
		t.Errorf("error %v", err)
	}
}

// Tags that are neither ours nor the older tools' are not moved.
func TestTagsOfSomethingElseAreRefused(t *testing.T) {
	t.Parallel()
	for name, make := range map[string][]string{
		"annotated":           {"tag", "-f", "-a", "-m", "Version 1", "current-hackage", "hackage"},
		"at another commit":   {"update-ref", "refs/tags/current-hackage", "display"},
		"at a tree":           {"update-ref", "refs/tags/current-hackage", "hackage^{tree}"},
		"at a file":           {"update-ref", "refs/tags/current-hackage", "hackage:extra/1.0/extra.cabal"},
		"annotated at a file": {"tag", "-f", "-a", "-m", "Update from Hackage at 2026-01-05T06:11:00Z", "current-hackage", "hackage:extra/1.0/extra.cabal"},
		"of a tag":            {"tag", "-f", "-a", "-m", "Update from Hackage at 2026-01-05T06:11:00Z", "current-hackage", "current-hackage"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, hackagetest.Small())
			r.mustRun()
			r.git(append([]string{"-c", "user.name=X", "-c", "user.email=x@x"}, make...)...)
			refs := r.git("for-each-ref")
			_, _, err := r.run()
			if !errors.Is(err, ErrTag) || !strings.Contains(err.Error(), ":refs/tags/current-hackage`") || r.git("for-each-ref") != refs {
				t.Errorf("error %v", err)
			}
		})
	}
}

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

// plumbRoot commits entries to a new branch by plain git.
func (r *rig) plumbRoot(entries map[string]string) {
	r.Helper()
	r.env = []string{"GIT_INDEX_FILE=" + filepath.Join(r.TempDir(), "index")}
	for path, entry := range entries {
		mode, id, _ := strings.Cut(entry, " ")
		r.git("update-index", "--add", "--cacheinfo", mode+","+id+","+path)
	}
	tree := strings.TrimSpace(r.git("write-tree"))
	r.env = nil
	id := r.git("-c", "user.name=X", "-c", "user.email=x@x", "commit-tree", "-m", "Begin", tree)
	r.git("update-ref", "refs/heads/hackage", strings.TrimSpace(id))
}

// A key that was replaced is trusted for what it signed, and a key with another
// end is the same key.
func TestFormerKeyIsTrusted(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	former := r.signer
	r.signer = r.newSigner()
	r.options.Signer, r.keys = r.signer, r.signer.Keys()
	if _, _, err := r.run(); !errors.Is(err, ErrTag) || !strings.Contains(err.Error(), former.Fingerprint()) {
		t.Errorf("error %v", err)
	}
	// Nothing is taken over in silence when the tag is gone as well.
	r.awaited = []string{former.Fingerprint()}
	tag := strings.TrimSpace(r.git("rev-parse", "refs/tags/current-hackage"))
	head := strings.TrimSpace(r.git("rev-parse", "hackage"))
	r.git("update-ref", "-d", "refs/tags/current-hackage")
	r.commitByHand(r.evil())
	d, _ := r.mustRun()
	if d.Alarms() == nil || slices.Contains(r.tree("hackage"), "backdoor/1.0/backdoor.json") {
		t.Errorf("alarms %q, and there is %q", d.Alarms(), r.tree("hackage"))
	}
	r.git("update-ref", "refs/heads/hackage", head)
	r.git("update-ref", "refs/tags/current-hackage", tag)
	// Only the fingerprint is known: the key is on the branch display.
	h.Upload("new", "1", nil, nil)
	d, result := r.mustRun()
	if result.Commits != 1 || d.Adopting() != "" || d.Alarms() != nil {
		t.Errorf("result %+v, alarm %q", result, d.Alarms())
	}
	r.signed()
	r.check()
}

// A fingerprint does not vouch for another key that stands in its place.
func TestFingerprintIsOfTheKeyThatIsThere(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.mustRun()
	former := r.signer
	evil := r.newSigner()
	r.git("update-ref", "-d", "refs/heads/display")
	blob := r.hashObject(evil.PublicKey())
	r.plumbRoot(map[string]string{"README.md": "100644 " + blob})
	r.git("update-ref", "refs/heads/display", "hackage")
	r.git("update-ref", "refs/heads/hackage", "current-hackage^{commit}")
	s := state.State{Ledger: state.Ledger{}}
	r.tagByHand(s, evil)
	r.signer = r.newSigner()
	r.options.Signer, r.keys, r.awaited = r.signer, r.signer.Keys(), []string{former.Fingerprint()}
	if _, _, err := r.run(); !errors.Is(err, ErrTag) || !strings.Contains(err.Error(), evil.Fingerprint()) {
		t.Errorf("error %v", err)
	}
}

func (r *rig) hashObject(content []byte) string {
	r.Helper()
	name := filepath.Join(r.TempDir(), "object")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		r.Fatal(err)
	}
	return strings.TrimSpace(r.git("hash-object", "-w", name))
}

// No time but that of an index entry, and none beyond the clock, dates a commit.
func TestTimesOfOthersDateNothing(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	for _, when := range []string{"4102444799", "9000000000000", "99999999999999999"} {
		tree := strings.TrimSpace(r.git("rev-parse", "hackage^{tree}"))
		head := strings.TrimSpace(r.git("rev-parse", "hackage"))
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
		"missing":  {hackage.ErrMissing, nil, func(r *rig) { delete(r.lost, late) }},
		"mismatch": {hackage.ErrMismatch, nil, func(r *rig) { delete(r.lost, late) }},
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

// A branch that was set back is brought forward again; its commits stay.
func TestBranchThatWasSetBack(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	old := strings.TrimSpace(r.git("rev-parse", "hackage"))
	for i := range 60 {
		h.Revise("alpha", "0.2", text(i))
	}
	r.mustRun()
	newest := strings.TrimSpace(r.git("rev-parse", "hackage"))
	r.git("update-ref", "refs/heads/hackage", old)
	if _, result := r.mustRun(); result.Commits != 0 || strings.TrimSpace(r.git("rev-parse", "hackage")) != newest {
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

// The records of a repository that is recomputed are held against the tarballs.
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

var _ Keys = (*rig)(nil)
