//go:build unix

package gitrepo

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshtest"
)

// TestHiddenTags: a host that does not show tags is refused before the push.
func TestHiddenTags(t *testing.T) {
	t.Parallel()
	key, public := sshtest.NewKey("ed25519")
	sshd := sshtest.New(t, "", public)
	for _, setting := range []string{"uploadpack.hideRefs", "transfer.hideRefs"} {
		for by, options := range map[string]func(*gitHost) Options{
			"path": func(h *gitHost) Options { return Options{URL: filepath.Join(h.folder, "r.git")} },
			"http": func(h *gitHost) Options {
				return Options{URL: h.URL + "/r.git", Auth: Auth{Token: []byte(testToken)}}
			},
			"ssh": func(h *gitHost) Options {
				return Options{URL: sshd.URL(filepath.Join(h.folder, "r.git")), Auth: Auth{SSHKey: key, KnownHosts: []byte(sshd.KnownHosts())}}
			},
		} {
			t.Run(by+": "+setting, func(t *testing.T) {
				t.Parallel()
				host := newGitHost(t)
				remote := filepath.Join(host.folder, "r.git")
				plainGit(t, remote, "config", setting, "refs/tags")
				o := options(host)
				o.Dir = t.TempDir()
				checkHidden(t, openWith(t, o), remote)
			})
		}
	}
}

// checkHidden pushes branch and tag twice, which moves nothing and leaves nothing.
func checkHidden(t *testing.T, r *Repo, remote string) {
	t.Helper()
	one := commitFiles(t, r, "", map[string]string{"a": "1"})
	tag, err := r.WriteTag(t.Context(), tagOf(one), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := r.Push(t.Context(), Update{Ref: "refs/heads/data", New: one}, Update{Ref: "refs/tags/current", New: tag})
		if !errors.Is(err, ErrHidden) || errors.Is(err, ErrMoved) || !strings.Contains(err.Error(), "hideRefs") {
			t.Errorf("push: %v", err)
		}
		if refs := plainGit(t, remote, "for-each-ref"); refs != "" {
			t.Errorf("there is %s", refs)
		}
	}
}

// TestTagsThatAreShown: a remote that shows tags is asked once, and keeps nothing
// of that; one that has a tag is not asked.
func TestTagsThatAreShown(t *testing.T) {
	t.Parallel()
	for _, tagged := range []bool{false, true} {
		remote := bareRemote(t)
		r := open(t, remote, Auth{})
		one := publish(t, r, map[string]string{"a": "1"})
		if tagged {
			plainGit(t, remote, "tag", "v1", one)
		}
		refsOf(t, r)
		count := traced(t, r)
		tag, err := r.WriteTag(t.Context(), tagOf(one), nil)
		if err := errors.Join(err, r.Push(t.Context(), Update{Ref: "refs/tags/current", New: tag})); err != nil {
			t.Fatal(err)
		}
		want := 3
		if tagged {
			want = 1
		}
		if n := count("push"); n != want {
			t.Errorf("tagged %v: %d pushes, want %d", tagged, n, want)
		}
		if refs := plainGit(t, remote, "for-each-ref", "--format=%(refname)", "refs/tags"); strings.Contains(refs, "probe") {
			t.Errorf("there is %s", refs)
		}
	}
}

// TestTagsThatCannotBeRemoved: a rule against it is told and stops nothing.
func TestTagsThatCannotBeRemoved(t *testing.T) {
	t.Parallel()
	remote := bareRemote(t)
	hook := filepath.Join(remote, "hooks", "update")
	script := "#!/bin/sh\n[ \"$3\" != 0000000000000000000000000000000000000000 ]\n"
	if err := errors.Join(os.MkdirAll(filepath.Dir(hook), 0o700), os.WriteFile(hook, []byte(script), 0o700)); err != nil {
		t.Fatal(err)
	}
	var said []string
	r := openWith(t, Options{Dir: t.TempDir(), URL: remote, Notify: func(s string) { said = append(said, s) }})
	one := publish(t, r, map[string]string{"a": "1"})
	tag, err := r.WriteTag(t.Context(), tagOf(one), nil)
	if err := errors.Join(err, r.Push(t.Context(), Update{Ref: "refs/tags/current", New: tag})); err != nil {
		t.Fatal(err)
	}
	if len(said) != 1 || !strings.Contains(said[0], "could not be removed") {
		t.Errorf("it said %q", said)
	}
}
