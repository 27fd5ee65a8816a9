package options

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/paste"
	"github.com/hackage-mirror/hackage-mirror/internal/secret"
)

// A Status is all that status can be told. Those that sync has too have the
// same names and defaults, so that the inputs of the Action, a file of options and
// the environment serve both.
type Status struct {
	Address string `arg:"" optional:"" name:"bucket-url" help:"Bucket to look at: an http(s) address at which everybody can read it, a folder, or s3://NAME/PREFIX."`

	Bucket           []string `name:"bucket" type:"list" group:"What to look at:" placeholder:"ADDRESS" help:"The same, and more of them; a list."`
	FilesRepository  string   `name:"files-repository" group:"What to look at:" placeholder:"REPOSITORY" help:"Git repository of .cabal files: ssh, https or a path."`
	HashesRepository string   `name:"hashes-repository" group:"What to look at:" placeholder:"REPOSITORY" help:"Git repository of .cabal files and hashes: ssh, https or a path."`
	Branch           string   `name:"branch" group:"What to look at:" default:"hackage" placeholder:"NAME" help:"Branch of the repositories that holds the data."`
	Tag              string   `name:"tag" group:"What to look at:" default:"current-hackage" placeholder:"NAME" help:"Signed tag that moves with the branch."`
	S3Endpoint       string   `name:"s3-endpoint" group:"What to look at:" placeholder:"URL" help:"Server that speaks S3, for buckets whose address names none. Default: AWS."`
	S3Region         string   `name:"s3-region" group:"What to look at:" placeholder:"REGION" help:"Region of buckets whose address names none. Default: that of the environment or the AWS profile."`
	S3PathStyle      bool     `name:"s3-path-style" group:"What to look at:" help:"Put the bucket's name in the path of requests instead of the host name."`

	Upstream     string   `name:"upstream" group:"What it is compared with:" default:"https://hackage.haskell.org" placeholder:"ADDRESS" help:"Hackage repository that the mirror copies: an http(s) address or a folder in the same layout."`
	UpstreamUser string   `name:"upstream-user" group:"What it is compared with:" placeholder:"NAME" help:"User of an upstream that wants a password (HTTP Basic)."`
	RootKeys     []string `name:"root-keys" type:"list" group:"What it is compared with:" placeholder:"KEYID" help:"Full ids of the root keys to trust, 64 hexadecimal digits each; a list. Default: Hackage's own six."`
	KeyThreshold int      `name:"key-threshold" group:"What it is compared with:" default:"3" placeholder:"N" help:"How many of the root keys must have signed."`
	TrustedKeys  string   `name:"trusted-keys" group:"What it is compared with:" placeholder:"KEYS" help:"Keys that may have signed a repository's tag: fingerprints, public keys or files of them; a list. Without any, the tag's signer is told and not judged."`

	UpstreamPassword secret.Secret `name:"upstream-password" secret:"phrase" group:"For what not everybody can read (a file; in the environment also the text itself):" placeholder:"FILE" help:"Password of upstream-user."`
	SSHKey           secret.Secret `name:"ssh-key" secret:"key" group:"For what not everybody can read (a file; in the environment also the text itself):" placeholder:"FILE" help:"Private key for repositories over ssh. Default: your own ssh settings."`
	FilesSSHKey      secret.Secret `name:"files-ssh-key" secret:"key" group:"For what not everybody can read (a file; in the environment also the text itself):" placeholder:"FILE" help:"Private key for files-repository. Default: ssh-key."`
	HashesSSHKey     secret.Secret `name:"hashes-ssh-key" secret:"key" group:"For what not everybody can read (a file; in the environment also the text itself):" placeholder:"FILE" help:"Private key for hashes-repository. Default: ssh-key."`
	SSHKnownHosts    string        `name:"ssh-known-hosts" group:"For what not everybody can read (a file; in the environment also the text itself):" placeholder:"FILE" help:"Host keys to accept over ssh, in the form of known_hosts: a file or the lines themselves. Default: GitHub's own."`
	Token            secret.Secret `name:"token" secret:"line" group:"For what not everybody can read (a file; in the environment also the text itself):" placeholder:"FILE" help:"Token for repositories over https."`
	TokenUser        string        `name:"token-user" group:"For what not everybody can read (a file; in the environment also the text itself):" placeholder:"NAME" help:"User name to send with the token, if the host requires one. Default: x-access-token."`

	StaleAfter time.Duration `name:"stale-after" group:"How:" default:"2h" placeholder:"DURATION" help:"How long an entry of upstream's index may be missing before the mirror counts as stale."`
	Config     string        `name:"config" group:"How:" placeholder:"FILE" help:"File of options, as sync takes it."`
	JSON       bool          `name:"json" group:"How:" help:"Print what was found as JSON."`
}

// Help is what status --help says beside its flags. See kong.HelpProvider.
func (*Status) Help() string {
	return `For anybody, without credentials. It reads what is signed and verifies it, marks what is not, and writes nothing.

Examples:

  hackage-mirror status https://hackage.example.org
  hackage-mirror status --hashes-repository https://github.com/OWNER/all-cabal-hashes \
    --trusted-keys FINGERPRINT
  hackage-mirror status ./hackage --stale-after 30m --json

Exit codes:

  0    fresh
  1    a bucket or a repository could not be read, is not as it was signed, or is
       in its first fill
  2    bad usage: nothing was asked
  3    stale, or something that a person should look at
  130  interrupted`
}

// Sync returns the options as those of a sync to the same destinations, which is how
// addresses, keys and secrets are read.
func (o *Status) Sync() *Sync {
	return &Sync{
		Upstream: o.Upstream, UpstreamUser: o.UpstreamUser, UpstreamPassword: o.UpstreamPassword,
		RootKeys: o.RootKeys, KeyThreshold: o.KeyThreshold,
		S3Endpoint: o.S3Endpoint, S3Region: o.S3Region, S3PathStyle: o.S3PathStyle,
		FilesRepository: o.FilesRepository, HashesRepository: o.HashesRepository, Branch: o.Branch, Tag: o.Tag,
		TrustedKeys: o.TrustedKeys, SSHKey: o.SSHKey, FilesSSHKey: o.FilesSSHKey, HashesSSHKey: o.HashesSSHKey,
		SSHKnownHosts: o.SSHKnownHosts, Token: o.Token, TokenUser: o.TokenUser,
		DryRun: true, // nothing is written, so nothing is signed
	}
}

// Buckets returns the addresses of the buckets, each once.
func (o *Status) Buckets() []string {
	var all []string
	seen := map[string]bool{}
	for _, text := range append([]string{o.Address}, o.Bucket...) {
		if text = paste.Line(text); text != "" && !seen[strings.TrimRight(text, "/")] {
			seen[strings.TrimRight(text, "/")] = true
			all = append(all, text)
		}
	}
	return all
}

// Check refuses options that contradict each other, all that is wrong at once. s are
// the same as those of a sync.
func (o *Status) Check(s *Sync) (warnings []string, err error) {
	c := &checker{}
	s.checkComments(c)
	s.checkUpstream(c)
	s.checkRootKeys(c)
	s.checkRepositories(c)
	c.ref("branch", s.Branch)
	c.ref("tag", s.Tag)
	_, _, err = s.KnownHosts()
	c.add(err)
	_, _, err = s.Trusted()
	c.add(err)
	opening, err := s.BucketOptions()
	c.add(err)
	for _, text := range o.Buckets() {
		c.readable(text, opening)
	}
	if len(o.Buckets()) == 0 && s.FilesRepository == "" && s.HashesRepository == "" {
		c.refuse("there is nothing to look at; give the address of a bucket, files-repository or hashes-repository")
	}
	s.warnOfFiles(c)
	return c.warnings, errors.Join(c.problems...)
}

// readable refuses the address of a bucket that cannot be read from. No refusal
// repeats what may be a password.
func (c *checker) readable(text string, opening open.Options) {
	scheme, _, isURL := strings.Cut(text, "://")
	switch {
	case c.comment("bucket", text):
	case IsWeb(scheme) && isURL:
		c.readableWeb(text)
	case isURL:
		if _, err := open.Address(text, opening); err != nil {
			c.refuse("bucket: %w", err)
		}
	case !saysPath(text) && !Exists(text):
		c.refuse("bucket %q is no folder here; for a server write https://HOST/PATH, for S3 s3://NAME", addresses.Shown(text))
	}
}

// IsWeb reports whether an address of a scheme is read over HTTP.
func IsWeb(scheme string) bool {
	return strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http")
}

// readableWeb is readable for an address on the web.
func (c *checker) readableWeb(text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		c.refuse("bucket is not an address; write it as https://HOST/PATH")
	case u.User != nil:
		c.refuse("bucket has a user or password in its address, which would end up in logs; give the address at which everybody can read it")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		c.refuse("bucket has a query or fragment, behind which no path can stand; write https://HOST/PATH")
	case addresses.Within(u.Path):
		c.refuse("bucket has another address, or a user and password, in its path; write https://HOST/PATH")
	}
}
