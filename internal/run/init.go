package run

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

	"github.com/hackage-mirror/hackage-mirror/internal/setup"
)

// InitOptions are all that init can be told.
type InitOptions struct {
	Repository       string   `name:"repository" group:"What to set up:" placeholder:"OWNER/REPO" help:"Repository on GitHub that runs the workflow. Without it the one that this folder was cloned from."`
	FilesRepository  string   `name:"files-repository" group:"What to set up:" placeholder:"REPOSITORY" help:"Repository to fill with .cabal files: OWNER/REPO, or an address over ssh or https; - for none."`
	HashesRepository string   `name:"hashes-repository" group:"What to set up:" placeholder:"REPOSITORY" help:"Repository to fill with .cabal files and hashes, in the same forms."`
	Bucket           []string `name:"bucket" type:"list" group:"What to set up:" placeholder:"ADDRESS" help:"Bucket to fill with tarballs and index, as sync takes it: s3://NAME; a list; - for none."`
	PublicURL        string   `name:"public-url" group:"What to set up:" placeholder:"URL" help:"Address at which readers find the bucket, to stand in the hashes."`
	RoleToAssume     string   `name:"role-to-assume" group:"What to set up:" placeholder:"ARN" help:"Role of AWS that the workflow takes on to write to the bucket. Without it an access key in secrets."`
	AWSRegion        string   `name:"aws-region" group:"What to set up:" placeholder:"REGION" help:"Region of buckets whose address names none."`
	Access           string   `name:"access" group:"What to set up:" placeholder:"HOW" help:"How the workflow may push: deploy-keys (an ssh key for each repository), github-token (its own token; only to the repository that it is in), app (a GitHub App) or token."`
	Notice           string   `name:"notice" group:"What to set up:" placeholder:"WHERE" help:"Where the workflow tells of failed runs: job (of its own, which holds no key), or step (of the job that mirrors: in a private repository half the billed minutes, but the job with the keys may then write issues). Without it job."`

	Signer            string `name:"signer" group:"Signing key:" placeholder:"'NAME <ADDRESS>'" help:"Who signs commits and tags. Without it the user of git."`
	Expires           string `name:"expires" group:"Signing key:" placeholder:"AGE" help:"When a key that is made expires: never, or after 2y, 18m, 90d. Without it never."`
	SigningPassphrase Secret `name:"signing-passphrase" secret:"phrase" group:"Signing key:" placeholder:"FILE" help:"Passphrase of the signing key, if it is to have one: a file; in the environment (INPUT_SIGNING_PASSPHRASE) also the text itself."`

	Keys          string `name:"keys" group:"How:" default:"hackage-mirror-keys" placeholder:"DIR" help:"Folder for the keys. Those that are there are used and never changed."`
	Workflow      string `name:"workflow" group:"How:" default:".github/workflows/mirror.yml" placeholder:"FILE" help:"Workflow to write. One that is there and differs is left, and the difference shown."`
	ForceWorkflow bool   `name:"force-workflow" group:"How:" help:"Write the workflow in the place of one that differs."`
	GH            bool   `name:"gh" group:"How:" help:"Let gh, GitHub's command line, create what is missing of the repositories (public), add the deploy keys and set the secrets. Private deploy keys are then no longer files."`
	Yes           bool   `name:"yes" short:"y" group:"How:" help:"Ask nothing and take the defaults, as when there is no terminal."`
}

// dataBranch is where a workflow of ours, which names no other, puts the data.
const dataBranch = "hackage"

// runInit sets up a repository that runs the mirror.
func runInit(ctx context.Context, o *InitOptions, env Env) error {
	if below, err := runTool(ctx, nil, "git", "rev-parse", "--show-prefix"); err == nil && len(bytes.TrimSpace(below)) > 0 && filepath.IsLocal(o.Workflow) {
		return usage(fmt.Errorf("this is folder %q of a git repository, and GitHub looks for workflows in its top folder; go there first", bytes.TrimSpace(below)), "init")
	}
	workflow, err := os.ReadFile(o.Workflow)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read workflow: %w", err)
	}
	s := &setup.Setup{
		Passphrase: o.SigningPassphrase.Bytes(), Keys: o.Keys, File: o.Workflow, ForceWorkflow: o.ForceWorkflow,
		GH: o.GH, Run: runTool, Now: env.Now, Out: env.Stdout,
	}
	if o.GH {
		if err := setup.GHReady(ctx, runTool); err != nil {
			return usage(err, "init")
		}
	}
	suggest := o.suggestions(ctx, workflow, env.asks && !o.Yes)
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
	return s.Do(ctx)
}

// checkBranch refuses to put a workflow among the data.
func checkBranch(ctx context.Context, p setup.Plan) error {
	branch, err := runTool(ctx, nil, "git", "branch", "--show-current")
	fills := p.Repository == p.Files.Slug || p.Repository == p.Hashes.Slug
	if err != nil || !fills || string(bytes.TrimSpace(branch)) != dataBranch {
		return nil // no repository is fine, too
	}
	return usage(errors.New("this is the branch "+dataBranch+", which holds the data; for the workflow make another one (git switch --orphan main), "+
		"and let that be the default branch on GitHub, for schedules run there only"), "init")
}

// answers are those that flags gave.
func (o *InitOptions) answers() setup.Answers {
	return setup.Answers{
		Repository: o.Repository, Files: o.FilesRepository, Hashes: o.HashesRepository, Buckets: o.Bucket,
		PublicURL: strings.TrimRight(o.PublicURL, "/"), Role: o.RoleToAssume, Region: o.AWSRegion,
		Access: o.Access, Notice: o.Notice, Signer: o.Signer, Expires: o.Expires,
	}
}

// suggestions returns what an earlier run, the folder and custom suggest. When
// nobody is asked, a flag that names something to fill says that this is all.
func (o *InitOptions) suggestions(ctx context.Context, workflow []byte, asks bool) func(repository string) setup.Answers {
	git, remembered := setup.FromGit(ctx, runTool), setup.Remembered(workflow)
	return func(repository string) setup.Answers {
		standard := setup.Standard(repository)
		if !asks && o.answers().NamesDestination() {
			standard = standard.WithoutRepositories()
		}
		return git.Or(remembered).Or(standard)
	}
}

// ask asks for what flags did not say.
func (o *InitOptions) ask(ctx context.Context, s *setup.Setup, suggest func(string) setup.Answers, env Env) error {
	talk := setup.NewTalk(env.stdin, env.Stderr)
	answers, err := talk.Ask(ctx, o.answers(), suggest, env.Now())
	if err != nil {
		return err
	}
	if s.Plan, err = answers.Plan(env.Now()); err != nil {
		return usage(err, "init")
	}
	if !s.GH && setup.GHReady(ctx, runTool) == nil {
		s.GH, err = talk.Confirm(ctx, "Let gh create what is missing of the repositories (public), add the deploy keys and set the secrets now?")
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
		return usage(errors.New("which repository is to run the workflow? This folder was not cloned from GitHub; give --repository OWNER/REPO"), "init")
	}
	if s.Plan, err = answers.Or(suggest(answers.Repository)).Plan(now); err != nil {
		return usage(err, "init")
	}
	return nil
}

// runTool runs git or gh. What it says of an error becomes part of ours.
func runTool(ctx context.Context, stdin []byte, program string, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	cmd.Env = append(os.Environ(), "GH_PROMPT_DISABLED=1", "GH_NO_UPDATE_NOTIFIER=1", "NO_COLOR=1")
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
