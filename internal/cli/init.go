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
	setup.Answers

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
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
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
		err = o.useDefaults(s, suggest, env.Now())
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
	holdsData := p.Repository == p.Files.Slug || p.Repository == p.Hashes.Slug
	if err != nil || !holdsData || string(bytes.TrimSpace(branch)) != dataBranch {
		return nil // no repository is fine, too
	}
	return usage(errors.New("the branch "+dataBranch+" is for the data; put the workflow on another one (git switch --orphan main) "+
		"and make that the default branch on GitHub, because schedules run only there"), "init")
}

// suggestions returns what an earlier run, the folder and custom suggest. When
// nobody is asked, a flag that names a destination says that there is no other.
func (o *InitOptions) suggestions(known setup.Answers, asks bool) func(repository string) setup.Answers {
	return func(repository string) setup.Answers {
		standard := setup.Standard(repository)
		if !asks && o.Answers.NamesDestination() {
			standard = standard.WithoutRepositories()
		}
		return known.Or(standard)
	}
}

func (o *InitOptions) ask(ctx context.Context, s *setup.Setup, suggest func(string) setup.Answers, env Env) error {
	prompt := setup.NewPrompt(env.stdin, env.Stderr)
	answers, err := prompt.Ask(ctx, o.Answers, suggest, env.Now())
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

// useDefaults answers by the defaults what flags did not say.
func (o *InitOptions) useDefaults(s *setup.Setup, suggest func(string) setup.Answers, now time.Time) (err error) {
	answers := o.Answers
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
