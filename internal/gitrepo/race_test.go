package gitrepo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"
)

// TestMovedWithinThePush: another push wins after the remote has looked at ours
// and before it writes. A hook that moves a ref at that moment plays the other.
func TestMovedWithinThePush(t *testing.T) {
	t.Parallel()
	for name, ref := range map[string]string{"branch": "refs/heads/data", "new tag": "refs/tags/current"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			remote := bareRemote(t)
			r := open(t, remote, Auth{})
			one := publish(t, r, map[string]string{"a": "1"})
			other := publish(t, r, map[string]string{"a": "other"})
			plainGit(t, remote, "update-ref", "refs/heads/data", one)
			two := commitFiles(t, r, one, map[string]string{"a": "2"})
			tag, err := r.WriteTag(t.Context(), tagOf(two), nil)
			if err != nil {
				t.Fatal(err)
			}
			script := fmt.Sprintf("#!/bin/sh\nunset GIT_QUARANTINE_PATH\nexec git update-ref %s %s\n", ref, other)
			hooks := filepath.Join(remote, "hooks")
			if err := os.MkdirAll(hooks, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(hooks, "pre-receive"), []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			err = r.Push(t.Context(), Update{Ref: "refs/heads/data", Old: one, New: two}, Update{Ref: "refs/tags/current", New: tag})
			if !errors.Is(err, ErrMoved) || errors.Is(err, ErrRefused) {
				t.Errorf("push: %v", err)
			}
			want := map[string]string{"refs/heads/data": one, "refs/tags/current": ""}
			want[ref] = other
			got := refsOf(t, r)
			for name, id := range want {
				if got[name] != id {
					t.Errorf("%s is at %q, want %q: half a push", name, got[name], id)
				}
			}
		})
	}
}

// TestCreateAtTheSameTime: runs that begin together on an empty disk make one
// repository, and none sees it half made.
func TestCreateAtTheSameTime(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	real := filepath.Join(parent, "real.git")
	link := filepath.Join(parent, "link.git")
	if err := errors.Join(os.Mkdir(real, 0o700), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(parent, "new.git"), link} {
		var runs errgroup.Group
		for range 8 {
			runs.Go(func() error {
				r, err := Open(t.Context(), Options{Dir: t.TempDir(), URL: path, Create: true, InitialBranch: "display"})
				if err != nil {
					return err
				}
				_, err = r.Refs(t.Context())
				return errors.Join(err, r.Close())
			})
		}
		if err := runs.Wait(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if head := plainGit(t, path, "symbolic-ref", "HEAD"); head != "refs/heads/display" {
			t.Errorf("%s: HEAD is %s", path, head)
		}
	}
	names, err := os.ReadDir(parent)
	if err != nil || len(names) != 3 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}
