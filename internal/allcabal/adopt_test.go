package allcabal

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// olderForm is a record in the form of the years before.
func olderForm(raw string) []byte {
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
	kept := olderForm(r.git("cat-file", "blob", "hackage:"+alpha.JSONPath()))
	wrong := bytes.Replace(olderForm(r.git("cat-file", "blob", "hackage:"+extra.JSONPath())), []byte(`"SHA256":"`), []byte(`"SHA256":"00`), 1)
	r.commitByHand(map[string][]byte{
		alpha.JSONPath(): kept, extra.JSONPath(): wrong,
		"extra/1.0/extra.cabal": []byte("name: edited\n"), "NOTES.md": []byte("somebody's\n"),
		"alpha/0.1.0.0/Setup.hs": []byte("main = x\n"), "alpha/99/alpha.cabal": []byte("name: alpha\n"),
	})
	head := r.byOlderTool(h.Now(), "hackage^{tree}")
	d, result := r.mustRun()
	if result.Commits != 1 || d.Adopting() != "" || result.Files != 2 || result.Revisions != 1 || len(result.New) != 0 {
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
	r.wasTold("extra/1.0/extra.cabal: no revision in the index has these bytes", "not in the index, left as found and unverified: alpha/0.1.0.0/Setup.hs, alpha/99/alpha.cabal")
	if _, result := r.mustRun(); result.Changed {
		t.Error("it is adopted a second time")
	}
}

// byOlderTool makes the branch one that an older tool made, with the content of a
// tree and no history, and takes the tag away.
func (r *rig) byOlderTool(line time.Time, tree string) (head string) {
	r.Helper()
	head = strings.TrimSpace(r.git("-c", "user.name=Old tool", "-c", "user.email=old@example.invalid",
		"commit-tree", "-m", "Update from Hackage at "+line.UTC().Format("2006-01-02T15:04:05-0700"), tree))
	r.git("update-ref", "refs/heads/hackage", head)
	r.git("update-ref", "-d", "refs/tags/current-hackage")
	return head
}

// wasTold checks what people were told.
func (r *rig) wasTold(parts ...string) {
	r.Helper()
	all := strings.Join(r.said, "\n")
	for _, part := range parts {
		if !strings.Contains(all, part) {
			r.Errorf("nobody is told %q:\n%s", part, all)
		}
	}
}

// commitByHand puts a commit of somebody else's on the branch.
func (r *rig) commitByHand(files map[string][]byte) {
	r.Helper()
	r.commitBy(nil, files)
}

// commitBy signs it, but for nil.
func (r *rig) commitBy(signer *openpgp.Signer, files map[string][]byte) {
	r.Helper()
	repo := r.open()
	got, err := repo.Fetch(r.Context(), "refs/heads/hackage")
	if err != nil {
		r.Fatal(err)
	}
	head := got["refs/heads/hackage"]
	im, err := repo.TreeWriter(r.Context(), head)
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
	somebody := gitpack.Identity{Name: "Somebody", Email: "somebody@example.invalid"}
	id, err := repo.WriteCommit(r.Context(), gitpack.Commit{
		Tree: tree, Parents: []string{head}, Author: somebody, AuthorWhen: r.hackage.Now(),
		Committer: somebody, CommitterWhen: r.now, Message: "By hand\n",
	}, signer)
	if err != nil {
		r.Fatal(err)
	}
	if err := repo.Push(r.Context(), gitrepo.Update{Ref: "refs/heads/hackage", Old: head, New: id}); err != nil {
		r.Fatal(err)
	}
}

// tagByHand puts a state into the tag, signed by a key.
func (r *rig) tagByHand(s state.State, signer *openpgp.Signer) {
	r.Helper()
	repo := r.open()
	got, err := repo.Fetch(r.Context(), "refs/heads/hackage", "refs/tags/current-hackage")
	if err != nil {
		r.Fatal(err)
	}
	tag, err := repo.WriteTag(r.Context(), gitpack.Tag{
		Object: got["refs/heads/hackage"], Name: "current-hackage", Tagger: gitpack.SignerIdentity(signer), When: r.now,
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
	for name, edit := range map[string]func(p *state.Record, g *hackagetest.Generation){
		"another file":     func(p *state.Record, _ *hackagetest.Generation) { p.Cabal.Offset = 0 },
		"middle of a file": func(p *state.Record, _ *hackagetest.Generation) { p.Cabal.Offset += 512 },
		"no block":         func(p *state.Record, _ *hackagetest.Generation) { p.Cabal.Offset++ },
		"behind the end":   func(p *state.Record, _ *hackagetest.Generation) { p.Cabal.Offset = 1 << 40 },
		"closing blocks":   func(p *state.Record, g *hackagetest.Generation) { p.Cabal.Offset = end(g) },
		"another digest":   func(p *state.Record, _ *hackagetest.Generation) { p.CabalSHA256[0]++ },
		"a file of another release": func(p *state.Record, g *hackagetest.Generation) {
			other := release("alpha", "0.2")
			p.Cabal.Offset, p.CabalSHA256 = first(g, other), sha256.Sum256(g.Revisions(other)[0])
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hackagetest.Small()
			h.Upload("late", "1", text(1), nil)
			r := newRig(t, h)
			r.lost[late] = state.ErrMissing
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

// Whoever can push can write a state, but not sign it: such a tag is refused until
// somebody says what it is.
func TestTagOfAnotherKeyIsNotBuiltOn(t *testing.T) {
	t.Parallel()
	late := release("late", "1")
	h := hackagetest.Small()
	h.Upload("late", "1", text(0), nil)
	r := newRig(t, h)
	r.lost[late] = state.ErrMissing
	d, _ := r.mustRun()
	s := d.State()
	delete(s.Ledger, late) // so that nobody ever asks for it again
	other := r.newSigner()
	r.tagByHand(s, other)
	delete(r.lost, late)
	refs := r.git("for-each-ref")
	_, err := New(r.withRepo()).Load(t.Context())
	if !errors.Is(err, ErrTag) || !strings.Contains(err.Error(), other.Fingerprint()) ||
		!strings.Contains(err.Error(), "trusted-keys") || !strings.Contains(err.Error(), "adopt") {
		t.Errorf("error %v", err)
	}
	if r.git("for-each-ref") != refs {
		t.Error("something was pushed")
	}
	r.options.Adopt = true
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
	d, _ := r.mustRun()
	if files := r.tree("hackage"); slices.Contains(files, "NOTES.md") || !slices.Contains(files, "new/1/new.json") || d.Alarms() == nil {
		t.Errorf("after the next run there is %q, and the alarm is %q", files, d.Alarms())
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
