package gitrepo

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// idle is how long a line outlives the last step over it, and so also us, if we are
// killed.
const idle = time.Minute

// socketPath is the longest path of a socket that every Unix takes; macOS has
// room for 104 bytes with the closing zero.
const socketPath = 100

// socketRoom is the longest path of a line's socket. It is relative, so that it is
// short wherever it leads; ssh adds 17 bytes while it makes it.
const socketRoom = socketPath - 17

// Lines are the ssh connections of a run, one for each host, user and key, which the
// steps of git share: OpenSSH's ControlMaster. A step that cannot share one connects
// by itself. Several Repos may use them at the same time.
type Lines struct {
	dir string

	mu    sync.Mutex
	lines map[string]*line
}

// NewLines returns none yet. Their sockets will lie in a private folder of the
// caller's, which he removes after Close. Windows has no such lines.
func NewLines(dir string) *Lines { return &Lines{dir: dir, lines: map[string]*line{}} }

// Close ends the lines.
func (l *Lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, one := range l.lines {
		errs = append(errs, one.close())
	}
	clear(l.lines)
	return errors.Join(errs...)
}

// to returns the line that all have in common who reach a host in the same way, nil
// for an address that is not understood as git does it.
func (l *Lines) to(a address, auth Auth, home string) *line {
	destination := a.destination()
	if destination == nil || runtime.GOOS == "windows" {
		return nil
	}
	key := fmt.Sprintf("%q %x %x", append(destination, home), sha256.Sum256(auth.SSHKey), sha256.Sum256(auth.KnownHosts))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines[key] == nil {
		l.lines[key] = &line{
			destination: destination, asks: len(auth.SSHKey) == 0,
			socket: filepath.Join(l.dir, "line"+strconv.Itoa(len(l.lines))),
		}
	}
	return l.lines[key]
}

// destination returns ssh's arguments for the address, nil if it has none.
func (a address) destination() []string {
	user, host, port := a.user, "", ""
	if u, err := url.Parse(a.forGit); err == nil && u.Scheme == "ssh" {
		host, port = u.Hostname(), u.Port()
	} else if m := scpForm.FindStringSubmatch(a.forGit); m != nil && !strings.HasPrefix(m[2], "[") {
		host = m[2]
	}
	if a.by != overSSH || host == "" {
		return nil
	}
	if user != "" {
		host = user + "@" + host
	}
	if port != "" {
		return []string{"-p", port, "--", host}
	}
	return []string{"--", host}
}

// A line is a connection that steps of git share, held by an ssh in the background.
type line struct {
	destination []string
	socket      string
	asks        bool // the user's own settings are in use

	mu   sync.Mutex
	git  runner    // whose folder and environment the ssh was given
	used time.Time // when it was last seen whole
	why  string    // it is not used, "" if it is
	told bool
}

// open reports whether there is a line, which it makes if there is none yet; verb is
// the step it is for. The options are ssh's, as a shell reads them, in the folder of
// git. An error is one that the step would meet as well.
func (l *line) open(ctx context.Context, git runner, options []string, verb string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why != "" {
		return false, nil
	}
	if l.there() {
		return true, nil
	}
	if !l.used.IsZero() && time.Since(l.used) < idle/2 {
		l.why = "the host ends the connection after a step"
		return false, nil
	}
	if l.why = l.objection(ctx, git, options); l.why != "" {
		return false, nil
	}
	l.git = git
	return l.connect(ctx, git, options, verb)
}

// ownWay are settings of the user's by which he shares connections himself, or
// reaches the host through a program that must not go on in the background.
var ownWay = regexp.MustCompile(`(?m)^(proxycommand|proxyjump|controlpath) (?:none$)?(.?)`)

// objection says why there must be no line.
func (l *line) objection(ctx context.Context, git runner, options []string) string {
	if len(socketFrom(git.dir, l.socket)) > socketRoom {
		return "the path of its socket is too long"
	}
	if !l.asks {
		return "" // no settings of the user's are read
	}
	said, err := l.ssh(ctx, git, append([]string{"-G"}, options...))
	if err != nil {
		return "" // connecting says what is wrong
	}
	for _, m := range ownWay.FindAllStringSubmatch(said, -1) {
		if m[2] != "" {
			l.told = m[1] == "controlpath" // which may well share
			return "ssh's settings have a " + m[1]
		}
	}
	return ""
}

// unreached begins what ssh says of a host that is not to be reached in any way.
var unreached = regexp.MustCompile(`(?m)^ssh: (connect to host|Could not resolve)`)

// connect starts the ssh that holds the line. It ends by itself when the line has
// not been used for a while.
func (l *line) connect(ctx context.Context, git runner, options []string, verb string) (bool, error) {
	own := []string{
		"-o ControlMaster=yes", "-o ControlPath=" + socketFrom(git.dir, l.socket),
		"-o ControlPersist=" + strconv.Itoa(int(idle.Seconds())), "-N", "-f",
	}
	said, err := l.ssh(ctx, git, append(own, options...))
	switch {
	case err == nil:
		l.used = time.Now()
		return true, nil
	case ctx.Err() != nil, classify(said) != nil, unreached.MatchString(said):
		return false, git.explain(ctx, verb, err, &tail{head: []byte(said)})
	}
	l.why = "ssh cannot share one: " + git.clean(said)
	return false, nil
}

// ssh runs ssh to its end, or until it goes into the background. By then it may
// still hold what it was given to write to, so its words go to a file.
func (l *line) ssh(ctx context.Context, git runner, options []string) (said string, err error) {
	file, err := os.CreateTemp(filepath.Dir(l.socket), "words")
	if err != nil {
		return err.Error(), err
	}
	defer func() { _, _ = file.Close(), os.Remove(file.Name()) }() // its folder is removed anyway
	git.program = "sh"
	cmd, _ := git.command(ctx, append([]string{"-c", "exec ssh " + strings.Join(options, " ") + ` "$@"`, "ssh"}, l.destination...)...)
	cmd.Stdout, cmd.Stderr = file, file
	err = cmd.Run()
	raw, _ := os.ReadFile(file.Name()) // of what cannot be read nothing is told
	return string(raw), err
}

// there reports whether the line has a socket: ssh removes it when it ends.
func (l *line) there() bool {
	_, err := os.Lstat(l.socket)
	return err == nil
}

// leave has no further step use the line.
func (l *line) leave(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == "" {
		l.why = why
	}
}

// done notes that a step went well, and returns, once, why the line is not used.
func (l *line) done() (why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used = time.Now()
	if !l.told {
		why, l.told = l.why, l.why != ""
	}
	return why
}

// close ends the ssh, if there is one.
func (l *line) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.there() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "exec ssh -F none -o ControlPath="+filepath.Base(l.socket)+" -O exit line")
	cmd.Dir, cmd.Env = filepath.Dir(l.socket), l.git.env
	_ = cmd.Run() // what is left of it ends when it is idle
	return nil
}

// socketFrom returns the way from a folder to the socket.
func socketFrom(dir, socket string) string {
	way, err := filepath.Rel(dir, socket)
	if err != nil {
		return socket
	}
	return way
}

// alone begins what ssh says when it cannot share the line, and goes on by itself.
var alone = regexp.MustCompile(`(?m)^(mux_client|Control ?[Ss]ocket).*`)

// hollow are lines by which git says that a step broke off, and nothing of why. A host
// that refuses something mostly says what.
var hollow = regexp.MustCompile(`(?m)^(fatal: |error: )?(.*hung up unexpectedly.*|early EOF|.*unexpected disconnect.*|.*index-pack failed.*|fetch-pack: .*|failed to push some refs.*|Could not read from remote repository\.|Please make sure you have the correct access rights|and the repository exists\.|Connection to .* closed.*)?\s*$`)

// contact runs a step of git that talks to the remote, over the shared line if there
// is one. Where the line is lost meanwhile, the step is made once more without it:
// all of them can be, and a push that came through finds that everything is there.
func (r *Repo) contact(ctx context.Context, env []string, stdin []byte, args ...string) (out []byte, said string, err error) {
	r.steps++
	if r.line == nil {
		return r.step(ctx, nil, env, stdin, args...)
	}
	shared, err := r.line.open(ctx, r.git, r.options, args[0])
	if err != nil {
		return nil, "", err
	}
	over := r.line
	if !shared {
		over = nil
	}
	out, said, err = r.step(ctx, over, env, stdin, args...)
	if why := alone.FindString(said); shared && why != "" {
		r.line.leave(r.git.clean(why))
	}
	if shared && err != nil && ctx.Err() == nil && (!r.line.there() || strings.TrimSpace(hollow.ReplaceAllString(said, "")) == "") {
		r.line.leave("the shared connection broke off in the middle of a step")
		out, said, err = r.step(ctx, nil, env, stdin, args...)
	}
	if err != nil {
		return out, said, err
	}
	if why := r.line.done(); why != "" && r.notify != nil {
		r.notify(fmt.Sprintf("%s: each step of git connects anew: %s", r.remote.display, why))
	}
	return out, said, nil
}

// step is contact over a line, or without one.
func (r *Repo) step(ctx context.Context, over *line, env []string, stdin []byte, args ...string) ([]byte, string, error) {
	git := r.git
	git.env = slices.Concat(git.env, env)
	if over != nil {
		shared := []string{"-o ControlMaster=no", "-o ControlPath=" + socketFrom(git.dir, over.socket)}
		git.env = append(git.env, sshEnvironment(append(shared, r.options...))...)
	}
	return git.run(ctx, stdin, args...)
}
