package cli

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
	mangokong "github.com/alecthomas/mango-kong"
	"github.com/muesli/roff"
)

// completionVariable is set by a shell that asks the program how a line goes on.
const completionVariable = "COMP_LINE"

// printMan prints the manual page, for man.
func printMan(model *kong.Application, w io.Writer) error {
	// The page's head has room for a few words only, and the rest is its description.
	model.Detail = model.Help + "\n\n" + model.Detail
	model.Help = "mirror Hackage, verified"
	page := mangokong.NewManPage(1, model).Build(roff.NewDocument())
	page = strings.Replace(page, " [\\fIoptions", " \\fIcommand\\fP [\\fIoptions", 1)
	page = manExamples.ReplaceAllStringFunc(page, func(lines string) string {
		return ".PP\n.nf\n" + strings.ReplaceAll(lines, ".PP\n", "") + ".fi\n"
	})
	_, err := fmt.Fprintln(w, page)
	return err
}

// manExamples are indented lines, whose line ends the library would have man move.
var manExamples = regexp.MustCompile(`(?m)(?:^\.PP\n  .*\n)+`)

// optionsTable returns the table of the options of sync in docs/options.md, in
// Markdown with a final newline. It stands there between <!-- options --> and
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
