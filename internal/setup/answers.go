package setup

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/paste"
)

// None is the answer that leaves something out.
const None = "-"

// Answers are what flags, questions and an earlier workflow say, as text. "" is
// not answered, None is answered with nothing. The tags make them options of init.
type Answers struct {
	Repository string   `name:"repository" group:"What to set up:" placeholder:"OWNER/REPO" help:"Repository on GitHub that runs the workflow: OWNER/REPO or its address. By default the one that this folder was cloned from."`
	Files      string   `name:"files-repository" group:"What to set up:" placeholder:"REPOSITORY" help:"Repository to fill with .cabal files: OWNER/REPO, or an address over ssh or https; - for none."`
	Hashes     string   `name:"hashes-repository" group:"What to set up:" placeholder:"REPOSITORY" help:"Repository to fill with .cabal files and hashes, in the same form."`
	Buckets    []string `name:"bucket" type:"list" group:"What to set up:" placeholder:"ADDRESS" help:"Bucket to fill with tarballs and index: s3://NAME; a list; - for none."`
	PublicURL  string   `name:"public-url" group:"What to set up:" placeholder:"URL" help:"Address at which readers find the bucket. It is written into the hashes."`
	Role       string   `name:"role-to-assume" group:"What to set up:" placeholder:"ARN" help:"Role of AWS that the workflow assumes to write to the bucket. By default it uses an access key in secrets."`
	Region     string   `name:"aws-region" group:"What to set up:" placeholder:"REGION" help:"Region of buckets whose address names none."`
	Access     string   `name:"access" group:"What to set up:" placeholder:"HOW" help:"How the workflow pushes: deploy-keys (an ssh key for each repository), github-token (its own token, which opens only the repository that it is in), app (a GitHub App) or token."`
	Notice     string   `name:"notice" group:"What to set up:" placeholder:"WHERE" help:"Where the workflow reports failed runs: in a job of its own, which holds no keys, or in a step of the job that mirrors. A step halves the billed minutes of a private repository, but the job with the keys can then write issues. Job by default."`
	Pace       string   `name:"pace" group:"What to set up:" placeholder:"HOW" help:"What starts the workflow: cron (its hourly schedule, which GitHub delivers late), outside (also a scheduler elsewhere, each five minutes), chain (pace.yml, each 30 minutes) or watch (also runs that stay, on your own runner). Cron by default."`

	Signer  string `name:"signer" group:"Signing key:" placeholder:"'NAME <ADDRESS>'" help:"Who signs commits and tags. By default the user of git."`
	Expires string `name:"expires" group:"Signing key:" placeholder:"AGE" help:"When a new key expires: never (the default), or after 2y, 18m, 90d."`
}

// An Access is how the workflow may push to repositories on GitHub.
type Access string

// The ways to push.
const (
	DeployKeys  Access = "deploy-keys"  // an ssh key for each repository
	GitHubToken Access = "github-token" // the workflow's own, for the repository it is in
	App         Access = "app"          // a token of a GitHub App, made for each run
	Token       Access = "token"        // a token that a person made
)

// Accesses are all ways to push.
func Accesses() []string {
	return []string{string(DeployKeys), string(GitHubToken), string(App), string(Token)}
}

// Where the workflow tells of failed runs.
const (
	NoticeJob  = "job"  // in a job of its own, apart from the keys
	NoticeStep = "step" // in the job that mirrors, which is billed once
)

// A Plan is what is to be set up: answers that were checked.
type Plan struct {
	Repository    string
	Files, Hashes Remote
	Buckets       []string
	PublicURL     string
	Role, Region  string
	Access        Access
	NoticeStep    bool             // give notice in the job that mirrors
	Pace          string           // what starts the workflow
	Signer        gitpack.Identity // zero if nobody was named
	Expires       time.Time        // of a key that is made; zero: never
}

var (
	roleForm   = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$`)
	regionForm = regexp.MustCompile(`^[a-z0-9-]{2,32}$`)
	ageForm    = regexp.MustCompile(`^([1-9][0-9]{0,2})([ymd])$`)
)

// Plan checks the answers, one by one and together. It finds all that is wrong
// at once.
func (a Answers) Plan(now time.Time) (Plan, error) {
	p := Plan{Buckets: a.buckets(), PublicURL: given(a.PublicURL), Role: given(a.Role), Region: given(a.Region), Access: Access(a.Access), NoticeStep: a.Notice == NoticeStep, Pace: cmp.Or(given(a.Pace), Cron)}
	var errs []error
	check := func(name string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	var err error
	p.Repository, err = parseRepository(given(a.Repository))
	check("repository", err)
	p.Files, err = a.remote(a.Files)
	check("files-repository", err)
	p.Hashes, err = a.remote(a.Hashes)
	check("hashes-repository", err)
	for _, text := range p.Buckets {
		check("bucket", checkBucket(text))
	}
	if p.PublicURL != "" {
		check("public-url", checkPublicURL(p.PublicURL))
	}
	if p.Role != "" && !roleForm.MatchString(p.Role) {
		check("role-to-assume", errors.New("it is not the name of a role; write arn:aws:iam::ACCOUNT:role/NAME"))
	}
	if p.Region != "" && !regionForm.MatchString(p.Region) {
		check("aws-region", errors.New("it is not a region; write one such as eu-central-1"))
	}
	if !slices.Contains(Accesses(), a.Access) {
		check("access", fmt.Errorf("%.40q is not a way to push; choose one of %s", a.Access, strings.Join(Accesses(), ", ")))
	}
	if !slices.Contains([]string{"", NoticeJob, NoticeStep}, a.Notice) {
		check("notice", fmt.Errorf("%.40q is unknown; choose %s or %s", a.Notice, NoticeJob, NoticeStep))
	}
	if !slices.Contains([]string{Cron, Outside, Chain, Watch}, p.Pace) {
		check("pace", fmt.Errorf("%.40q is unknown; choose %s, %s, %s or %s", p.Pace, Cron, Outside, Chain, Watch))
	}
	p.Signer, err = parseSigner(given(a.Signer))
	check("signer", err)
	p.Expires, err = parseExpires(given(a.Expires), now)
	check("expires", err)
	if len(errs) == 0 {
		errs = append(errs, p.check())
	}
	return p, errors.Join(errs...)
}

// given is an answer without what forms add to it, and without the mark for
// nothing.
func given(answer string) string {
	if answer = paste.Line(answer); answer == None {
		return ""
	}
	return answer
}

func (a Answers) buckets() []string {
	var buckets []string
	for _, text := range a.Buckets {
		if text = given(text); text != "" {
			buckets = append(buckets, text)
		}
	}
	return buckets
}

func (a Answers) remote(text string) (Remote, error) {
	if text = pasted(given(text)); text == "" {
		return Remote{}, nil
	}
	if err := quotable(text); err != nil {
		return Remote{}, err
	}
	r, err := ParseRemote(text)
	if err == nil && r.Address != "" {
		_, err = gitrepo.Options{URL: r.Address}.Check()
	}
	return r, err
}

// quotable refuses what cannot stand in a workflow's and a shell's quotes.
func quotable(text string) error {
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\'' || r == '"' || r == '\\' }) || strings.Contains(text, "${{") {
		return errors.New("it contains a blank, a quote or a backslash; remove it")
	}
	return nil
}

func checkBucket(text string) error {
	address, err := open.Address(text, open.Options{})
	if err == nil && address.Folder != "" {
		err = fmt.Errorf("%.200q is a folder, and a folder on GitHub's machines is gone after the run; write s3://NAME", text)
	}
	return cmp.Or(quotable(text), err)
}

func checkPublicURL(text string) error {
	if !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "http://") || strings.ContainsAny(text, "?#@") {
		return cmp.Or(quotable(text), errors.New("it is not an address that readers can open; write https://HOST/PATH"))
	}
	return quotable(text)
}

// parseSigner reads Name <address>.
func parseSigner(text string) (gitpack.Identity, error) {
	if text == "" {
		return gitpack.Identity{}, nil
	}
	name, rest, ok := strings.Cut(text, "<")
	email, after, closed := strings.Cut(rest, ">")
	id := gitpack.Identity{Name: strings.TrimSpace(name), Email: strings.TrimSpace(email)}
	local, host, at := strings.Cut(id.Email, "@")
	switch {
	case !ok || !closed || strings.TrimSpace(after) != "" || id.Name == "" || !at || local == "" || host == "":
		return gitpack.Identity{}, errors.New("write a name and an address: Hackage mirror <mirror@example.org>")
	case strings.Count(id.Name+id.Email, "@") != 1, strings.ContainsAny(id.Name, "()"), strings.ContainsAny(id.Email, " ()"),
		strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return gitpack.Identity{}, errors.New("the name and address of a key cannot contain brackets or a second @; leave them out")
	}
	return id, nil
}

// parseExpires reads never, or an age in years, months or days.
func parseExpires(text string, now time.Time) (time.Time, error) {
	if text == "" || text == "never" {
		return time.Time{}, nil
	}
	m := ageForm.FindStringSubmatch(text)
	if m == nil {
		return time.Time{}, fmt.Errorf("%.40q is not an age; write never, or 2y, 18m, 90d", text)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return time.Time{}, err
	}
	unit := map[string][3]int{"y": {1, 0, 0}, "m": {0, 1, 0}, "d": {0, 0, 1}}[m[2]]
	now = now.AddDate(n*unit[0], n*unit[1], n*unit[2])
	if now.Year() > 2100 {
		return time.Time{}, fmt.Errorf("%q is later than a key can expire; write never", text)
	}
	return now, nil
}

// check refuses answers that do not fit together.
func (p Plan) check() error {
	own := p.Access == GitHubToken
	switch {
	case p.Files.IsZero() && p.Hashes.IsZero() && len(p.Buckets) == 0:
		return errors.New("there is nothing to fill; give at least one of files-repository, hashes-repository and bucket")
	case !p.Files.IsZero() && p.Files.String() == p.Hashes.String():
		return errors.New("files-repository and hashes-repository are the same, but they hold different data; give two repositories")
	case own && p.Files.Slug != p.Repository && p.Hashes.Slug != p.Repository:
		return fmt.Errorf("a workflow's own token opens only its own repository, and %s is not one to fill; "+
			"give it as files-repository or hashes-repository, or use --access deploy-keys", p.Repository)
	case p.Role != "" && len(p.Buckets) == 0:
		return errors.New("a role of AWS is for buckets, and no bucket is given; leave out role-to-assume")
	}
	for _, d := range p.destinations() {
		if d.remote.overHTTPS() && p.Access != Token {
			return fmt.Errorf("%s needs a token; give its address over ssh, or use --access token", d.remote)
		}
	}
	if p.Access == Token && !p.Files.IsZero() && !p.Hashes.IsZero() && p.Files.Host != p.Hashes.Host && p.authFor(p.Files) == p.authFor(p.Hashes) {
		return fmt.Errorf("both %s and %s would get the same token; give the address of one of them over ssh", p.Files.Host, p.Hashes.Host)
	}
	if p.Access == App && p.authFor(p.Files) == p.authFor(p.Hashes) && owner(p.Files) != owner(p.Hashes) && !p.Files.IsZero() && !p.Hashes.IsZero() {
		return fmt.Errorf("the token of an App opens the repositories of one owner, and %s and %s have different owners; use --access deploy-keys", p.Files, p.Hashes)
	}
	return nil
}

func owner(r Remote) string {
	name, _, _ := strings.Cut(r.Slug, "/")
	return name
}

// A destination is a repository to fill, under the option that names it.
type destination struct {
	option string // files or hashes
	remote Remote
}

// destinations are the repositories to fill.
func (p Plan) destinations() []destination {
	both := []destination{{"files", p.Files}, {"hashes", p.Hashes}}
	return slices.DeleteFunc(both, func(d destination) bool { return d.remote.IsZero() })
}

// authFor is how a remote is opened: by a key of its own or by a token.
func (p Plan) authFor(r Remote) Access {
	switch {
	case r.overHTTPS():
		return Token
	case r.Slug == "" || p.Access == GitHubToken && r.Slug != p.Repository:
		return DeployKeys
	}
	return p.Access
}

// address is that of a remote as the workflow names it.
func (p Plan) address(r Remote) string {
	if p.authFor(r) == DeployKeys {
		return r.ssh()
	}
	return r.https()
}

// uses reports whether some repository is opened in a way.
func (p Plan) uses(by Access) bool {
	return slices.ContainsFunc(p.destinations(), func(d destination) bool { return p.authFor(d.remote) == by })
}
