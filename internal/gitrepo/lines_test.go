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
)

// connections is how often somebody was let in.
func (h *sshHost) connections(t *testing.T) int {
	t.Helper()
	words, err := os.ReadFile(h.log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(words), "Accepted publickey")
}

// A caller opens Repos of a host with one key and keeps what they tell.
type caller struct {
	*testing.T
	host *sshHost
	key  []byte
	said []string
	env  []string
}

func newCaller(t *testing.T, more string) *caller {
	t.Helper()
	key, public := sshKey(t, "ed25519")
	return &caller{T: t, host: newSSHHostWith(t, more, public), key: key}
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

func (c *caller) open(lines *Lines, dir, remote string) *Repo {
	c.Helper()
	return openWith(c.T, Options{
		Dir: dir, URL: c.host.url(remote), Auth: Auth{SSHKey: c.key, KnownHosts: c.host.known()}, Lines: lines,
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

// holder is the process that holds a line.
func holder(t *testing.T, l *line) int {
	t.Helper()
	cmd := exec.Command("ssh", "-F", "none", "-o", "ControlPath="+filepath.Base(l.socket), "-O", "check", "line")
	cmd.Dir = filepath.Dir(l.socket)
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
	lines := NewLines(dir)
	var repos []*Repo
	for _, sub := range []string{"files", "hashes"} {
		repos = append(repos, c.open(lines, filepath.Join(dir, sub), c.remote()))
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
	if n := c.host.connections(t); n != 1 || len(c.said) != 0 {
		t.Errorf("%d connections for %d steps; said %q", n, repos[0].steps+repos[1].steps, c.said)
	}
	id := holder(t, repos[0].line)
	if err := lines.Close(); err != nil {
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
	if n := c.host.connections(t); n != 2 || len(c.said) != 0 {
		t.Errorf("%d connections; said %q", n, c.said)
	}
	id := holder(t, r.line)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	gone(t, id)
	c.works(other)
	if n := c.host.connections(t); n != 2 {
		t.Errorf("%d connections: the one was ended with the other", n)
	}
}

// saidOnce holds what was told against a word of it.
func (c *caller) saidOnce(word string) {
	c.Helper()
	if len(c.said) != 1 || !strings.Contains(c.said[0], word) || !strings.Contains(c.said[0], "each step of git connects anew") {
		c.Errorf("said %q, want %q once", c.said, word)
	}
}

// TestHostsThatShareNoConnection: each step then has its own, as without lines.
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
			cmd := exec.Command("ssh", "-F", "none", "-o", "ControlPath="+filepath.Base(r.line.socket), "line", "echo; sleep 20")
			cmd.Dir = filepath.Dir(r.line.socket)
			out, err := cmd.StdoutPipe()
			if err := errors.Join(err, cmd.Start()); err != nil {
				t.Fatal(err)
			}
			_, _ = out.Read(make([]byte, 1))
			t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
		}
		c.works(r)
		c.saidOnce(word)
		if n := c.host.connections(t); n < 3 {
			t.Errorf("%s: %d connections", more, n)
		}
	}
}

// TestLinesThatAreLost: whatever becomes of a line, the steps go on.
func TestLinesThatAreLost(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(t *testing.T, l *line) error{
		"killed, and the socket is stale": func(t *testing.T, l *line) error {
			id := holder(t, l)
			err := syscall.Kill(id, syscall.SIGKILL)
			gone(t, id)
			return err
		},
		"ended by the host": func(t *testing.T, l *line) error {
			id := holder(t, l)
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
			if err := lose(t, r.line); err != nil {
				t.Fatal(err)
			}
			c.works(r)
			c.saidOnce("onnect")
		})
	}
	// One that was idle for long is made anew, and that is no news.
	c := newCaller(t, "")
	r := c.open(nil, t.TempDir(), c.remote())
	refsOf(t, r)
	id := holder(t, r.line)
	if err := r.line.close(); err != nil {
		t.Fatal(err)
	}
	gone(t, id)
	r.line.used = r.line.used.Add(-idle)
	c.works(r)
	if n := c.host.connections(t); n != 2 || len(c.said) != 0 {
		t.Errorf("%d connections after a long pause; said %q", n, c.said)
	}
}

// TestNoRoomForALine: a socket that cannot be made keeps nobody from the host.
func TestNoRoomForALine(t *testing.T) {
	t.Parallel()
	c := newCaller(t, "")
	far := filepath.Join(t.TempDir(), strings.Repeat("far/", 30))
	missing := filepath.Join(t.TempDir(), "missing")
	if err := os.MkdirAll(far, 0o700); err != nil {
		t.Fatal(err)
	}
	for dir, word := range map[string]string{far: "too long", missing: "no such file"} {
		c.said = nil
		c.works(c.open(NewLines(dir), t.TempDir(), c.remote()))
		c.saidOnce(word)
	}
}

// TestLinesOfTheUser: his settings are his. A proxy command is not left in the
// background, and his own sharing stays.
func TestLinesOfTheUser(t *testing.T) {
	t.Parallel()
	c := newCaller(t, "")
	folder, bin := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, sshFolder), 0o700); err != nil {
		t.Fatal(err)
	}
	raw, err := ParseSSHKey(c.key)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := serveAgent(folder, raw)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	c.key, c.env = nil, []string{"SSH_AUTH_SOCK=" + theirs.socket, "PATH=" + bin + ":" + os.Getenv("PATH")}
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
		before := c.host.connections(t)
		c.said = nil
		r := c.open(nil, t.TempDir(), c.remote())
		c.works(r)
		if n := c.host.connections(t) - before; n != has.connections {
			t.Errorf("%q: %d connections for %d steps", has.settings, n, r.steps)
		}
		if has.word != "" {
			c.saidOnce(has.word)
		} else if len(c.said) != 0 {
			t.Errorf("said %q", c.said)
		}
	}
}
