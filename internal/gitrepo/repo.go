package gitrepo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshauth"
	"github.com/hackage-mirror/hackage-mirror/internal/temp"
)

// Auth holds the credentials for a remote. Every part may be empty.
type Auth struct {
	// SSHKey is a private key without passphrase, in OpenSSH or PEM form.
	// Without it the user's own ssh settings and agent are used.
	SSHKey []byte
	// KnownHosts are lines as ssh keeps them. Without them GitHub's host
	// keys are known.
	KnownHosts []byte
	// Token goes to an https remote, as the password of TokenUser; without one,
	// of the user in the address, or of x-access-token.
	Token     []byte
	TokenUser string
}

// Options say which remote to open and where to work.
type Options struct {
	// Dir is a private temporary folder of the caller's. It must exist;
	// several Repos may share it.
	Dir string
	// URL is a path, file://, ssh://, user@host:path, https:// or http://.
	URL string
	// Auth is used as far as the URL's form has a use for it.
	Auth Auth
	// Create makes a remote that is a path and does not exist yet: a bare
	// repository whose HEAD is InitialBranch ("main" if empty). If a
	// bare one is there whose HEAD points to no branch, that is made to point there.
	Create        bool
	InitialBranch string
	// Notify is told, in one line for people, when the remote makes us fetch
	// more than is needed; nil for nobody.
	Notify func(string)
	// Connections are those by ssh of all Repos that have them; nil for its own.
	Connections *sshauth.Connections
	// Getenv reads our environment, of which the children get a few named
	// variables; nil is os.Getenv.
	Getenv func(string) string
}

// A Repo is a bare local repository and its one remote.
type Repo struct {
	git    runner
	remote address
	auth   Auth

	login          *sshauth.Login       // these are nil if the remote is not reached by ssh
	connection     *sshauth.Connection  // and also if there is none to share
	ownConnections *sshauth.Connections // and also if they are the caller's

	life context.Context // of the processes that outlive a call
	end  context.CancelFunc

	reader  *reader         // nil until the first read
	objects *gitpack.Writer // of what is written

	config    [][2]string // git's settings
	notify    func(string)
	initial   string // branch of a new remote
	showsTags bool   // the remote is known to show its tags
	filter    filterLevel
	// fetchedLess says that filter was reduced after something had been fetched.
	fetchedLess bool
	refs        []string // that were fetched and may be there still
	depth       int      // how many commits of each of them were fetched
	fetches     int      // git fetch was started so often
	steps       int      // and any git that talks to the remote
}

// Open checks git and the address, makes the local repository and, if asked to,
// the remote. It does not talk to a remote that is not a folder.
func Open(ctx context.Context, o Options) (*Repo, error) {
	remote, err := parseAddress(o.URL)
	if err != nil {
		return nil, err
	}
	getenv := o.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	git, err := findGit(ctx, "git", o.Dir, baseEnvironment(getenv))
	if err != nil {
		return nil, err
	}
	notify := o.Notify
	if notify == nil {
		notify = func(string) {}
	}
	r := &Repo{git: git, remote: remote, auth: o.Auth, notify: notify, initial: cmp.Or(o.InitialBranch, "main"), filter: noTrees}
	r.auth.SSHKey, r.auth.Token = bytes.Clone(r.auth.SSHKey), bytes.Clone(r.auth.Token) // which Close wipes
	r.life, r.end = context.WithCancel(ctx)
	if err := r.prepare(ctx, o, getenv); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// localGitDir is relative, so that the folder's own path never matters to git or
// ssh.
const localGitDir = "GIT_DIR=."

// prepare makes the folders and the environment of the children.
func (r *Repo) prepare(ctx context.Context, o Options, getenv func(string) string) error {
	if o.Create && r.remote.transport == local {
		if err := r.create(ctx); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp(o.Dir, "git-")
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err == nil {
		err = r.init(ctx, dir, "none")
	}
	if err != nil {
		return fmt.Errorf("make local repository: %w", err)
	}
	r.objects = gitpack.NewWriter(dir)
	r.git.dir, r.git.env = dir, append(r.git.env, localGitDir)
	return r.prepareTransport(o.Connections, getenv)
}

// prepareTransport gives the children what the transport needs, and no more.
func (r *Repo) prepareTransport(connections *sshauth.Connections, getenv func(string) string) (err error) {
	config := settings()
	switch r.remote.transport {
	case overHTTP:
		header, secrets, err := r.auth.header(r.remote)
		if err != nil {
			return err
		}
		if header != "" {
			r.git.secrets = secrets
			config = append(config, tokenSettings(r.remote, header)...)
		}
	case overSSH:
		if user := r.remote.user; user != "" && user != "git" {
			r.git.secrets = []string{user + "@"} // ssh tells it
		}
		if len(r.auth.SSHKey) == 0 && getenv("SSH_AUTH_SOCK") != "" {
			r.git.env = append(r.git.env, "SSH_AUTH_SOCK="+getenv("SSH_AUTH_SOCK"))
		}
		if r.login, err = sshauth.Prepare(r.git.dir, r.auth.SSHKey, r.auth.KnownHosts, getenv("HOME")); err != nil {
			return fmt.Errorf("use %q: %w", r.remote.display, err)
		}
		r.git.env = append(r.git.env, r.login.Environment()...)
		if connections == nil {
			r.ownConnections = sshauth.NewConnections(r.git.dir)
			connections = r.ownConnections
		}
		r.connection = connections.Connection(r.remote.destination(), r.auth.SSHKey, r.auth.KnownHosts, getenv("HOME"))
	}
	r.config = config
	r.git.env = append(r.git.env, configEnvironment(config)...)
	return nil
}

// init makes a bare repository.
func (r *Repo) init(ctx context.Context, dir, branch string) error {
	_, err := r.git.output(ctx, nil, "init", "--quiet", "--bare", "--template=", "--object-format=sha1", "--initial-branch="+branch, "--", dir)
	return err
}

// create makes a remote that is a missing or empty folder. It is made in a
// temporary folder next to it and renamed, so that it is whole or not there at all, also when two
// runs make it at the same time.
func (r *Repo) create(ctx context.Context) error {
	path := r.remote.forGit
	entries, err := os.ReadDir(path)
	if err == nil && len(entries) > 0 || err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil // Refs says what is wrong with it
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // so that a link stays one
	}
	if err := r.createAt(ctx, filepath.Clean(path)); err != nil {
		return fmt.Errorf("make repository %q: %w", path, err)
	}
	return nil
}

// createAt is create for a path that is no link.
func (r *Repo) createAt(ctx context.Context, path string) (err error) {
	parent := filepath.Dir(path)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	folder, err := temp.MakeIn(parent)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	made := filepath.Join(folder.Path, "git")
	if err := r.init(ctx, made, r.initial); err != nil {
		return err
	}
	// An empty folder gives way; one that is no longer empty is somebody's.
	_ = os.Remove(path)
	if err := os.Rename(made, path); err != nil {
		if entries, look := os.ReadDir(path); look == nil && len(entries) > 0 {
			return nil // another run was faster
		}
		return err
	}
	return nil
}

// Close ends what still runs and wipes the secrets. The folder is the caller's
// to remove. Objects that were not pushed are lost.
func (r *Repo) Close() error {
	var errs []error
	if r.reader != nil {
		errs = append(errs, r.reader.Close())
		r.reader = nil
	}
	r.end()
	if r.objects != nil {
		errs = append(errs, r.objects.Close())
	}
	if r.ownConnections != nil {
		errs = append(errs, r.ownConnections.Close())
	}
	errs = append(errs, r.login.Close())
	r.login = nil
	clear(r.auth.SSHKey)
	clear(r.auth.Token)
	r.git.env, r.config = nil, nil
	return errors.Join(errs...)
}

// String returns the remote's address without userinfo.
func (r *Repo) String() string { return r.remote.display }

// ForCommands returns the address as a command that people are given needs it:
// with the user of ssh, which is none of the secrets.
func (r *Repo) ForCommands() string { return r.remote.forGit }

// The oldest git that we work with: Debian 12's.
const (
	oldestMajor = 2
	oldestMinor = 39
)

var versionText = regexp.MustCompile(`git version (\d+)\.(\d+)`)

// findGit finds the program, and refuses one that is too old.
func findGit(ctx context.Context, program, dir string, env []string) (runner, error) {
	program, err := exec.LookPath(program)
	if err != nil {
		return runner{}, fmt.Errorf("find git %d.%d or newer: %w", oldestMajor, oldestMinor, err)
	}
	g := runner{program: program, dir: dir, env: env}
	out, err := g.output(ctx, nil, "version")
	if err != nil {
		return g, err
	}
	m := versionText.FindSubmatch(out)
	if m == nil {
		return g, fmt.Errorf("ask git for its version: it says %.60q", out)
	}
	major, _ := strconv.Atoi(string(m[1])) // digits by the pattern
	minor, _ := strconv.Atoi(string(m[2]))
	if major < oldestMajor || major == oldestMajor && minor < oldestMinor {
		return g, fmt.Errorf("use git %d.%d: version %d.%d or newer is needed", major, minor, oldestMajor, oldestMinor)
	}
	return g, nil
}
