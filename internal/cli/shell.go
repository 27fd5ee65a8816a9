package cli

import (
	"fmt"
	"regexp"
	"strings"

	mangokong "github.com/alecthomas/mango-kong"
	kongcompletion "github.com/jotaen/kong-completion"
	"github.com/muesli/roff"
)

// completionVariable is set by a shell that asks the program how a line goes on.
const completionVariable = "COMP_LINE"

// printCompletion prints what makes a shell complete the program's options.
func printCompletion(shell string, env Env) error {
	parser, err := newParser(&grammar{}, env, func(int) {})
	if err != nil {
		return err
	}
	ctx, err := parser.Parse([]string{"completion", shell})
	if err != nil {
		return err
	}
	return (&kongcompletion.Completion{Shell: shell, Code: true}).Run(ctx)
}

// printMan prints the manual page, for man.
func printMan(env Env) error {
	parser, err := newParser(&grammar{}, env, func(int) {})
	if err != nil {
		return err
	}
	// The page's head has room for a few words only, and the rest is its description.
	parser.Model.Detail = parser.Model.Help + "\n\n" + parser.Model.Detail
	parser.Model.Help = "mirror Hackage, verified"
	page := mangokong.NewManPage(1, parser.Model).Build(roff.NewDocument())
	page = strings.Replace(page, " [\\fIoptions", " \\fIcommand\\fP [\\fIoptions", 1)
	page = manExamples.ReplaceAllStringFunc(page, func(lines string) string {
		return ".PP\n.nf\n" + strings.ReplaceAll(lines, ".PP\n", "") + ".fi\n"
	})
	_, err = fmt.Fprintln(env.Stdout, page)
	return err
}

// manExamples are indented lines, which the library would have man fill and justify.
var manExamples = regexp.MustCompile(`(?m)(?:^\.PP\n  .*\n)+`)
