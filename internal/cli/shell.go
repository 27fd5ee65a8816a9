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

// manExamples are indented lines, which the library would have man fill and justify.
var manExamples = regexp.MustCompile(`(?m)(?:^\.PP\n  .*\n)+`)
