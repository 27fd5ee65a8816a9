// The benchmark program behind script/bench measures the mirror beside a
// program that does less, on one machine and in one run.
//
// What it compares takes turns, round by round, so that a machine that is busy
// with something else is so for all of them. A ratio is that of two
// measurements of one round; the median over the rounds is compared with
// the target. Times alone say little about another machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	do, arguments := run, os.Args[1:]
	if len(arguments) > 0 {
		if named := commands()[arguments[0]]; named != nil {
			do, arguments = named, arguments[1:]
		}
	}
	if err := do(ctx, arguments, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// commands are those that the first argument can name. Without one it is the
// mirror beside an uploader.
func commands() map[string]func(context.Context, []string, io.Writer) error {
	return map[string]func(context.Context, []string, io.Writer) error{
		scaleCommand:    runScale,
		distanceCommand: runDistance,
		pageCommand:     runPage,
		// What this program starts itself as.
		serveCommand: serve,
		countCommand: countPack,
		readCommand:  readIndex,
	}
}

// settings are what script/bench and the user say.
type settings struct {
	mirror, versitygw, s5cmd string // programs
	rounds                   int
	releases, late           int // how many, from a near and from a far upstream
	size                     int // of a tarball, in bytes
	workers                  int // of s5cmd
	write                    string
}

// errMissed is returned when a target was missed.
var errMissed = errors.New("a target was missed")

func run(ctx context.Context, arguments []string, stdout io.Writer) error {
	s, err := parse(arguments)
	if err != nil {
		return err
	}
	b, err := newMirrorBench(ctx, s)
	if err != nil {
		return err
	}
	report, err := b.run(ctx)
	if err := errors.Join(err, b.close()); err != nil {
		return err
	}
	if _, err := io.WriteString(stdout, report.markdown()); err != nil {
		return err
	}
	if s.write != "" {
		if err := report.writeInto(s.write); err != nil {
			return err
		}
	}
	if missed := report.missed(); missed > 0 {
		return fmt.Errorf("%d times: %w", missed, errMissed)
	}
	return nil
}

// parse reads the command line.
func parse(arguments []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&s.mirror, "mirror", "", "`path` of hackage-mirror")
	flags.StringVar(&s.versitygw, "versitygw", "", "`path` of versitygw")
	flags.StringVar(&s.s5cmd, "s5cmd", "", "`path` of s5cmd")
	flags.IntVar(&s.rounds, "rounds", 3, "how often each is measured")
	flags.IntVar(&s.releases, "releases", 2000, "releases of a near upstream")
	flags.IntVar(&s.late, "late-releases", 500, "releases of an upstream that answers late")
	flags.IntVar(&s.size, "size", 50_000, "bytes of a tarball")
	flags.IntVar(&s.workers, "s5cmd-workers", 16, "uploads at the same time by s5cmd")
	flags.StringVar(&s.write, "write", "", "`file` to write the table into, between its markers")
	if err := flags.Parse(arguments); err != nil {
		return s, err
	}
	switch {
	case flags.NArg() > 0:
		return s, fmt.Errorf("what is %q?", flags.Arg(0))
	case s.mirror == "" || s.versitygw == "" || s.s5cmd == "":
		return s, errors.New("-mirror, -versitygw and -s5cmd are needed; script/bench gives them")
	case s.rounds < 1 || s.releases < 1 || s.late < 1 || s.size < 1 || s.workers < 1:
		return s, errors.New("numbers have to be at least 1")
	}
	return s, nil
}
