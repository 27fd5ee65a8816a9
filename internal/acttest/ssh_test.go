//go:build unix

package acttest

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshtest"
)

// An sshHost is an sshd that holds repositories, each with a deploy key that opens it
// and no other.
type sshHost struct {
	*sshtest.Host
	dir  string
	keys map[string]string // private, by repository
}

// newSSHHost starts an sshd with empty repositories.
func newSSHHost(t testing.TB, repositories ...string) *sshHost {
	t.Helper()
	h := &sshHost{dir: t.TempDir(), keys: map[string]string{}}
	command := filepath.Join(h.dir, "only")
	write(t, command, `#!/usr/bin/env bash
case $SSH_ORIGINAL_COMMAND in
"git-upload-pack '$1'" | "git-receive-pack '$1'") exec "${SSH_ORIGINAL_COMMAND%% *}" "$1" ;;
esac
echo 'this deploy key is for another repository' >&2
exit 1
`, 0o755)
	var authorized []string
	for _, name := range repositories {
		private, public := sshtest.NewKey("ed25519")
		must(t, h.dir, environment(), "git", "init", "-q", "--bare", h.repository(name))
		authorized = append(authorized, fmt.Sprintf("restrict,command=\"%s %s\" %s", command, h.repository(name), public))
		h.keys[name] = string(private)
	}
	h.Host = sshtest.New(t, "AcceptEnv GIT_PROTOCOL\n", authorized...)
	return h
}

// repository is the path of one.
func (h *sshHost) repository(name string) string { return filepath.Join(h.dir, name+".git") }

// url is the address of a repository.
func (h *sshHost) url(name string) string { return h.URL(h.repository(name)) }
