package run

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// maxConfig bounds a file of options, in bytes. A list of packages can be long.
const maxConfig = 8 << 20

// readConfig reads a file of options: YAML, an option a line, as in the with: of a
// workflow. A list may be one of YAML's. What is not an option is refused: a slip of
// the pen must not turn into a mirror without it. With an error come the values that
// could be read.
func readConfig(path string, options []string) (map[string]string, error) {
	raw, err := readLimited(path, maxConfig)
	if err != nil {
		return nil, &configError{fmt.Errorf("read config %q: %w", path, bare(err))}
	}
	values, err := parseConfig(raw, options)
	if err != nil {
		return values, &configError{fmt.Errorf("read config %q: %w", path, err)}
	}
	return values, nil
}

// A configError is about the whole file. Kong would put the flag before it whose
// value it looked for first.
type configError struct{ error }

// parseConfig is readConfig for the text. Values keep the form in which they are
// written, so that a key id of digits does not become a number.
func parseConfig(raw []byte, options []string) (map[string]string, error) {
	nodes := map[string]yaml.Node{}
	if err := yaml.Unmarshal(raw, &nodes); err != nil {
		// Its words repeat the text, in which somebody may have put a secret.
		return nil, errors.New("write it as YAML, one OPTION: VALUE on each line")
	}
	values := map[string]string{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(nodes)) {
		if name == configOption || !slices.Contains(options, name) {
			errs = append(errs, fmt.Errorf("%.80q is not an option of sync%s", name, meant(name, options, strings.ToLower)))
			continue
		}
		text, err := valueOf(nodes[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("option %q: %w", name, err))
		} else if text != "" {
			values[name] = text
		}
	}
	return values, errors.Join(errs...)
}

// valueOf returns a value as a variable would have it; "" for none.
func valueOf(node yaml.Node) (string, error) {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return "", nil
	}
	if node.Kind == yaml.ScalarNode {
		return node.Value, nil
	}
	if node.Kind != yaml.SequenceNode {
		return "", errors.New("write a text or a list")
	}
	var items []string
	for _, item := range node.Content {
		if item.Kind != yaml.ScalarNode {
			return "", errors.New("an item of the list is not a text")
		}
		items = append(items, item.Value)
	}
	return strings.Join(items, "\n"), nil
}

// configOption names the file of options; it cannot stand in one.
const configOption = "config"

// meant proposes the option that a name looks like, in the form that was used.
func meant(name string, options []string, form func(string) string) string {
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	for _, option := range options {
		if name != "" && (strings.HasPrefix(option, name) || strings.HasPrefix(name, option)) {
			return fmt.Sprintf("; did you mean %s?", form(option))
		}
	}
	return ""
}

// flagNames returns the names of the options of a command, of all commands for "".
func flagNames(parser *kong.Kong, command string) []string {
	var names []string
	for _, leaf := range parser.Model.Leaves(false) {
		if command != "" && leaf.Name != command {
			continue
		}
		for _, flag := range leaf.Flags {
			if flag.Name != "help" {
				names = append(names, flag.Name)
			}
		}
	}
	return names
}

// actionOnly are the inputs of the Action that are no options of the program, and
// what else begins like one.
var actionOnly = []string{"command", "install", "download-base", "action"}

// warnOfUnknown tells of variables that look like options and are none. One that is
// empty says nothing.
func (env Env) warnOfUnknown(parser *kong.Kong) {
	options := flagNames(parser, "")
	if env.Environ == nil {
		return
	}
	for _, variable := range env.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		begins := "INPUT_"
		if strings.HasPrefix(name, ownVariables) {
			begins = ownVariables
		}
		rest, input := strings.CutPrefix(name, begins)
		option := strings.ToLower(strings.ReplaceAll(rest, "_", "-"))
		if !input || strings.TrimSpace(value) == "" || slices.Contains(options, option) || slices.Contains(actionOnly, option) {
			continue
		}
		env.warn(fmt.Sprintf("variable %.80q is not an option, so it was ignored%s", name, meant(option, options, func(option string) string {
			return begins + strings.ToUpper(strings.ReplaceAll(option, "-", "_"))
		})))
	}
}
