package setup

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
)

// githubHost is the host whose repositories are named OWNER/REPO.
const githubHost = "github.com"

// A Remote is a git repository to fill. The zero Remote is none.
type Remote struct {
	Slug    string // OWNER/REPO on GitHub, "" elsewhere
	Host    string
	Address string // as it was given, unless Slug says it all
}

// ParseSlug reads the OWNER/REPO of a repository on GitHub.
func ParseSlug(text string) (string, error) {
	slug, ok := addresses.Slug(text)
	if !ok {
		return "", fmt.Errorf("%.200q is not a repository; write OWNER/REPO", addresses.Shown(text))
	}
	return slug, nil
}

// parseRepository reads the OWNER/REPO or the address of a repository on GitHub.
func parseRepository(text string) (slug string, err error) {
	remote, err := ParseRemote(text)
	if err == nil && remote.Slug == "" {
		err = fmt.Errorf("a repository at %s cannot run the workflow; give one on %s, as OWNER/REPO", remote.Host, githubHost)
	}
	return remote.Slug, err
}

// pasted returns what of a line that people copied names a repository: a command
// that clones it, or an address of GitHub from which its scheme is missing.
func pasted(text string) string {
	words := strings.Fields(text)
	if len(words) > 2 && slices.Contains(cloners, strings.Join(words[:len(words)-1], " ")) {
		text = words[len(words)-1]
	}
	if host, _, more := strings.Cut(text, "/"); more && onGitHub(host) {
		return "https://" + text
	}
	return text
}

// cloners are the commands that GitHub's pages and manual show.
var cloners = []string{"git clone", "gh repo clone", "git remote add origin"}

// ParseRemote reads OWNER/REPO, an address over ssh or https, or the address of any
// page of a repository on GitHub. Errors do not repeat an address that may hold a
// password.
func ParseRemote(text string) (Remote, error) {
	text = pasted(text)
	switch {
	case strings.Contains(text, "://"):
		return parseURL(text)
	case strings.HasPrefix(text, ".") || strings.HasPrefix(text, "/"):
		return Remote{}, fmt.Errorf("a workflow cannot push to the folder %.200q; write OWNER/REPO or an address over ssh or https", text)
	}
	g, ok := addresses.ParseGit(text)
	blank := strings.ContainsFunc(text, unicode.IsSpace)
	if (ok || addresses.HasPassword(text)) && !blank && !strings.HasPrefix(text, "-") { // gitrepo refuses passwords
		return onHost(g.Host, g.Path, text)
	}
	slug, err := ParseSlug(text)
	return Remote{Slug: slug, Host: githubHost}, err
}

func parseURL(text string) (Remote, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Remote{}, errors.New("it is not an address; write OWNER/REPO or https://HOST/PATH")
	}
	_, password := u.User.Password()
	github := onGitHub(u.Hostname())
	switch {
	case password || u.Scheme != "ssh" && u.User != nil:
		return Remote{}, errors.New("the address contains a user or password, and the workflow is public; leave that out")
	case u.Scheme != "https" && u.Scheme != "ssh" && !github:
		return Remote{}, fmt.Errorf("a workflow cannot push by %.20q; write OWNER/REPO or an address over ssh or https", u.Scheme)
	case github:
		return onHost(githubHost, u.Path, text)
	case u.Host == "" || strings.Trim(u.Path, "/") == "":
		return Remote{}, errors.New("it is not the address of a repository; write https://HOST/PATH")
	case u.RawQuery != "" || u.Fragment != "":
		return Remote{}, errors.New("the address of a repository ends before the ? or #; leave out what follows")
	}
	return onHost(u.Host, u.Path, text)
}

// onGitHub reports whether a host is GitHub, by any of its names.
func onGitHub(host string) bool { name, _ := addresses.Forge(host); return name == githubHost }

// onHost returns the remote at an address. On GitHub a name says it all: the first
// two parts of the path, whatever page of the repository follows.
func onHost(host, path, address string) (Remote, error) {
	if !onGitHub(host) {
		return Remote{Host: host, Address: address}, nil
	}
	parts := strings.SplitN(strings.Trim(path, "/")+"//", "/", 3)
	slug, err := ParseSlug(parts[0] + "/" + parts[1])
	if err != nil || slices.Contains(notOwners, strings.ToLower(parts[0])) {
		return Remote{}, errors.New("this page of " + githubHost + " is not of a repository; write OWNER/REPO")
	}
	return Remote{Slug: slug, Host: githubHost}, nil
}

// notOwners are the pages of GitHub that look like an owner's.
var notOwners = []string{"orgs", "organizations", "settings", "users", "enterprises", "topics"}

// IsZero reports whether there is no remote.
func (r Remote) IsZero() bool { return r == Remote{} }

// String is how people and flags name the remote.
func (r Remote) String() string {
	if r.Slug != "" {
		return r.Slug
	}
	return r.Address
}

// overHTTPS reports whether the remote can only be reached with a token.
func (r Remote) overHTTPS() bool { return strings.HasPrefix(r.Address, "https://") }

// ssh returns the remote's address for a key.
func (r Remote) ssh() string {
	if r.Slug != "" {
		return "git@" + githubHost + ":" + r.Slug + ".git"
	}
	return r.Address
}

// https returns the remote's address for a token.
func (r Remote) https() string {
	if r.Slug != "" {
		return "https://" + githubHost + "/" + r.Slug + ".git"
	}
	return r.Address
}
