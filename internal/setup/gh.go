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

// look creates the repositories that do not exist and reads the names of the
// secrets that do. Without these names nothing could be done that is sure to
// leave them alone.
func (s *Setup) look(ctx context.Context, st *state) error {
	st.missing = map[string]bool{}
	for _, slug := range s.repositories() {
		_, err := s.Run(ctx, nil, "gh", "repo", "view", slug, "--json", "name")
		if err != nil && strings.Contains(err.Error(), noRepository) {
			_, err = s.Run(ctx, nil, "gh", "repo", "create", slug, "--public")
		}
		if err != nil {
			st.missing[slug] = true
			st.trouble("create repository "+slug, err)
		}
	}
	for _, kind := range []string{"secret", "variable"} {
		out, err := s.Run(ctx, nil, "gh", kind, "list", "--repo", s.Repository)
		if err != nil {
			return fmt.Errorf("list the settings of %s: %w; nothing was written. Try again, or leave out gh and run the commands that are then printed", s.Repository, errors.Join(append(st.troubles, err)...))
		}
		for line := range strings.Lines(string(out)) {
			name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			value, _, _ := strings.Cut(rest, "\t")
			st.held[name] = true
			if kind == "variable" {
				st.values[name] = value
			}
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

// handOver lets deploy keys in, and then hands their private halves and the
// signing key to the workflow.
func (s *Setup) handOver(ctx context.Context, st *state) {
	if ctx.Err() != nil {
		return
	}
	for _, d := range s.destinations() {
		if k := st.ssh[d.option]; k != nil && d.remote.Slug != "" && k.line != "" {
			if err := s.admit(ctx, d.remote.Slug, k); err != nil {
				st.trouble("add a deploy key to "+d.remote.Slug, err)
				continue
			}
			st.admitted[d.option] = true
		}
	}
	for i, k := range st.keys {
		if k.private == nil || st.held[k.secret] || !s.hand(ctx, st, k.secret, k.private) {
			continue
		}
		if i == 0 {
			continue // of the signing key this is the only copy that can be read
		}
		if err := os.Remove(k.path); err != nil {
			st.trouble("remove a key that GitHub has now", err)
			continue
		}
		st.removed[k.path] = true
	}
	if len(st.keys) > 0 && st.keys[0].locked && !st.held[passphraseSecret] {
		s.hand(ctx, st, passphraseSecret, s.Passphrase)
	}
	s.stopWatching(ctx, st)
	for _, v := range s.variables() {
		if st.held[v.name] {
			continue // with another value it is in the list
		}
		if _, err := s.Run(ctx, nil, "gh", "variable", "set", v.name, "--repo", s.Repository, "--body", v.value); err != nil {
			st.trouble("set variable "+v.name, err)
			continue
		}
		st.held[v.name], st.values[v.name] = true, v.value
	}
}

// stopWatching takes away what another pace than watch would do on GitHub's machines.
func (s *Setup) stopWatching(ctx context.Context, st *state) {
	if s.Pace == Watch || s.Former != Watch || !st.held[watchVariable] {
		return
	}
	if _, err := s.Run(ctx, nil, "gh", "variable", "delete", watchVariable, "--repo", s.Repository); err != nil {
		st.trouble("delete variable "+watchVariable, err)
		return
	}
	delete(st.held, watchVariable)
	delete(st.values, watchVariable)
}

// admit lets an ssh key write to a repository.
func (s *Setup) admit(ctx context.Context, slug string, k *key) error {
	out, err := s.Run(ctx, nil, "gh", "repo", "deploy-key", "list", "--repo", slug)
	if err != nil {
		return err
	}
	if strings.Contains(string(out), strings.Fields(k.line)[1]) {
		return nil
	}
	_, err = s.Run(ctx, nil, "gh", "repo", "deploy-key", "add", k.public, "--repo", slug, "--allow-write", "--title", s.title())
	return err
}

// title is that of a deploy key on GitHub.
func (s *Setup) title() string { return "hackage-mirror in " + s.Repository }

// hand makes a secret of GitHub. Its value goes by standard input.
func (s *Setup) hand(ctx context.Context, st *state, name string, value []byte) bool {
	if _, err := s.Run(ctx, value, "gh", "secret", "set", name, "--repo", s.Repository); err != nil {
		st.trouble("set secret "+name, err)
		return false
	}
	st.held[name] = true
	return true
}

// trouble notes what gh could not do.
func (st *state) trouble(what string, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	st.troubles = append(st.troubles, fmt.Errorf("%s: %w", what, err))
}
