package sshauth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// idle is how long a connection outlives the last step over it, and so also us, if
// we are killed.
const idle = time.Minute

// patience is how long an ssh may take to end.
const patience = 10 * time.Second

// socketPath is the longest path of a socket that every Unix takes; macOS has
// room for 104 bytes with the closing zero.
const socketPath = 100

// socketRoom is the longest path of a connection's socket. It is relative, so that it
// is short wherever it leads; ssh adds 17 bytes while it makes it.
const socketRoom = socketPath - 17

// Connections are those of a run, one for each host, user and key, which the steps of
// git share: OpenSSH's ControlMaster. A step that cannot share one connects by
// itself. They may be used by several goroutines.
type Connections struct {
	dir string

	mu  sync.Mutex
	all map[string]*Connection
}

// NewConnections returns none yet. Their sockets will lie in a private folder of the
// caller's, to be removed after Close. Windows has no such connections.
func NewConnections(dir string) *Connections {
	return &Connections{dir: dir, all: map[string]*Connection{}}
}

// Close ends the connections.
func (c *Connections) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.all {
		one.close()
	}
	clear(c.all)
	return nil
}

// Connection returns the one for a destination (ssh's last arguments), a key, known hosts
// and a home; nil for no destination, and on Windows.
func (c *Connections) Connection(destination []string, key, knownHosts []byte, home string) *Connection {
	if destination == nil || runtime.GOOS == "windows" {
		return nil
	}
	id := fmt.Sprintf("%q %x %x", append(destination, home), sha256.Sum256(key), sha256.Sum256(knownHosts))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all[id] == nil {
		c.all[id] = &Connection{
			destination: destination, userSettings: len(key) == 0,
			socket: filepath.Join(c.dir, "line"+strconv.Itoa(len(c.all))),
		}
	}
	return c.all[id]
}

// A Connection is shared by steps of git, and held by an ssh in the background.
type Connection struct {
	destination  []string
	socket       string
	userSettings bool // are in use

	mu       sync.Mutex
	dir      string    // in which the ssh was started
	env      []string  // of the ssh
	used     time.Time // when it last worked
	why      string    // why it is not used, "" if it is
	reported bool      // why was returned by StepDone
}

// Host is the name of the host that the connection leads to.
func (c *Connection) Host() string {
	to := c.destination[len(c.destination)-1]
	return to[strings.LastIndex(to, "@")+1:]
}

// Open reports whether there is a connection, which it makes if there is none yet. The
// login's files are in dir, which is the step's working folder. An error is one that
// the step would meet as well, and said ssh's words for it.
func (c *Connection) Open(ctx context.Context, dir string, env []string, login *Login) (shared bool, said string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why != "" {
		return false, "", nil
	}
	if c.IsOpen() {
		return true, "", nil
	}
	if !c.used.IsZero() && time.Since(c.used) < idle/2 {
		c.why = "the host ends the connection after a step"
		return false, "", nil
	}
	c.dir, c.env = dir, env
	if c.why = c.whyNotShare(ctx, login.Options); c.why != "" {
		return false, "", nil
	}
	return c.connect(ctx, login.Options)
}

// ownSharing are settings of the user's by which ssh shares connections already, or
// reaches the host through a program that must not go on in the background.
var ownSharing = regexp.MustCompile(`(?m)^(proxycommand|proxyjump|controlpath) (?:none$)?(.?)`)

// whyNotShare says why the connection must not be shared.
func (c *Connection) whyNotShare(ctx context.Context, options []string) string {
	if len(c.socketPathFrom(c.dir)) > socketRoom {
		return "the path of its socket is too long"
	}
	if !c.userSettings {
		return ""
	}
	said, err := c.ssh(ctx, append([]string{"-G"}, options...))
	if err != nil {
		return "" // connecting says what is wrong
	}
	for _, m := range ownSharing.FindAllStringSubmatch(said, -1) {
		if m[2] != "" {
			c.reported = m[1] == "controlpath" // which may well share
			return "ssh's settings have a " + m[1]
		}
	}
	return ""
}

// permanent is what ssh says when a connection of the step's own would fail as well.
var permanent = regexp.MustCompile(`(?im)^ssh: (connect to host|could not resolve)|permission denied \(|host key verification failed|too many authentication failures|no supported authentication methods`)

// connect starts the ssh that holds the connection. It ends by itself when that has
// not been used for a while.
func (c *Connection) connect(ctx context.Context, options []string) (shared bool, said string, err error) {
	master := []string{
		"-o ControlMaster=yes", "-o ControlPath=" + c.socketPathFrom(c.dir),
		"-o ControlPersist=" + strconv.Itoa(int(idle.Seconds())), "-N", "-f",
	}
	said, err = c.ssh(ctx, append(master, options...))
	switch {
	case err == nil:
		c.used = time.Now()
		return true, "", nil
	case ctx.Err() != nil, permanent.MatchString(said):
		return false, said, err
	}
	c.why = "ssh cannot share one: " + cmp.Or(strings.TrimSpace(said), err.Error())
	return false, "", nil
}

// ssh runs ssh to its end, or until it goes into the background. By then it may
// still hold what it was given to write to, so its words go to a file.
func (c *Connection) ssh(ctx context.Context, options []string) (said string, err error) {
	file, err := os.CreateTemp(filepath.Dir(c.socket), "words")
	if err != nil {
		return err.Error(), err
	}
	defer func() { _, _ = file.Close(), os.Remove(file.Name()) }() // its folder is removed anyway
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", "exec ssh " + strings.Join(options, " ") + ` "$@"`, "ssh"}, c.destination...)...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = c.dir, c.env, patience
	cmd.Stdout, cmd.Stderr = file, file
	err = cmd.Run()
	raw, _ := os.ReadFile(file.Name()) // of what cannot be read nothing is told
	return string(raw), err
}

// IsOpen reports whether the connection has a socket: ssh removes it when it ends.
func (c *Connection) IsOpen() bool {
	_, err := os.Lstat(c.socket)
	return err == nil
}

// Options are ssh's for a step that shares the connection, beside those of the Login.
func (c *Connection) Options(dir string) []string {
	return []string{"-o ControlMaster=no", "-o ControlPath=" + c.socketPathFrom(dir)}
}

// GiveUp makes all further steps connect by themselves.
func (c *Connection) GiveUp(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why == "" {
		c.why = why
	}
}

// StepDone records that a step went well, and returns, once, why the connection is not
// used.
func (c *Connection) StepDone() (why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = time.Now()
	if !c.reported {
		why, c.reported = c.why, c.why != ""
	}
	return why
}

// close ends the ssh, if there is one.
func (c *Connection) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.IsOpen() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec ssh -F none -o ControlPath="+filepath.Base(c.socket)+" -O exit line")
	cmd.Dir, cmd.Env = filepath.Dir(c.socket), c.env
	_ = cmd.Run() // what is left of it ends when it is idle
}

// socketPathFrom returns the way from a folder to the socket.
func (c *Connection) socketPathFrom(dir string) string {
	way, err := filepath.Rel(dir, c.socket)
	if err != nil {
		return c.socket
	}
	return way
}

// notShared begins what ssh says when it cannot share a connection, and goes on by
// itself.
var notShared = regexp.MustCompile(`(?m)^(mux_client|Control ?[Ss]ocket).*`)

// NotShared returns what ssh said when it did not share the connection, "" if it did.
func NotShared(said string) string { return notShared.FindString(said) }
