package cli

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/alecthomas/kong"
)

// optionsPage describes the inputs of the Action.
const optionsPage = "https://github.com/hackage-mirror/hackage-mirror/blob/main/docs/options.md"

// usage makes an error one of bad usage, with the way to help.
func usage(err error, command string) error {
	help := strings.TrimSpace(program+" "+command) + " --help"
	return &ExitError{Code: CodeUsage, Err: err, Hint: fmt.Sprintf("Run %q for help.", help)}
}

// onRunner gives a refusal the way to help of those who wrote a workflow: there is
// no command line before them.
func (e *ExitError) onRunner(env Env) {
	if env.Getenv(actionStep) == "true" {
		e.Hint = "The inputs are described at " + optionsPage + "."
	}
}

// explainUsage says of what kong refused what people meant.
func explainUsage(parser *kong.Kong, args []string, variables *environment, err error) error {
	if found, ok := errors.AsType[*configError](err); ok {
		return found
	}
	command := commandOf(parser, args)
	if command != "" || len(args) == 0 {
		return explainValue(parser, command, variables, err)
	}
	flag, _, _ := strings.Cut(strings.TrimLeft(args[0], "-"), "=")
	if flag != args[0] && (flag == "v" || slices.Contains(flagNames(parser, ""), flag)) {
		for i, arg := range args {
			if commandOf(parser, args[i:]) != "" {
				return fmt.Errorf("the command comes first; write: %s %s %s", program, arg, strings.Join(slices.Delete(slices.Clone(args), i, i+1), " "))
			}
		}
		return fmt.Errorf("the command is missing; write: %s sync %s", program, strings.Join(args, " "))
	}
	if rest, unknown := strings.CutPrefix(err.Error(), "unexpected argument "); unknown {
		return errors.New("there is no command " + rest)
	}
	return err
}

// What kong says of a value, in words for programmers.
var (
	aboutValue  = regexp.MustCompile(`(?s)^(?:--([a-z0-9-]+)|[\[<]+(\w+)[>\]]+):? (.*)$`)
	noValue     = regexp.MustCompile(`(?s)^expected (?:\w+ value|the path of a file)(?: but got "(.*?)" \(.*)?$`)
	notNumber   = regexp.MustCompile(`(?s)^expected a valid \d+ bit int but got (".*")$`)
	notListed   = regexp.MustCompile(`(?s)^must be one of (.*) but got (".*")$`)
	noArgument  = regexp.MustCompile(`^expected "<(\w+)>"$`)
	belowZero   = regexp.MustCompile(`^-\.?\d`)
	listedWords = strings.NewReplacer(`","`, ", ", `"`, "")
)

// explainValue says of a bad or missing value where it came from and what to write.
func explainValue(parser *kong.Kong, command string, variables *environment, err error) error {
	if m := noArgument.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("the %s is missing; write: %s %s %s", m[1], program, command, strings.ToUpper(m[1]))
	}
	m := aboutValue.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	name, what := m[1]+m[2], m[3]
	source := variables.source(name)
	if m[2] != "" {
		source = name
	}
	if n := noValue.FindStringSubmatch(what); n != nil {
		what = missingValue(name, placeholder(parser, command, name), n[1])
	} else if n := notNumber.FindStringSubmatch(what); n != nil {
		what = n[1] + " is not a whole number"
	} else if n := notListed.FindStringSubmatch(what); n != nil {
		what = n[2] + " is unknown; write one of " + listedWords.Replace(n[1])
	}
	return fmt.Errorf("%s: %s", source, what)
}

// missingValue says what stands where a flag's value should.
func missingValue(name, placeholder, got string) string {
	switch {
	case got == "" || got == "EOL":
		return fmt.Sprintf("its value is missing; write --%s %s", name, placeholder)
	case belowZero.MatchString(got):
		return fmt.Sprintf("%q is below zero; write --%s %s", got, name, placeholder)
	}
	return fmt.Sprintf("its value is missing, and %q reads like a flag; write --%s=%s", got, name, placeholder)
}

// placeholder is what help writes for a flag's value.
func placeholder(parser *kong.Kong, command, name string) string {
	for flag := range flags(parser, command) {
		if flag.Name == name && command != "" {
			return flag.FormatPlaceHolder()
		}
	}
	return "VALUE"
}

// slips is how many letters a misspelt name may have wrong.
const slips = 2

// meant proposes the option that a name looks like, in the form that was used.
func meant(name string, options []string, form func(string) string) string {
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	best, least := "", slips+1
	for _, option := range options {
		distance := levenshtein.Distance(name, option, nil)
		if name != "" && (strings.HasPrefix(option, name) || strings.HasPrefix(name, option)) {
			distance = min(distance, slips)
		}
		if distance < least && distance < len(name) {
			best, least = option, distance
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", form(best))
}
