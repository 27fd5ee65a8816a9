// Package addresses reads addresses as people write them, of the web, of git and of
// folders, and says them without what may be secret.
package addresses

import (
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// Public returns a URL without what may be secret: user, password, query and
// fragment.
func Public(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Opaque: u.Opaque, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

// Web reads the address of something on the web, with http or https.
func Web(text string) (u *url.URL, ok bool) {
	u, err := url.Parse(text)
	return u, err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// Shown takes out of an address, also of one that is none, what may be a user, a
// password, or a token in a query.
func Shown(text string) string {
	if i := strings.LastIndex(text, "@"); i >= 0 {
		text = "…" + text[i:]
	}
	if i := strings.Index(text, "?"); i >= 0 {
		text = text[:i] + "…"
	}
	return text
}

// passwordForm is a user and a password within a path.
var passwordForm = regexp.MustCompile(`[^/]*:[^@]*@`)

// Within reports whether another address is within a path. It may hold a user and a
// password where nobody looks for them.
func Within(path string) bool {
	return strings.Contains(path, "://") || passwordForm.MatchString(path)
}

// IsToken reports whether a text begins as tokens of the large hosts do, which
// put that there so that a token in the wrong place can be found.
func IsToken(text string) bool {
	for _, prefix := range []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "glcbt-", "ATBB", "ATCTT"} {
		if strings.HasPrefix(text, prefix) {
			// Where it is only letters, a word may begin so.
			return strings.ContainsAny(prefix, "_-") || len(text) >= 24
		}
	}
	return false
}

// IsLoopback reports whether a host is this machine.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Folder returns the folder that a file URL names, "" if it has no path. It is not
// here if the URL names another machine.
func Folder(u *url.URL) (folder string, here bool) { return folderOn(runtime.GOOS, u) }

func folderOn(system string, u *url.URL) (folder string, here bool) {
	path := u.Path
	if system == "windows" && len(path) > 2 && path[2] == ':' {
		path = strings.TrimPrefix(path, "/") // file:///C:/mirror
	}
	return filepath.FromSlash(path), u.Host == "" || u.Host == "localhost"
}

// slugForm is OWNER/REPO on GitHub.
var slugForm = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38})/[A-Za-z0-9._-]{1,100}$`)

// Slug returns the OWNER/REPO of a repository on GitHub, and whether it is one.
func Slug(text string) (slug string, ok bool) {
	slug = strings.TrimSuffix(text, ".git")
	return slug, slugForm.MatchString(text) && !strings.HasSuffix(slug, "/") && !strings.HasSuffix(slug, "/.") && !strings.HasSuffix(slug, "/..")
}
