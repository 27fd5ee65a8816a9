package run

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/hackage-mirror/hackage-mirror/internal/paste"
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
}

// inputVariables returns the variables of an option, the one that the runner
// sets first: it keeps hyphens, which many shells cannot write.
func inputVariables(option string) []string {
	name := "INPUT_" + strings.ToUpper(strings.ReplaceAll(option, " ", "_"))
	return []string{name, strings.ReplaceAll(name, "-", "_")}
}

// newEnvironment takes the named secrets out of the variables.
func newEnvironment(env Env, secrets []string) (*environment, error) {
	e := &environment{lookup: env.LookupEnv, secrets: make(map[string]secretText)}
	for _, option := range secrets {
		if value := e.value(option); value != "" {
			e.secrets[option] = secretText(value)
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

// value returns an option's first variable that is not blank.
func (e *environment) value(option string) string {
	for _, name := range inputVariables(option) {
		if value, ok := e.lookup(name); ok && strings.TrimSpace(value) != "" {
			return value
		}
	}
	return ""
}

// Resolve is called for each flag that was not given. See kong.Resolver.
func (e *environment) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if text, ok := e.secrets[flag.Name]; ok {
		return text, nil
	}
	if value := strings.TrimSpace(e.value(flag.Name)); value != "" {
		return value, nil
	}
	return nil, nil //nolint:nilnil // how kong is told that there is nothing
}

// Validate has nothing to do. See kong.Resolver.
func (e *environment) Validate(*kong.Application) error { return nil }

// A mapper decodes one kind of option. See kong.Mapper.
type (
	listMapper   struct{}
	boolMapper   struct{}
	secretMapper struct{}
)

// Decode adds to a list the items of one flag or variable: between newlines or
// commas, without what is around them.
func (listMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	token, err := ctx.Scan.PopValue("list")
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(token.String(), "\n") {
		for item := range strings.SplitSeq(line, ",") {
			if item = paste.Line(item); item != "" {
				target.Set(reflect.Append(target, reflect.ValueOf(item)))
			}
		}
	}
	return nil
}

// IsBool lets a flag stand without a value.
func (boolMapper) IsBool() bool { return true }

// Decode takes the booleans of YAML's core schema, as GitHub's own actions do,
// and nothing else: "yes" and "1" are strings there.
func (boolMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		target.SetBool(true)
		return nil
	}
	switch token := ctx.Scan.Pop(); fmt.Sprint(token.Value) {
	case "true", "True", "TRUE":
		target.SetBool(true)
	case "false", "False", "FALSE":
		target.SetBool(false)
	default:
		return fmt.Errorf("expected true or false but got %q", token)
	}
	return nil
}

// Decode reads a secret. No error repeats what was given.
func (secretMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	kind := secretKind(ctx.Value.Tag.Get("secret"))
	var secret Secret
	var err error
	switch token := ctx.Scan.Pop(); value := token.Value.(type) {
	case secretText:
		secret, err = environmentSecret(string(value), kind)
	case string:
		secret, err = fileSecret(value, kind)
	default:
		err = errors.New("expected the path of a file")
	}
	if err != nil {
		return err
	}
	target.Set(reflect.ValueOf(secret))
	return nil
}

// checkArguments refuses a secret among the arguments, which every user of the
// machine can read, before anything could repeat it.
func checkArguments(args []string) error {
	for i, arg := range args {
		if looksSecret(arg) {
			return fmt.Errorf("argument %d looks like a key or a token, and other users of this machine can read arguments; "+
				"give the path of a file, or the text by environment (INPUT_SIGNING_KEY and so on), and replace this one if the machine is shared", i+1)
		}
	}
	return nil
}
