package allcabal

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

func text(n int) []byte { return fmt.Appendf(nil, "name: p\nversion: 1\n-- %d\n", n) }

func release(name, version string) index.Release {
	return index.Release{Package: name, Version: version}
}

func TestDailyHistoryHasACommitForEachDay(t *testing.T) {
	t.Parallel()
	for _, withHashes := range []bool{true, false} {
		h := hackagetest.Small()
		h.SetTick(7 * time.Hour)
		for i := range 12 {
			h.Upload("p"+string(rune('a'+i)), "1", nil, nil)
		}
		r := newRig(t, h)
		r.options.Hashes = withHashes
		_, result := r.mustRun()
		r.check()
		days := map[string]bool{}
		for _, e := range h.Generation().Entries() {
			days[e.Time.Format(time.DateOnly)] = true
		}
		commits := r.commits()
		// Small revises alpha 0.1.0.0 within the first day.
		if len(commits) != len(days)+1 || result.Commits != len(commits) {
			t.Errorf("%d commits (%d counted) for %d days", len(commits), result.Commits, len(days))
		}
		for i, c := range commits[1:] {
			if i > 0 && c.author.Truncate(24*time.Hour).Equal(commits[i].author.Truncate(24*time.Hour)) {
				t.Errorf("two commits of %s", c.author.Format(time.DateOnly))
			}
		}
		r.keepsEveryRevision()
	}
}

// keepsEveryRevision checks that each revision is a blob of the history.
func (r *rig) keepsEveryRevision() {
	r.Helper()
	reachable := r.git("rev-list", "--objects", "hackage")
	for _, e := range r.hackage.Generation().Entries() {
		if strings.HasSuffix(e.Path, ".cabal") && !strings.Contains(reachable, gitrepo.BlobID(e.Content)) {
			r.Errorf("a revision of %s is lost", e.Path)
		}
	}
}

func TestSnapshotIsOneCommitOfTheNewest(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	h.SetTick(30 * time.Hour)
	h.Revise("alpha", "0.2", text(1))
	h.Revise("alpha", "0.2", text(2))
	h.Prefer("alpha", "")
	h.Deprecate([]byte("[]"))
	r := newRig(t, h)
	r.options.History = Snapshot
	if _, result := r.mustRun(); result.Commits != 1 {
		t.Errorf("%d commits", result.Commits)
	}
	r.check()
	// From there on it is a history like any other.
	h.Revise("alpha", "0.2", text(3))
	h.Upload("late", "1", nil, nil)
	h.Revise("alpha", "0.2", text(4))
	if _, result := r.mustRun(); result.Commits != 2 {
		t.Errorf("%d commits for two revisions of one file", result.Commits)
	}
	r.check()
}

// A commit ends before an entry whose path it already holds, and not sooner.
func TestCommitEndsBeforeItWouldHideARevision(t *testing.T) {
	t.Parallel()
	for _, withHashes := range []bool{true, false} {
		h := hackagetest.Small()
		r := newRig(t, h)
		r.options.Hashes = withHashes
		r.mustRun()
		before := len(r.commits())
		h.SetTick(26 * time.Hour)
		h.Revise("alpha", "0.2", text(1))
		h.Upload("new", "1", text(0), nil)
		h.Revise("extra", "1.0", text(1))
		h.Revise("new", "1", text(1)) // cuts
		h.Prefer("new", "new <1")
		h.Revise("alpha", "0.2", text(2))
		h.Prefer("new", "new <2") // cuts
		_, result := r.mustRun()
		r.check()
		r.keepsEveryRevision()
		commits := r.commits()[before:]
		if len(commits) != 3 || result.Commits != 3 || result.Revisions != 5 {
			t.Fatalf("%d commits, result %+v", len(commits), result)
		}
		want := [][]string{
			{"alpha/0.2/alpha.cabal", "extra/1.0/extra.cabal", "new/1/new.cabal"},
			{"alpha/0.2/alpha.cabal", "new/1/new.cabal", "new/preferred-versions"},
			{"new/preferred-versions"},
		}
		if withHashes {
			want[0] = append(want[0], "new/1/new.json")
		}
		for i, c := range commits {
			if !slices.Equal(c.changed, want[i]) {
				t.Errorf("commit %d changes %q, want %q", i, c.changed, want[i])
			}
		}
	}
}

func TestNothingNewPushesNothing(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	refs := r.git("for-each-ref")
	r.now = r.now.Add(time.Hour)
	if d, result := r.mustRun(); result.Changed || result.Commits != 0 || d.Adopting() != "" {
		t.Errorf("result %+v, adopting %q", result, d.Adopting())
	}
	h.Resign()
	if _, result := r.mustRun(); result.Changed {
		t.Error("new signatures alone moved the repository")
	}
	if r.git("for-each-ref") != refs {
		t.Error("the refs moved")
	}
}

// A repeated content moves the position and so the tag, but makes no commit.
func TestRepeatedContentMakesNoEmptyCommit(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	before := len(r.commits())
	h.Revise("alpha", "0.2", h.Generation().Revisions(release("alpha", "0.2"))[0])
	if d, result := r.mustRun(); !result.Changed || result.Commits != 0 || len(d.State().Ledger) != 0 {
		t.Errorf("result %+v", result)
	}
	if n := len(r.commits()); n != before {
		t.Errorf("%d commits instead of %d", n, before)
	}
	if _, result := r.mustRun(); result.Changed {
		t.Error("the position was not noted")
	}
}

func TestDisplayBranchStandsAloneAndFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.mustRun()
	if head := strings.TrimSpace(r.git("symbolic-ref", "HEAD")); head != "refs/heads/display" {
		t.Errorf("the default branch is %q", head)
	}
	if files := r.tree("display"); !slices.Equal(files, []string{"README.md"}) {
		t.Errorf("it holds %q", files)
	}
	readme := r.git("cat-file", "blob", "display:README.md")
	for _, word := range []string{"# all-cabal-hashes", "tree/hackage", "git verify-tag current-hackage", r.signer.Fingerprint()} {
		if !strings.Contains(readme, word) {
			t.Errorf("README.md does not say %q", word)
		}
	}
	if base, err := r.tryGit("merge-base", "display", "hackage"); err == nil {
		t.Errorf("display and hackage share %s", base)
	}
}

func TestLateReleasesAreListedWhenTheirTarballComes(t *testing.T) {
	t.Parallel()
	late, bare := release("late", "1"), release("bare", "1")
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	h.Upload("late", "1", text(0), nil)
	h.Upload("bare", "1", text(0), nil, hackagetest.Unsigned())
	r.lost[late] = hackage.ErrMissing
	d, _ := r.mustRun()
	r.check(late, bare)
	ledger := d.State().Ledger
	if len(ledger) != 2 || ledger[late].Reason != state.Missing || ledger[bare].Reason != state.Unsigned || ledger[late].Cabal.Size != int64(len(text(0))) {
		t.Fatalf("ledger %+v", ledger)
	}
	// A revision of an owed release is not listed either, but noted.
	h.Revise("late", "1", text(22))
	h.Upload("other", "1", nil, nil)
	d, _ = r.mustRun()
	r.check(late, bare)
	if got := d.State().Ledger[late]; got.Cabal.Size != int64(len(text(22))) || got.Since != ledger[late].Since {
		t.Errorf("ledger %+v", got)
	}
	// It comes without anything new in the index, and with the time of what is
	// newest in it.
	delete(r.lost, late)
	before := r.commits()
	d, result := r.mustRun()
	r.check(bare)
	if after := r.commits(); result.Commits != 1 || result.Releases != 1 || after[len(after)-1].author != before[len(before)-1].author {
		t.Errorf("result %+v", result)
	}
	h.AddTargets("bare", "1")
	if d, _ = r.mustRun(); len(d.State().Ledger) != 0 {
		t.Errorf("ledger %+v", d.State().Ledger)
	}
	r.check()
}

// A release for which only package.json came has no .cabal file to list.
func TestReleaseWithoutCabalFileIsWithheld(t *testing.T) {
	t.Parallel()
	h := hackagetest.New(hackagetest.Options{Form: hackagetest.Reference})
	h.Upload("a", "1", nil, nil)
	h.Upload("b", "1", text(0), nil)
	h.Truncate(1) // its .cabal file stands behind package.json
	r := newRig(t, h)
	d, _ := r.mustRun()
	if got := d.State().Ledger[release("b", "1")]; got.Reason != state.Missing || got.Target.Length == 0 {
		t.Errorf("ledger %+v", d.State().Ledger)
	}
	if slices.ContainsFunc(r.tree("hackage"), func(path string) bool { return strings.HasPrefix(path, "b/") }) {
		t.Errorf("it is listed: %q", r.tree("hackage"))
	}
	h.Revise("b", "1", text(0))
	if d, _ = r.mustRun(); len(d.State().Ledger) != 0 {
		t.Errorf("ledger %+v", d.State().Ledger)
	}
	r.check()
}

func TestReplacedTarballRewritesItsRecord(t *testing.T) {
	t.Parallel()
	extra := release("extra", "1.0")
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	old := r.git("cat-file", "blob", "hackage:"+extra.JSONPath())
	h.Replace("extra", "1.0", []byte("other bytes"))
	r.lost[extra] = hackage.ErrMismatch
	d, _ := r.mustRun()
	if d.State().Ledger[extra].Reason != state.Mismatch || r.git("cat-file", "blob", "hackage:"+extra.JSONPath()) != old {
		t.Errorf("while it cannot be had the release keeps its old record; ledger %+v", d.State().Ledger)
	}
	delete(r.lost, extra)
	if d, _ = r.mustRun(); len(d.State().Ledger) != 0 {
		t.Errorf("ledger %+v", d.State().Ledger)
	}
	r.check()
}

// older is a record in the form of the years before.
func older(raw string) []byte {
	sha1 := raw[strings.Index(raw, `"SHA1"`):strings.Index(raw, `"SHA256"`)]
	return []byte(strings.Replace(strings.Replace(raw, sha1, "", 1), `"SHA256"`, sha1+`"SHA256"`, 1) + "\n")
}

// Adopted repositories keep their history and every record that is right.
func TestAdoptedRepositoryKeepsWhatIsRight(t *testing.T) {
	t.Parallel()
	alpha, extra := release("alpha", "0.2"), release("extra", "1.0")
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	kept := older(r.git("cat-file", "blob", "hackage:"+alpha.JSONPath()))
	wrong := bytes.Replace(older(r.git("cat-file", "blob", "hackage:"+extra.JSONPath())), []byte(`"SHA256":"`), []byte(`"SHA256":"00`), 1)
	r.commitByHand(map[string][]byte{
		alpha.JSONPath(): kept, extra.JSONPath(): wrong,
		"extra/1.0/extra.cabal": []byte("name: edited\n"), "NOTES.md": []byte("somebody's\n"),
	})
	head := strings.TrimSpace(r.git("rev-parse", "hackage"))
	r.git("tag", "-d", "current-hackage")
	d, result := r.mustRun()
	if result.Commits != 1 || d.Adopting() != "" {
		t.Errorf("result %+v", result)
	}
	if got := r.git("cat-file", "blob", "hackage:"+alpha.JSONPath()); got != string(kept) {
		t.Errorf("a right record in an older form became %q", got)
	}
	if got := r.git("cat-file", "blob", "hackage:NOTES.md"); got != "somebody's\n" {
		t.Errorf("a file of somebody else's became %q", got)
	}
	commits := r.commits()
	if want := []string{"extra/1.0/extra.cabal", "extra/1.0/extra.json"}; !slices.Equal(commits[len(commits)-1].changed, want) {
		t.Errorf("it changes %q, want %q", commits[len(commits)-1].changed, want)
	}
	r.git("merge-base", "--is-ancestor", head, "hackage")
	if _, result := r.mustRun(); result.Changed {
		t.Error("it is adopted a second time")
	}
}

// commitByHand puts a commit of somebody else's on the branch.
func (r *rig) commitByHand(files map[string][]byte) {
	r.Helper()
	repo := r.open()
	got, err := repo.Fetch(r.Context(), "refs/heads/hackage")
	if err != nil {
		r.Fatal(err)
	}
	head := got["refs/heads/hackage"]
	im, err := repo.Import(r.Context(), head)
	if err != nil {
		r.Fatal(err)
	}
	for path, content := range files {
		if err := im.Write(path, content); err != nil {
			r.Fatal(err)
		}
	}
	tree, _, err := im.Tree()
	if err := errors.Join(err, im.Close()); err != nil {
		r.Fatal(err)
	}
	somebody := gitrepo.Identity{Name: "Somebody", Email: "somebody@example.invalid"}
	id, err := repo.WriteCommit(r.Context(), gitrepo.Commit{
		Tree: tree, Parents: []string{head}, Author: somebody, AuthorWhen: r.hackage.Now(),
		Committer: somebody, CommitterWhen: r.now, Message: "By hand\n",
	}, nil)
	if err != nil {
		r.Fatal(err)
	}
	if err := repo.Push(r.Context(), gitrepo.Update{Ref: "refs/heads/hackage", Old: head, New: id}); err != nil {
		r.Fatal(err)
	}
}

// tagByHand puts a state into the tag, signed by a key.
func (r *rig) tagByHand(s state.State, signer *gitrepo.Signer) {
	r.Helper()
	repo := r.open()
	got, err := repo.Fetch(r.Context(), "refs/heads/hackage", "refs/tags/current-hackage")
	if err != nil {
		r.Fatal(err)
	}
	tag, err := repo.WriteTag(r.Context(), gitrepo.Tag{
		Object: got["refs/heads/hackage"], Name: "current-hackage", Tagger: signer.Identity(), When: r.now,
		Message: s.Message("Update from Hackage at 2026-01-05T06:00:00Z", "test"),
	}, signer)
	if err != nil {
		r.Fatal(err)
	}
	err = repo.Push(r.Context(), gitrepo.Update{Ref: "refs/tags/current-hackage", Old: got["refs/tags/current-hackage"], New: tag, Force: true})
	if err != nil {
		r.Fatal(err)
	}
}

func TestEditedLedgerIsRefused(t *testing.T) {
	t.Parallel()
	late := release("late", "1")
	for name, edit := range map[string]func(p *state.Pending, g *hackagetest.Generation){
		"another file":      func(p *state.Pending, _ *hackagetest.Generation) { p.Cabal.Offset = 0 },
		"middle of a file":  func(p *state.Pending, _ *hackagetest.Generation) { p.Cabal.Offset += 512 },
		"no block":          func(p *state.Pending, _ *hackagetest.Generation) { p.Cabal.Offset++ },
		"behind the end":    func(p *state.Pending, _ *hackagetest.Generation) { p.Cabal.Offset = 1 << 40 },
		"closing blocks":    func(p *state.Pending, g *hackagetest.Generation) { p.Cabal.Offset = end(g) },
		"another digest":    func(p *state.Pending, _ *hackagetest.Generation) { p.CabalSHA256[0]++ },
		"an older revision": func(p *state.Pending, g *hackagetest.Generation) { p.Cabal.Offset = first(g, late) },
		"a file of another release": func(p *state.Pending, g *hackagetest.Generation) {
			other := release("alpha", "0.2")
			p.Cabal.Offset, p.CabalSHA256 = first(g, other), sha256.Sum256(g.Revisions(other)[0])
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			h.Upload("late", "1", text(0), nil)
			h.Revise("late", "1", text(1))
			r := newRig(t, h)
			r.lost[late] = hackage.ErrMissing
			d, _ := r.mustRun()
			s := d.State()
			pending := s.Ledger[late]
			edit(&pending, h.Generation())
			s.Ledger[late] = pending
			r.tagByHand(s, r.signer)
			refs := r.git("for-each-ref")
			delete(r.lost, late)
			if _, _, err := r.run(); !errors.Is(err, state.ErrForm) {
				t.Errorf("error %v", err)
			}
			if r.git("for-each-ref") != refs {
				t.Error("something was pushed")
			}
		})
	}
}

// end is where the index has its closing blocks.
func end(g *hackagetest.Generation) int64 {
	entries := g.Entries()
	return entries[len(entries)-1].End
}

// first is where a release's first .cabal file stands.
func first(g *hackagetest.Generation, r index.Release) int64 {
	for _, e := range g.Entries() {
		if e.Path == r.CabalPath() {
			return e.Offset
		}
	}
	return -1
}

// Whoever can push can write a state, but not sign it.
func TestTagOfAnotherKeyIsNotBuiltOn(t *testing.T) {
	t.Parallel()
	late := release("late", "1")
	h := hackagetest.Small()
	h.Upload("late", "1", text(0), nil)
	r := newRig(t, h)
	r.lost[late] = hackage.ErrMissing
	d, _ := r.mustRun()
	s := d.State()
	delete(s.Ledger, late) // so that nobody ever asks for it again
	r.tagByHand(s, r.newSigner())
	delete(r.lost, late)
	r.mustRun()
	r.check()
}

func TestRemoteThatMovesMeanwhileIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	h.Upload("new", "1", nil, nil)
	var refs string
	r.between = func() {
		r.commitByHand(map[string][]byte{"NOTES.md": []byte("somebody's\n")})
		refs = r.git("for-each-ref")
	}
	if _, _, err := r.run(); !errors.Is(err, gitrepo.ErrMoved) {
		t.Errorf("error %v", err)
	}
	if r.git("for-each-ref") != refs {
		t.Error("something was pushed over it")
	}
	r.mustRun()
	if files := r.tree("hackage"); !slices.Contains(files, "NOTES.md") || !slices.Contains(files, "new/1/new.json") {
		t.Errorf("after the next run there is %q", files)
	}
}

// The clock of whoever makes the index may go back; that of the commits, by
// which readers choose the state of the index, does not.
func TestTimeOfCommitsNeverGoesBack(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	r := newRig(t, h)
	r.mustRun()
	before := r.commits()
	h.Raw(tar.Header{Name: "alpha/0.2/alpha.cabal", ModTime: h.Now().AddDate(-1, 0, 0)}, text(1))
	r.mustRun()
	r.check()
	after := r.commits()
	if len(after) != len(before)+1 || after[len(after)-1].author != before[len(before)-1].author {
		t.Errorf("%d commits, the last of %s", len(after), after[len(after)-1].author)
	}
}
