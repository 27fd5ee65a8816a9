// Package sshtest runs real sshds on loopback for tests.
package sshtest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/hackage-mirror/hackage-mirror/internal/servertest"
)

// A Host is an sshd at a port of its own, which lets the user of this process in.
type Host struct {
	User    string
	Address string // HOST:PORT
	HostKey string // as in known_hosts, without the host
	Log     string // file of what sshd says
	Stop    func() // ends it
}

// NewKey makes a key (ed25519, ecdsa or rsa) without a passphrase: the private half as
// ssh-keygen writes it, the public one as a line of authorized_keys without an end.
func NewKey(kind string) (private []byte, public string) {
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
	block, failed := ssh.MarshalPrivateKey(key, "")
	signer, unsigned := ssh.NewSignerFromKey(key)
	if err := errors.Join(err, failed, unsigned); err != nil {
		panic(fmt.Sprintf("sshtest: make an %s key: %v", kind, err))
	}
	return pem.EncodeToMemory(block), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

// New starts a Host until the test ends. Without an sshd the test is left out, but not
// in CI. For the rest see Start.
func New(t testing.TB, settings string, authorized ...string) *Host {
	t.Helper()
	h, err := Start(t.TempDir(), settings, authorized...)
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") == "" {
		t.Skipf("not tested: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Stop)
	return h
}

// Start starts a Host until Stop, with its files in a folder. Settings are lines beside
// those that all have; authorized are lines of authorized_keys.
func Start(dir, settings string, authorized ...string) (*Host, error) {
	h := &Host{Log: filepath.Join(dir, "log")}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	h.User = me.Username
	sshd, err := find("sshd", "/usr/sbin", "/usr/local/sbin", "/sbin")
	if err != nil {
		return nil, err
	}
	private, public := NewKey("ed25519")
	h.HostKey = public
	for name, content := range map[string][]byte{"host": private, "authorized": []byte(strings.Join(authorized, "\n") + "\n"), "log": nil} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(dir, "config")
	text := fmt.Sprintf("HostKey %s\nAuthorizedKeysFile %s\nAllowUsers %s\nPidFile none\nStrictModes no\nUsePAM no\n"+
		"PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nLogLevel VERBOSE\n%s",
		filepath.Join(dir, "host"), filepath.Join(dir, "authorized"), h.User, settings)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	h.Address, h.Stop, err = servertest.Start(func(address string) *exec.Cmd {
		return exec.Command(sshd, "-D", "-f", config, "-E", h.Log, "-o", "ListenAddress="+address)
	})
	if err != nil {
		said, _ := os.ReadFile(h.Log) // without it, sshd said nothing
		return nil, fmt.Errorf("%w: %s", err, said)
	}
	return h, nil
}

// find looks for a program where shells of users may not.
func find(program string, folders ...string) (path string, err error) {
	if path, err = exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, folder := range folders {
		if path, err := exec.LookPath(filepath.Join(folder, program)); err == nil {
			return path, nil
		}
	}
	return "", err
}

// URL is the address of an absolute path.
func (h *Host) URL(path string) string { return "ssh://" + h.User + "@" + h.Address + path }

// KnownHosts is the line of the host.
func (h *Host) KnownHosts() string { return knownhosts.Normalize(h.Address) + " " + h.HostKey + "\n" }

// Count tells how often somebody was let in since the last call, and how many
// commands were run.
func (h *Host) Count(t testing.TB) (connections, commands int) {
	t.Helper()
	said, err := os.ReadFile(h.Log)
	if err == nil {
		err = os.Truncate(h.Log, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(said), "Accepted publickey"), strings.Count(string(said), "Starting session: command")
}
