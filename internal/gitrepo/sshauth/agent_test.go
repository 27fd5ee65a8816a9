//go:build unix

package sshauth

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshtest"
)

func TestAgentSocket(t *testing.T) {
	t.Parallel()
	key, public := sshtest.NewKey("ed25519")
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), strings.Repeat("deep/", 40))} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		login, err := Prepare(dir, key, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		socket := strings.TrimPrefix(login.Env[0], "SSH_AUTH_SOCK=")
		info, err := os.Stat(filepath.Dir(socket))
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("folder of the socket: %v, %v", info, err)
		}
		list := exec.Command(need(t, "ssh-add"), "-L")
		list.Env = login.Env
		if out, err := list.CombinedOutput(); err != nil || !bytes.Contains(out, []byte(public)) {
			t.Errorf("the agent has %s, %v", out, err)
		}
		forget := exec.Command(need(t, "ssh-add"), "-D")
		forget.Env = login.Env
		if out, err := forget.CombinedOutput(); err == nil {
			t.Errorf("the agent takes orders: %s", out)
		}
		if err := login.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is still there: %v", err)
		}
	}
}
