package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/secret"
	"github.com/hackage-mirror/hackage-mirror/internal/setup"
)

// InitOptions are all that init can be told.
type InitOptions struct {
	Repository       string   `name:"repository" group:"What to set up:" placeholder:"OWNER/REPO" help:"Repository on GitHub that runs the workflow: OWNER/REPO or its address. By default the one that this folder was cloned from."`
	FilesRepository  string   `name:"files-repository" group:"What to set up:" placeholder:"REPOSITORY" help:"Repository to fill with .cabal files: OWNER/REPO, or an address over ssh or https; - for none."`
	HashesRepository string   `name:"hashes-repository" group:"What to set up:" placeholder:"REPOSITORY" help:"Repository to fill with .cabal files and hashes, in the same form."`
	Bucket           []string `name:"bucket" type:"list" group:"What to set up:" placeholder:"ADDRESS" help:"Bucket to fill with tarballs and index: s3://NAME; a list; - for none."`
	PublicURL        string   `name:"public-url" group:"What to set up:" placeholder:"URL" help:"Address at which readers find the bucket. It is written into the hashes."`
	RoleToAssume     string   `name:"role-to-assume" group:"What to set up:" placeholder:"ARN" help:"Role of AWS that the workflow assumes to write to the bucket. By default it uses an access key in secrets."`
	AWSRegion        string   `name:"aws-region" group:"What to set up:" placeholder:"REGION" help:"Region of buckets whose address names none."`
	Access           string   `name:"access" group:"What to set up:" placeholder:"HOW" help:"How the workflow pushes: deploy-keys (an ssh key for each repository), github-token (its own token, which opens only the repository that it is in), app (a GitHub App) or token."`
	Notice           string   `name:"notice" group:"What to set up:" placeholder:"WHERE" help:"Where the workflow reports failed runs: in a job of its own, which holds no keys, or in a step of the job that mirrors. A step halves the billed minutes of a private repository, but the job with the keys can then write issues. Job by default."`
	Pace             string   `name:"pace" group:"What to set up:" placeholder:"HOW" help:"What starts the workflow: cron (its hourly schedule, which GitHub delivers late), outside (also a scheduler elsewhere, each five minutes), chain (pace.yml, each 30 minutes) or watch (also runs that stay, on your own runner). Cron by default."`

	Signer            string        `name:"signer" group:"Signing key:" placeholder:"'NAME <ADDRESS>'" help:"Who signs commits and tags. By default the user of git."`
	Expires           string        `name:"expires" group:"Signing key:" placeholder:"AGE" help:"When a new key expires: never (the default), or after 2y, 18m, 90d."`
	SigningPassphrase secret.Secret `name:"signing-passphrase" secret:"phrase" group:"Signing key:" placeholder:"FILE" help:"Passphrase of the signing key: a file. In the environment (HACKAGE_MIRROR_SIGNING_PASSPHRASE) it can be the text itself. By default the key has none."`

	Keys          string `name:"keys" group:"How:" default:"hackage-mirror-keys" placeholder:"DIR" help:"Folder for the keys. Existing keys are used and never changed."`
	Workflow      string `name:"workflow" group:"How:" default:".github/workflows/mirror.yml" placeholder:"FILE" help:"Workflow to write. An existing one that differs is left as it is."`
	ForceWorkflow bool   `name:"force-workflow" group:"How:" help:"Replace a workflow that differs."`
	GH            bool   `name:"gh" group:"How:" help:"Let gh, GitHub's command line, create missing repositories (public), add the deploy keys, and set secrets and variables. It then removes the files of the private deploy keys."`
	Yes           bool   `name:"yes" short:"y" group:"How:" help:"Ask nothing and use the defaults. So it does without a terminal."`
}

// dataBranch is where a workflow of ours, which names no other, puts the data.
const dataBranch = "hackage"

// runInit sets up a repository that runs the mirror.
func runInit(ctx context.Context, o *InitOptions, env Env) error {
	if below, err := runTool(ctx, nil, "git", "rev-parse", "--show-prefix"); err == nil && len(bytes.TrimSpace(below)) > 0 && filepath.IsLocal(o.Workflow) {
		return usage(fmt.Errorf("this is the folder %q of a repository, and GitHub looks for workflows in the top folder; go there and run this again", bytes.TrimSpace(below)), "init")
	}
	remembered, err := setup.Remembered(o.Keys)
	if err != nil {
		return err
	}
	here, git := setup.FromGit(ctx, runTool)
	s := &setup.Setup{
		Passphrase: o.SigningPassphrase.Bytes(), Keys: o.Keys, File: o.Workflow, ForceWorkflow: o.ForceWorkflow,
		GH: o.GH, Run: runTool, Here: here, Former: remembered.Pace, Now: env.Now, Out: env.Stdout,
	}
	if o.GH {
		if err := setup.GHReady(ctx, runTool); err != nil {
			return usage(err, "init")
		}
	}
	fmt.Fprintf(env.Stderr, "This makes keys in %s and writes %s, then lists what is left to do. It changes nothing on GitHub unless you let it use gh.\n", o.Keys, o.Workflow)
	suggest := o.suggestions(git.Or(remembered), env.asks && !o.Yes)
	if env.asks && !o.Yes {
		err = o.ask(ctx, s, suggest, env)
	} else {
		err = o.fill(s, suggest, env.Now())
	}
	if err == nil {
		err = checkBranch(ctx, s.Plan)
	}
	if err != nil {
		return err
	}
	return answered(s.Do(ctx), "init")
}

// answered makes an error about an answer one of bad usage.
func answered(err error, command string) error {
	if _, ok := errors.AsType[*setup.AnswerError](err); ok {
		return usage(err, command)
	}
	return err
}

// checkBranch refuses to put a workflow among the data.
func checkBranch(ctx context.Context, p setup.Plan) error {
	branch, err := runTool(ctx, nil, "git", "branch", "--show-current")
	fills := p.Repository == p.Files.Slug || p.Repository == p.Hashes.Slug
	if err != nil || !fills || string(bytes.TrimSpace(branch)) != dataBranch {
		return nil // no repository is fine, too
	}
	return usage(errors.New("the branch "+dataBranch+" is for the data; put the workflow on another one (git switch --orphan main) "+
		"and make that the default branch on GitHub, because schedules run only there"), "init")
}

// answers are those that flags gave.
func (o *InitOptions) answers() setup.Answers {
	return setup.Answers{
		Repository: o.Repository, Files: o.FilesRepository, Hashes: o.HashesRepository, Buckets: o.Bucket,
		PublicURL: strings.TrimRight(o.PublicURL, "/"), Role: o.RoleToAssume, Region: o.AWSRegion,
		Access: o.Access, Notice: o.Notice, Pace: o.Pace, Signer: o.Signer, Expires: o.Expires,
	}
}

// suggestions returns what an earlier run, the folder and custom suggest. When
// nobody is asked, a flag that names something to fill says that this is all.
func (o *InitOptions) suggestions(known setup.Answers, asks bool) func(repository string) setup.Answers {
	return func(repository string) setup.Answers {
		standard := setup.Standard(repository)
		if !asks && o.answers().NamesDestination() {
			standard = standard.WithoutRepositories()
		}
		return known.Or(standard)
	}
}

// ask asks for what flags did not say.
func (o *InitOptions) ask(ctx context.Context, s *setup.Setup, suggest func(string) setup.Answers, env Env) error {
	prompt := setup.NewPrompt(env.stdin, env.Stderr)
	answers, err := prompt.Ask(ctx, o.answers(), suggest, env.Now())
	if err != nil {
		return err
	}
	s.Answers = answers
	if s.Plan, err = answers.Plan(env.Now()); err != nil {
		return usage(err, "init")
	}
	if !s.GH && setup.GHReady(ctx, runTool) == nil {
		s.GH, err = prompt.Confirm(ctx, "Let gh create missing repositories (public), add the deploy keys, and set secrets and variables now?")
	}
	return err
}

// fill takes the defaults for what flags did not say.
func (o *InitOptions) fill(s *setup.Setup, suggest func(string) setup.Answers, now time.Time) (err error) {
	answers := o.answers()
	if answers.Repository == "" {
		answers.Repository = suggest("").Repository
	}
	if answers.Repository == "" {
		return usage(errors.New("this folder is not a clone of a repository on GitHub; name the repository that runs the workflow: --repository OWNER/REPO"), "init")
	}
	s.Answers = answers.Or(suggest(answers.Repository))
	if s.Plan, err = s.Answers.Plan(now); err != nil {
		return usage(err, "init")
	}
	return nil
}

// runTool runs git or gh. What it says of an error becomes part of ours.
func runTool(ctx context.Context, stdin []byte, program string, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	cmd.Env = append(os.Environ(), "GH_PROMPT_DISABLED=1", "GH_NO_UPDATE_NOTIFIER=1", "NO_COLOR=1", "GIT_TERMINAL_PROMPT=0")
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case err == nil:
		return stdout.Bytes(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	if words := strings.TrimSpace(stderr.String()); words != "" {
		err = errors.New(words)
	}
	return nil, fmt.Errorf("%s %s: %w", program, strings.Join(args[:min(2, len(args))], " "), err)
}
