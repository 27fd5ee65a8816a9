package report

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// onGitHub is the environment of a run there.
func onGitHub(name string) string { return map[string]string{"GITHUB_ACTIONS": "true"}[name] }

func nowhere(string) string { return "" }

// commands are the lines that the runner would take as commands of ours.
func commands(log string) []string {
	var out []string
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(line, "##[") {
			out = append(out, line)
		}
	}
	return out
}

func TestConsoleOnGitHub(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := NewConsole(&log, onGitHub)
	c.Mask("one line", "first\r\n  second\n\n", "", "50%\n")
	c.Group("tarballs\n::error::x")
	c.EndGroup()
	if !c.Tell(Warning, "disk 90% full\n::error::forged\r\x1b[2J") {
		t.Error("a warning was not shown")
	}
	want := "::add-mask::one line\n::add-mask::first\n::add-mask::second\n::add-mask::50%25\n" +
		"::group::tarballs ::error::x\n::endgroup::\n" +
		"::warning title=hackage-mirror::disk 90%25 full%0A::error::forged  [2J\n"
	if got := strings.ReplaceAll(log.String(), "\r\n", "\n"); got != want {
		t.Errorf("log:\n%s\nwant:\n%s", got, want)
	}
}

func TestTenAnnotationsOfAKind(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := NewConsole(&log, onGitHub)
	for i := range 25 {
		for _, level := range []Level{Error, Warning, Notice} {
			if shown := c.Tell(level, fmt.Sprintf("%s %d", level, i)); shown != (i < 10) {
				t.Errorf("%s %d was shown: %t", level, i, shown)
			}
		}
	}
	if got := len(commands(log.String())); got != 30 {
		t.Errorf("%d annotations, want 30", got)
	}
	// The summary has all of them.
	if got := c.Messages(); len(got) != 75 || got[74] != (Message{Notice, "notice 24"}) {
		t.Errorf("%d messages for the summary, the last %v; want 75", len(got), got[len(got)-1])
	}
	if got := c.Messages(); len(got) != 0 {
		t.Errorf("messages come twice: %v", got)
	}
}

func TestConsoleElsewhere(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := NewConsole(&log, nowhere)
	c.Mask("secret")
	c.Group("index")
	c.EndGroup()
	if c.Tell(Error, "it failed") {
		t.Error("an error counts as shown, and nobody saw it")
	}
	if log.Len() > 0 {
		t.Errorf("commands for a runner that is not there: %q", &log)
	}
	if got := c.Messages(); len(got) != 1 || got[0].Text != "it failed" {
		t.Errorf("messages %v", got)
	}
	var none *Console
	none.Mask("secret")
	none.Group("index")
	none.EndGroup()
	if none.Tell(Error, "x") || none.Messages() != nil {
		t.Error("no Console tells something")
	}
}

// A broken stream must not end a run.
func TestConsoleWithoutALog(t *testing.T) {
	t.Parallel()
	c := NewConsole(broken{}, onGitHub)
	c.Mask("x")
	c.Group("x")
	c.EndGroup()
	c.Tell(Error, "x")
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("nobody listens") }

func TestConsoleIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := NewConsole(&log, onGitHub)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for range 10 {
				c.Mask("x")
				c.Tell(Warning, "y")
			}
		})
	}
	workers.Wait()
	if got := len(commands(log.String())); got != 90 {
		t.Errorf("%d commands, want 80 masks and 10 warnings", got)
	}
}

func TestLongAnnotationIsCut(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	NewConsole(&log, onGitHub).Tell(Error, strings.Repeat("long ", 10_000))
	if log.Len() > 4096 || !strings.Contains(log.String(), "[cut]") {
		t.Errorf("an annotation of %d bytes", log.Len())
	}
}
