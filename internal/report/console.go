package report

import (
	"io"
	"strings"
	"sync"

	"github.com/sethvargo/go-githubactions"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
)

// maxAnnotations is how many annotations of a kind GitHub shows of one step.
const maxAnnotations = 10

// A Console is where the program speaks to those who follow a run. It writes what
// GitHub's runner understands as commands if there is such a runner, and keeps
// in any case what the summary has to repeat. A nil Console does nothing. All
// methods are safe for concurrent use.
type Console struct {
	mu      sync.Mutex
	action  *githubactions.Action // nil off GitHub
	written map[Level]int
	told    []Message
}

// NewConsole returns a Console that writes commands to w, which is the stream of
// the log, if GITHUB_ACTIONS is "true".
func NewConsole(w io.Writer, getenv func(string) string) *Console {
	c := &Console{written: map[Level]int{}}
	if getenv("GITHUB_ACTIONS") == "true" {
		// Nothing of the environment is the library's business here.
		none := func(string) string { return "" }
		c.action = githubactions.New(githubactions.WithWriter(tireless{w}), githubactions.WithGetenv(none))
	}
	return c
}

// tireless hides that a log cannot be written: the library would panic, and
// there is nobody to tell.
type tireless struct{ w io.Writer }

func (t tireless) Write(p []byte) (int, error) {
	_, _ = t.w.Write(p)
	return len(p), nil
}

// Mask asks the runner never to show these texts. It looks for them line by line,
// so a secret of several lines has to be given as those. Mask is to be called
// before anything else is written.
func (c *Console) Mask(texts ...string) {
	c.command(func(action *githubactions.Action) {
		for _, text := range texts {
			for line := range strings.Lines(text) {
				if line = strings.TrimSpace(line); line != "" {
					action.AddMask(line)
				}
			}
		}
	})
}

// Group begins a part of the log that the runner folds away, and EndGroup ends
// it. Groups do not nest.
func (c *Console) Group(title string) {
	c.command(func(action *githubactions.Action) { action.Group(plain.Text(title)) })
}

// EndGroup ends the group that Group began.
func (c *Console) EndGroup() {
	c.command((*githubactions.Action).EndGroup)
}

// command writes commands for the runner, if there is one.
func (c *Console) command(write func(*githubactions.Action)) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.action != nil {
		write(c.action)
	}
}

// maxAnnotation bounds one annotation, in bytes; GitHub cuts at 4 KiB.
const maxAnnotation = 4000

// Tell keeps a message for the summary and shows it at the top of the run's
// page. It reports whether it did the latter: off GitHub, and after ten of a
// kind, it is for the caller to write it into the log.
func (c *Console) Tell(level Level, text string) (shown bool) {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, Message{level, text})
	if c.action == nil || c.written[level] == maxAnnotations {
		return false
	}
	c.written[level]++
	text = strings.ReplaceAll(strings.Join(plain.Lines(text), "\n"), "##[", "## [")
	c.action.IssueCommand(&githubactions.Command{
		Name: string(level), Message: short(text, maxAnnotation),
		Properties: githubactions.CommandProperties{"title": "hackage-mirror"},
	})
	return true
}

// Messages returns what was told since the last call.
func (c *Console) Messages() []Message {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	told := c.told
	c.told = nil
	return told
}
