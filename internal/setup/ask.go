package setup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/paste"
)

// ErrEnded is that of a conversation whose other side went away.
var ErrEnded = errors.New("the input ended before all questions were answered; nothing was written")

// A Talk asks somebody at a terminal.
type Talk struct {
	out   io.Writer
	lines <-chan string // closed at the end of the input
}

// NewTalk returns a talk by lines. What it reads ahead is lost to others, and
// its reader ends with the input or the process: a terminal that is being read
// cannot be called off.
func NewTalk(in io.Reader, out io.Writer) *Talk {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(in); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	return &Talk{out: out, lines: lines}
}

// ask asks until the answer is a good one. An empty answer is the default, and
// None leaves out what optional says may be left out.
func (t *Talk) ask(ctx context.Context, question, standard string, check func(answer string) error) (string, error) {
	shown := standard
	if shown == None {
		shown = "none"
	}
	if shown != "" {
		question += " [" + shown + "]"
	}
	for {
		if _, err := io.WriteString(t.out, question+": "); err != nil {
			return "", err
		}
		line, err := t.line(ctx)
		if err != nil {
			return "", err
		}
		answer := paste.Line(line)
		switch answer {
		case "":
			answer = standard
		case "none", "no":
			answer = None
		}
		if err := check(answer); err != nil {
			fmt.Fprintf(t.out, "  %v\n", err)
			continue
		}
		return answer, nil
	}
}

func (t *Talk) line(ctx context.Context) (string, error) {
	select {
	case line, ok := <-t.lines:
		if !ok {
			fmt.Fprintln(t.out)
			return "", ErrEnded
		}
		return line, nil
	case <-ctx.Done():
		fmt.Fprintln(t.out)
		return "", ctx.Err()
	}
}

// Confirm asks for a yes or no; yes is the default.
func (t *Talk) Confirm(ctx context.Context, question string) (bool, error) {
	answer, err := t.ask(ctx, question+" (y/n)", "y", func(answer string) error {
		if !slices.Contains([]string{"y", "yes", "n", None}, strings.ToLower(answer)) {
			return errors.New("answer y or n")
		}
		return nil
	})
	return strings.HasPrefix(strings.ToLower(answer), "y"), err
}

// A question is one that may be asked.
type question struct {
	answer   *string // "" if it was not answered yet
	text     string
	standard string
	needed   bool // may not be left out
	check    func(answer string) error
}

// Ask completes what flags answered, by asking for the rest. What suggest says
// for a repository that runs the workflow are the defaults.
func (t *Talk) Ask(ctx context.Context, flags Answers, suggest func(repository string) Answers, now time.Time) (Answers, error) {
	a := flags
	a.Repository = or(a.Repository, suggest("").Repository)
	slug := func(answer string) error { _, err := parseRepository(answer); return err }
	if err := t.each(ctx, question{&a.Repository, "Repository on GitHub that runs the workflow (OWNER/REPO or its address)", "", true, slug}); err != nil {
		return a, err
	}
	if name, err := parseRepository(given(a.Repository)); err == nil {
		a.Repository = name
	}
	fmt.Fprintf(t.out, "This repository will run the workflow: %s. Press Enter to accept the value in brackets.\n", a.Repository)
	defaults := suggest(a.Repository)
	if err := t.each(ctx, a.destinationQuestions(defaults)...); err != nil {
		return a, err
	}
	if len(a.buckets()) == 0 {
		defaults.Role, defaults.Region, defaults.PublicURL = "", "", ""
	}
	if given(a.Files) == "" && given(a.Hashes) == "" {
		return a.Or(defaults), nil
	}
	fits := func(access string) error {
		b := a
		b.Access, b.Signer = access, ""
		_, err := b.Plan(now)
		return err
	}
	signs := func(answer string) error { _, err := parseSigner(answer); return err }
	err := t.each(ctx,
		question{&a.Access, "How the workflow pushes: " + strings.Join(Accesses(), ", "), defaults.Access, true, fits},
		question{&a.Signer, "Name and address of the signing key, preferably those of an account on GitHub", defaults.Signer, true, signs})
	return a.Or(defaults), err
}

// destinationQuestions ask for what is to be filled. Buckets are asked for if one
// question can hold them.
func (a *Answers) destinationQuestions(defaults Answers) []question {
	files := func(answer string) error { _, err := a.remote(answer); return err }
	hashes := func(answer string) error {
		if answer == a.Files {
			return errors.New("that is the one for the .cabal files; give another one")
		}
		return files(answer)
	}
	all := []question{
		{&a.Files, "Repository for the .cabal files, or none", defaults.Files, false, files},
		{&a.Hashes, "Repository for .cabal files and hashes, or none", defaults.Hashes, false, hashes},
	}
	there := defaults.buckets()
	switch {
	case len(a.Buckets) > 0:
		return all
	case len(there) > 1:
		a.Buckets = there
		return all
	}
	a.Buckets = []string{""}
	return append(all, question{&a.Buckets[0], "Bucket for tarballs and index, such as s3://NAME?region=eu-central-1, or none", strings.Join(append(there, None)[:1], ""), false, checkBucket})
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// each asks those of the questions that have no answer yet.
func (t *Talk) each(ctx context.Context, questions ...question) error {
	for _, q := range questions {
		if *q.answer != "" {
			continue
		}
		answer, err := t.ask(ctx, q.text, q.standard, func(answer string) error {
			switch {
			case answer == "" || answer == None && q.needed:
				return errors.New("an answer is needed")
			case answer == None:
				return nil
			}
			return q.check(answer)
		})
		if err != nil {
			return err
		}
		*q.answer = answer
	}
	return nil
}
