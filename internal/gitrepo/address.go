package gitrepo

import (
	"bytes"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo/sshauth"
)

// A transport is how a remote is reached.
type transport uint8

const (
	local transport = iota + 1 // a folder of this machine
	overSSH
	overHTTP
)

// An address is a checked place of a repository.
type address struct {
	transport transport
	forGit    string // as git gets it; a folder is absolute
	display   string // for people, without userinfo
	user      string // "" for none; overHTTP it goes with the token
}

var (
	helperPrefix = regexp.MustCompile(`^[A-Za-z0-9_.+-]*::`)
	brokenURL    = regexp.MustCompile(`^(?i)(https?|ssh|file|s3)(?::/?[^/]|//)`)
	mixedForm    = regexp.MustCompile(`^(?i)(?:git\+)?ssh://(?:[^/@:]*@)?[^/@:]+:[^/0-9][^@]*$`)
)

// forms ends refusals of what has none of them.
const forms = "write git@HOST:OWNER/REPO.git, ssh://USER@HOST/PATH, https://HOST/PATH or the path of a folder"

// parseAddress sorts a remote's address into its transport. Errors never hold
// the address itself where that may hold a password.
func parseAddress(raw string) (address, error) {
	switch {
	case raw == "":
		return address{}, fmt.Errorf("read repository address: it is empty: %w", ErrURL)
	case strings.ContainsFunc(raw, unicode.IsControl):
		return address{}, fmt.Errorf("read repository address: it holds control characters: %w", ErrURL)
	case strings.HasPrefix(raw, "-"):
		return address{}, fmt.Errorf("read repository address: it starts with a dash: %w", ErrURL)
	case helperPrefix.MatchString(raw):
		return address{}, fmt.Errorf("read repository address: remote helpers (%s) are not used; %s: %w", helperPrefix.FindString(raw), forms, ErrURL)
	case strings.Contains(raw, "://"):
		return parseURL(raw)
	case brokenURL.MatchString(raw):
		return address{}, fmt.Errorf("read repository address: %s must be followed by :// (%w)", brokenURL.FindStringSubmatch(raw)[1], ErrURL)
	case addresses.HasPassword(raw):
		return address{}, fmt.Errorf("read repository address: it contains a password before the @; give a token with the option token, or a key with ssh-key: %w", ErrURL)
	}
	if g, ok := addresses.ParseGit(raw); ok {
		return scpAddress(raw, g)
	}
	return folderAddress(raw)
}

// errTokenOverSSH is also for the sake of the arguments of ssh, which others can
// read, and in which the user stands.
var errTokenOverSSH = fmt.Errorf("read repository address: its user is a token, which ssh does not use; write https://HOST/PATH, and give the token with the option token: %w", ErrURL)

func folderAddress(path string) (address, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return address{}, fmt.Errorf("read repository address %q: %w", path, err)
	}
	return address{transport: local, forGit: abs, display: abs}, nil
}

// scpAddress is of the form user@host:path.
func scpAddress(raw string, g addresses.Git) (address, error) {
	switch {
	case strings.HasPrefix(g.User, "-") || strings.HasPrefix(g.Host, "-"):
		return address{}, fmt.Errorf("read repository address: its host or user starts with a dash: %w", ErrURL)
	case strings.ContainsAny(g.User+g.Host, " \t"):
		return address{}, fmt.Errorf("read repository address: its host or user contains blanks; give the address alone: %w", ErrURL)
	case addresses.IsToken(g.User):
		return address{}, errTokenOverSSH
	}
	return address{transport: overSSH, forGit: raw, display: strings.TrimPrefix(raw, g.User+"@"), user: g.User}, nil
}

// parseURL reads the forms with a scheme.
func parseURL(raw string) (address, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The parser's error quotes the address, password and all.
		if mixedForm.MatchString(raw) {
			return address{}, fmt.Errorf("read repository address: after ssh:// only a port may follow the colon; write git@HOST:OWNER/REPO.git or ssh://git@HOST/OWNER/REPO.git: %w", ErrURL)
		}
		return address{}, fmt.Errorf("read repository address: it is not a well-formed URL; %s: %w", forms, ErrURL)
	}
	if _, has := u.User.Password(); has {
		return address{}, fmt.Errorf("read repository address on %q: it contains a password, which would end up in logs; give a token with the option token, or a key with ssh-key: %w", u.Host, ErrURL)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return address{}, fmt.Errorf("read repository address on %q: a repository has no query or fragment: %w", u.Host, ErrURL)
	}
	if addresses.Within(u.Path) {
		return address{}, fmt.Errorf("read repository address on %q: another address, or a user and password, is in its path, which would end up in logs: %w", u.Host, ErrURL)
	}
	shown := *u
	shown.User = nil
	switch u.Scheme {
	case "file":
		return fileAddress(u)
	case "ssh":
		return sshAddress(u, raw, shown.String())
	case "http", "https":
		if u.Hostname() == "" {
			return address{}, fmt.Errorf("read repository address: it names no host; %s: %w", forms, ErrURL)
		}
		return address{transport: overHTTP, forGit: shown.String(), display: shown.String(), user: u.User.Username()}, nil
	}
	return address{}, fmt.Errorf("read repository address: nothing is pushed by %.40q; %s: %w", u.Scheme, forms, ErrURL)
}

// sshAddress is of a URL whose scheme is ssh.
func sshAddress(u *url.URL, raw, shown string) (address, error) {
	user := u.User.Username()
	if u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-") || strings.HasPrefix(user, "-") {
		return address{}, fmt.Errorf("read repository address: its host or user is missing or starts with a dash: %w", ErrURL)
	}
	if addresses.IsToken(user) {
		return address{}, errTokenOverSSH
	}
	return address{transport: overSSH, forGit: raw, display: shown, user: user}, nil
}

func fileAddress(u *url.URL) (address, error) {
	folder, here := addresses.Folder(u)
	switch {
	case !here:
		return address{}, fmt.Errorf("read repository address: file URL names the host %q: %w", u.Host, ErrURL)
	case folder == "":
		return address{}, fmt.Errorf("read repository address: file URL without a path: %w", ErrURL)
	}
	return folderAddress(folder)
}

// Check says what is wrong with the options without touching anything, and
// returns how the remote is named to people: never with a user.
func (o Options) Check() (name string, err error) {
	remote, err := parseAddress(o.URL)
	if err != nil {
		return "", err
	}
	if _, _, err := o.Auth.header(remote); err != nil {
		return "", err
	}
	if remote.transport == overSSH {
		if len(o.Auth.SSHKey) > 0 {
			_, err = sshauth.ParseKey(o.Auth.SSHKey)
		}
		if len(bytes.TrimSpace(o.Auth.KnownHosts)) > 0 && err == nil {
			_, _, err = sshauth.KnownHosts(o.Auth.KnownHosts)
		}
	}
	if err != nil {
		return "", fmt.Errorf("use %q: %w", remote.display, err)
	}
	return remote.display, nil
}

// safeForToken reports whether a token may travel to the address.
func (a address) safeForToken() bool {
	u, err := url.Parse(a.forGit)
	if err != nil {
		return false
	}
	return u.Scheme == "https" || addresses.IsLoopback(u.Hostname())
}
