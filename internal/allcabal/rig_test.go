package allcabal

import (
	"context"
	"errors"
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
	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A rig is a Hackage, a remote that is a path, and runs from one to the other
// without the rest of the program.
type rig struct {
	*testing.T
	hackage *hackagetest.Hackage
	remote  string
	signer  *openpgp.Signer
	options Options
	keys    openpgp.Keys
	awaited []string // fingerprints
	env     []string // of git
	full    bool     // records are recomputed
	said    []string // what Notify was told
	now     time.Time
	// lost are the tarballs that are not available, each with the reason.
	lost map[index.Release]error
	// between, if set, is called once between reading the remote and pushing.
	between func()
}

func newRig(t *testing.T, h *hackagetest.Hackage) *rig {
	t.Helper()
	r := &rig{
		T: t, hackage: h, remote: filepath.Join(t.TempDir(), "remote.git"), lost: map[index.Release]error{},
		now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC),
	}
	r.signer = r.newSigner()
	r.options = Options{
		Signer: r.signer, Hashes: true, Branch: "hackage", Tag: "current-hackage", History: Daily,
		PublicURL: "https://mirror.example", Tool: "test", Now: func() time.Time { return r.now },
		Keys: r, Notify: func(text string) { r.said = append(r.said, text) },
	}
	r.keys = r.signer.Keys()
	return r
}

// Verify, Awaits and Learn make it the Keys of its repositories.
func (r *rig) Verify(signed []byte, signature string) (string, error) {
	return r.keys.Verify(signed, signature, r.now)
}

func (r *rig) Awaits() bool { return len(r.awaited) > 0 }

func (r *rig) Learn(text []byte) {
	if found, err := openpgp.ReadKeys(text); err == nil {
		r.keys = r.keys.And(found.Only(r.awaited))
	}
}

func (r *rig) newSigner() *openpgp.Signer {
	r.Helper()
	key, err := openpgp.Generate("Mirror", "mirror@example.invalid", nil, r.now.AddDate(-1, 0, 0), time.Time{})
	if err != nil {
		r.Fatal(err)
	}
	signer, err := openpgp.NewSigner(key, nil, func() time.Time { return r.now })
	if err != nil {
		r.Fatal(err)
	}
	return signer
}

// open opens the remote, making it if need be.
func (r *rig) open() *gitrepo.Repo {
	r.Helper()
	repo, err := gitrepo.Open(r.Context(), gitrepo.Options{Dir: r.TempDir(), URL: r.remote, Create: true, InitialBranch: DisplayBranch})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = repo.Close() })
	return repo
}

// index fetches the Hackage's index as it is now.
func (r *rig) index() (*hackage.Access, *hackage.Metadata) {
	r.Helper()
	dir := filepath.Join(filepath.Dir(r.remote), "upstream")
	if err := r.hackage.Write(dir); err != nil {
		r.Fatal(err)
	}
	u, err := hackage.Open(dir, hackage.Options{
		Pinned: tuf.Pinned{KeyIDs: r.hackage.KeyIDs(), Threshold: r.hackage.Threshold()},
		Now:    func() time.Time { return r.now },
	})
	if err != nil {
		r.Fatal(err)
	}
	m, err := u.Metadata(r.Context(), state.Seen{})
	if err != nil {
		r.Fatal(err)
	}
	into := r.TempDir()
	ix, err := u.Index(r.Context(), m, into)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = ix.Close() })
	return u.Access(m, into, ix), m
}

// run is what a sync does with one repository.
func (r *rig) run() (*Repository, Result, error) {
	r.Helper()
	o := r.options
	o.Repo = r.open()
	d := New(o)
	if _, err := d.Load(r.Context()); err != nil {
		return nil, Result{}, err
	}
	if r.full {
		d.Recompute("it is asked for")
	}
	ix, m := r.index()
	tail, err := index.Scan(ix.Log(d.State().Position), nil)
	if err != nil {
		r.Fatal(err)
	}
	wants, err := d.Wants(r.Context(), tail)
	if err != nil {
		return nil, Result{}, err
	}
	if r.between != nil {
		r.between()
		r.between = nil
	}
	result, err := d.Update(r.Context(), Input{
		Index: ix, Tail: tail, Seen: m.Seen(), Outcome: r.outcomes(wants), Deprecated: r.hackage.Generation().File("packages/deprecated.json"),
		Selected: func(string) bool { return true }, Done: func() {},
	})
	return d, result, err
}

// outcomes are what a fetcher would make of wants.
func (r *rig) outcomes(wants []state.Want) func(index.Release) (state.Outcome, bool, error) {
	out := map[index.Release]state.Outcome{}
	for _, want := range wants {
		if err := r.lost[want.Release]; err != nil {
			out[want.Release] = state.Outcome{Err: err}
			continue
		}
		w := hashes.NewWriter()
		_, _ = w.Write(r.hackage.Generation().Tarball(want.Release)) // it never fails
		out[want.Release] = state.Outcome{Digests: w.Sum()}
	}
	return func(release index.Release) (state.Outcome, bool, error) {
		outcome, ok := out[release]
		return outcome, ok, nil
	}
}

// mustRun is a run that ends well.
func (r *rig) mustRun() (*Repository, Result) {
	r.Helper()
	d, result, err := r.run()
	if err != nil {
		r.Fatal(err)
	}
	return d, result
}

// git runs git in the remote.
func (r *rig) git(args ...string) string {
	r.Helper()
	out, err := r.tryGit(args...)
	if err != nil {
		r.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return out
}

// id returns the object that a name stands for.
func (r *rig) id(name string) string {
	r.Helper()
	return strings.TrimSpace(r.git("rev-parse", name))
}

// twice runs, and runs again with the release new-1, and returns the tag of before
// that and the head of now.
func (r *rig) twice() (before, ours string) {
	r.Helper()
	r.mustRun()
	before = r.id("refs/tags/current-hackage")
	r.hackage.Upload("new", "1", nil, nil)
	r.mustRun()
	return before, r.id("hackage")
}

func (r *rig) tryGit(args ...string) (string, error) {
	cmd := exec.CommandContext(context.Background(), "git", args...)
	cmd.Dir = r.remote
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
	cmd.Env = append(cmd.Env, r.env...)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		out = append(out, exit.Stderr...)
	}
	return string(out), err
}

// A commit is one of the branch, as plain git shows it.
type commit struct {
	id, subject       string
	author, committer time.Time
	changed           []string // paths that it adds or changes
	removed           []string
}

// commits lists the branch, oldest first.
func (r *rig) commits() []commit {
	r.Helper()
	var list []commit
	for line := range strings.Lines(r.git("log", "--reverse", "--format=%H %at %ct %s", "hackage")) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		c := commit{id: parts[0], author: seconds(r.T, parts[1]), committer: seconds(r.T, parts[2]), subject: parts[3]}
		for change := range strings.Lines(r.git("diff-tree", "--root", "-r", "--no-commit-id", "--name-status", c.id)) {
			how, path, _ := strings.Cut(strings.TrimSuffix(change, "\n"), "\t")
			if how == "D" {
				c.removed = append(c.removed, path)
			} else {
				c.changed = append(c.changed, path)
			}
		}
		list = append(list, c)
	}
	return list
}

func seconds(t *testing.T, text string) time.Time {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(n, 0).UTC()
}

// tree lists the files of a revision.
func (r *rig) tree(rev string) []string {
	r.Helper()
	return strings.Fields(r.git("ls-tree", "-r", "--name-only", rev))
}

// check holds the repository against the Hackage as it is now: it lists all
// releases with both files, but for those that are pending, which have none.
func (r *rig) check(pending ...index.Release) {
	r.Helper()
	r.checkFiles(pending...)
	r.checkCommits()
}

// checkFiles is check for a branch that others commit to as well.
func (r *rig) checkFiles(pending ...index.Release) {
	r.Helper()
	g := r.hackage.Generation()
	want := g.Tree()
	for _, release := range g.Releases() {
		if slices.Contains(pending, release) {
			delete(want, release.CabalPath())
			continue
		}
		if r.options.Hashes {
			w := hashes.NewWriter()
			_, _ = w.Write(g.Tarball(release)) // it never fails
			want[release.JSONPath()] = w.Sum().JSON(hashes.Locations(release, r.options.PublicURL)...)
		}
	}
	if raw := g.File("packages/deprecated.json"); raw != nil && r.options.Hashes {
		want["deprecated.json"] = raw
	}
	want[".gitattributes"] = []byte("* -text\n")
	for _, path := range r.tree("hackage") {
		if content, ok := want[path]; !ok || r.git("cat-file", "blob", "hackage:"+path) != string(content) {
			r.Errorf("%q is not as Hackage has it (there at all: %v)", path, ok)
		}
		delete(want, path)
	}
	for path := range want {
		r.Errorf("%q is missing", path)
	}
	r.git("fsck", "--strict")
}

// checkCommits checks what holds for every commit of any history.
func (r *rig) checkCommits() {
	r.Helper()
	times := map[time.Time]bool{}
	for _, e := range r.hackage.Generation().Entries() {
		times[e.Time.UTC()] = true
	}
	var before time.Time
	for _, c := range r.commits() {
		if c.author.Before(before) {
			r.Errorf("commit %s is of %s, and the one before it of %s", c.id, c.author, before)
		}
		before = c.author
		if !times[c.author] || c.committer.After(r.now) {
			r.Errorf("commit %s is of %s, when nothing happened", c.id, c.author)
		}
		if want := "Update from Hackage at " + c.author.Format("2006-01-02T15:04:05Z"); c.subject != want {
			r.Errorf("commit %s says %q, want %q", c.id, c.subject, want)
		}
		if len(c.removed) > 0 {
			r.Errorf("commit %s removes %q", c.id, c.removed)
		}
		if r.options.Hashes {
			r.checkPairs(c)
		}
	}
	if tag := r.git("rev-parse", "current-hackage^{commit}"); tag != r.git("rev-parse", "hackage") {
		r.Error("the tag is not at the head of the branch")
	}
}

// checkPairs checks that a commit lists a release only with both files.
func (r *rig) checkPairs(c commit) {
	r.Helper()
	listed := r.tree(c.id)
	for _, path := range listed {
		var other string
		if stem, ok := strings.CutSuffix(path, ".cabal"); ok {
			other = stem + ".json"
		} else if stem, ok := strings.CutSuffix(path, ".json"); ok && strings.Contains(path, "/") {
			other = stem + ".cabal"
		}
		if other != "" && !slices.Contains(listed, other) {
			r.Errorf("commit %s lists %q without %q", c.id, path, other)
		}
	}
}
