package gitrepo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
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
