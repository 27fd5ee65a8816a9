package gitrepo

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEmptyRemote(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	if refs := refsOf(t, r); len(refs) != 0 {
		t.Errorf("refs %v", refs)
	}
	if _, err := r.Fetch(t.Context(), "refs/heads/data"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("fetch: %v", err)
	}
	if got, err := r.Fetch(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("fetch nothing: %v %v", got, err)
	}
}

func TestPushBranchesAndTag(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	r := open(t, remote, Auth{})
	readme := commitFiles(t, r, "", map[string]string{"README.md": "hi\n"})
	first := commitFiles(t, r, "", map[string]string{"a": "1"})
	tag, err := r.WriteTag(t.Context(), tagOf(first), nil)
	if err != nil {
		t.Fatal(err)
	}
	err = r.Push(t.Context(), Update{Ref: "refs/heads/display", New: readme}, Update{Ref: "refs/heads/data", New: first}, Update{Ref: "refs/tags/current", New: tag})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"HEAD": first, "refs/heads/data": first, "refs/heads/display": readme, "refs/tags/current": tag, "refs/tags/current^{}": first}
	if refs := refsOf(t, r); !maps.Equal(refs, want) {
		t.Errorf("refs %v, want %v", refs, want)
	}

	other := open(t, remote, Auth{})
	ids, err := other.Fetch(t.Context(), "refs/heads/data", "refs/tags/current")
	if err != nil || !maps.Equal(ids, map[string]string{"refs/heads/data": first, "refs/tags/current": tag}) {
		t.Fatalf("fetched %v, %v", ids, err)
	}
	second := commitFiles(t, other, first, map[string]string{"a": "2"})
	moved, err := other.WriteTag(t.Context(), tagOf(second), nil)
	if err != nil {
		t.Fatal(err)
	}
	updates := []Update{{Ref: "refs/heads/data", Old: first, New: second}, {Ref: "refs/tags/current", Old: tag, New: moved, Force: true}}
	if err := other.Push(t.Context(), updates...); err != nil {
		t.Fatal(err)
	}
	// The first one does not know yet.
	third := commitFiles(t, r, first, map[string]string{"a": "3"})
	lost, err := r.WriteTag(t.Context(), tagOf(third), nil)
	if err != nil {
		t.Fatal(err)
	}
	before := refsOf(t, r)
	updates[0].New, updates[1].New = third, lost
	if err := r.Push(t.Context(), updates...); !errors.Is(err, ErrMoved) || errors.Is(err, ErrRefused) {
		t.Errorf("push over a moved remote: %v", err)
	}
	if after := refsOf(t, r); !maps.Equal(before, after) {
		t.Errorf("a refused push moved %v to %v", before, after)
	}
	plainGit(t, remote, "fsck", "--strict")
}

// TestPushAfterTheClockWasSetBack: commits that are dated before the one that they
// stand on are pushed, however many.
func TestPushAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	first := publish(t, r, map[string]string{"a": "0"})
	c, err := r.ReadCommit(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	c.Parents, c.CommitterWhen, c.Message = []string{first}, c.CommitterWhen.Add(-2*time.Hour), "earlier\n"
	next := first
	for range 20 {
		if next, err = r.WriteCommit(t.Context(), c, nil); err != nil {
			t.Fatal(err)
		}
		c.Parents = []string{next}
	}
	if err := r.Push(t.Context(), Update{Ref: "refs/heads/data", Old: first, New: next}); err != nil {
		t.Error(err)
	}
}

func TestMoved(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	r := open(t, remote, Auth{})
	one := publish(t, r, map[string]string{"a": "1"})
	two := publish(t, r, map[string]string{"a": "2"})
	three := commitFiles(t, r, two, map[string]string{"a": "3"})
	side := commitFiles(t, r, one, map[string]string{"a": "4"})
	tag, err := r.WriteTag(t.Context(), tagOf(three), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, updates := range map[string][]Update{
		"not a descendant":        {{Ref: "refs/heads/data", Old: two, New: side}},
		"descends, but elsewhere": {{Ref: "refs/heads/data", Old: one, New: three}, {Ref: "refs/heads/new", New: two}},
		"must not exist":          {{Ref: "refs/heads/data", New: three}, {Ref: "refs/tags/current", New: tag}},
		"must exist":              {{Ref: "refs/heads/data", Old: two, New: three}, {Ref: "refs/tags/current", Old: tag, New: three, Force: true}},
	} {
		before := refsOf(t, r)
		if err := r.Push(t.Context(), updates...); !errors.Is(err, ErrMoved) {
			t.Errorf("%s: %v", name, err)
		}
		if after := refsOf(t, r); !maps.Equal(before, after) {
			t.Errorf("%s: moved %v to %v", name, before, after)
		}
	}
	if err := r.Push(t.Context(), Update{Ref: "refs/heads/data", Old: two, New: three}); err != nil {
		t.Errorf("the right push: %v", err)
	}
	if err := r.Push(t.Context(), Update{Ref: "refs/heads/data", Old: three, New: three}); err != nil {
		t.Errorf("nothing to push: %v", err)
	}
}

// TestRewoundBranch: a plain fast-forward would bring back what somebody took
// away on purpose; the lease does not.
func TestRewoundBranch(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	r := open(t, remote, Auth{})
	one := publish(t, r, map[string]string{"a": "1"})
	two := publish(t, r, map[string]string{"a": "2"})
	three := commitFiles(t, r, two, map[string]string{"a": "3"})
	plainGit(t, remote, "update-ref", "refs/heads/data", one)
	if err := r.Push(t.Context(), Update{Ref: "refs/heads/data", Old: two, New: three}); !errors.Is(err, ErrMoved) {
		t.Errorf("push: %v", err)
	}
	if got := refsOf(t, r)["refs/heads/data"]; got != one {
		t.Errorf("the branch is at %s, it was rewound to %s", got, one)
	}
}

func TestRefusedByHook(t *testing.T) {
	t.Parallel()
	for _, hook := range []string{"pre-receive", "update"} {
		t.Run(hook, func(t *testing.T) {
			t.Parallel()
			remote := bareRemote(t)
			r := open(t, remote, Auth{})
			one := publish(t, r, map[string]string{"a": "1"})
			script := "#!/bin/sh\nprintf 'no pushes on \\033[31mSundays\\n' >&2\n[ \"$1\" = refs/heads/data ] && exit 0\nexit 1\n"
			if err := os.MkdirAll(filepath.Join(remote, "hooks"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(remote, "hooks", hook), []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			two := commitFiles(t, r, one, map[string]string{"a": "2"})
			tag, err := r.WriteTag(t.Context(), tagOf(two), nil)
			if err != nil {
				t.Fatal(err)
			}
			before := refsOf(t, r)
			err = r.Push(t.Context(), Update{Ref: "refs/heads/data", Old: one, New: two}, Update{Ref: "refs/tags/current", New: tag})
			if !errors.Is(err, ErrRefused) || errors.Is(err, ErrMoved) {
				t.Fatalf("push: %v", err)
			}
			if !strings.Contains(err.Error(), "no pushes on [31mSundays") || strings.Contains(err.Error(), "\033") {
				t.Errorf("the remote's words: %q", err)
			}
			if after := refsOf(t, r); !maps.Equal(before, after) {
				t.Errorf("half a push: %v to %v", before, after)
			}
		})
	}
}

func TestCheckedOutBranch(t *testing.T) {
	t.Parallel()
	work := t.TempDir()
	plainGit(t, work, "init", "--quiet", "--initial-branch=data")
	r := open(t, work, Auth{})
	one := commitFiles(t, r, "", map[string]string{"a": "1"})
	if err := r.Push(t.Context(), Update{Ref: "refs/heads/data", New: one}); !errors.Is(err, ErrRefused) {
		t.Errorf("push: %v", err)
	}
}

func TestUpdatesThatAreNeverPushed(t *testing.T) {
	t.Parallel()
	r := open(t, bareRemote(t), Auth{})
	one := publish(t, r, map[string]string{"a": "1"})
	two := commitFiles(t, r, "", map[string]string{"a": "2"})
	before := refsOf(t, r)
	for name, u := range map[string]Update{
		"forced branch": {Ref: "refs/heads/data", Old: one, New: two, Force: true},
		"deletion":      {Ref: "refs/heads/data", Old: one},
		"short name":    {Ref: "data", Old: one, New: two},
		"option":        {Ref: "--mirror", New: two},
		"pattern":       {Ref: "refs/heads/*", New: two},
		"refspec":       {Ref: "refs/heads/a:refs/heads/b", New: two},
		"dots":          {Ref: "refs/heads/../x", New: two},
		"unknown old":   {Ref: "refs/heads/data", Old: strings.Repeat("1", 40), New: two},
		"unknown new":   {Ref: "refs/heads/x", New: strings.Repeat("1", 40)},
		"name as id":    {Ref: "refs/heads/x", New: "HEAD"},
	} {
		if err := r.Push(t.Context(), u); err == nil {
			t.Errorf("%s was pushed", name)
		}
	}
	if after := refsOf(t, r); !maps.Equal(before, after) {
		t.Errorf("moved %v to %v", before, after)
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "new.git")
	r := openWith(t, Options{Dir: t.TempDir(), URL: path, Create: true, InitialBranch: "display"})
	id := commitFiles(t, r, "", map[string]string{"README.md": "hi"})
	if err := r.Push(t.Context(), Update{Ref: "refs/heads/display", New: id}); err != nil {
		t.Fatal(err)
	}
	if got := plainGit(t, path, "rev-parse", "HEAD"); got != id {
		t.Errorf("HEAD is %s", got)
	}
	again := openWith(t, Options{Dir: t.TempDir(), URL: "file://" + path, Create: true, InitialBranch: "other"})
	if got := refsOf(t, again)["HEAD"]; got != id {
		t.Errorf("opened again: HEAD is %s", got)
	}
	missing := open(t, filepath.Join(t.TempDir(), "no.git"), Auth{})
	if _, err := missing.Refs(t.Context()); !errors.Is(err, ErrNoRepository) {
		t.Errorf("a missing folder: %v", err)
	}
}

func TestSHA256Remote(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new.git")
	plainGit(t, t.TempDir(), "init", "--quiet", "--bare", "--object-format=sha256", "--initial-branch=data", dir)
	// An empty one says what it is when it gets something.
	r := open(t, dir, Auth{})
	id := commitFiles(t, r, "", map[string]string{"a": "1"})
	if err := r.Push(t.Context(), Update{Ref: "refs/heads/data", New: id}); !errors.Is(err, ErrObjectFormat) {
		t.Errorf("empty: %v", err)
	}
	work := t.TempDir()
	plainGit(t, work, "init", "--quiet", "--object-format=sha256")
	plainGit(t, work, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "-m", "x")
	if _, err := open(t, work, Auth{}).Refs(t.Context()); !errors.Is(err, ErrObjectFormat) {
		t.Errorf("with a commit: %v", err)
	}
}

// TestOddFolder: no character of a path reaches a shell or an option.
func TestOddFolder(t *testing.T) {
	t.Parallel()
	odd := filepath.Join(t.TempDir(), `it's "a" %h folder: $HOME`, strings.Repeat("long", 30))
	if err := os.MkdirAll(odd, 0o700); err != nil {
		t.Fatal(err)
	}
	r := openWith(t, Options{Dir: odd, URL: filepath.Join(odd, "re mote.git"), Create: true})
	publish(t, r, map[string]string{"a": "1"})
	publish(t, r, map[string]string{"a": "2"})
	if r.String() != filepath.Join(odd, "re mote.git") {
		t.Errorf("shown as %s", r)
	}
}

func TestSettingsOfTheUserDoNotMatter(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	hooks := filepath.Join(home, "hooks")
	if err := os.Mkdir(hooks, 0o700); err != nil {
		t.Fatal(err)
	}
	ran := filepath.Join(home, "ran")
	for _, hook := range []string{"pre-push", "reference-transaction", "post-index-change"} {
		if err := os.WriteFile(filepath.Join(hooks, hook), []byte("#!/bin/sh\necho "+hook+" >>'"+ran+"'\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	config := "[core]\n\tautocrlf = true\n\thooksPath = " + hooks + "\n[push]\n\tpushOption = ci.skip\n\tpushOption = other\n\tgpgSign = true\n\tfollowTags = true\n[init]\n\tdefaultObjectFormat = sha256\n[transfer]\n\tfsckObjects = true\n[fetch]\n\tprune = true\n\tpruneTags = true\n"
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	remote := bareRemote(t)
	plainGit(t, remote, "config", "core.hooksPath", "/dev/null")
	r := openWith(t, Options{Dir: t.TempDir(), URL: remote, Getenv: environ("HOME="+home, "GIT_DIR=/nowhere", "GIT_INDEX_FILE=/nowhere", "SECRET=x")})
	if err := r.MayPush(t.Context()); err != nil {
		t.Error(err)
	}
	id := publish(t, r, map[string]string{"a": "x\r\ny\n"})
	if got, err := r.Blob(t.Context(), id, "a"); err != nil || string(got) != "x\r\ny\n" {
		t.Errorf("blob %q %v", got, err)
	}
	publish(t, r, map[string]string{"a": "z"})
	if notes, err := os.ReadFile(ran); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("hooks ran: %s %v", notes, err)
	}
	if slices.ContainsFunc(r.git.env, func(v string) bool { return strings.HasPrefix(v, "SECRET=") || strings.HasSuffix(v, "=/nowhere") }) {
		t.Errorf("children see %q", r.git.env)
	}
}

// environ is an environment of these variables on top of ours.
func environ(vars ...string) func(string) string {
	return func(name string) string {
		for _, v := range vars {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				return value
			}
		}
		return os.Getenv(name)
	}
}

func TestOldGit(t *testing.T) {
	t.Parallel()
	for text, fine := range map[string]bool{
		"git version 2.38.9": false, "git version 1.9": false, "git version 2.39.0": true, "git version 2.47.1.windows.2": true, "git version 3.0.0": true, "hello": false,
	} {
		folder := t.TempDir()
		program := filepath.Join(folder, "git")
		if err := os.WriteFile(program, []byte("#!/bin/sh\necho '"+text+"'\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := findGit(t.Context(), program, folder, nil)
		if (err == nil) != fine {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestRemoteWithoutAtomicPushes: the branches move first, and a tag that cannot
// follow leaves them where they are.
func TestRemoteWithoutAtomicPushes(t *testing.T) {
	t.Parallel()
	host := newGitHost(t)
	folder := bareRemote(t)
	for name, remote := range map[string]struct{ url, dir string }{
		"folder": {folder, folder},
		"http":   {host.URL + "/r.git", filepath.Join(host.folder, "r.git")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plainGit(t, remote.dir, "config", "receive.advertiseAtomic", "false")
			r := open(t, remote.url, Auth{Token: []byte(testToken)})
			first := commitFiles(t, r, "", map[string]string{"a": "1"})
			tag, err := r.WriteTag(t.Context(), tagOf(first), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Push(t.Context(), Update{Ref: "refs/tags/current", New: tag}, Update{Ref: "refs/heads/data", New: first}); err != nil {
				t.Fatal(err)
			}
			if refs := refsOf(t, r); refs["refs/heads/data"] != first || refs["refs/tags/current"] != tag {
				t.Errorf("refs %v", refs)
			}
			second := commitFiles(t, r, first, map[string]string{"a": "2"})
			later, err := r.WriteTag(t.Context(), tagOf(second), nil)
			if err != nil {
				t.Fatal(err)
			}
			hook := filepath.Join(remote.dir, "hooks", "update")
			if err := errors.Join(os.MkdirAll(filepath.Dir(hook), 0o700), os.WriteFile(hook, []byte("#!/bin/sh\n[ \"$1\" = refs/heads/data ]\n"), 0o700)); err != nil {
				t.Fatal(err)
			}
			updates := []Update{{Ref: "refs/tags/current", Old: tag, New: later, Force: true}, {Ref: "refs/heads/data", Old: first, New: second}}
			if err := r.Push(t.Context(), updates...); !errors.Is(err, ErrRefused) {
				t.Errorf("push of a tag that may not move: %v", err)
			}
			if refs := refsOf(t, r); refs["refs/heads/data"] != second || refs["refs/tags/current"] != tag {
				t.Errorf("refs %v", refs)
			}
		})
	}
}
