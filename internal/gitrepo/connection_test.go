//go:build unix

package gitrepo

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshauth"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshtest"
)

// connections is how often somebody was let in since the last call.
func connections(t *testing.T, h *sshtest.Host) int {
	t.Helper()
	n, _ := h.Count(t)
	return n
}

// A caller opens Repos of a host with one key and keeps what they tell.
type caller struct {
	*testing.T
	host *sshtest.Host
	key  []byte
	said []string
	env  []string
}

func newCaller(t *testing.T, more string) *caller {
	t.Helper()
	key, public := sshtest.NewKey("ed25519")
	return &caller{T: t, host: sshtest.New(t, more, public), key: key}
}

// remote makes a remote that gives all that is asked for.
func (c *caller) remote() string {
	c.Helper()
	remote := bareRemote(c.T)
	for _, name := range []string{"uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"} {
		plainGit(c.T, remote, "config", name, "true")
	}
	return remote
}

func (c *caller) open(shared *sshauth.Connections, dir, remote string) *Repo {
	c.Helper()
	return openWith(c.T, Options{
		Dir: dir, URL: c.host.URL(remote), Auth: Auth{SSHKey: c.key, KnownHosts: []byte(c.host.KnownHosts())}, Connections: shared,
		Notify: func(text string) { c.said = append(c.said, text) }, Getenv: environ(c.env...),
	})
}

// works publishes twice and reads, in six steps of git.
func (c *caller) works(r *Repo) {
	c.Helper()
	publish(c.T, r, map[string]string{"a": "1"})
	two := publish(c.T, r, map[string]string{"b": "2"})
	if got := refsOf(c.T, r)["refs/heads/data"]; got != two {
		c.Errorf("the branch is at %s", got)
	}
}

// over runs ssh over the connection that steps share.
func over(r *Repo, args ...string) *exec.Cmd {
	args = append([]string{"-F none", r.connection.Options(r.git.dir)[1]}, args...)
	cmd := exec.Command("sh", "-c", "exec ssh "+strings.Join(args, " "))
	cmd.Dir = r.git.dir
	return cmd
}

// holder is the process that holds the connection.
func holder(t *testing.T, r *Repo) int {
	t.Helper()
	cmd := over(r, "-O check host")
	said, err := cmd.CombinedOutput()
	_, pid, _ := strings.Cut(string(said), "pid=")
	id, bad := strconv.Atoi(strings.TrimRight(pid, ")\r\n"))
	if err := errors.Join(err, bad); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return id
}

// gone waits until a process has ended.
func gone(t *testing.T, id int) {
	t.Helper()
	for range 500 {
		if errors.Is(syscall.Kill(id, 0), syscall.ESRCH) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("process %d is still there", id)
}

// TestOneConnection: all steps of all repositories of one host and key share one,
// which ends with them. Deep folders and odd names are no matter.
func TestOneConnection(t *testing.T) {
	t.Parallel()
	c := newCaller(t, "")
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 40), `odd "folder" %h $(x)`)
	for _, sub := range []string{"files", "hashes"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	shared := sshauth.NewConnections(dir)
	var repos []*Repo
	for _, sub := range []string{"files", "hashes"} {
		repos = append(repos, c.open(shared, filepath.Join(dir, sub), c.remote()))
	}
	var group errgroup.Group
	for _, r := range repos {
		group.Go(func() error { _, err := r.Refs(t.Context()); return err })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, r := range repos {
		c.works(r)
	}
	if n := connections(t, c.host); n != 1 || len(c.said) != 0 {
		t.Errorf("%d connections for %d steps; said %q", n, repos[0].steps+repos[1].steps, c.said)
	}
	id := holder(t, repos[0])
	if err := shared.Close(); err != nil {
		t.Error(err)
	}
	gone(t, id)
}

// TestOneConnectionOfARepoAlone: it ends with the Repo.
func TestOneConnectionOfARepoAlone(t *testing.T) {
	t.Parallel()
	c := newCaller(t, "")
	r := c.open(nil, t.TempDir(), c.remote())
	other := c.open(nil, t.TempDir(), c.remote()) // as another run with the same key
	c.works(r)
	c.works(other)
	if n := connections(t, c.host); n != 2 || len(c.said) != 0 {
		t.Errorf("%d connections; said %q", n, c.said)
	}
	id := holder(t, r)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	gone(t, id)
	c.works(other)
	if n := connections(t, c.host); n != 0 {
		t.Errorf("%d more connections: the one was ended with the other", n)
	}
}

// saidOnce holds what was told against the host's name and a word of it.
func (c *caller) saidOnce(word string) {
	c.Helper()
	if len(c.said) != 1 || !strings.Contains(c.said[0], word) || !strings.HasPrefix(c.said[0], "127.0.0.1: each step of git connects anew: ") {
		c.Errorf("said %q, want %q once", c.said, word)
	}
}

// TestHostsThatShareNoConnection: each step then has its own, as without.
func TestHostsThatShareNoConnection(t *testing.T) {
	t.Parallel()
	// $PPID is the process of the connection.
	once := func(then string) string {
		script := filepath.Join(t.TempDir(), "once")
		text := "#!/bin/sh\nif [ -e \"$0.$PPID\" ]; then " + then + "; fi\n: >\"$0.$PPID\"\nexec sh -c \"$SSH_ORIGINAL_COMMAND\"\n"
		if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		return "ForceCommand " + script + "\n"
	}
	for more, word := range map[string]string{
		once("kill $PPID; sleep 5; exit 1"): "in the middle",
		once("exit 1"):                      "in the middle",
		"MaxSessions 1\n":                   "refused by peer",
	} {
		c := newCaller(t, more)
		r := c.open(nil, t.TempDir(), c.remote())
		refsOf(t, r)
		if strings.HasPrefix(more, "MaxSessions") {
			// Another's step is under way.
			cmd := over(r, "host 'echo; sleep 20'")
			out, err := cmd.StdoutPipe()
			if err := errors.Join(err, cmd.Start()); err != nil {
				t.Fatal(err)
			}
			_, _ = out.Read(make([]byte, 1))
			t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
		}
		c.works(r)
		c.saidOnce(word)
		if n := connections(t, c.host); n < 3 {
			t.Errorf("%s: %d connections", more, n)
		}
	}
}

// TestConnectionsThatAreLost: whatever becomes of one, the steps go on.
func TestConnectionsThatAreLost(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, r *Repo) error{
		"killed, and the socket is stale": func(t *testing.T, r *Repo) error {
			id := holder(t, r)
			err := syscall.Kill(id, syscall.SIGKILL)
			gone(t, id)
			return err
		},
		"ended by the host": func(t *testing.T, r *Repo) error {
			id := holder(t, r)
			err := syscall.Kill(id, syscall.SIGTERM)
			gone(t, id)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCaller(t, "")
			r := c.open(nil, t.TempDir(), c.remote())
			refsOf(t, r)
			if err := lose(t, r); err != nil {
				t.Fatal(err)
			}
			c.works(r)
			c.saidOnce("onnect")
		})
	}
}

// TestNoRoomForASocket: a socket that cannot be made keeps nobody from the host.
func TestNoRoomForASocket(t *testing.T) {
	t.Parallel()
	c := newCaller(t, "")
	far := filepath.Join(t.TempDir(), strings.Repeat("far/", 30))
	missing := filepath.Join(t.TempDir(), "missing")
	if err := os.MkdirAll(far, 0o700); err != nil {
		t.Fatal(err)
	}
	for dir, word := range map[string]string{far: "too long", missing: "no such file"} {
		c.said = nil
		c.works(c.open(sshauth.NewConnections(dir), t.TempDir(), c.remote()))
		c.saidOnce(word)
	}
}

// TestConnectionsOfTheUser: his settings are his. A proxy command is not left in the
// background, and his own sharing stays.
func TestConnectionsOfTheUser(t *testing.T) {
	t.Parallel()
	c := newCaller(t, "")
	theirs, bin := agentOf(t, c.key), t.TempDir()
	c.key, c.env = nil, []string{theirs, "PATH=" + bin + ":" + os.Getenv("PATH")}
	// ssh finds settings by the user's entry in passwd and not by HOME.
	config := filepath.Join(bin, "config")
	if err := os.WriteFile(filepath.Join(bin, "ssh"), []byte("#!/bin/sh\nexec "+need(t, "ssh")+" -F '"+config+"' \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	relay := "ProxyCommand " + need(t, "bash") + " -c 'exec 3<>/dev/tcp/%h/%p; cat <&3 & cat >&3; kill $!'\n"
	for _, has := range []struct {
		settings, word string
		connections    int
	}{{"", "", 1}, {relay, "proxycommand", 6}, {"ControlPath " + filepath.Join(bin, "s") + "\nControlMaster no\n", "", 6}} {
		if err := os.WriteFile(config, []byte(has.settings), 0o600); err != nil {
			t.Fatal(err)
		}
		connections(t, c.host)
		c.said = nil
		r := c.open(nil, t.TempDir(), c.remote())
		c.works(r)
		if n := connections(t, c.host); n != has.connections {
			t.Errorf("%q: %d connections for %d steps", has.settings, n, r.steps)
		}
		if has.word != "" {
			c.saidOnce(has.word)
		} else if len(c.said) != 0 {
			t.Errorf("said %q", c.said)
		}
	}
}
