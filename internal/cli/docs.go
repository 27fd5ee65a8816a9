package cli

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// optionsTable returns the table of the options of sync in docs/options.md, in
// Markdown with a final newline. It stands there between two marks, <!-- options --> and
// <!-- /options -->.
func optionsTable(parser *kong.Kong) string {
	var b strings.Builder
	b.WriteString("| Option | Default | Meaning |\n|---|---|---|\n")
	for flag := range flags(parser, "sync") {
		value := "" // the help says what the lack of the option means
		if flag.HasDefault {
			value = "`" + flag.Default + "`"
		} else if flag.IsBool() {
			value = "`false`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", flag.Name, value, escapeCell(flag.Help))
	}
	return b.String()
}

func escapeCell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`).Replace(text)
}
