package gitrepo

import (
	"testing"
)

func TestPlaces(t *testing.T) {
	t.Parallel()
	groups := [][]string{
		{
			"https://github.com/me/files", "https://github.com/me/files.git", "https://github.com/me/files/", "https://github.com/me/files.git/",
			"https://GitHub.com/Me/Files", "https://github.com:443/me/files", "http://github.com/me/files", "https://me@github.com/me/files", "https://github.com./me//files",
			"git@github.com:me/files.git", "git@github.com:/me/files", "github.com:me/files", "org-1@github.com:me/files.git", "https://github.com/me/%66iles",
			"ssh://git@github.com/me/files.git", "ssh://github.com:22/me/files/", "ssh://git@ssh.github.com:443/me/files.git",
		},
		{"https://github.com/me/hashes", "git@github.com:me/hashes.git"},
		{"https://github.com/other/files"},
		{"https://git.example.org/me/files", "git@git.example.org:me/files.git", "you@GIT.example.org:~/me/files"},
		{"https://git.example.org/Me/files"},
		{"http://127.0.0.1:8001/r.git"},
		{"http://127.0.0.1:8002/r.git"},
		{"ssh://git@[::1]:22/r.git", "git@[::1]:r"},
	}
	for i, group := range groups {
		for j, other := range groups {
			for _, a := range group {
				for _, b := range other {
					p, err := ParseEndpoint(a)
					q, err2 := ParseEndpoint(b)
					if err != nil || err2 != nil {
						t.Fatal(err, err2)
					}
					if p.Same(q) != (i == j) {
						t.Errorf("%q and %q are the same: %v", a, b, p.Same(q))
					}
				}
			}
		}
	}
	other, err := ParseEndpoint("ssh://git@git.example.org:2222/me/files")
	https, err2 := ParseEndpoint("https://git.example.org/me/files")
	if err != nil || err2 != nil || !other.Same(https) {
		t.Errorf("ssh on another port and https of one host are told apart: %v %v", err, err2)
	}
	if p, err := ParseEndpoint("file:///x/one.git"); err != nil || p.Folder != "/x/one.git" {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := ParseEndpoint("ftp://x/y"); err == nil {
		t.Error("an address that is none has a place")
	}
}
