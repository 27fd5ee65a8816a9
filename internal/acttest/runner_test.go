//go:build unix

package acttest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A runner is act with the folders that it uses. It runs the workflows of a
// repository on this machine, offline.
type runner struct {
	testing.TB
	act        string
	repository string   // a clone of the user's repository
	home       string   // of the runner's user
	path       string   // PATH
	stubs      []string // OWNER/NAME@REF=FOLDER: actions that are not fetched
	secrets    map[string]string
	variables  map[string]string
	env        []string
}

// newRunner returns a runner for a repository of these files.
func newRunner(t testing.TB, files map[string]string) *runner {
	t.Helper()
	r := &runner{
		TB: t, act: tool(t, "github.com/nektos/act"), repository: t.TempDir(), home: short(t), path: os.Getenv("PATH"),
		secrets: map[string]string{}, variables: map[string]string{},
	}
	for name, content := range files {
		write(t, filepath.Join(r.repository, name), content, 0o644)
	}
	env := environment("GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Me", "GIT_AUTHOR_EMAIL=me@example.invalid", "GIT_COMMITTER_NAME=Me", "GIT_COMMITTER_EMAIL=me@example.invalid")
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"},
		{"remote", "add", "origin", "https://github.com/me/mirror"},
		{"add", "."},
		{"commit", "-q", "--allow-empty", "-m", "the workflow"},
	} {
		must(t, r.repository, env, "git", args...)
	}
	return r
}

// short makes a folder with a short path: the demo's gpg makes a socket far below
// it, whose path may have some hundred characters.
func short(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "act")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// tool builds a program that the tools module pins, once for each version, and
// keeps it in the user's cache folder.
func tool(t testing.TB, module string) string {
	t.Helper()
	pin := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(module) + ` (v\S+)`).FindStringSubmatch(read(t, filepath.Join(root(t), "script", "tools", "go.mod")))
	if pin == nil {
		t.Fatalf("script/tools/go.mod does not require %s", module)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(cache, "hackage-mirror", filepath.Base(module)+"-"+pin[1])
	if _, err := os.Stat(program); err == nil {
		return program
	}
	made := fmt.Sprintf("%s.%d", program, os.Getpid())
	need(t, "go")
	code, said := run(t, root(t), append(environment(), "CGO_ENABLED=0"), "go", "build", "-modfile=script/tools/go.mod", "-trimpath", "-o", made, module)
	if code != 0 {
		unable(t, "build "+module+": "+said)
	}
	if err := os.Rename(made, program); err != nil {
		t.Fatal(err)
	}
	return program
}

// A log is what act printed, with the time of each line.
type log struct {
	mu    sync.Mutex
	rest  []byte
	lines []string
	times []time.Time
}

// Write takes the next bytes.
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.lines, l.times = append(l.lines, string(line)), append(l.times, time.Now())
		l.rest = rest
	}
}

// String is all of it.
func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n") + "\n" + string(l.rest)
}

// between is the time from the first line with one text to the first with
// another.
func (l *log) between(t testing.TB, from, to string) time.Duration {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	at := func(text string) time.Time {
		for i, line := range l.lines {
			if strings.Contains(line, text) {
				return l.times[i]
			}
		}
		t.Errorf("no line has %q", text)
		return time.Time{}
	}
	return at(to).Sub(at(from))
}

// command is act on an event of a workflow.
func (r *runner) command(ctx context.Context, out *log, workflow, event string, args ...string) *exec.Cmd {
	r.Helper()
	all := []string{
		event, "-P", "ubuntu-latest=-self-hosted", "--no-cache-server", "--container-daemon-socket", "-", "--action-offline-mode", "--env", "GITHUB_RUN_ID=100",
		"--action-cache-path", filepath.Join(r.home, "act"), "-W", filepath.Join(".github", "workflows", workflow),
	}
	for name, value := range r.secrets {
		all = append(all, "-s", name+"="+value)
	}
	for name, value := range r.variables {
		all = append(all, "--var", name+"="+value)
	}
	for _, stub := range r.stubs {
		all = append(all, "--local-repository", stub)
	}
	cmd := exec.CommandContext(ctx, r.act, append(all, args...)...)
	cmd.Dir = r.repository
	cmd.Env = append([]string{"PATH=" + r.path, "HOME=" + r.home, "XDG_CACHE_HOME=" + filepath.Join(r.home, "cache"), "GOPROXY=off", "GOTOOLCHAIN=local"}, r.env...)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd
}

// event runs a workflow and reports whether it succeeded.
func (r *runner) event(workflow, event string, args ...string) (bool, *log) {
	r.Helper()
	out, begun := &log{}, time.Now()
	err := r.command(r.Context(), out, workflow, event, args...).Run()
	r.Logf("%s by %s: %.1f s", workflow, event, time.Since(begun).Seconds())
	r.keepsSecrets(out)
	return err == nil, out
}

// keepsSecrets fails the test if a log has a line of a secret.
func (r *runner) keepsSecrets(out *log) {
	r.Helper()
	said := out.String()
	lines := 0
	for name, secret := range r.secrets {
		for line := range strings.Lines(secret) {
			line = strings.TrimSpace(line)
			if len(line) < 8 || strings.HasPrefix(line, "-----") {
				continue
			}
			lines++
			if strings.Contains(said, line) {
				r.Errorf("the log has a line of the secret %s", name)
			}
		}
	}
	if lines == 0 && len(r.secrets) > 0 {
		r.Error("no secret was looked for")
	}
}
