package gitrepo

import (
	"path"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
)

// An Endpoint is where an address leads, whatever the spelling. Two addresses of one
// repository have endpoints that are Same, as far as can be known without asking
// anybody.
type Endpoint struct {
	// Folder is the absolute path of a folder of this machine, "" for others.
	Folder string

	scheme, host, port, path string
}

// ParseEndpoint reads an address of a repository.
func ParseEndpoint(raw string) (Endpoint, error) {
	a, err := parseAddress(raw)
	if err != nil {
		return Endpoint{}, err
	}
	if a.transport == local {
		return Endpoint{Folder: a.forGit}, nil
	}
	g, _ := addresses.ParseGit(a.forGit)
	return remoteEndpoint(g), nil
}

// remoteEndpoint takes away what hosts and git do not tell apart. A path below the
// home of ssh's user counts as one below the root, as forges have it.
func remoteEndpoint(g addresses.Git) Endpoint {
	host, forge := addresses.Forge(g.Host)
	p := Endpoint{scheme: g.Scheme, host: host, port: g.Port}
	if g.Port == map[string]string{"ssh": "22", "https": "443", "http": "80"}[g.Scheme] {
		p.port = ""
	}
	p.path = strings.TrimSuffix(path.Clean("/"+strings.TrimPrefix(strings.TrimPrefix(g.Path, "/"), "~/")), ".git")
	if forge {
		p.port, p.path = "", strings.ToLower(p.path)
	}
	return p
}

// Same reports whether two endpoints that are no folders are one. Users do not
// matter, nor does the way there; ports do between two addresses of one scheme.
func (p Endpoint) Same(q Endpoint) bool {
	if p.Folder != "" || q.Folder != "" {
		return false
	}
	return p.host == q.host && p.path == q.path && (p.scheme != q.scheme || p.port == q.port)
}
