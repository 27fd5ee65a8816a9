//go:build unix

package gitrepo

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshauth"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshtest"
)

func TestSSHWithDeployKey(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			key, public := sshtest.NewKey(kind)
			host := sshtest.New(t, "", public)
			path, notes := spy(t, "git", "ssh")
			dir := filepath.Join(t.TempDir(), `odd "folder" %h $(x)`)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			r := openWith(t, Options{
				Dir: dir, URL: host.URL(bareRemote(t)),
				// As it comes out of a web form.
				Auth:   Auth{SSHKey: bytes.ReplaceAll(bytes.TrimSpace(key), []byte("\n"), []byte("\r\n")), KnownHosts: []byte(host.KnownHosts())},
				Getenv: environ("PATH="+path, "HOME="+t.TempDir(), "SSH_AUTH_SOCK=/nowhere"),
			})
			r.git.program = filepath.Join(filepath.Dir(notes), "git")
			publish(t, r, map[string]string{"a": "1"})
			two := publish(t, r, map[string]string{"b": "2"})
			if got := refsOf(t, r)["refs/heads/data"]; got != two {
				t.Errorf("the branch is at %s", got)
			}
			said, err := os.ReadFile(notes)
			if err != nil || !strings.Contains(string(said), "-o BatchMode=yes") {
				t.Fatalf("the notes do not hold what ran: %q, %v", said, err)
			}
			// Killed, we leave a connection behind for a minute at most.
			if n := strings.Count(string(said), "-o ControlPersist=60 "); n != 1 || r.steps != 6 {
				t.Errorf("%d lines for %d steps:\n%s", n, r.steps, said)
			}
			line := strings.Split(string(key), "\n")[2]
			noSecrets(t, dir, string(said)+strings.Join(r.git.env, "\n"), line)
		})
	}
}

func TestSSHWrongKey(t *testing.T) {
	t.Parallel()
	_, right := sshtest.NewKey("ed25519")
	key, _ := sshtest.NewKey("ed25519")
	host := sshtest.New(t, "", right)
	r := open(t, host.URL("/r.git"), Auth{SSHKey: key, KnownHosts: []byte(host.KnownHosts())})
	if _, err := r.Refs(t.Context()); !errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), "as a deploy key that may write") {
		t.Errorf("refs: %v", err)
	}
	host.User = "hunter2" // people put tokens there
	r = open(t, host.URL("/r.git"), Auth{SSHKey: key, KnownHosts: []byte(host.KnownHosts())})
	if _, err := r.Refs(t.Context()); !errors.Is(err, ErrAuth) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("refs: %v", err)
	}
}

func TestSSHWrongHostKey(t *testing.T) {
	t.Parallel()
	key, public := sshtest.NewKey("ed25519")
	host := sshtest.New(t, "", public)
	remote := bareRemote(t)
	right := []byte(host.KnownHosts())
	_, host.HostKey = sshtest.NewKey("ed25519")
	for name, known := range map[string][]byte{"another": []byte(host.KnownHosts()), "only GitHub's": nil} {
		r := open(t, host.URL(remote), Auth{SSHKey: key, KnownHosts: known})
		_, err := r.Refs(t.Context())
		if !errors.Is(err, ErrHostKey) {
			t.Fatalf("%s known: %v", name, err)
		}
		for _, word := range []string{"@@@", "ssh/known_hosts", "ssh-keygen", "administrator"} {
			if strings.Contains(err.Error(), word) || len(err.Error()) > 600 {
				t.Errorf("%s known: %q in %d characters: %v", name, word, len(err.Error()), err)
			}
		}
		if name == "another" && !strings.Contains(err.Error(), "SHA256:") {
			t.Errorf("does not tell the host's key: %v", err)
		}
	}
	r := open(t, host.URL(remote), Auth{SSHKey: key, KnownHosts: append([]byte("# notes\r\n\r\n"), right...)})
	if _, err := r.Refs(t.Context()); err != nil {
		t.Errorf("the right one: %v", err)
	}
	gone := open(t, host.URL("/nowhere.git"), Auth{SSHKey: key, KnownHosts: right})
	if _, err := gone.Refs(t.Context()); !errors.Is(err, ErrNoRepository) {
		t.Errorf("no repository: %v", err)
	}
}

// agentOf serves a key as the user's agent would, and returns the variable for it.
func agentOf(t *testing.T, key []byte) string {
	t.Helper()
	login, err := sshauth.Prepare(t.TempDir(), key, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := login.Close(); err != nil {
			t.Error(err)
		}
	})
	return login.Env[0]
}

// TestSSHOfTheUser: without a key of ours the user's agent serves, but host
// keys stay strict.
func TestSSHOfTheUser(t *testing.T) {
	t.Parallel()
	key, public := sshtest.NewKey("ed25519")
	host := sshtest.New(t, "", public)
	theirs := agentOf(t, key)
	remote := bareRemote(t)
	getenv := environ(theirs)
	r := openWith(t, Options{Dir: t.TempDir(), URL: host.URL(remote), Auth: Auth{KnownHosts: []byte(host.KnownHosts())}, Getenv: getenv})
	publish(t, r, map[string]string{"a": "1"})
	r = openWith(t, Options{Dir: t.TempDir(), URL: host.URL(remote), Getenv: getenv})
	if _, err := r.Refs(t.Context()); !errors.Is(err, ErrHostKey) {
		t.Errorf("an unknown host: %v", err)
	}
}
