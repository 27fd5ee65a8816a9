//go:build unix

package acttest

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An sshHost is a real sshd on a loopback port that holds repositories, each
// with a deploy key that opens it and no other.
type sshHost struct {
	dir, user, address string
}

// newSSHHost starts an sshd with empty repositories.
func newSSHHost(t testing.TB, repositories ...string) *sshHost {
	t.Helper()
	sshd := need(t, "sshd")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	h := &sshHost{dir: t.TempDir(), user: me.Username}
	write(t, filepath.Join(h.dir, "gate"), `#!/usr/bin/env bash
case $SSH_ORIGINAL_COMMAND in
"git-upload-pack '$1'" | "git-receive-pack '$1'") exec "${SSH_ORIGINAL_COMMAND%% *}" "$1" ;;
esac
echo 'this deploy key is for another repository' >&2
exit 1
`, 0o755)
	var authorized strings.Builder
	for _, name := range append(repositories, "host") {
		must(t, h.dir, environment(), need(t, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name+".key")
	}
	for _, name := range repositories {
		must(t, h.dir, environment(), "git", "init", "-q", "--bare", h.repository(name))
		fmt.Fprintf(&authorized, "restrict,command=\"%s %s\" %s", filepath.Join(h.dir, "gate"), h.repository(name), read(t, filepath.Join(h.dir, name+".key.pub")))
	}
	write(t, filepath.Join(h.dir, "authorized"), authorized.String(), 0o600)
	for range 5 { // another program may take the port that was free
		if h.start(t, sshd) {
			return h
		}
	}
	t.Fatalf("sshd does not start: %s", read(t, filepath.Join(h.dir, "log")))
	return nil
}

// start starts sshd and waits until it answers; false if it ended.
func (h *sshHost) start(t testing.TB, sshd string) bool {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.address = probe.Addr().String()
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(h.address)
	config := filepath.Join(h.dir, "config")
	write(t, config, fmt.Sprintf(`Port %s
ListenAddress 127.0.0.1
HostKey %s
AuthorizedKeysFile %s
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
AcceptEnv GIT_PROTOCOL
AllowUsers %s
`, port, filepath.Join(h.dir, "host.key"), filepath.Join(h.dir, "authorized"), h.user), 0o600)
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, sshd, "-D", "-f", config, "-E", filepath.Join(h.dir, "log"))
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
		if conn, err := net.Dial("tcp", h.address); err == nil {
			return conn.Close() == nil
		}
		select {
		case <-ended:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// repository is the path of one.
func (h *sshHost) repository(name string) string { return filepath.Join(h.dir, name+".git") }

// url is the address of a repository.
func (h *sshHost) url(name string) string {
	return "ssh://" + h.user + "@" + h.address + h.repository(name)
}

// key is the private deploy key of a repository.
func (h *sshHost) key(t testing.TB, name string) string {
	t.Helper()
	return read(t, filepath.Join(h.dir, name+".key"))
}

// knownHosts is the line of the host's own key.
func (h *sshHost) knownHosts(t testing.TB) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(h.address)
	fields := strings.Fields(read(t, filepath.Join(h.dir, "host.key.pub")))
	return fmt.Sprintf("[%s]:%s %s %s", host, port, fields[0], fields[1])
}
