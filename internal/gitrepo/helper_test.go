package gitrepo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
)

// need finds a program. Without it a test is left out, except in CI, where the
// program must be there.
func need(t testing.TB, program string, folders ...string) string {
	t.Helper()
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	for _, folder := range folders {
		path := filepath.Join(folder, program)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed, and in CI every test runs", program)
	}
	t.Skipf("not tested: %s is not installed", program)
	return ""
}

// noon is the time of the tests' objects.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

// someone is who makes the tests' objects.
func someone() gitpack.Identity {
	return gitpack.Identity{Name: "Mirror Demo", Email: "mirror@example.org"}
}

// plainGit runs git as a user would, apart from any settings of the machine.
func plainGit(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := tryGit(t, dir, nil, "", args...)
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSuffix(out, "\n")
}

func tryGit(t testing.TB, dir string, env []string, stdin string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(need(t, "git"), args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1"}, env...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// bareRemote makes an empty bare repository.
func bareRemote(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "remote.git")
	plainGit(t, t.TempDir(), "init", "--quiet", "--bare", "--initial-branch=data", dir)
	return dir
}

// open opens a remote in a new folder and closes it with the test.
func open(t testing.TB, url string, auth Auth) *Repo {
	t.Helper()
	return openWith(t, Options{Dir: t.TempDir(), URL: url, Auth: auth})
}

func openWith(t testing.TB, o Options) *Repo {
	t.Helper()
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

// commitFiles writes files on top of parent as one unsigned commit.
func commitFiles(t testing.TB, r *Repo, parent string, files map[string]string) string {
	t.Helper()
	id, err := tryCommit(t.Context(), r, parent, files, nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func tryCommit(ctx context.Context, r *Repo, parent string, files map[string]string, s *openpgp.Signer) (string, error) {
	im, err := r.TreeWriter(ctx, parent)
	if err != nil {
		return "", err
	}
	for path, content := range files {
		if err := im.Write(path, []byte(content)); err != nil {
			return "", err
		}
	}
	tree, _, err := im.Tree()
	if err != nil {
		return "", err
	}
	if err := im.Close(); err != nil {
		return "", err
	}
	return r.WriteCommit(ctx, commitOf(tree, parent), s)
}

// commitOf is a commit of the tests.
func commitOf(tree string, parents ...string) gitpack.Commit {
	c := gitpack.Commit{
		Tree: tree, Author: someone(), AuthorWhen: noon(),
		Committer: someone(), CommitterWhen: noon(), Message: "Update from Hackage at 2026-11-22T12:00:00Z\n",
	}
	for _, parent := range parents {
		if parent != "" {
			c.Parents = append(c.Parents, parent)
		}
	}
	return c
}

// tagOf is a tag of the tests.
func tagOf(commit string) gitpack.Tag {
	return gitpack.Tag{Object: commit, Name: "current", Tagger: someone(), When: noon(), Message: "Update\n\nLength: 512\n"}
}

// publish commits files on the remote's branch data and pushes; it returns the
// new commit.
func publish(t testing.TB, r *Repo, files map[string]string) string {
	t.Helper()
	old := refsOf(t, r)["refs/heads/data"]
	if old != "" {
		if _, err := r.Fetch(t.Context(), "refs/heads/data"); err != nil {
			t.Fatal(err)
		}
	}
	id := commitFiles(t, r, old, files)
	if err := r.Push(t.Context(), Update{Ref: "refs/heads/data", Old: old, New: id}); err != nil {
		t.Fatal(err)
	}
	return id
}

func refsOf(t testing.TB, r *Repo) map[string]string {
	t.Helper()
	refs, err := r.Refs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return refs
}

// noSecrets fails if a file below dir, or the text, holds one of the secrets.
func noSecrets(t testing.TB, dir, text string, secrets ...string) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		seen++
		content, err := os.ReadFile(path)
		for _, secret := range secrets {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s holds a secret", path)
			}
		}
		return err
	})
	if err != nil || seen == 0 {
		t.Errorf("looked through %d files: %v", seen, err)
	}
	for _, secret := range secrets {
		if secret == "" || strings.Contains(text, secret) {
			t.Errorf("the text holds a secret: %.200q", text)
		}
	}
}

// spy puts a program of this name on a new PATH that notes its arguments and
// runs the real one. It returns the PATH and the file of notes.
func spy(t testing.TB, programs ...string) (path, notes string) {
	t.Helper()
	folder := t.TempDir()
	notes = filepath.Join(folder, "notes")
	for _, name := range programs {
		script := fmt.Sprintf("#!/bin/sh\nprintf '%%s\\n' \"%s $*\" >>'%s'\nexec '%s' \"$@\"\n", name, notes, need(t, name))
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return folder + string(os.PathListSeparator) + os.Getenv("PATH"), notes
}
