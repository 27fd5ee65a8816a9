package options

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/run"
)

// Resolve gives OWNER/REPO its address on a runner of GitHub. Anywhere else it is
// a path, and there too it once became one: a mirror on the disk of a
// machine that ends with the run.
func (o *Sync) Resolve(getenv func(string) string) {
	if getenv("GITHUB_ACTIONS") != "true" {
		return
	}
	server := getenv("GITHUB_SERVER_URL")
	o.FilesRepository = onGitHub(o.FilesRepository, server, o.FilesSSHKey.Or(o.SSHKey).IsSet())
	o.HashesRepository = onGitHub(o.HashesRepository, server, o.HashesSSHKey.Or(o.SSHKey).IsSet())
}

// onGitHub returns the address of OWNER/REPO: over ssh where there is a key. Any
// other address stays as it is.
func onGitHub(repository, server string, key bool) string {
	if server != "" && !strings.Contains(server, "://") {
		server = "https://" + server
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		u = &url.URL{Scheme: "https", Host: "github.com"}
	}
	name, ok := addresses.Slug(repository)
	switch {
	case !ok:
		return repository
	case key:
		host := u.Hostname()
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return "git@" + host + ":" + name + ".git"
	}
	return u.JoinPath(name + ".git").String()
}

// A Remote is a repository that is a destination.
type Remote struct {
	Kind   string // the option
	Hashes bool
	gitrepo.Options
}

// Remotes returns the repositories that are destinations, and what opens them.
func (o *Sync) Remotes() (all []Remote, err error) {
	hosts, _, err := o.KnownHosts()
	if err != nil {
		return nil, err
	}
	for _, r := range []Remote{
		{run.FilesKind, false, gitrepo.Options{URL: o.FilesRepository, Auth: gitrepo.Auth{SSHKey: o.FilesSSHKey.Or(o.SSHKey).Bytes()}}},
		{run.HashesKind, true, gitrepo.Options{URL: o.HashesRepository, Auth: gitrepo.Auth{SSHKey: o.HashesSSHKey.Or(o.SSHKey).Bytes()}}},
	} {
		r.Auth.KnownHosts, r.Auth.Token, r.Auth.TokenUser = hosts, o.Token.Bytes(), o.TokenUser
		if r.URL != "" {
			all = append(all, r)
		}
	}
	return all, nil
}

func (o *Sync) checkUpstream(c *checker) {
	scheme, _, isURL := strings.Cut(o.Upstream, "://")
	u, err := url.Parse(o.Upstream)
	secret := o.UpstreamUser != "" || o.UpstreamPassword.IsSet()
	switch {
	case o.Upstream == "":
		c.refuse("upstream is empty; leave it out to mirror hackage.haskell.org")
	case c.comment("upstream", o.Upstream):
	case !isURL:
		c.folder("upstream", o.Upstream, "write https://HOST for a server, or the path of a folder that is there")
		c.use(folderAt("upstream", o.Upstream))
	case err != nil:
		// The error of url.Parse repeats the address, password and all.
		c.refuse("upstream is not an address; write https://HOST/PATH or the path of a folder")
	case u.User != nil:
		c.refuse("upstream has a user or password in its address, which would end up in logs; " +
			"give the user with upstream-user, and the password with upstream-password: as a file, or in the environment")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(o.Upstream, "#"):
		c.refuse("upstream has a query or fragment, which no path can follow and which would end up in logs; " +
			"write https://HOST/PATH, and give a password with upstream-user and upstream-password")
	case addresses.Within(u.Path):
		c.refuse("upstream has another address, or a user and password, in its path, which would end up in logs; write https://HOST/PATH")
	case scheme == "http" && secret && !addresses.IsLoopback(u.Hostname()):
		c.refuse("upstream-password would be sent unencrypted; use https for upstream")
	case scheme == "http":
		c.warn("upstream is read over http: everything is verified, but anyone on the network path can see it or hold it back")
	case scheme == "file":
		if there, err := gitrepo.ParseEndpoint(o.Upstream); err == nil {
			c.use(folderAt("upstream", there.Folder))
		}
	case scheme != "https":
		c.refuse("upstream cannot be read by %q; use https, http or a folder", scheme)
	}
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		c.web = webLocation(u)
	} else if secret {
		c.refuse("upstream-user and upstream-password are for a server, and upstream is a folder; leave them out")
	}
	if o.UpstreamPassword.IsSet() && o.UpstreamUser == "" {
		c.refuse("upstream-password needs a user; give it with upstream-user")
	}
}

// webLocation is equal for two addresses that lead to one location on the web.
func webLocation(u *url.URL) string {
	return strings.ToLower(u.Host) + strings.TrimRight(u.Path, "/")
}

func (o *Sync) checkDestinations(c *checker) {
	if len(o.Bucket) == 0 && o.FilesRepository == "" && o.HashesRepository == "" {
		c.refuse("no destination; give at least one of bucket, files-repository and hashes-repository")
	}
	opening, err := o.BucketOptions()
	c.add(err)
	for _, text := range o.Bucket {
		address, err := open.Address(text, opening)
		switch {
		case c.comment("bucket", text):
		case err != nil:
			c.refuse("bucket: %w", err)
		case address.Folder == "":
			c.use(location{option: "bucket", name: BucketName(text), store: address.Name})
		default:
			if address.Folder == text {
				c.folder("bucket", text, "write s3://NAME for a bucket on S3, ./NAME for a folder")
			}
			c.use(folderAt("bucket", address.Folder))
		}
	}
	o.checkPublicURL(c)
}

func (o *Sync) checkPublicURL(c *checker) {
	public := o.MirrorURL()
	if public == "" {
		return
	}
	u, err := url.Parse(public)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		c.refuse("public-url is not an http(s) address; write https://HOST/PATH")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || addresses.Within(u.Path):
		c.refuse("public-url has more than a host and a path; it is published, and package/NAME-VERSION.tar.gz is added to it")
	case webLocation(u) == c.web:
		c.refuse("upstream and public-url are the same address; a mirror of itself never gets anything new")
	}
}

func (o *Sync) checkRepositories(c *checker) {
	if o.FilesRepository == "" && o.HashesRepository == "" {
		return
	}
	if !o.SigningKey.IsSet() && !o.DryRun {
		c.refuse("the repositories need a signing-key; `hackage-mirror key` makes one, `gpg --export-secret-keys --armor KEYID` exports one; or leave the repositories out")
	}
	_, warnings, _ := o.KnownHosts() // whose error Check tells
	c.warnings = append(c.warnings, warnings...)
	remotes, _ := o.Remotes()
	asks := "" // for the token
	for _, r := range remotes {
		name, err := r.Check()
		if u, _ := url.Parse(name); o.Token.IsSet() && u != nil && strings.HasPrefix(u.Scheme, "http") {
			if asks != "" && asks != u.Hostname() {
				c.refuse("both %s and %s would get the same token; give the address of one of them over ssh", asks, u.Hostname())
			}
			asks = u.Hostname()
		}
		switch {
		case c.comment(r.Kind, r.URL):
			continue
		case err != nil:
			c.refuse("%s: %w", r.Kind, err)
			continue
		case filepath.IsAbs(name) && !strings.Contains(r.URL, "://"):
			c.folder(r.Kind, r.URL, "write git@github.com:OWNER/REPO.git or https://github.com/OWNER/REPO for a repository on GitHub, ./NAME for a folder")
		}
		c.use(repositoryAt(r.Kind, r.URL, name))
	}
}

// LostFolders warns of destinations that are folders of a machine that ends with the
// run: each run would be green, and nothing would be left.
func (o *Sync) LostFolders(getenv func(string) string) (warnings []string) {
	if getenv("RUNNER_ENVIRONMENT") != "github-hosted" {
		return nil
	}
	warn := func(option, folder, remedy string) {
		if folder != "" {
			warnings = append(warnings, fmt.Sprintf("%s %q is a folder, and GitHub's machines are deleted after the run, so it is lost unless a later step keeps it; %s", option, folder, remedy))
		}
	}
	for _, text := range o.Bucket {
		address, _ := open.Address(text, open.Options{}) // an error is for Check
		warn("bucket", address.Folder, "write s3://NAME for a bucket on S3")
	}
	for _, r := range [][2]string{{run.FilesKind, o.FilesRepository}, {run.HashesKind, o.HashesRepository}} {
		at, _ := gitrepo.ParseEndpoint(r[1]) // the same
		warn(r[0], at.Folder, "write OWNER/REPO for a repository on GitHub")
	}
	return warnings
}

// brokenScheme finds what was meant as a URL.
var brokenScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+(?::|//)`)

// folder refuses a path that is a slip of the pen. It would be made, and
// nobody would ever look there; so one that is to be made says that it is a
// path.
func (c *checker) folder(option, path, remedy string) {
	shown := addresses.Shown(path)
	switch {
	case c.comment(option, path):
	case strings.HasPrefix(path, "~"):
		c.refuse("%s %q begins with ~, which only a shell expands; write the whole path", option, shown)
	case brokenScheme.MatchString(path):
		c.refuse("%s %q is neither a path nor a URL, which has :// in it; %s", option, shown, remedy)
	case !saysPath(path) && !Exists(path):
		c.refuse("%s %q does not exist, and a folder to be made must begin with a slash or a dot: %s", option, shown, remedy)
	}
}

// checkComments refuses comments in options for which c.comment is not asked where
// they are read.
func (o *Sync) checkComments(c *checker) {
	check := func(option string, texts ...string) {
		for _, text := range texts {
			c.comment(option, text)
		}
	}
	check("root-keys", o.RootKeys...)
	check("packages", o.Packages...)
	check("keep", o.Keep...)
	check("accept-mismatch", o.AcceptMismatch...)
	check("public-url", o.PublicURL)
	check("s3-endpoint", o.S3Endpoint)
	check("s3-region", o.S3Region)
	check("branch", o.Branch)
	check("tag", o.Tag)
}

// comment refuses a comment in an item of a list, and reports whether there is one.
func (c *checker) comment(option, text string) bool {
	text = strings.ReplaceAll(text, "\t", " ")
	before, _, found := strings.Cut(" "+text, " #")
	if found {
		shown := strings.TrimSpace(before)
		if shown == "" {
			shown = text
		}
		c.refuse("%s %q contains a comment; in a text of several lines a # does not begin one, so remove it", option, addresses.Shown(shown))
	}
	return found
}

// saysPath reports whether a text can only be a path.
func saysPath(text string) bool {
	first, _, _ := strings.Cut(filepath.ToSlash(text), "/")
	return filepath.IsAbs(text) || first == "" || first == "." || first == ".."
}

// Exists reports whether there is something at a path.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// BucketName is a bucket's address without its parameters.
func BucketName(text string) string {
	if !strings.Contains(text, "://") {
		return text
	}
	name, _, _ := strings.Cut(text, "?")
	return name
}
