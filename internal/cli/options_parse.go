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

// An environment is what the options can learn from environment variables and from the
// file of options. Secrets leave the variables before anything else is done, so that no
// child process inherits them, whichever command runs.
type environment struct {
	lookup  func(string) (string, bool)
	parser  *kong.Kong
	secrets map[string]secretText // by option

	// config are the options of the file that --config names. A secret in it is the
	// path of a file, as that of a flag.
	config     map[string]string
	configPath string
	configErr  error

	action bool              // in the Action's own step, variables are its inputs
	from   map[string]string // where the value of an option came from, but for flags
}

// variablePrefix is that of the variables for those who are not on GitHub.
const variablePrefix = "HACKAGE_MIRROR_"

// inputVariables returns the variables of an option in the order of their
// precedence. The runner keeps hyphens, which many shells cannot write.
func inputVariables(option string) []string {
	name := strings.ToUpper(option)
	plain := strings.ReplaceAll(name, "-", "_")
	return []string{"INPUT_" + name, "INPUT_" + plain, variablePrefix + plain}
}

// newEnvironment removes the secrets from the variables.
func newEnvironment(env Env, parser *kong.Kong) (*environment, error) {
	e := &environment{
		lookup: env.LookupEnv, parser: parser, action: env.Getenv(actionStep) == "true",
		secrets: map[string]secretText{}, from: map[string]string{},
	}
	for flag := range flags(parser, "") {
		if flag.Target.Type() != reflect.TypeFor[secret.Secret]() {
			continue
		}
		if value := e.value(flag.Name); value != "" {
			e.secrets[flag.Name], e.from[flag.Name] = secretText(value), e.variable(flag.Name)
		}
		for _, name := range inputVariables(flag.Name) {
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

// readConfig reads the file of options, if one is named. What is wrong with it matters
// only if an option is looked up there.
func (e *environment) readConfig(args []string, command string) {
	e.configPath = cmp.Or(argument(args, "--"+configOption), strings.TrimSpace(e.value(configOption)))
	if e.configPath != "" && slices.Contains([]string{"sync", "status"}, command) {
		e.config, e.configErr = readConfig(e.configPath, flagNames(e.parser, "sync"))
	}
}

// refuse refuses a secret where others can read it, before anything could repeat it:
// among the arguments, or in the variable of an option that is no secret.
func (e *environment) refuse(args []string, command string) error {
	for i, arg := range args {
		if strings.Contains(arg, strings.TrimSpace(paste.ArmorBegin)) || secret.LooksLike(arg) {
			return usage(fmt.Errorf("argument %d looks like a key or a token, and other users of this machine can read arguments; "+
				"give the path of a file, or the text in the environment (HACKAGE_MIRROR_SIGNING_KEY and so on), and replace this one if the machine is shared", i+1), "")
		}
	}
	for flag := range flags(e.parser, command) {
		if e.secrets[flag.Name] == "" && secret.LooksLike(e.value(flag.Name)) {
			return usage(misplaced(flag.Name), command)
		}
	}
	return nil
}

// rescue finds those who watch from outside where the options are bad usage, and
// returns the error that says so: they are to hear of it.
func (e *environment) rescue(o *options.Sync, args []string, err error) error {
	for option, to := range map[string]*secret.Secret{notify.PingOption: &o.PingURL, notify.NotifyOption: &o.NotifyURL} {
		text, given := e.secrets[option]
		path := argument(args, "--"+option)
		switch {
		case to.IsSet():
		case path != "":
			*to, _ = secret.FromFile(path, secret.Addresses)
		case given:
			*to, _ = secret.FromEnvironment(string(text), secret.Addresses)
		case e.config[option] != "":
			*to, _ = secret.FromFile(e.config[option], secret.Addresses)
		}
	}
	dry, _ := strconv.ParseBool(cmp.Or(e.value(dryRunOption), e.config[dryRunOption]))
	o.DryRun = o.DryRun || dry || slices.Contains(args, "--"+dryRunOption)
	return err
}

// argument returns the last value of a flag, "" without one.
func argument(args []string, flag string) (last string) {
	for i, arg := range args {
		if value, joined := strings.CutPrefix(arg, flag+"="); joined {
			last = value
		} else if arg == flag && i+1 < len(args) {
			last = args[i+1]
		}
	}
	return last
}

// dryRunOption is of a run that is nobody else's business.
const dryRunOption = "dry-run"

// misplaced is the error of an option that has a secret and is for none.
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

// resolve is called for each flag that was not given. See kong.Resolver.
func (e *environment) resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if text, ok := e.secrets[flag.Name]; ok {
		return text, nil
	}
	e.from[flag.Name] = e.variable(flag.Name)
	if value := strings.TrimSpace(e.value(flag.Name)); value != "" {
		return value, nil
	}
	value := strings.TrimSpace(e.config[flag.Name])
	switch {
	case e.configErr != nil:
		return nil, e.configErr
	case value == "":
		return nil, nil //nolint:nilnil // how kong is told that there is nothing
	case flag.Tag.Get("secret") == "" && secret.LooksLike(value):
		return nil, misplaced(flag.Name)
	}
	e.from[flag.Name] = fmt.Sprintf("config %q: %s", e.configPath, flag.Name)
	return value, nil
}

// decodeList adds to a list the items of one flag or variable: between newlines or
// commas, without what is around them.
func decodeList(ctx *kong.DecodeContext, target reflect.Value) error {
	token, err := ctx.Scan.PopValue("list")
	if err != nil {
		return err
	}
	for _, item := range paste.Items(token.String()) {
		target.Set(reflect.Append(target, reflect.ValueOf(item)))
	}
	return nil
}

// A boolMapper decodes what is true or false. See kong.BoolMapper.
type boolMapper struct{}

// IsBool lets a flag stand without a value.
func (boolMapper) IsBool() bool { return true }

// Decode reads the booleans of YAML's core schema, as GitHub's own actions do, and
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

// decodeTime reads a length of time, with a unit. None is what an option is without: to
// accept 0 for that would hide a slip.
func decodeTime(ctx *kong.DecodeContext, target reflect.Value) error {
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

// decodeSecret reads a secret. No error repeats what was given.
func decodeSecret(ctx *kong.DecodeContext, target reflect.Value) error {
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
