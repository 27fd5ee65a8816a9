// The benchmark program behind script/bench measures mirrors on one machine: this
// program beside others that do less, and beside an earlier version of itself.
//
// A bench is a table of scenarios and destinations. All of it is measured in each round,
// from empty destinations on, and what is compared takes turns, so that a machine that
// is busy with something else is so for all of them. A ratio is the median of the
// rounds' ratios. Times alone say little about another machine.
//
// Hackage, the S3 server and the git hosts are on loopback, at the end of lines that
// count and delay. Hackage is made up in the shape of the real one, or follows a
// real index.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	do := run
	if slices.Index(os.Args, measureCommand) == 1 {
		do = measureChild
	}
	if err := do(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are what script/bench and the user say.
type settings struct {
	programs         []program
	versitygw, s5cmd string // programs; s5cmd may lack
	rounds, releases int
	index            string // a file; without one Hackage is made up
	write            string // a file
}

// run measures the bench that the first argument names, prints its report and writes
// it where it belongs.
func run(ctx context.Context, arguments []string, stdout io.Writer) error {
	name, b, s, err := parse(arguments)
	if err != nil {
		return err
	}
	r, err := b.run(ctx, s)
	if err != nil {
		return err
	}
	report, missed := r.markdown(s, b.targets)
	if _, err = io.WriteString(stdout, report); err == nil && s.write != "" {
		err = writePart(s.write, name, report)
	}
	if err == nil && missed > 0 {
		err = fmt.Errorf("targets that were missed: %d", missed)
	}
	return err
}

// parse reads the command line.
func parse(arguments []string) (name string, b bench, s *settings, err error) {
	benches := map[string]bench{"mirror": mirrorBench(), "distance": distanceBench(), "clone": cloneBench()}
	b, known := benches[strings.Join(arguments[:min(1, len(arguments))], "")]
	if !known {
		return "", b, nil, errors.New("want mirror, distance or clone, and options")
	}
	name, s = arguments[0], &settings{}
	var mirror, earlier, to string
	flags := flag.NewFlagSet("bench "+name, flag.ContinueOnError)
	flags.StringVar(&mirror, "mirror", "", "`path` of hackage-mirror")
	flags.StringVar(&earlier, "before", "", "`path` of an earlier hackage-mirror to compare with")
	flags.StringVar(&s.versitygw, "versitygw", "", "`path` of versitygw")
	flags.StringVar(&s.s5cmd, "s5cmd", "", "`path` of s5cmd; without it nothing is compared with it")
	flags.IntVar(&s.rounds, "rounds", 3, "how often each is measured")
	flags.IntVar(&s.releases, "releases", 0, fmt.Sprintf("how many releases Hackage has at first; 0 are %d, or all of an index", b.releases))
	flags.StringVar(&s.index, "index", "", "`file` 01-index.tar to take packages from, plain, .gz or .zst")
	flags.StringVar(&to, "to", "", "`destinations` to measure, with | between; all if empty")
	flags.StringVar(&s.write, "write", "", "`file` to write the report into, between its markers")
	if err := flags.Parse(arguments[1:]); err != nil {
		return "", b, nil, err
	}
	if s.releases == 0 && s.index == "" {
		s.releases = b.releases
	}
	switch {
	case flags.NArg() > 0:
		return "", b, nil, fmt.Errorf("what is %q?", flags.Arg(0))
	case mirror == "" || s.versitygw == "" || s.rounds < 1 || s.releases < 0:
		return "", b, nil, errors.New("-mirror and -versitygw are required (script/bench gives them), -rounds has to be at least 1, and -releases at least 0")
	case earlier != "":
		s.programs = append(s.programs, program{before, earlier})
	}
	s.programs = append(s.programs, program{now, mirror})
	b.destinations = slices.DeleteFunc(b.destinations, func(d destination) bool {
		return to != "" && !slices.Contains(strings.Split(to, "|"), d.name)
	})
	if len(b.destinations) == 0 {
		return "", b, nil, fmt.Errorf("-to: there is no destination %q", to)
	}
	return name, b, s, nil
}
