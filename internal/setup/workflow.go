package setup

import (
	"bytes"
	_ "embed"
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"
	"text/template"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
)

// defaultRegion is that of buckets for which nobody said another one.
const defaultRegion = "us-east-1"

//go:embed mirror.yml.tmpl
var workflowTemplate string

// A workflow is what the template is filled with.
type workflow struct {
	Plan
	Command      string // that makes the file
	Minute       int    // of each hour
	Destinations []workflowDestination
	OwnToken     bool   // pushes with the workflow's own token
	Token        string // expression, "" for none
	KnownHosts   bool   // some host is not GitHub
	AccessKey    bool   // a bucket is opened by a key in secrets
	Brief        string // the credentials that last an hour only, "" for none
	Region       string // of the buckets, "" if each address says it

	App             bool
	AppOwner        string
	AppRepositories string
}

// A workflowDestination is a repository as the workflow names it.
type workflowDestination struct {
	Option, Address string
	Secret          string // with its ssh key, "" if a token opens it
}

// Workflow returns the file that runs the mirror: the same for the same plan.
func (p Plan) Workflow() ([]byte, error) {
	page, err := template.New("mirror.yml").Option("missingkey=error").
		Funcs(template.FuncMap{"yaml": yamlScalar}).Parse(workflowTemplate)
	if err != nil {
		return nil, fmt.Errorf("make workflow: %w", err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, p.workflow()); err != nil {
		return nil, fmt.Errorf("make workflow: %w", err)
	}
	return out.Bytes(), nil
}

func (p Plan) workflow() workflow {
	w := workflow{
		Plan: p, Command: p.Command(), Minute: minuteOf(p.Repository),
		OwnToken: p.opens(GitHubToken), App: p.opens(App), Region: p.region(), AccessKey: len(p.Buckets) > 0 && p.Role == "",
	}
	for _, d := range p.destinations() {
		entry := workflowDestination{Option: d.option, Address: p.address(d.remote)}
		if p.door(d.remote) == DeployKeys {
			entry.Secret = sshSecret(d.option)
			w.KnownHosts = w.KnownHosts || d.remote.Slug == ""
		}
		w.Destinations = append(w.Destinations, entry)
	}
	switch {
	case w.OwnToken:
		w.Token = "github.token"
	case w.App:
		w.Token = "steps.app.outputs.token"
		w.AppOwner, w.AppRepositories = p.appRepositories()
	case p.opens(Token):
		w.Token = "secrets.TOKEN"
	}
	switch {
	case p.Role != "":
		w.Brief = "The role's credentials are good"
	case w.App:
		w.Brief = "The App's token is good"
	}
	return w
}

// region is the one to name beside the buckets: for those of AWS whose address
// names none, and for a role.
func (p Plan) region() string {
	if p.Region != "" {
		return p.Region
	}
	named := ""
	for _, text := range p.Buckets {
		address, err := bucket.ParseAddress(text)
		switch {
		case err != nil || address.Endpoint != "":
		case address.Region == "":
			return defaultRegion
		default:
			named = address.Region
		}
	}
	if p.Role == "" {
		return ""
	}
	return named
}

// appRepositories returns whose repositories an App's token is for, and which.
func (p Plan) appRepositories() (owner, names string) {
	var all []string
	for _, d := range p.destinations() {
		if p.door(d.remote) == App {
			o, name, _ := strings.Cut(d.remote.Slug, "/")
			owner, all = o, append(all, name)
		}
	}
	return owner, strings.Join(all, ",")
}

// minuteOf spreads the mirrors of the world over the hour, past the minutes at
// which most crons start.
func minuteOf(repository string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(strings.ToLower(repository))) // never fails
	minute := int(h.Sum32() % 48)
	return minute + minute/4 + 1 // 1 to 59 without 5, 10, … 55
}

var plainScalar = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9./:@_?&=%+,-]*[A-Za-z0-9/]$`)

// yamlScalar writes a text that has no quotes in it as a scalar of YAML.
func yamlScalar(text string) string {
	if plainScalar.MatchString(text) && !strings.HasSuffix(text, ":") {
		return text
	}
	return "'" + text + "'"
}

// Command returns the command line that makes the workflow of this plan.
func (p Plan) Command() string {
	line := []string{"hackage-mirror init"}
	flag := func(name, value string) {
		if value == "" {
			value = None
		}
		line = append(line, "--"+name+"="+shellQuote(value))
	}
	flag("repository", p.Repository)
	flag("files-repository", p.Files.String())
	flag("hashes-repository", p.Hashes.String())
	for _, text := range p.Buckets {
		flag("bucket", text)
	}
	if len(p.Buckets) == 0 {
		flag("bucket", "")
	} else {
		flag("public-url", p.PublicURL)
		flag("role-to-assume", p.Role)
	}
	if p.Region != "" {
		flag("aws-region", p.Region)
	}
	flag("access", string(p.Access))
	if p.NoticeStep {
		flag("notice", NoticeStep)
	}
	return strings.Join(line, " ")
}

// shellQuote makes a text one word of a shell.
func shellQuote(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/:@,%+=._-") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// Remembered returns the answers that a workflow of ours was made with, none if
// it is not one.
func Remembered(workflow []byte) Answers {
	var a Answers
	for line := range strings.Lines(string(workflow)) {
		words, ok := strings.CutPrefix(strings.TrimSpace(line), "#   hackage-mirror init ")
		if !ok {
			continue
		}
		for _, word := range strings.Fields(words) {
			name, value, _ := strings.Cut(word, "=")
			a.set(name, strings.Trim(value, "'"))
		}
		break
	}
	return a
}

// set takes one flag of a remembered command.
func (a *Answers) set(flag, value string) {
	into := map[string]*string{
		"--repository": &a.Repository, "--files-repository": &a.Files, "--hashes-repository": &a.Hashes,
		"--public-url": &a.PublicURL, "--role-to-assume": &a.Role, "--aws-region": &a.Region, "--access": &a.Access, "--notice": &a.Notice,
	}
	if field := into[flag]; field != nil {
		*field = value
	} else if flag == "--bucket" {
		a.Buckets = append(a.Buckets, value)
	}
}

// Or returns the answers with those of another in the place of what is lacking.
func (a Answers) Or(other Answers) Answers {
	for _, pair := range []struct {
		mine   *string
		theirs string
	}{
		{&a.Repository, other.Repository},
		{&a.Files, other.Files},
		{&a.Hashes, other.Hashes},
		{&a.PublicURL, other.PublicURL},
		{&a.Role, other.Role},
		{&a.Region, other.Region},
		{&a.Access, other.Access},
		{&a.Notice, other.Notice},
		{&a.Signer, other.Signer},
		{&a.Expires, other.Expires},
	} {
		if *pair.mine == "" {
			*pair.mine = pair.theirs
		}
	}
	if len(a.Buckets) == 0 {
		a.Buckets = other.Buckets
	}
	return a
}
