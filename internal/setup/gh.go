package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// noRepository is what gh says of a repository that does not exist, or that
// whoever is logged in may not see.
const noRepository = "Could not resolve to a Repository"

// GHReady says whether GitHub's command line is there and logged in.
func GHReady(ctx context.Context, run Command) error {
	if _, err := run(ctx, nil, "gh", "auth", "status"); err != nil {
		return fmt.Errorf("use gh: %w; install it and run `gh auth login`, or leave out --gh and run the commands that are then printed", err)
	}
	return nil
}

// readGitHub creates the repositories that do not exist and reads the names of the
// secrets that do. Without these names nothing could be done that is sure to
// leave them alone.
func (s *Setup) readGitHub(ctx context.Context, st *state) error {
	st.missing = map[string]bool{}
	for _, slug := range s.repositories() {
		_, err := s.Run(ctx, nil, "gh", "repo", "view", slug, "--json", "name")
		if err != nil && strings.Contains(err.Error(), noRepository) {
			_, err = s.Run(ctx, nil, "gh", "repo", "create", slug, "--public")
		}
		if !st.did("create repository "+slug, err) {
			st.missing[slug] = true
		}
	}
	for _, kind := range []string{"secret", "variable"} {
		out, err := s.gh(ctx, s.Repository, kind, "list")
		if err != nil {
			return fmt.Errorf("list the settings of %s: %w; nothing was written. Try again, or leave out gh and run the commands that are then printed", s.Repository, errors.Join(append(st.failed, err)...))
		}
		for line := range strings.Lines(string(out)) {
			name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			value, _, _ := strings.Cut(rest, "\t")
			if kind == "secret" {
				value = "" // it is when the secret was set
			}
			st.settings[name] = value
		}
	}
	return nil
}

// repositories are those on GitHub that must exist.
func (s *Setup) repositories() []string {
	all := []string{s.Repository}
	for _, d := range s.destinations() {
		if slug := d.remote.Slug; slug != "" && slug != s.Repository {
			all = append(all, slug)
		}
	}
	return all
}

// gh runs GitHub's command line for a repository.
func (s *Setup) gh(ctx context.Context, slug string, args ...string) ([]byte, error) {
	return s.Run(ctx, nil, "gh", append(args, "--repo", slug)...)
}

// configureGitHub lets deploy keys in, and then gives the workflow their private
// halves, the signing key and the variables.
func (s *Setup) configureGitHub(ctx context.Context, st *state) {
	if ctx.Err() != nil {
		return
	}
	for _, k := range st.keys {
		if k.Remote.Slug != "" && k.line != "" {
			k.allowed = st.did("add a deploy key to "+k.Remote.Slug, s.addDeployKey(ctx, k))
		}
	}
	for i, k := range st.keys {
		if k.Private == nil || st.has(k.Secret) || !s.setSecret(ctx, st, k.Secret, k.Private) {
			continue
		}
		if i > 0 { // of the signing key this is the only copy that can be read
			k.removed = st.did("remove a key that GitHub has now", os.Remove(k.Path))
		}
	}
	if len(st.keys) > 0 && st.keys[0].Locked && !st.has(passphraseSecret) {
		s.setSecret(ctx, st, passphraseSecret, s.Passphrase)
	}
	if s.Pace != Watch && s.Former == Watch && st.has(watchVariable) { // runs would stay on GitHub's machines
		_, err := s.gh(ctx, s.Repository, "variable", "delete", watchVariable)
		if st.did("delete variable "+watchVariable, err) {
			delete(st.settings, watchVariable)
		}
	}
	for _, v := range s.variables() {
		if st.has(v.Name) {
			continue // with another value it is in the list
		}
		_, err := s.gh(ctx, s.Repository, "variable", "set", v.Name, "--body", v.Value)
		if st.did("set variable "+v.Name, err) {
			st.settings[v.Name] = v.Value
		}
	}
}

// addDeployKey lets an ssh key write to its repository.
func (s *Setup) addDeployKey(ctx context.Context, k *key) error {
	out, err := s.gh(ctx, k.Remote.Slug, "repo", "deploy-key", "list")
	if err != nil || strings.Contains(string(out), strings.Fields(k.line)[1]) {
		return err
	}
	_, err = s.gh(ctx, k.Remote.Slug, "repo", "deploy-key", "add", k.Public, "--allow-write", "--title", s.title())
	return err
}

// title is that of a deploy key on GitHub.
func (s *Setup) title() string { return "hackage-mirror in " + s.Repository }

// setSecret makes a secret of GitHub. Its value goes by standard input.
func (s *Setup) setSecret(ctx context.Context, st *state, name string, value []byte) bool {
	_, err := s.Run(ctx, value, "gh", "secret", "set", name, "--repo", s.Repository)
	if err == nil {
		st.settings[name] = ""
	}
	return st.did("set secret "+name, err)
}

// did reports whether something was done, and keeps for the list what gh could not do.
func (st *state) did(what string, err error) bool {
	if err != nil && !errors.Is(err, context.Canceled) {
		st.failed = append(st.failed, fmt.Errorf("%s: %w", what, err))
	}
	return err == nil
}
