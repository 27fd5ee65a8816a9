package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// OptionsTable returns the table of the options of sync in docs/options.md, in
// Markdown with a final newline. It stands there between two marks, <!-- options --> and
// <!-- /options -->.
func OptionsTable() string {
	var b strings.Builder
	b.WriteString("| Option | Default | Meaning |\n|---|---|---|\n")
	for _, flag := range syncFlags() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", flag.Name, defaultCell(flag), escapeCell(flag.Help))
	}
	return b.String()
}

// defaultCell is empty for an option whose help says what its lack means.
func defaultCell(flag *kong.Flag) string {
	switch {
	case flag.HasDefault:
		return "`" + flag.Default + "`"
	case flag.IsBool():
		return "`false`"
	default:
		return ""
	}
}

// syncFlags returns the options of sync as kong knows them, in their order.
func syncFlags() []*kong.Flag {
	parser, err := newParser(&grammar{}, Env{Stdout: io.Discard, Stderr: io.Discard}, func(int) {})
	if err != nil {
		// The tags of Options are constants that every test of this
		// package parses.
		panic("cli: options do not parse: " + err.Error())
	}
	for _, command := range parser.Model.Leaves(true) {
		if command.Name == "sync" {
			return command.Flags
		}
	}
	panic("cli: there is no sync command")
}

// escapeCell makes text safe in a cell of a Markdown table.
func escapeCell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`).Replace(text)
}
