package cli

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/hackage-mirror/hackage-mirror/internal/bounded"
	"go.yaml.in/yaml/v3"
)

// maxConfig bounds a file of options, in bytes. A list of packages can be long.
const maxConfig = 8 << 20

// readConfig reads a file of options: YAML, an option a line, as in the with: of a
// workflow. A list may be one of YAML's. What is not an option is refused: a slip of
// the pen must not turn into a mirror without it. With an error come the values that
// could be read.
func readConfig(path string, options []string) (map[string]string, error) {
	raw, err := bounded.ReadFile(path, maxConfig)
	if err != nil {
		return nil, &configError{fmt.Errorf("read config %q: %w", path, err)}
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
	var document yaml.Node
	if err := yaml.Unmarshal(raw, &document); err != nil {
		// Its words repeat the text, in which somebody may have put a secret.
		return nil, fmt.Errorf("%s is not YAML; write one OPTION: VALUE on each line", cmp.Or(atLine.FindString(err.Error()), "it"))
	}
	values, lines := map[string]string{}, map[string]int{}
	if len(document.Content) == 0 || document.Content[0].Tag == "!!null" {
		return values, nil
	}
	top := document.Content[0]
	if top.Kind != yaml.MappingNode {
		return values, fmt.Errorf("line %d: write one OPTION: VALUE on each line", top.Line)
	}
	var errs []error
	for pair := range slices.Chunk(top.Content, 2) {
		key, name := pair[0], pair[0].Value
		err := checkKey(name, lines[name], options)
		if err == nil {
			if values[name], err = valueOf(pair[1]); err != nil {
				err = fmt.Errorf("option %q: %w", name, err)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", key.Line, err))
		}
		lines[name] = key.Line
	}
	return values, errors.Join(errs...)
}

// checkKey refuses what is not the name of an option, or stands in an earlier line as
// well.
func checkKey(name string, earlier int, options []string) error {
	switch {
	case earlier > 0:
		return fmt.Errorf("option %.80q is in line %d already; write it once", name, earlier)
	case name == configOption:
		return fmt.Errorf("a file of options cannot name another one; remove %q", name)
	case !slices.Contains(options, name):
		return fmt.Errorf("%.80q is not an option of sync%s", name, meant(name, options, strings.ToLower))
	}
	return nil
}

// valueOf returns a value as a variable would have it; "" for none.
func valueOf(node *yaml.Node) (string, error) {
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

// atLine is where YAML's words say that something is wrong.
var atLine = regexp.MustCompile(`line \d+`)

// configOption names the file of options; it cannot stand in one.
const configOption = "config"

// actionOnly are the inputs of the Action that are no options of the program, and
// what else looks like one.
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
		prefix := "INPUT_"
		if strings.HasPrefix(name, variablePrefix) {
			prefix = variablePrefix
		}
		rest, input := strings.CutPrefix(name, prefix)
		option := strings.ToLower(strings.ReplaceAll(rest, "_", "-"))
		if !input || strings.TrimSpace(value) == "" || slices.Contains(options, option) || slices.Contains(actionOnly, option) {
			continue
		}
		env.warn(fmt.Sprintf("variable %.80q is not an option, so it was ignored%s", name, meant(option, options, func(option string) string {
			return prefix + strings.ToUpper(strings.ReplaceAll(option, "-", "_"))
		})))
	}
}
