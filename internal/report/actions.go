package report

import (
	"io"
	"strings"
	"sync"

	"github.com/sethvargo/go-githubactions"
)

// maxAnnotations is how many annotations of a kind GitHub shows of one step.
const maxAnnotations = 10

// Actions speaks to GitHub's runner. A nil Actions is that of a program that
// does not run there: its methods do nothing. All methods are safe for
// concurrent use.
type Actions struct {
	mu      sync.Mutex
	action  *githubactions.Action
	written map[Level]int
}

// NewActions returns the Actions that writes its commands to w, which is the
// stream of the log; nil if GITHUB_ACTIONS is not "true".
func NewActions(w io.Writer, getenv func(string) string) *Actions {
	if getenv("GITHUB_ACTIONS") != "true" {
		return nil
	}
	return &Actions{
		// Nothing of the environment is the library's business here.
		action:  githubactions.New(githubactions.WithWriter(tireless{w}), githubactions.WithGetenv(func(string) string { return "" })),
		written: map[Level]int{},
	}
}

// tireless hides that a log cannot be written: the library would panic, and
// there is nobody to tell.
type tireless struct{ w io.Writer }

func (t tireless) Write(p []byte) (int, error) {
	_, _ = t.w.Write(p)
	return len(p), nil
}

// Mask asks the runner never to show these texts. A secret of several lines is
// masked line by line by the caller, because that is how the runner looks for
// it. It is to be called before anything else is written.
func (a *Actions) Mask(texts ...string) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, text := range texts {
		if strings.TrimSpace(text) != "" {
			a.action.AddMask(text)
		}
	}
}

// Group begins a part of the log that the runner folds away, and EndGroup ends
// it. Groups do not nest.
func (a *Actions) Group(title string) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.action.Group(Line(title))
}

// EndGroup ends the group that Group began.
func (a *Actions) EndGroup() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.action.EndGroup()
}

// maxAnnotation bounds one annotation, in bytes; GitHub cuts at 4 KiB.
const maxAnnotation = 4000

// Annotate shows a text at the top of the run's page. It reports whether it did:
// off GitHub, and after ten of a kind, it is the caller's to say it otherwise.
func (a *Actions) Annotate(level Level, text string) bool {
	if a == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.written[level] >= maxAnnotations {
		return false
	}
	a.written[level]++
	command := githubactions.Command{
		Name: string(level), Message: short(strings.Join(plainLines(text), "\n"), maxAnnotation),
		Properties: githubactions.CommandProperties{"title": "hackage-mirror"},
	}
	a.action.IssueCommand(&command)
	return true
}
