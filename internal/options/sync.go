// Package options is what sync and status can be told: each option's name, default and
// help, what is refused, and what follows from it. It opens no connection.
package options

import (
	"slices"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/paste"
	"github.com/hackage-mirror/hackage-mirror/internal/secret"
)

// A Sync is all that a sync can be told. Each field is one option under one
// name: the flag --name and the Action input name, which the runner hands over
// as the environment variable INPUT_NAME. Names, defaults and help are
// written in the tags below only; --help, docs/options.md and action.yml are
// made of them or held equal to them.
//
// A flag beats the environment. An empty variable counts as not set, because a
// composite Action hands over every input it was not given as "".
type Sync struct {
	Upstream     string   `name:"upstream" group:"What to mirror:" default:"https://hackage.haskell.org" placeholder:"ADDRESS" help:"Hackage repository to mirror: an http(s) address or a folder in the same layout."`
	UpstreamUser string   `name:"upstream-user" group:"What to mirror:" placeholder:"NAME" help:"User of an upstream that wants a password (HTTP Basic), such as a repository manager."`
	RootKeys     []string `name:"root-keys" type:"list" group:"What to mirror:" placeholder:"KEYID" help:"Full ids of the root keys to trust, 64 hexadecimal digits each; a list. Default: Hackage's own six."`
	KeyThreshold int      `name:"key-threshold" group:"What to mirror:" default:"3" placeholder:"N" help:"How many of the root keys must have signed."`
	Packages     []string `name:"packages" type:"list" group:"What to mirror:" placeholder:"PATTERN" help:"Packages to mirror, such as aeson or servant-*; !PATTERN excludes, and takes precedence; a list. Default: all."`

	Bucket           []string `name:"bucket" type:"list" group:"Where to:" placeholder:"ADDRESS" help:"Bucket to fill with tarballs, .cabal files, index and signed metadata: s3://NAME/PREFIX or a folder; a list. Parameters may follow an s3 address, as in s3://NAME?region=REGION&public-url=URL; the others are endpoint=URL, path-style=true, storage-class=CLASS and acl=ACL."`
	S3Endpoint       string   `name:"s3-endpoint" group:"Where to:" placeholder:"URL" help:"Server that speaks S3, for buckets whose address names none. Default: AWS."`
	S3Region         string   `name:"s3-region" group:"Where to:" placeholder:"REGION" help:"Region of buckets whose address names none. Default: that of the environment or the AWS profile."`
	S3PathStyle      bool     `name:"s3-path-style" group:"Where to:" help:"Put the bucket's name in the path of requests instead of the host name. Self-hosted servers often need this."`
	PublicURL        string   `name:"public-url" group:"Where to:" placeholder:"URL" help:"Address where readers find the bucket. The hashes list it as the second place to download from. Default: the first public-url in the address of a bucket."`
	FilesRepository  string   `name:"files-repository" group:"Where to:" placeholder:"REPOSITORY" help:"Git repository to fill with .cabal files (all-cabal-files): ssh, https or a path."`
	HashesRepository string   `name:"hashes-repository" group:"Where to:" placeholder:"REPOSITORY" help:"Git repository to fill with .cabal files and hashes (all-cabal-hashes): ssh, https or a path."`
	Branch           string   `name:"branch" group:"Where to:" default:"hackage" placeholder:"NAME" help:"Branch of the repositories that holds the data."`
	Tag              string   `name:"tag" group:"Where to:" default:"current-hackage" placeholder:"NAME" help:"Signed tag that moves with the branch."`

	SigningKey        secret.Secret `name:"signing-key" secret:"key" group:"Keys and secrets (a file; in the environment also the text itself):" placeholder:"FILE" help:"OpenPGP private key that signs commits and tags; needed for the repositories."`
	SigningPassphrase secret.Secret `name:"signing-passphrase" secret:"phrase" group:"Keys and secrets (a file; in the environment also the text itself):" placeholder:"FILE" help:"Passphrase of the signing key, if it has one."`
	TrustedKeys       string        `name:"trusted-keys" group:"Keys and secrets (a file; in the environment also the text itself):" placeholder:"KEYS" help:"Former signing keys of this mirror, whose tags and commits stay its own: fingerprints, public keys or files of them; a list."`
	SSHKey            secret.Secret `name:"ssh-key" secret:"key" group:"Keys and secrets (a file; in the environment also the text itself):" placeholder:"FILE" help:"Private key (such as a deploy key) for repositories over ssh."`
	FilesSSHKey       secret.Secret `name:"files-ssh-key" secret:"key" group:"Keys and secrets (a file; in the environment also the text itself):" placeholder:"FILE" help:"Private key for files-repository, if a key opens only one repository, as a deploy key of GitHub does. Default: ssh-key."`
	HashesSSHKey      secret.Secret `name:"hashes-ssh-key" secret:"key" group:"Keys and secrets (a file; in the environment also the text itself):" placeholder:"FILE" help:"Private key for hashes-repository. Default: ssh-key."`
	SSHKnownHosts     string        `name:"ssh-known-hosts" group:"Keys and secrets (a file; in the environment also the text itself):" placeholder:"FILE" help:"Host keys to accept over ssh, in the form of known_hosts: a file or the lines themselves. Default: GitHub's own."`
	Token             secret.Secret `name:"token" secret:"line" group:"Keys and secrets (a file; in the environment also the text itself):" placeholder:"FILE" help:"Token for repositories over https."`
	TokenUser         string        `name:"token-user" group:"Keys and secrets (a file; in the environment also the text itself):" placeholder:"NAME" help:"User name to send with the token, if the host requires one, such as x-token-auth. Default: x-access-token."`
	UpstreamPassword  secret.Secret `name:"upstream-password" secret:"phrase" group:"Keys and secrets (a file; in the environment also the text itself):" placeholder:"FILE" help:"Password of upstream-user."`
	PingURL           secret.Secret `name:"ping-url" secret:"addresses" group:"Keys and secrets (a file; in the environment also the text itself):" placeholder:"FILE" help:"Address to call at each run, as healthchecks.io and its likes have it: with /start when it begins, as it is when it ends well, with /fail when not; a list. No run fails because of it."`
	NotifyURL         secret.Secret `name:"notify-url" secret:"addresses" group:"Keys and secrets (a file; in the environment also the text itself):" placeholder:"FILE" help:"Address to POST the state to, as JSON, when it changes between good, look, filling and failed, such as a chat's webhook; a list. No run fails because of it."`

	History        string        `name:"history" group:"How:" enum:"daily,snapshot" default:"daily" placeholder:"daily|snapshot" help:"Commits of the first run: daily makes one for each day of Hackage's history, snapshot one for all of it."`
	Keep           []string      `name:"keep" type:"list" group:"How:" placeholder:"PATTERN" help:"Files that others may commit to the data branch, such as README.md or .github: files of the root and folders that begin with a dot, never data; a list. Anything else that others commit is undone, with an alarm."`
	Adopt          bool          `name:"adopt" group:"How:" help:"Once: take the branches as they are, whoever made them, compare them with the whole index, and acknowledge alarms."`
	AcceptRewrite  bool          `name:"accept-rewrite" group:"How:" help:"Accept that upstream rewrote its index, and start again from its beginning. Otherwise a rewritten index is refused."`
	AcceptMismatch []string      `name:"accept-mismatch" type:"list" group:"How:" placeholder:"RELEASE@SHA256" help:"Acknowledge that upstream serves other bytes of a release than it signed: NAME-VERSION@SHA256, as the message about it says; a list. They are never published, but these very bytes no longer make a run end with exit code 3."`
	Full           bool          `name:"full" group:"How:" help:"Compare every destination with the whole index, whatever position it says it is at. For buckets and the hashes repository every tarball is fetched again."`
	Concurrency    int           `name:"concurrency" group:"How:" default:"10" placeholder:"N" help:"How many tarballs to download concurrently, 1 to 64. Mirrors of Hackage keep to about 10."`
	Shard          string        `name:"shard" group:"How:" placeholder:"N/OF" help:"Fill the buckets from several concurrent jobs: 2/8 takes the second eighth of the releases and publishes nothing; afterwards 0/8 checks what the eight did and publishes."`
	TimeLimit      time.Duration `name:"time-limit" group:"How:" placeholder:"DURATION" help:"Stop starting new work after this time, such as 5h30m. What is done is kept, and the next run picks up from there."`
	Watch          time.Duration `name:"watch" group:"How:" placeholder:"DURATION" help:"Keep running for this time, such as 50m: ask upstream once a minute, and sync again when it has something newer. For your own server or runner: the mirror is then about a minute behind."`
	Config         string        `name:"config" group:"How:" placeholder:"FILE" help:"File of options: YAML, one OPTION: VALUE a line, as in the with: of a workflow. Flags and the environment take precedence. A secret in it is the path of a file."`
	DryRun         bool          `name:"dry-run" group:"How:" help:"Verify upstream and print what would be done, but write nothing."`
	Verbose        bool          `name:"verbose" short:"v" group:"How:" help:"Print one line for each release."`
	LogFormat      string        `name:"log-format" group:"How:" enum:"plain,text,json" default:"plain" placeholder:"plain|text|json" help:"Form of the log on standard error: plain lines, text with a time before each line, or json with time, level and message."`
	JSON           bool          `name:"json" group:"How:" help:"Print what was done as JSON."`
}

// ExitCodes is the part of --help that scripts need.
const ExitCodes = `Exit codes:

  0    done
  1    an error
  2    bad usage; nothing was started
  3    up to date, but a person should look; the message says at what
       (status: stale, or a person should look)
  130  interrupted by a signal; the next run picks up from there`

// Help is what sync --help says beside its flags. See kong.HelpProvider.
func (*Sync) Help() string {
	return `If a run stops halfway, the next one picks up where it left off. A list takes commas, newlines, or the flag several times.

An option is taken from the first of these that has it: the flag, INPUT_NAME and then HACKAGE_MIRROR_NAME in the environment (NAME in upper case, with _ for -), the file that --config names.

Examples:

  hackage-mirror sync --bucket ./hackage
  hackage-mirror sync --bucket ./hackage --dry-run --verbose
  hackage-mirror sync --config /etc/hackage-mirror.yaml --time-limit 5h
  hackage-mirror sync --files-repository git@github.com:YOU/all-cabal-files.git \
    --signing-key signing-key.asc --ssh-key deploy-key

` + ExitCodes
}

// Tidy gives values that can be written in several ways one form, so that two
// runs can be compared: the order of packages means nothing.
func (o *Sync) Tidy() {
	for i, id := range o.RootKeys {
		o.RootKeys[i] = strings.ToLower(id)
	}
	for _, text := range []*string{
		&o.Upstream, &o.UpstreamUser, &o.S3Endpoint, &o.S3Region, &o.PublicURL, &o.FilesRepository, &o.HashesRepository, &o.Branch, &o.Tag, &o.TokenUser,
	} {
		*text = paste.Line(*text)
	}
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	slices.Sort(o.Packages)
	o.Packages = slices.Compact(o.Packages)
}
