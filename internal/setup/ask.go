package setup

import (
	"bufio"
	"cmp"
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

// A Prompt asks somebody at a terminal.
type Prompt struct {
	out   io.Writer
	lines <-chan string // closed at the end of the input
}

// NewPrompt asks by lines. What it reads ahead is lost to others, and
// its reader ends with the input or the process: a terminal that is being read
// cannot be called off.
func NewPrompt(in io.Reader, out io.Writer) *Prompt {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(in); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	return &Prompt{out: out, lines: lines}
}

// A question is one that may be asked.
type question struct {
	answer   *string // "" if it was not answered yet
	text     string
	standard string // taken for an empty answer
	required bool   // None is no answer
	check    func(answer string) error
}

// accepts says what is wrong with an answer.
func (q question) accepts(answer string) error {
	switch {
	case answer == "" || answer == None && q.required:
		return errors.New("an answer is needed")
	case answer == None:
		return nil
	}
	return q.check(answer)
}

// ask asks those of the questions that have no answer yet, each until the answer is
// a good one.
func (p *Prompt) ask(ctx context.Context, questions ...question) error {
	for _, q := range questions {
		for *q.answer == "" {
			answer, err := p.answer(ctx, q)
			if err != nil {
				return err
			}
			if err := q.accepts(answer); err != nil {
				fmt.Fprintf(p.out, "  %v\n", err)
				continue
			}
			*q.answer = answer
		}
	}
	return nil
}

// answer asks once.
func (p *Prompt) answer(ctx context.Context, q question) (string, error) {
	text := q.text
	switch q.standard {
	case "":
	case None:
		text += " [none]"
	default:
		text += " [" + q.standard + "]"
	}
	if _, err := io.WriteString(p.out, text+": "); err != nil {
		return "", err
	}
	line, err := p.line(ctx)
	if err != nil {
		return "", err
	}
	switch answer := paste.Line(line); answer {
	case "":
		return q.standard, nil
	case "none", "no":
		return None, nil
	default:
		return answer, nil
	}
}

func (p *Prompt) line(ctx context.Context) (string, error) {
	select {
	case line, ok := <-p.lines:
		if !ok {
			fmt.Fprintln(p.out)
			return "", ErrEnded
		}
		return line, nil
	case <-ctx.Done():
		fmt.Fprintln(p.out)
		return "", ctx.Err()
	}
}

// Confirm asks for a yes or no; yes is the default.
func (p *Prompt) Confirm(ctx context.Context, text string) (bool, error) {
	answer := ""
	err := p.ask(ctx, question{&answer, text + " (y/n)", "y", false, func(answer string) error {
		if !slices.Contains([]string{"y", "yes", "n"}, strings.ToLower(answer)) {
			return errors.New("answer y or n")
		}
		return nil
	}})
	return strings.HasPrefix(strings.ToLower(answer), "y"), err
}

// Ask completes what flags answered, by asking for the rest. What suggest says
// for a repository that runs the workflow are the defaults.
func (p *Prompt) Ask(ctx context.Context, flags Answers, suggest func(repository string) Answers, now time.Time) (Answers, error) {
	a := flags
	a.Repository = cmp.Or(a.Repository, suggest("").Repository)
	slug := func(answer string) error { _, err := parseRepository(answer); return err }
	if err := p.ask(ctx, question{&a.Repository, "Repository on GitHub that runs the workflow (OWNER/REPO or its address)", "", true, slug}); err != nil {
		return a, err
	}
	if name, err := parseRepository(given(a.Repository)); err == nil {
		a.Repository = name
	}
	fmt.Fprintf(p.out, "This repository will run the workflow: %s. Press Enter to accept the value in brackets.\n", a.Repository)
	defaults := suggest(a.Repository)
	if err := p.ask(ctx, a.destinationQuestions(defaults)...); err != nil {
		return a, err
	}
	if len(a.buckets()) == 0 {
		defaults.Role, defaults.Region, defaults.PublicURL = "", "", ""
	}
	if given(a.Files) == "" && given(a.Hashes) == "" {
		return a.Or(defaults), nil
	}
	works := func(access string) error {
		b := a
		b.Access, b.Signer = access, ""
		_, err := b.Plan(now)
		return err
	}
	signs := func(answer string) error { _, err := parseSigner(answer); return err }
	err := p.ask(ctx,
		question{&a.Access, "How the workflow pushes: " + strings.Join(Accesses(), ", "), defaults.Access, true, works},
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
