package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// scaleCommand is the argument that measures the mirror at several sizes of
// Hackage.
const scaleCommand = "scale"

// scaleSettings are what script/bench and the user say.
type scaleSettings struct {
	mirror, versitygw string // programs
	data, corpus      string
	sizes             []int // percent of the corpus
	steps             []string
	rounds            int // of what takes little time
	keep              bool
	write             string
}

// The steps, in the order in which they are done at each size.
const (
	stepFiles  = "files"  // first imports of the files repository, beside raw fast-import
	stepScript = "script" // the old update.sh
	stepFloors = "floors" // clones, and full reads of the index
	stepBoth   = "both"   // first imports of both repositories
	stepClone  = "clone"  // what readers take of what both made, beside git's own packing; not among the usual ones
	stepLag    = "lag"    // destinations at three places, brought to the end by one run
	stepGrow   = "grow"   // nothing new, and a few entries more
	stepAdopt  = "adopt"  // repositories without a position
	stepRSA    = "rsa"    // a first import that is signed by an RSA key; not among the usual ones
)

func allSteps() []string {
	return []string{stepFiles, stepScript, stepFloors, stepBoth, stepClone, stepLag, stepGrow, stepAdopt, stepRSA}
}

func usualSteps() []string {
	return slices.DeleteFunc(allSteps(), func(step string) bool { return step == stepClone || step == stepRSA })
}

// runScale measures, prints the tables and writes them where they belong.
func runScale(ctx context.Context, arguments []string, stdout io.Writer) error {
	s, err := parseScale(arguments, os.Getenv)
	if err != nil {
		return err
	}
	b, err := newScaleBench(ctx, s)
	if err != nil {
		return err
	}
	err = b.run(ctx)
	r := b.report()
	if len(r.results.rows) > 0 { // also of a run that was stopped, but then they are only shown
		_, failed := io.WriteString(stdout, r.markdown())
		err = errors.Join(err, failed)
	}
	if err := errors.Join(err, b.close()); err != nil {
		return err
	}
	if s.write != "" {
		if err := writePart(s.write, scaleCommand, r.markdown()); err != nil {
			return err
		}
	}
	if missed := missed(r.targets); missed > 0 {
		return fmt.Errorf("%d times: %w", missed, errMissed)
	}
	return nil
}

// parseScale reads the command line.
func parseScale(arguments []string, getenv func(string) string) (scaleSettings, error) {
	s := scaleSettings{data: filepath.Join("..", "shared", "scale")}
	if from := getenv("BENCH_SCALE"); from != "" {
		s.data = from
	}
	var sizes, steps string
	var quick bool
	flags := flag.NewFlagSet("bench scale", flag.ContinueOnError)
	flags.StringVar(&s.mirror, "mirror", "", "`path` of hackage-mirror")
	flags.StringVar(&s.versitygw, "versitygw", "", "`path` of versitygw; without it no S3")
	flags.StringVar(&s.data, "data", s.data, "`folder` of scaleserver and its packed indexes; also BENCH_SCALE")
	flags.StringVar(&s.corpus, "corpus", "full", "which packed index: full or small")
	flags.StringVar(&sizes, "sizes", "10,50,100", "percent of the index to measure at, smallest first")
	flags.StringVar(&steps, "steps", strings.Join(usualSteps(), ","), "what to measure; clone and rsa can be added")
	flags.IntVar(&s.rounds, "rounds", 3, "how often what takes little time is measured")
	flags.BoolVar(&quick, "quick", false, "only at 10 % of the index")
	flags.BoolVar(&s.keep, "keep", false, "leave the temporary folder, and say where it is")
	flags.StringVar(&s.write, "write", "", "`file` to write the tables into, between their markers")
	if err := flags.Parse(arguments); err != nil {
		return s, err
	}
	if quick {
		sizes = "10"
	}
	var err error
	if s.sizes, err = parseSizes(sizes); err != nil {
		return s, err
	}
	s.steps = strings.Split(steps, ",")
	for _, step := range s.steps {
		if !slices.Contains(allSteps(), step) {
			return s, fmt.Errorf("-steps: %q is none of %s", step, strings.Join(allSteps(), ", "))
		}
	}
	switch {
	case flags.NArg() > 0:
		return s, fmt.Errorf("what is %q?", flags.Arg(0))
	case s.mirror == "":
		return s, errors.New("-mirror is needed; script/bench gives it")
	case s.rounds < 1:
		return s, errors.New("-rounds has to be at least 1")
	}
	return s, s.absolute()
}

// absolute makes the paths true in any folder.
func (s *scaleSettings) absolute() error {
	for _, path := range []*string{&s.mirror, &s.versitygw, &s.data} {
		if *path == "" {
			continue
		}
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	return nil
}

// parseSizes reads percentages that grow.
func parseSizes(text string) ([]int, error) {
	var sizes []int
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || n < 1 || n > 100 || len(sizes) > 0 && n <= sizes[len(sizes)-1] {
			return nil, fmt.Errorf("-sizes: %q is not a list of percentages that grow", text)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}
