package cli

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/hackage-mirror/hackage-mirror/internal/options"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/run"
)

// errInterrupted stands for all the errors of what a signal ended.
var errInterrupted = errors.New("interrupted")

// tell says what a run did: to people and programs on standard output, and to
// GitHub's runner in its files. Err is what the command will end with. That
// somebody cannot be told changes nothing of what was done, but for standard
// output: who reads that must not believe that a part is the whole.
func tell(ctx context.Context, run *report.Run, err error, o *options.Sync, env Env) error {
	setOutcome(ctx, run, err)
	run.Messages = env.console.Messages()
	slices.SortFunc(run.New, func(a, b report.Release) int { // the newest first
		return cmp.Or(b.Time.Compare(a.Time), a.Release.Compare(b.Release))
	})
	if err := run.WriteFiles(env.Getenv); err != nil {
		env.warn(err.Error())
	}
	out := run.Text()
	if o.JSON {
		out = string(run.JSON())
	}
	if o.LogFormat == logJSON && !o.JSON { // both streams are read by one program
		lines := &logWriter{w: env.Stdout, now: env.Now}
		lines.set(logJSON)
		env.Stdout = lines
	}
	_, err = io.WriteString(env.Stdout, out)
	return err
}

// setOutcome sets how a run ended, as its error says.
func setOutcome(ctx context.Context, facts *report.Run, err error) {
	_, degraded := errors.AsType[*run.DegradedError](err)
	facts.Outcome, facts.Error = report.Failed, ""
	switch {
	case err == nil:
		facts.Outcome = report.Done
		return
	case degraded:
		facts.Outcome = report.Degraded
	case ctx.Err() != nil:
		facts.Outcome = report.Interrupted
		return
	}
	facts.Error = apparent(ctx, err).Error()
}

// refusal is what there is to tell of a command that did not start.
func (e Env) refusal(exit *ExitError) *report.Run {
	return &report.Run{
		Tool: program + " " + e.Version, Outcome: report.Failed, Error: exit.Error() + "\n" + exit.Hint,
		Aborted: true, Began: e.Now(),
	}
}

// tellRefusal writes the outputs and the summary of a command that did not start:
// who looks at the page of a workflow, or goes on by its outputs, learns of it too.
func (e Env) tellRefusal(exit *ExitError) {
	run := e.refusal(exit)
	run.Messages = slices.DeleteFunc(e.console.Messages(), func(m report.Message) bool { return m.Level == report.Error })
	if err := run.WriteFiles(e.Getenv); err != nil {
		e.warn(err.Error())
	}
}

// apparent is the error of an interrupted run without what only says that it was
// interrupted, in many words.
func apparent(ctx context.Context, err error) error {
	if ctx.Err() == nil || err == nil {
		return err
	}
	var rest []error
	for _, part := range parts(err) {
		if !errors.Is(part, context.Canceled) {
			rest = append(rest, part)
		}
	}
	return errors.Join(append(rest, errInterrupted)...)
}

// parts returns the errors that errors.Join put together.
func parts(err error) []error {
	switch whole := err.(type) {
	case *ExitError:
		return parts(whole.Err)
	case *run.DegradedError:
		return parts(whole.Unwrap())
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	if inner := joined.Unwrap(); errors.Join(inner...).Error() == err.Error() {
		var all []error
		for _, part := range inner {
			all = append(all, parts(part)...)
		}
		return all
	}
	return []error{err} // one sentence that several errors are in
}

// warn says what a person should know.
func (e Env) warn(text string) {
	if !e.console.Tell(report.Warning, text) {
		say(e.Stderr, "warning: ", text)
	}
}

// lookAtThis is the first of what a run says that did all it could.
const lookAtThis = "up to date, but look at this: "

// fail says what went wrong, each thing by itself. A run that did its work, and
// only found something for a person, has not failed.
func (e Env) fail(err error, code int) {
	level, kind := report.Error, ""
	if code == CodeDegraded {
		level, kind = report.Warning, lookAtThis
	}
	for _, part := range parts(err) {
		if !e.console.Tell(level, kind+part.Error()) {
			say(e.Stderr, kind, part.Error())
		}
	}
}
