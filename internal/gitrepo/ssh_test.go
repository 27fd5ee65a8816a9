//go:build unix

package gitrepo

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// An sshHost is a real sshd on a loopback port, which takes one key.
type sshHost struct {
	user    string
	port    int
	hostKey ssh.PublicKey
	log     string
	more    string // settings
}

// sshKey makes a private key as ssh-keygen writes it, and its public half.
func sshKey(t *testing.T, kind string) (private []byte, public ssh.PublicKey) {
	t.Helper()
	var key any
	var err error
	switch kind {
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "ecdsa":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	}
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), signer.PublicKey()
}

func newSSHHost(t *testing.T, authorized ...ssh.PublicKey) *sshHost {
	t.Helper()
	return newSSHHostWith(t, "", authorized...)
}

func newSSHHostWith(t *testing.T, more string, authorized ...ssh.PublicKey) *sshHost {
	t.Helper()
	sshd := need(t, "sshd", "/usr/sbin", "/usr/local/sbin", "/sbin")
	need(t, "ssh")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	hostKey, public := sshKey(t, "ed25519")
	var keys []byte
	for _, key := range authorized {
		keys = append(keys, ssh.MarshalAuthorizedKey(key)...)
	}
	h := &sshHost{user: me.Username, hostKey: public, log: filepath.Join(dir, "log"), more: more}
	for name, content := range map[string][]byte{"host": hostKey, "authorized": keys, "log": nil} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// sshd wants to choose its port itself, from a list; so it may lose a race
	// for one and be started again.
	for range 5 {
		if h.start(t, sshd, dir) {
			return h
		}
	}
	words, _ := os.ReadFile(h.log)
	t.Fatalf("sshd does not start: %s", words)
	return nil
}

// start starts sshd on a port that was free a moment ago and waits until it
// answers; false if it ended.
func (h *sshHost) start(t *testing.T, sshd, dir string) bool {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.port = probe.Addr().(*net.TCPAddr).Port
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nAllowUsers %s\n%s",
		h.port, filepath.Join(dir, "host"), filepath.Join(dir, "authorized"), h.user, h.more)
	file := filepath.Join(dir, "config")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, sshd, "-D", "-f", file, "-E", h.log)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // killed at the end of the test
		close(ended)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	for {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(h.port))
		if err == nil {
			return conn.Close() == nil
		}
		select {
		case <-ended:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (h *sshHost) url(path string) string {
	return fmt.Sprintf("ssh://%s@127.0.0.1:%d%s", h.user, h.port, path)
}

func (h *sshHost) known() []byte {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(h.port))
	return []byte(knownhosts.Line([]string{knownhosts.Normalize(address)}, h.hostKey))
}

func TestSSHWithDeployKey(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			key, public := sshKey(t, kind)
			host := newSSHHost(t, public)
			path, notes := spy(t, "git", "ssh")
			dir := filepath.Join(t.TempDir(), `odd "folder" %h $(x)`)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			r := openWith(t, Options{
				Dir: dir, URL: host.url(bareRemote(t)),
				// As it comes out of a web form.
				Auth:   Auth{SSHKey: bytes.ReplaceAll(bytes.TrimSpace(key), []byte("\n"), []byte("\r\n")), KnownHosts: host.known()},
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
	_, right := sshKey(t, "ed25519")
	key, _ := sshKey(t, "ed25519")
	host := newSSHHost(t, right)
	r := open(t, host.url("/r.git"), Auth{SSHKey: key, KnownHosts: host.known()})
	if _, err := r.Refs(t.Context()); !errors.Is(err, ErrAuth) || !strings.Contains(err.Error(), "as a deploy key that may write") {
		t.Errorf("refs: %v", err)
	}
	host.user = "hunter2" // people put tokens there
	r = open(t, host.url("/r.git"), Auth{SSHKey: key, KnownHosts: host.known()})
	if _, err := r.Refs(t.Context()); !errors.Is(err, ErrAuth) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("refs: %v", err)
	}
}

func TestSSHWrongHostKey(t *testing.T) {
	t.Parallel()
	key, public := sshKey(t, "ed25519")
	host := newSSHHost(t, public)
	remote := bareRemote(t)
	right := host.known()
	_, host.hostKey = sshKey(t, "ed25519")
	for name, known := range map[string][]byte{"another": host.known(), "only GitHub's": nil} {
		r := open(t, host.url(remote), Auth{SSHKey: key, KnownHosts: known})
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
	r := open(t, host.url(remote), Auth{SSHKey: key, KnownHosts: append([]byte("# notes\r\n\r\n"), right...)})
	if _, err := r.Refs(t.Context()); err != nil {
		t.Errorf("the right one: %v", err)
	}
	gone := open(t, host.url("/nowhere.git"), Auth{SSHKey: key, KnownHosts: right})
	if _, err := gone.Refs(t.Context()); !errors.Is(err, ErrNoRepository) {
		t.Errorf("no repository: %v", err)
	}
}

// TestSSHOfTheUser: without a key of ours the user's agent serves, but host
// keys stay strict.
func TestSSHOfTheUser(t *testing.T) {
	t.Parallel()
	key, public := sshKey(t, "ed25519")
	host := newSSHHost(t, public)
	raw, err := ParseSSHKey(key)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, sshFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	theirs, err := serveAgent(folder, raw)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := theirs.Close(); err != nil {
			t.Error(err)
		}
	})
	remote := bareRemote(t)
	getenv := environ("SSH_AUTH_SOCK=" + theirs.socket)
	r := openWith(t, Options{Dir: t.TempDir(), URL: host.url(remote), Auth: Auth{KnownHosts: host.known()}, Getenv: getenv})
	publish(t, r, map[string]string{"a": "1"})
	r = openWith(t, Options{Dir: t.TempDir(), URL: host.url(remote), Getenv: getenv})
	if _, err := r.Refs(t.Context()); !errors.Is(err, ErrHostKey) {
		t.Errorf("an unknown host: %v", err)
	}
}

func TestAgentSocket(t *testing.T) {
	t.Parallel()
	key, public := sshKey(t, "ed25519")
	raw, err := ParseSSHKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), strings.Repeat("deep/", 40))} {
		if err := os.MkdirAll(filepath.Join(dir, sshFolder), 0o700); err != nil {
			t.Fatal(err)
		}
		_, env, held, err := offerKey(dir, raw)
		if err != nil {
			t.Fatal(err)
		}
		socket := strings.TrimPrefix(env[0], "SSH_AUTH_SOCK=")
		info, err := os.Stat(filepath.Dir(socket))
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("folder of the socket: %v, %v", info, err)
		}
		list := exec.Command(need(t, "ssh-add"), "-L")
		list.Env = env
		if out, err := list.CombinedOutput(); err != nil || !bytes.Contains(out, bytes.TrimSpace(ssh.MarshalAuthorizedKey(public))) {
			t.Errorf("the agent has %s, %v", out, err)
		}
		forget := exec.Command(need(t, "ssh-add"), "-D")
		forget.Env = env
		if out, err := forget.CombinedOutput(); err == nil {
			t.Errorf("the agent takes orders: %s", out)
		}
		if err := held.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is still there: %v", err)
		}
	}
}
