// Package sshtest runs real sshds on loopback for tests.
package sshtest

import (
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
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// A Host is an sshd at a port of its own, which lets the user of this process in.
type Host struct {
	User    string
	Address string // HOST:PORT
	HostKey string // as in known_hosts, without the host
	Log     string // file of what sshd says

	dir, sshd, settings string
	end                 context.CancelFunc
	ended               chan struct{}
}

// NewKey makes a key (ed25519, ecdsa or rsa) without a passphrase: the private half as
// ssh-keygen writes it, the public one as a line of authorized_keys without an end.
func NewKey(kind string) (private []byte, public string, err error) {
	var key any
	switch kind {
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "ecdsa":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	}
	if err != nil {
		return nil, "", err
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, "", err
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, "", err
	}
	return pem.EncodeToMemory(block), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))), nil
}

// Key is NewKey for a test.
func Key(t testing.TB, kind string) (private []byte, public string) {
	t.Helper()
	private, public, err := NewKey(kind)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
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
	h := &Host{dir: dir, settings: settings, Log: filepath.Join(dir, "log")}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	h.User = me.Username
	if h.sshd, err = find("sshd", "/usr/sbin", "/usr/local/sbin", "/sbin"); err != nil {
		return nil, err
	}
	private, public, err := NewKey("ed25519")
	if err != nil {
		return nil, err
	}
	h.HostKey = public
	for name, content := range map[string][]byte{"host": private, "authorized": []byte(strings.Join(authorized, "\n") + "\n"), "log": nil} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	// sshd takes its port from its settings: one that was free a moment ago may
	// be lost, so it is tried again.
	for range 5 {
		if runs, err := h.start(); runs || err != nil {
			return h, err
		}
	}
	said, err := os.ReadFile(h.Log)
	return nil, fmt.Errorf("start sshd: %w: %s", err, said)
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

// start starts sshd and waits until it answers; false if it ended.
func (h *Host) start() (runs bool, err error) {
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return false, err
	}
	h.Address = probe.Addr().String()
	if err := probe.Close(); err != nil {
		return false, err
	}
	config := filepath.Join(h.dir, "config")
	text := fmt.Sprintf("ListenAddress %s\nHostKey %s\nAuthorizedKeysFile %s\nAllowUsers %s\nPidFile none\nStrictModes no\nUsePAM no\n"+
		"PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nLogLevel VERBOSE\n%s",
		h.Address, filepath.Join(h.dir, "host"), filepath.Join(h.dir, "authorized"), h.User, h.settings)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return false, err
	}
	ctx, end := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, h.sshd, "-D", "-f", config, "-E", h.Log)
	h.end, h.ended = end, make(chan struct{})
	if err := cmd.Start(); err != nil {
		return false, err
	}
	go func() {
		_ = cmd.Wait() // killed by Stop
		close(h.ended)
	}()
	for {
		if conn, err := net.Dial("tcp", h.Address); err == nil {
			return true, conn.Close()
		}
		select {
		case <-h.ended:
			return false, nil
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the sshd.
func (h *Host) Stop() {
	h.end()
	<-h.ended
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
