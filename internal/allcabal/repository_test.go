package allcabal

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
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
		if strings.HasSuffix(e.Path, ".cabal") && !strings.Contains(reachable, gitpack.BlobID(e.Content).String()) {
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
		if len(commits) != 3 || result.Commits != 3 || result.Revisions != 4 {
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
	for _, word := range []string{"# all-cabal-hashes", "tree/hackage", "git verify-tag current-hackage", r.signer.Fingerprint(), "\n" + string(r.signer.PublicKey()) + "~~~"} {
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
	r.lost[late] = state.ErrMissing
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
	// It comes without anything new in the index, with both its revisions, and
	// with the time of what is newest in it.
	delete(r.lost, late)
	before := r.commits()
	_, result := r.mustRun()
	r.check(bare)
	if after := r.commits(); result.Commits != 2 || len(result.New) != 1 || after[len(after)-1].author != before[len(before)-1].author {
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
	r.lost[extra] = state.ErrMismatch
	d, _ := r.mustRun()
	if d.State().Ledger[extra].Reason != state.Mismatch || r.git("cat-file", "blob", "hackage:"+extra.JSONPath()) != old {
		t.Errorf("while it is not available the release keeps its old record; ledger %+v", d.State().Ledger)
	}
	delete(r.lost, extra)
	if d, _ = r.mustRun(); len(d.State().Ledger) != 0 {
		t.Errorf("ledger %+v", d.State().Ledger)
	}
	r.check()
}
