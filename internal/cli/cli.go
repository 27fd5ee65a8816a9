// Package cli is the command line. It reads the options, opens upstream and the
// destinations, calls what runs, and is the only package that logs.
//
// Results go to standard output, everything else (progress, warnings, errors)
// to standard error. The exit code is
//
//	0  done
//	1  an error
//	2  bad usage; nothing was started
//	3  up to date, but a person should look; of status: stale, or the same
//	130  interrupted, by whatever signal
//
// Every option of sync has a flag, an Action input, an environment variable and a
// line of the file of options, all of the same name; see Options. Only ProcessEnv
// touches the process's own environment, streams and clock: everything else gets
// them as an Env.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"
	"golang.org/x/term"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/open"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/notify"
	"github.com/hackage-mirror/hackage-mirror/internal/options"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/run"
	"github.com/hackage-mirror/hackage-mirror/internal/secret"
	"github.com/hackage-mirror/hackage-mirror/internal/setup"
)

// helpWidth is how wide --help is at most, in columns.
const helpWidth = 100

// program is the command's name in usage and messages.
const program = "hackage-mirror"

// Exit codes.
const (
	CodeDone        = 0
	CodeError       = 1
	CodeUsage       = 2
	CodeDegraded    = 3
	CodeInterrupted = 130
)

// Env is what a command may know of the process it runs in.
type Env struct {
	Stdout, Stderr io.Writer
	LookupEnv      func(name string) (value string, set bool)
	Environ        func() []string // all variables, as NAME=VALUE
	Unsetenv       func(name string) error
	Now            func() time.Time
	IsTerminal     bool   // whether somebody watches Stderr
	Version        string // of this program, such as v1.2.3

	log     *logWriter      // behind Stderr
	console *report.Console // where the runner and the summary hear of things

	stdin io.Reader
	asks  bool // whether somebody is there to answer on stdin

	// What tests make another one of: the patience with upstream and with
	// buckets, and how many tarballs make a batch.
	tune       func(*hackage.Options)
	tuneBucket func(*open.Options)
	batch      int
	wait       func(context.Context, time.Duration) error // nil: the time itself
	callTime   time.Duration                              // zero: the constant of that name
}

// version is what the linker of a release writes in, see script/release.
var version string

// programVersion returns the version: the linker's word, or else what the go
// command knows of the module it built.
func programVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return cmp.Or(version, info.Main.Version, "(devel)")
}

// ProcessEnv returns the Env of the running process.
func ProcessEnv() Env {
	// Kong writes help for 80 columns where it cannot ask a terminal.
	if os.Getenv("COLUMNS") == "" && !term.IsTerminal(int(os.Stdout.Fd())) {
		_ = os.Setenv("COLUMNS", strconv.Itoa(helpWidth)) // else it stays at 80
	}
	return Env{
		Stdout: os.Stdout, Stderr: os.Stderr,
		LookupEnv: os.LookupEnv, Unsetenv: os.Unsetenv, Environ: os.Environ,
		Now:        time.Now,
		IsTerminal: term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("TERM") != "dumb",
		Version:    programVersion(),
		stdin:      os.Stdin,
		asks:       term.IsTerminal(int(os.Stdin.Fd())),
	}
}

// Getenv returns a variable's value, "" if it is not set.
func (e Env) Getenv(name string) string {
	value, _ := e.LookupEnv(name)
	return value
}

// An ExitError is an error that asks for an exit code of its own.
type ExitError struct {
	Code int
	Err  error  // nil: all has been said already
	Hint string // a line for the user, apart from the error
}

// Error returns the message of Err.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *ExitError) Unwrap() error { return e.Err }

// commands are what the command line can start.
type commands struct {
	sync func(ctx context.Context, o *options.Sync, env Env) error
	demo func(ctx context.Context, dir string, env Env) error
	init func(ctx context.Context, o *InitOptions, env Env) error
}

// grammar is the command line as kong reads it.
type grammar struct {
	Sync   options.Sync   `cmd:"" help:"Bring all destinations up to date with upstream."`
	Status options.Status `cmd:"" help:"Tell how fresh and how sound a mirror is: anybody's, without credentials."`
	Demo   struct {
		Dir string `arg:"" optional:"" default:"./demo" help:"Folder to make."`
	} `cmd:"" help:"Mirror a small Hackage that is built into this program, offline."`
	Init       InitOptions `cmd:"" help:"Set up a GitHub repository to run the mirror: make the keys, write the workflow, and print or run the remaining commands. Run it in a clone; running it again changes nothing that exists."`
	Key        KeyOptions  `cmd:"" help:"Make a signing key for a mirror outside GitHub, or read an existing one; print its fingerprint and its public half."`
	Completion struct {
		Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
	} `cmd:"" help:"Print the script that lets a shell complete commands and options. For bash: source <(hackage-mirror completion bash)."`
	Man     struct{}    `cmd:"" help:"Print the manual page: hackage-mirror man | man -l -"`
	Version struct{}    `cmd:"" help:"Print the version, as --version does."`
	Pace    PaceOptions `cmd:"" hidden:"" help:"For pace.yml and mend.yml: start the mirror and the next run of the chain."`
	Docs    struct{}    `cmd:"" hidden:"" help:"Print the table of options in docs/options.md."`
}

// Help is what --help says beside the list of commands. See kong.HelpProvider.
func (grammar) Help() string {
	return `Examples:

  hackage-mirror demo
  hackage-mirror sync --bucket ./hackage --packages 'aeson,servant-*'
  hackage-mirror sync --bucket s3://my-hackage --public-url https://hackage.example.org
  hackage-mirror status https://hackage.example.org
  hackage-mirror help sync

` + options.ExitCodes
}

// Main runs the command that args name (without the program's name) and returns
// the exit code.
func Main(ctx context.Context, args []string, env Env) int {
	return commands{sync: runSync, demo: runDemo, init: runInit}.main(ctx, args, env)
}

func (c commands) main(ctx context.Context, args []string, env Env) int {
	env.log = &logWriter{w: env.Stderr, now: env.Now}
	env.Stderr = env.log
	env.console = report.NewConsole(env.Stderr, env.Getenv)
	err := c.run(ctx, args, env)
	if err == nil {
		return CodeDone
	}
	exit, ok := errors.AsType[*ExitError](err)
	if !ok {
		exit = &ExitError{Code: CodeError, Err: err}
	}
	if _, degraded := errors.AsType[*run.DegradedError](err); degraded {
		exit.Code, ok = CodeDegraded, true
	}
	// What asks for another code may have come before the signal did.
	if ctx.Err() != nil && (!ok || errors.Is(err, context.Canceled)) {
		exit = &ExitError{Code: CodeInterrupted, Err: exit.Err, Hint: "Interrupted; the next run picks up from there."}
	}
	if exit.Err != nil {
		env.fail(apparent(ctx, err), exit.Code)
	}
	if exit.Code == CodeUsage {
		env.tellRefusal(exit)
	}
	if exit.Hint != "" {
		fmt.Fprintln(env.Stderr, exit.Hint)
	}
	return exit.Code
}

func (c commands) run(ctx context.Context, args []string, env Env) error {
	g := &grammar{}
	defer secret.Wipe(g)
	parsed, command, err := parse(g, canonical(args, env), env)
	if parsed != nil {
		if env.Getenv(actionStep) == "true" {
			env.console.Mask(secret.Masks(g)...)
		}
		err = c.start(ctx, g, parsed, env)
	}
	if _, ok := errors.AsType[*setup.AnswerError](err); ok {
		err = usage(err, command)
	}
	exit, ok := errors.AsType[*ExitError](err)
	if !ok || exit.Code != CodeUsage {
		return err
	}
	exit.onRunner(env)
	if command == "sync" {
		run := env.refusal(exit)
		newNotifier(&g.Sync, env).Ended(ctx, run, notify.Changed("", notify.StatusOf(run, report.RunPage(env.Getenv))))
	}
	return err
}

// start runs a command whose options were read.
func (c commands) start(ctx context.Context, g *grammar, parsed *kong.Context, env Env) (err error) {
	switch parsed.Selected().Name {
	case "sync":
		return c.startSync(ctx, &g.Sync, env)
	case "status":
		return startStatus(ctx, &g.Status, env)
	case "demo":
		return c.demo(ctx, g.Demo.Dir, env)
	case "init":
		return c.init(ctx, &g.Init, env)
	case "key":
		return runKey(&g.Key, env)
	case "completion":
		return (&kongcompletion.Completion{Shell: g.Completion.Shell, Code: true}).Run(parsed)
	case "man":
		return printMan(parsed.Model, env.Stdout)
	case "version":
		_, err = fmt.Fprintf(env.Stdout, "%s %s (%s %s/%s)\n", program, env.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	case "pace":
		return runPace(ctx, &g.Pace, env)
	case "docs":
		_, err = io.WriteString(env.Stdout, optionsTable(parsed.Kong))
	default:
		panic("cli: no case for the command " + parsed.Selected().Name)
	}
	return err
}

// canonical turns what people try first into the one form of each command line.
func canonical(args []string, env Env) []string {
	switch {
	case len(args) == 0 && env.Getenv("GITHUB_ACTIONS") == "true":
		return []string{"sync"}
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case slices.Contains([]string{"--version", "-V"}, args[len(args)-1]) && len(args) <= 2: // also after a command
		return []string{"version"}
	}
	return args
}

// actionStep is the variable by which the Action says that the step is the Action.
// There the runner reads every line itself, and keeps those that ask it to mask a
// secret out of the log. In a step that somebody wrote, the output may go into a
// file (| tee log), and such a line would put the secret there.
const actionStep = "HACKAGE_MIRROR_ACTION"

// startSync checks the options before anything is done.
func (c commands) startSync(ctx context.Context, o *options.Sync, env Env) error {
	if env.log.set(o.LogFormat) {
		env.IsTerminal = false // a bar is not for a log
	}
	o.Resolve(env.Getenv)
	warnings, err := o.Check()
	for _, warning := range append(warnings, o.LostFolders(env.Getenv)...) {
		env.warn(warning)
	}
	if err != nil {
		return usage(err, "sync")
	}
	return c.sync(ctx, o, env)
}

// parse reads arguments and environment into g. It returns nil when all is done, as when
// help was asked for. Of arguments that are bad usage it returns what command they are
// for, and g has those whom that one would have told of itself.
func parse(g *grammar, args []string, env Env) (parsed *kong.Context, command string, err error) {
	helped := false
	parser, err := newParser(g, env, func(int) { helped = true })
	if err != nil {
		return nil, "", err
	}
	if env.Getenv(completionVariable) != "" {
		kongcompletion.Register(parser) // answers the shell
		return nil, "", nil
	}
	command = commandOf(parser, args)
	variables, err := newEnvironment(env, parser)
	if err != nil {
		return nil, "", err
	}
	variables.readConfig(args, command)
	if err := variables.refuse(args, command); err != nil {
		return nil, command, variables.rescue(&g.Sync, args, err)
	}
	env.warnOfUnknown(parser)
	if err := kong.Resolvers(kong.ResolverFunc(variables.resolve)).Apply(parser); err != nil {
		return nil, "", err
	}
	parsed, err = parser.Parse(args)
	switch {
	case helped:
		// Kong would have left the process here; what it made of the rest
		// of the arguments does not matter.
		return nil, "", nil
	case err != nil:
		return nil, command, variables.rescue(&g.Sync, args, usage(explainUsage(parser, args, variables, err), command))
	}
	g.Sync.Tidy()
	return parsed, command, nil
}

// newParser returns a parser that writes into g. Exit is called instead of os.Exit.
func newParser(g *grammar, env Env, exit func(int)) (*kong.Kong, error) {
	return kong.New(g,
		kong.Name(program),
		kong.Description("Mirrors Hackage, verified: tarballs and signed metadata into a bucket, .cabal files and hashes into signed git repositories."),
		kong.Writers(env.Stdout, env.Stderr),
		kong.Exit(exit),
		kong.ValueFormatter(helpText),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: helpWidth}),
		kong.NamedMapper("list", kong.MapperFunc(decodeList)),
		kong.KindMapper(reflect.Bool, boolMapper{}),
		kong.TypeMapper(reflect.TypeFor[secret.Secret](), kong.MapperFunc(decodeSecret)),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(decodeTime)),
	)
}

// helpText is what --help says of an option.
func helpText(value *kong.Value) string {
	if !value.HasDefault {
		return value.Help
	}
	return value.Help + " (default: " + value.Default + ")"
}

// flags yields the options of a command, of all commands for "".
func flags(parser *kong.Kong, command string) iter.Seq[*kong.Flag] {
	return func(yield func(*kong.Flag) bool) {
		for _, leaf := range parser.Model.Leaves(false) {
			for _, flag := range leaf.Flags {
				if (command == "" || leaf.Name == command) && !yield(flag) {
					return
				}
			}
		}
	}
}

// flagNames returns the names of the options of a command, of all commands for "".
func flagNames(parser *kong.Kong, command string) (names []string) {
	for flag := range flags(parser, command) {
		names = append(names, flag.Name)
	}
	return names
}

// commandOf returns the command that is first in args, "" if none is.
func commandOf(parser *kong.Kong, args []string) string {
	if len(args) > 0 && slices.ContainsFunc(parser.Model.Leaves(true), func(leaf *kong.Node) bool { return leaf.Name == args[0] }) {
		return args[0]
	}
	return ""
}

// say writes a message for people, each line with the program's name before it.
func say(w io.Writer, kind, message string) {
	for line := range strings.Lines(message) {
		fmt.Fprintf(w, "%s: %s%s\n", program, kind, report.Line(line))
	}
}
