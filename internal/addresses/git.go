package addresses

import (
	"net/url"
	"regexp"
	"runtime"
	"strings"
)

// A Git is where git finds a repository on another machine.
type Git struct {
	Scheme string // ssh, https or http
	User   string // "" for none
	Host   string // without brackets
	Port   string // "" for the scheme's own
	Path   string // below ssh's user's home if it does not begin with a slash
}

var (
	scpForm     = regexp.MustCompile(`^(?:([^/@:]*)@)?(\[[^\]/]+\]|[^/@:]+):(.+)$`)
	scpPassword = regexp.MustCompile(`^[^/@]*:[^/@]*@`)
	drive       = regexp.MustCompile(`^[A-Za-z]:`)
)

// ParseGit reads USER@HOST:PATH, in which the user may be missing, or a URL. It is
// not ok for a folder, for other schemes, and for what is no address.
func ParseGit(text string) (g Git, ok bool) {
	if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || u.Scheme != "ssh" && u.Scheme != "https" && u.Scheme != "http" {
			return Git{}, false
		}
		return Git{u.Scheme, u.User.Username(), u.Hostname(), u.Port(), u.Path}, true
	}
	m := scpForm.FindStringSubmatch(text)
	if m == nil || HasPassword(text) || IsDrive(text) {
		return Git{}, false
	}
	host, port := strings.Trim(m[2], "[]"), ""
	if host != m[2] && strings.Count(host, ":") == 1 { // [HOST:PORT]:PATH
		host, port, _ = strings.Cut(host, ":")
	}
	return Git{"ssh", m[1], host, port, m[3]}, true
}

// HasPassword reports whether a text without a scheme has a password before an @.
func HasPassword(text string) bool { return scpPassword.MatchString(text) }

// IsDrive reports whether a text is a path that begins with a drive of Windows.
func IsDrive(text string) bool {
	return drive.MatchString(text) && (runtime.GOOS == "windows" || strings.HasPrefix(text[2:], `\`))
}

// forges are hosts that take a path in any case, by all their names.
var forges = map[string]string{
	"github.com": "github.com", "www.github.com": "github.com", "ssh.github.com": "github.com",
	"gitlab.com": "gitlab.com", "altssh.gitlab.com": "gitlab.com",
	"bitbucket.org": "bitbucket.org", "altssh.bitbucket.org": "bitbucket.org",
	"codeberg.org": "codeberg.org",
}

// Forge returns the name by which people know a host, and whether it is one of the
// large hosts of git, which take a path in any case.
func Forge(host string) (name string, known bool) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if name, known := forges[host]; known {
		return name, true
	}
	return host, false
}

// Web returns the address at which the same host has the repository on the web, if
// it has one there: without a user, a port of ssh, or .git at its end.
func (g Git) Web() string {
	host, _ := Forge(g.Host)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if g.Scheme != "ssh" && g.Port != "" {
		host += ":" + g.Port
	}
	path := strings.TrimSuffix(strings.Trim(g.Path, "/"), ".git")
	scheme := "https"
	if g.Scheme == "http" {
		scheme = "http"
	}
	return (&url.URL{Scheme: scheme, Host: host, Path: "/" + path}).String()
}
