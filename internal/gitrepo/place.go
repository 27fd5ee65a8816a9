package gitrepo

import (
	"net/url"
	"path"
	"strings"
)

// A Place is where an address leads, whatever the spelling. Two addresses of one
// repository have places that are Same, as far as can be known without asking
// anybody.
type Place struct {
	// Folder is the absolute path of a folder of this machine, "" for others.
	Folder string

	scheme, host, port, path string
}

// PlaceOf reads an address.
func PlaceOf(raw string) (Place, error) {
	a, err := parseAddress(raw)
	if err != nil {
		return Place{}, err
	}
	switch {
	case a.by == local:
		return Place{Folder: a.forGit}, nil
	case strings.Contains(a.forGit, "://"):
		u, err := url.Parse(a.forGit)
		if err != nil {
			return Place{}, err
		}
		return remotePlace(u.Scheme, u.Hostname(), u.Port(), u.Path), nil
	}
	m := scpForm.FindStringSubmatch(a.forGit)
	return remotePlace("ssh", strings.Trim(m[2], "[]"), "", m[3]), nil
}

// forges are hosts that take a path in any case, and their other names.
func forges() map[string]string {
	return map[string]string{
		"github.com": "github.com", "www.github.com": "github.com", "ssh.github.com": "github.com",
		"gitlab.com": "gitlab.com", "altssh.gitlab.com": "gitlab.com",
		"bitbucket.org": "bitbucket.org", "altssh.bitbucket.org": "bitbucket.org",
		"codeberg.org": "codeberg.org",
	}
}

// remotePlace takes away what hosts and git do not tell apart. A path below the
// home of ssh's user counts as one below the root, as forges have it.
func remotePlace(scheme, host, port, where string) Place {
	p := Place{scheme: scheme, port: port, host: strings.TrimSuffix(strings.ToLower(host), ".")}
	if port == map[string]string{"ssh": "22", "https": "443", "http": "80"}[scheme] {
		p.port = ""
	}
	p.path = strings.TrimSuffix(path.Clean("/"+strings.TrimPrefix(strings.TrimPrefix(where, "/"), "~/")), ".git")
	if forge, ok := forges()[p.host]; ok {
		p.host, p.port, p.path = forge, "", strings.ToLower(p.path)
	}
	return p
}

// Same reports whether two places that are no folders are one. Users do not
// matter, nor does the way there; ports do between two addresses of one scheme.
func (p Place) Same(q Place) bool {
	if p.Folder != "" || q.Folder != "" {
		return false
	}
	return p.host == q.host && p.path == q.path && (p.scheme != q.scheme || p.port == q.port)
}
