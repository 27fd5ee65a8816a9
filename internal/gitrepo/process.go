package gitrepo

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
)

// A runner starts git with an environment that we built.
type runner struct {
	program string
	dir     string
	env     []string
	secrets []string // never to be seen in an error
}

// patience is how long a killed git may take to let go of its pipes.
const patience = 10 * time.Second

// command prepares git with what it prints to stderr; it is killed with ctx.
func (g *runner) command(ctx context.Context, args ...string) (*exec.Cmd, *bounded) {
	cmd := exec.CommandContext(ctx, g.program, args...)
	cmd.Dir = g.dir
	cmd.Env = g.env
	cmd.WaitDelay = patience
	groupProcesses(cmd)
	said := &bounded{}
	cmd.Stderr = said
	return cmd, said
}

// output runs git to its end and returns what it printed, also on failure.
func (g *runner) output(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	out, _, err := g.run(ctx, stdin, args...)
	return out, err
}

// run is output that also returns what git printed to stderr.
func (g *runner) run(ctx context.Context, stdin []byte, args ...string) (out []byte, stderr string, err error) {
	cmd, said := g.command(ctx, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var printed bytes.Buffer
	cmd.Stdout = &printed
	err = cmd.Run()
	return printed.Bytes(), said.String(), g.failure(ctx, args[0], err, said.String())
}

// failure is the error of a git process that has ended, with what it printed; nil if it
// ended well.
func (g *runner) failure(ctx context.Context, verb string, err error, words string) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("git %s: %w", verb, context.Cause(ctx))
	}
	said := g.clean(words)
	if kind := classify(said); kind != nil {
		return fmt.Errorf("git %s: %w: %s", verb, kind, said)
	}
	if said == "" {
		return fmt.Errorf("git %s: %w", verb, err)
	}
	return fmt.Errorf("git %s: %s", verb, said) // that its exit status was not 0 goes without saying
}

// general are lines by which git only says once more that it failed, or guesses.
var general = regexp.MustCompile(`^(error: failed to push some refs to|fatal: Could not read from remote repository|Please make sure you have the correct access rights|and the repository exists)`)

// sshAdvice are lines of ssh's warning about another host key: how to change a file
// that is ours and gone after the run, and what the line behind them says again.
var sshAdvice = regexp.MustCompile(`^(@{9,}|@ +WARNING: .*@|IT IS POSSIBLE THAT SOMEONE IS |Someone could be eavesdropping|It is also possible that a host key|Please contact your system admin|Add correct host key in |Offending .* key in |remove with:|ssh-keygen -f )`)

var userinfo = regexp.MustCompile(`://[^/@\s]*@`)

// clean makes words of git and the remote fit for an error of one line:
// secrets, userinfo, control characters and empty advice are taken out.
func (g *runner) clean(words string) string {
	for _, secret := range g.secrets {
		words = strings.ReplaceAll(words, secret, "***")
	}
	words = userinfo.ReplaceAllString(words, "://")
	var lines, generals []string
	for line := range strings.FieldsFuncSeq(words, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line = plain.Line(line)
		switch {
		case line == "" || line == "remote:" || strings.HasPrefix(line, "hint:"), sshAdvice.MatchString(line):
		case general.MatchString(line):
			generals = append(generals, line)
		default:
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		lines = generals
	}
	return strings.Join(lines, "; ")
}

// A bounded keeps the start and the end of what is written to it.
type bounded struct{ text []byte }

// How much a bounded keeps of one process, in bytes.
const (
	headBytes = 2 << 10
	tailBytes = 4 << 10
)

func (w *bounded) Write(p []byte) (int, error) {
	if w.text = append(w.text, p...); len(w.text) > 4*(headBytes+tailBytes) {
		w.text = []byte(w.String())
	}
	return len(p), nil
}

func (w *bounded) String() string {
	if len(w.text) <= headBytes+tailBytes {
		return string(w.text)
	}
	return string(w.text[:headBytes]) + "\n...\n" + string(w.text[len(w.text)-tailBytes:])
}
