//go:build unix

package sshauth

import (
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshtest"
)

// TestConnectionThatEnds: one that was idle for long is made anew, and that is no news.
// Where the host ends it sooner, it is not shared.
func TestConnectionThatEnds(t *testing.T) {
	t.Parallel()
	key, public := sshtest.NewKey("ed25519")
	host := sshtest.New(t, "", public)
	dir := t.TempDir()
	login, err := Prepare(dir, key, []byte(host.KnownHosts()), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = login.Close() }()
	c := NewConnections(t.TempDir()).To([]string{"-p", host.Address[len("127.0.0.1:"):], "127.0.0.1"}, key, nil, "")
	for _, again := range []bool{false, true} {
		shared, said, err := c.Open(t.Context(), dir, append(login.Env, "PATH=/usr/bin:/bin"), login)
		if !shared || err != nil || c.Used() != "" {
			t.Fatalf("again %v: %v, %v: %s", again, shared, err, said)
		}
		c.close()
		for c.IsThere() { // ssh answers before it removes the socket
			time.Sleep(time.Millisecond)
		}
		if !again {
			c.used = c.used.Add(-idle)
		}
	}
	if shared, _, err := c.Open(t.Context(), dir, login.Env, login); shared || err != nil || c.Used() == "" {
		t.Errorf("it is shared (%v, %v) although the host ends it", shared, err)
	}
	if n, _ := host.Count(t); n != 2 {
		t.Errorf("%d connections", n)
	}
}
