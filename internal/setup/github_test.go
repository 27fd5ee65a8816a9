package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// A github is what gh reaches, and gh itself as far as it is used. It polices
// what is never to happen: a secret set twice, or one in an argument.
type github struct {
	t        *testing.T
	repos    map[string]bool
	deploy   map[string][]string // public keys that may write, by repository
	secrets  map[string][]byte   // of the workflow's repository
	vars     map[string]string   // its variables
	calls    [][]string
	stop     func(call int) error // an error that ends a call before it does anything
	lose     func(call int) error // an error that loses its answer
	settings map[string]string    // of git
}

func newGitHub(t *testing.T, repos ...string) *github {
	t.Helper()
	g := &github{t: t, repos: map[string]bool{}, deploy: map[string][]string{}, secrets: map[string][]byte{}, vars: map[string]string{}, settings: map[string]string{}}
	for _, r := range repos {
		g.repos[r] = true
	}
	return g
}

// run is a Command.
func (g *github) run(ctx context.Context, stdin []byte, program string, args ...string) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	g.calls = append(g.calls, append([]string{program}, args...))
	call := len(g.calls)
	if g.stop != nil {
		if err := g.stop(call); err != nil {
			return nil, err
		}
	}
	out, err := g.answer(stdin, program, args)
	if err == nil && g.lose != nil {
		err = g.lose(call)
	}
	return []byte(out), err
}

func (g *github) answer(stdin []byte, program string, args []string) (string, error) {
	if program == "git" {
		value, ok := g.settings[strings.Join(args, " ")]
		if !ok {
			return "", errors.New("not set")
		}
		return value + "\n", nil
	}
	if program != "gh" {
		return "", fmt.Errorf("nobody should call %s", program)
	}
	words := strings.Join(args, " ")
	repo := ""
	if i := slices.Index(args, "--repo"); i >= 0 {
		repo = args[i+1]
		if !g.repos[repo] {
			return "", fmt.Errorf("gh: GraphQL: Could not resolve to a Repository with the name '%s'. (repository)", repo)
		}
	}
	switch {
	case words == "auth status":
		return "", nil
	case strings.HasPrefix(words, "repo view "):
		if !g.repos[args[2]] {
			return "", fmt.Errorf("gh: GraphQL: Could not resolve to a Repository with the name '%s'. (repository)", args[2])
		}
		return `{"name":"x"}`, nil
	case strings.HasPrefix(words, "repo create ") && strings.HasSuffix(words, " --public"):
		g.repos[args[2]] = true
		return "", nil
	case strings.HasPrefix(words, "repo deploy-key list"):
		return strings.Join(g.deploy[repo], "\n"), nil
	case strings.HasPrefix(words, "repo deploy-key add "):
		return "", g.addKey(args, repo)
	case strings.HasPrefix(words, "secret list"):
		var lines strings.Builder
		for name := range g.secrets {
			lines.WriteString(name + "\t2026-11-22T00:00:00Z\n")
		}
		return lines.String(), nil
	case strings.HasPrefix(words, "variable list"):
		var lines strings.Builder
		for name, value := range g.vars {
			lines.WriteString(name + "\t" + value + "\t2026-11-22T00:00:00Z\n")
		}
		return lines.String(), nil
	case strings.HasPrefix(words, "variable set ") && len(args) == 7:
		if g.vars[args[2]] != "" {
			g.t.Errorf("variable %s was there and was set", args[2])
		}
		g.vars[args[2]] = args[6]
		return "", nil
	case strings.HasPrefix(words, "variable delete "):
		delete(g.vars, args[2])
		return "", nil
	case strings.HasPrefix(words, "secret set "):
		if g.secrets[args[2]] != nil {
			g.t.Errorf("secret %s was there and was set", args[2])
		}
		g.secrets[args[2]] = bytes.Clone(stdin)
		return "", nil
	}
	return "", fmt.Errorf("gh: unknown command %q", words)
}

func (g *github) addKey(args []string, repo string) error {
	line, err := os.ReadFile(args[3])
	if err != nil {
		return err
	}
	for _, keys := range g.deploy {
		if slices.ContainsFunc(keys, func(k string) bool { return strings.Contains(k, strings.Fields(string(line))[1]) }) {
			return errors.New("HTTP 422: key is already in use")
		}
	}
	if !slices.Contains(args, "--allow-write") {
		g.t.Errorf("a deploy key that may not write: %q", args)
	}
	g.deploy[repo] = append(g.deploy[repo], "1\ttitle\tread-write\t"+string(line))
	return nil
}

// hides fails the test if a private key is in an argument.
func (g *github) hides(secrets ...[]byte) {
	g.t.Helper()
	var all []string
	for _, call := range g.calls {
		all = append(all, call...)
	}
	hides(g.t, strings.Join(all, "\n"), secrets...)
}

// hides fails the test if a text has a line of a private key.
func hides(t *testing.T, text string, secrets ...[]byte) {
	t.Helper()
	for _, secret := range secrets {
		for line := range strings.Lines(string(secret)) {
			if line = strings.TrimSpace(line); len(line) > 8 && !strings.HasPrefix(line, "-----") && strings.Contains(text, line) {
				t.Errorf("a secret is in what should not hold one:\n%s", text)
			}
		}
	}
}
