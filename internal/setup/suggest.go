package setup

import (
	"context"
	"strings"
)

// Names of the repositories that readers of this data know.
const (
	filesName  = "all-cabal-files"
	hashesName = "all-cabal-hashes"
)

// FromGit returns what the git repository of the current folder suggests: where
// the workflow will run, and who its user is.
func FromGit(ctx context.Context, run Command) Answers {
	var a Answers
	said := func(args ...string) string {
		out, err := run(ctx, nil, "git", args...)
		if err != nil {
			return "" // no git, no repository, or nothing set
		}
		return strings.TrimSpace(string(out))
	}
	if remote, err := ParseRemote(said("remote", "get-url", "origin")); err == nil {
		a.Repository = remote.Slug
	}
	if name, email := said("config", "user.name"), said("config", "user.email"); name != "" && email != "" {
		signer := name + " <" + email + ">"
		if _, err := parseSigner(signer); err == nil {
			a.Signer = signer
		}
	}
	return a
}

// Standard returns what suits most: two repositories beside the one that runs
// the workflow, each with a deploy key of its own; or, if the workflow runs in
// one of these two, that one alone, which needs no key.
func Standard(repository string) Answers {
	owner, name, _ := strings.Cut(repository, "/")
	a := Answers{Access: string(DeployKeys), PublicURL: None, Role: None}
	if owner == "" {
		return a
	}
	a.Files, a.Hashes = owner+"/"+filesName, owner+"/"+hashesName
	switch name {
	case filesName:
		a.Access, a.Hashes = string(GitHubToken), None
	case hashesName:
		a.Access, a.Files = string(GitHubToken), None
	}
	return a
}

// NamesDestination reports whether the answers name something to fill.
func (a Answers) NamesDestination() bool {
	return a.Files != "" || a.Hashes != "" || len(a.Buckets) > 0
}

// WithoutRepositories returns the answers with no repositories to fill.
func (a Answers) WithoutRepositories() Answers {
	a.Files, a.Hashes = None, None
	return a
}
