package cli

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/hackage-mirror/hackage-mirror/internal/notify"
	"github.com/hackage-mirror/hackage-mirror/internal/options"
	"github.com/hackage-mirror/hackage-mirror/internal/paste"
	"github.com/hackage-mirror/hackage-mirror/internal/secret"
)

// secretText is a secret on its way from the environment to its option, apart
// from the string that a flag brings: that one may only be a path.
type secretText string

// An environment holds what the options can learn from environment variables.
// Secrets are taken out of it before anything else is done, so that no child
// process inherits them, whichever command runs.
type environment struct {
	lookup  func(string) (string, bool)
	secrets map[string]secretText // by option

	// file are the options of the file that --config names, once it was read.
	// A secret in it is the path of a file, as that of a flag.
	file    map[string]string
	path    string   // of that file
	options []string // that such a file may hold

	action bool              // in the Action's own step, variables are its inputs
	from   map[string]string // where the value of an option came from, but for flags
}

// ownVariables begins the variables for those who are not on GitHub.
const ownVariables = "HACKAGE_MIRROR_"

// inputVariables returns the variables of an option in the order in which they take
// precedence. The runner keeps hyphens, which many shells cannot write.
func inputVariables(option string) []string {
	name := strings.ToUpper(option)
	plain := strings.ReplaceAll(name, "-", "_")
	return []string{"INPUT_" + name, "INPUT_" + plain, ownVariables + plain}
}

// newEnvironment takes the named secrets out of the variables.
func newEnvironment(env Env, secrets []string) (*environment, error) {
	e := &environment{lookup: env.LookupEnv, secrets: make(map[string]secretText), action: env.Getenv(ownStep) == "true", from: map[string]string{}}
	for _, option := range secrets {
		if value := e.value(option); value != "" {
			e.secrets[option], e.from[option] = secretText(value), e.variable(option)
		}
		for _, name := range inputVariables(option) {
			if _, set := env.LookupEnv(name); !set {
				continue
			}
			if err := env.Unsetenv(name); err != nil {
				return nil, fmt.Errorf("unset environment variable %s: %w", name, err)
			}
		}
	}
	return e, nil
}

// refuse refuses a secret where others can read it.
func (e *environment) refuse(parser *kong.Kong, args []string, command string) error {
	if err := checkArguments(args); err != nil {
		return usage(err, "")
	}
	if err := e.check(flagNames(parser, command)); err != nil {
		return usage(err, command)
	}
	return nil
}

// rescue finds those who watch from outside where the options are bad usage, and
// returns the error that says so: they are to hear of it.
func (e *environment) rescue(o *options.Sync, args []string, err error) error {
	if path := cmp.Or(argument(args, "--"+configOption), e.value(configOption)); e.file == nil && path != "" {
		e.file, _ = readConfig(path, e.options) // what is wrong there is told already
	}
	for option, to := range map[string]*secret.Secret{notify.PingOption: &o.PingURL, notify.NotifyOption: &o.NotifyURL} {
		text, given := e.secrets[option]
		path := argument(args, "--"+option)
		switch {
		case to.IsSet():
		case path != "":
			*to, _ = secret.FromFile(path, secret.Addresses)
		case given:
			*to, _ = secret.FromEnvironment(string(text), secret.Addresses)
		case e.file[option] != "":
			*to, _ = secret.FromFile(e.file[option], secret.Addresses)
		}
	}
	dry, _ := strconv.ParseBool(cmp.Or(e.value(dryRunOption), e.file[dryRunOption]))
	o.DryRun = o.DryRun || dry || slices.Contains(args, "--"+dryRunOption)
	return err
}

// argument returns the value of a flag, "" without one.
func argument(args []string, flag string) string {
	for i, arg := range args {
		if value, joined := strings.CutPrefix(arg, flag+"="); joined {
			return value
		}
		if arg == flag && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// check refuses a key or a token in the variable of an option that is no secret,
// before anything could repeat it.
func (e *environment) check(options []string) error {
	for _, option := range options {
		if e.secrets[option] == "" && secret.LooksLike(e.value(option)) {
			return misplaced(option)
		}
	}
	return nil
}

// dryRunOption is of a run that is nobody else's business.
const dryRunOption = "dry-run"

// misplaced is the error of an option that holds a secret and is for none.
func misplaced(option string) error {
	return fmt.Errorf("%s contains a private key or a token, which would end up in logs; "+
		"give it with the right option, such as signing-key, ssh-key or token, and replace it if others could see it", option)
}

// value returns an option's first variable that is not blank.
func (e *environment) value(option string) string {
	value, _ := e.lookup(e.variable(option))
	return value
}

// variable returns the name of an option's first variable that is not blank, "" if
// there is none.
func (e *environment) variable(option string) string {
	for _, name := range inputVariables(option) {
		if value, ok := e.lookup(name); ok && strings.TrimSpace(value) != "" {
			return name
		}
	}
	return ""
}

// source says where the value of an option came from.
func (e *environment) source(option string) string {
	switch from := e.from[option]; {
	case from == "":
		return "--" + option
	case e.action && slices.Contains(inputVariables(option), from):
		return "input " + option
	default:
		return from
	}
}

// Resolve is called for each flag that was not given. See kong.Resolver.
func (e *environment) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if text, ok := e.secrets[flag.Name]; ok {
		return text, nil
	}
	e.from[flag.Name] = e.variable(flag.Name)
	if value := strings.TrimSpace(e.value(flag.Name)); value != "" {
		return value, nil
	}
	if err := e.readFile(ctx); err != nil {
		return nil, err
	}
	if value := strings.TrimSpace(e.file[flag.Name]); value != "" {
		if flag.Tag.Get("secret") == "" && secret.LooksLike(value) {
			return nil, misplaced(flag.Name)
		}
		e.from[flag.Name] = fmt.Sprintf("config %q: %s", e.path, flag.Name)
		return value, nil
	}
	return nil, nil //nolint:nilnil // how kong is told that there is nothing
}

// readFile reads the file of options, if one is named and was not read yet.
func (e *environment) readFile(ctx *kong.Context) (err error) {
	if e.file != nil {
		return nil
	}
	path := strings.TrimSpace(e.value(configOption))
	for _, flag := range ctx.Flags() {
		if given, ok := ctx.FlagValue(flag).(string); ok && flag.Name == configOption && given != "" {
			path = given
		}
	}
	e.file, e.path = map[string]string{}, path
	if path != "" && ctx.Selected() != nil && slices.Contains([]string{"sync", "status"}, ctx.Selected().Name) {
		e.file, err = readConfig(path, e.options)
	}
	if err != nil {
		e.file = nil
	}
	return err
}

// Validate has nothing to do. See kong.Resolver.
func (e *environment) Validate(*kong.Application) error { return nil }

// A mapper decodes one kind of option. See kong.Mapper.
type (
	listMapper   struct{}
	boolMapper   struct{}
	secretMapper struct{}
	timeMapper   struct{}
)

// Decode adds to a list the items of one flag or variable: between newlines or
// commas, without what is around them.
func (listMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	token, err := ctx.Scan.PopValue("list")
	if err != nil {
		return err
	}
	for _, item := range paste.Items(token.String()) {
		target.Set(reflect.Append(target, reflect.ValueOf(item)))
	}
	return nil
}

// IsBool lets a flag stand without a value.
func (boolMapper) IsBool() bool { return true }

// Decode takes the booleans of YAML's core schema, as GitHub's own actions do, and
// 1 and 0, which are those of an environment.
func (boolMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		target.SetBool(true)
		return nil
	}
	switch token := ctx.Scan.Pop(); fmt.Sprint(token.Value) {
	case "true", "True", "TRUE", "1":
		target.SetBool(true)
	case "false", "False", "FALSE", "0":
		target.SetBool(false)
	default:
		return fmt.Errorf("%.40q is unknown; write true or false", token)
	}
	return nil
}

// Decode reads a length of time, with a unit. None is what an option is without: to
// take 0 for that would hide a slip.
func (timeMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	token, err := ctx.Scan.PopValue("duration")
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(token.String(), " ", "")
	d, err := time.ParseDuration(longUnits.ReplaceAllStringFunc(text, inHours))
	if err != nil {
		example := "5h30m or 2d"
		if strings.Trim(text, "0123456789") == "" && text != "" {
			example = text + "h for hours, " + text + "m for minutes"
		}
		return fmt.Errorf("%.40q is not a duration; write %s", token, example)
	}
	if d <= 0 {
		return fmt.Errorf("%.40q is not above zero; leave the option out, or write a time such as 5h30m", token)
	}
	target.Set(reflect.ValueOf(d))
	return nil
}

// longUnits are the days and weeks of a length of time, which Go's parser lacks.
var longUnits = regexp.MustCompile(`[0-9.]+[dw]`)

// inHours writes one of them in hours, or leaves it to be refused.
func inHours(part string) string {
	hours := map[byte]float64{'d': 24, 'w': 7 * 24}[part[len(part)-1]]
	n, err := strconv.ParseFloat(part[:len(part)-1], 64)
	if err != nil {
		return part
	}
	return strconv.FormatFloat(n*hours, 'f', -1, 64) + "h"
}

// Decode reads a secret. No error repeats what was given.
func (secretMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	kind := secret.Kind(ctx.Value.Tag.Get("secret"))
	var given secret.Secret
	var err error
	switch token := ctx.Scan.Pop(); value := token.Value.(type) {
	case secretText:
		given, err = secret.FromEnvironment(string(value), kind)
	case string:
		given, err = secret.FromFile(value, kind)
	default:
		err = errors.New("expected the path of a file")
	}
	if err != nil && kind == secret.Addresses {
		given, err = secret.Unusable(err), nil
	}
	if err != nil {
		return err
	}
	target.Set(reflect.ValueOf(given))
	return nil
}

// checkArguments refuses a secret among the arguments, which every user of the
// machine can read, before anything could repeat it.
func checkArguments(args []string) error {
	for i, arg := range args {
		if strings.Contains(arg, strings.TrimSpace(secret.ArmorMark)) || secret.LooksLike(arg) {
			return fmt.Errorf("argument %d looks like a key or a token, and other users of this machine can read arguments; "+
				"give the path of a file, or the text in the environment (HACKAGE_MIRROR_SIGNING_KEY and so on), and replace this one if the machine is shared", i+1)
		}
	}
	return nil
}
