package addresses_test

import (
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
)

func TestParseGit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]addresses.Git{
		"git@github.com:o/r.git":           {Scheme: "ssh", User: "git", Host: "github.com", Path: "o/r.git"},
		"h.example:/srv/r":                 {Scheme: "ssh", Host: "h.example", Path: "/srv/r"},
		"[::1]:r":                          {Scheme: "ssh", Host: "::1", Path: "r"},
		"me@[h.example:2222]:r":            {Scheme: "ssh", User: "me", Host: "h.example", Port: "2222", Path: "r"},
		"ssh://git@ssh.github.com:443/o/r": {Scheme: "ssh", User: "git", Host: "ssh.github.com", Port: "443", Path: "/o/r"},
		"https://me:pw@h.example:8443/r":   {Scheme: "https", User: "me", Host: "h.example", Port: "8443", Path: "/r"},
		"":                                 {}, "/srv/r": {}, "./a:b": {}, `C:\r`: {}, "file:///r": {}, "s3://r/x": {}, "https://": {}, "me:pw@h.example:r": {}, "ssh://h:x/r": {},
	} {
		if got, ok := addresses.ParseGit(text); got != want || ok != (want != addresses.Git{}) {
			t.Errorf("%q is %+v, %t; want %+v", text, got, ok, want)
		}
	}
}

func TestPagesOfRepositories(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"git@github.com:o/r.git": "https://github.com/o/r", "ssh://git@ssh.github.com:443/o/r": "https://github.com/o/r",
		"https://h.example:8443/o/r.git/": "https://h.example:8443/o/r", "[::1]:/r": "https://[::1]/r", "GitLab.com:O/R": "https://gitlab.com/O/R",
	} {
		if g, ok := addresses.ParseGit(text); !ok || g.Web() != want {
			t.Errorf("%q has the page %s, want %s", text, g.Web(), want)
		}
	}
}

func TestSlug(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"o/r": "o/r", "o_x/r.git": "o_x/r", "o/.": "", "o/..": "", "o/.git": "", "o/..git": "", "o": "", "o/r/x": "", "-o/r": ""} {
		if got, ok := addresses.Slug(text); ok != (want != "") || ok && got != want {
			t.Errorf("%q is %q, %t; want %q", text, got, ok, want)
		}
	}
}
