//go:build unix

package sshauth

import (
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshtest"
)

// TestConnectionThatEnds: one that was idle for long is made anew, and that is no news.
// Where the host ends it sooner, it is not shared.
// TestPermanentFailures: who was refused as a person is not tried again by another way, for
// hosts count that.
func TestPermanentFailures(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]bool{
		"git@h: Permission denied (publickey).":                                         true,
		"Host key verification failed.":                                                 true,
		"Received disconnect from ::1 port 22:2: Too many authentication failures":      true,
		"ssh: connect to host h port 22: Connection refused":                            true,
		"ssh: Could not resolve hostname h":                                             true,
		"Disconnected: No supported authentication methods available":                   true,
		"muxclient: master hello exchange failed":                                       false,
		"unix_listener: path too long for Unix domain socket":                           false,
		"ControlSocket /x already exists, disabling multiplexing":                       false,
		"banner: do not connect to host h":                                              false,
		"mux_client_request_session: session request failed: Session open refused by p": false,
	} {
		if permanent.MatchString(said) != want {
			t.Errorf("%q: want %v", said, want)
		}
	}
}

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
	c := NewConnections(t.TempDir()).Connection([]string{"-p", host.Address[len("127.0.0.1:"):], "127.0.0.1"}, key, nil, "")
	for _, again := range []bool{false, true} {
		shared, said, err := c.Open(t.Context(), dir, append(login.Env, "PATH=/usr/bin:/bin"), login)
		if !shared || err != nil || c.StepDone() != "" {
			t.Fatalf("again %v: %v, %v: %s", again, shared, err, said)
		}
		c.close()
		for c.IsOpen() { // ssh answers before it removes the socket
			time.Sleep(time.Millisecond)
		}
		if !again {
			c.used = c.used.Add(-idle)
		}
	}
	if shared, _, err := c.Open(t.Context(), dir, login.Env, login); shared || err != nil || c.StepDone() == "" {
		t.Errorf("it is shared (%v, %v) although the host ends it", shared, err)
	}
	if n, _ := host.Count(t); n != 2 {
		t.Errorf("%d connections", n)
	}
}
