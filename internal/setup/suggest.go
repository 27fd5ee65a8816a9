package setup

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/addresses"
)

// Names of the repositories that readers of this data know.
const (
	filesName  = "all-cabal-files"
	hashesName = "all-cabal-hashes"
)

// answersFile is where the answers are kept, beside the keys.
const answersFile = "answers.json"

// save keeps the answers for the next run.
func (a Answers) save(keys string) error {
	raw, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(keys, answersFile)
	if there, err := readFile(path); err != nil || bytes.Equal(there, raw) {
		return err
	}
	return write(path, raw, 0o644, os.Rename)
}

// Remembered returns the answers of the last run with this folder of keys, none
// if there was none.
func Remembered(keys string) (Answers, error) {
	var a Answers
	path := filepath.Join(keys, answersFile)
	raw, err := readFile(path)
	if err != nil || raw == nil {
		return a, err
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return Answers{}, fmt.Errorf("read %q: %w; remove it to be asked again", path, err)
	}
	return a, nil
}

// Or returns the answers with those of another for what is lacking.
func (a Answers) Or(other Answers) Answers {
	mine, theirs := reflect.ValueOf(&a).Elem(), reflect.ValueOf(other)
	for i := range mine.NumField() {
		if mine.Field(i).IsZero() || mine.Field(i).Kind() == reflect.Slice && mine.Field(i).Len() == 0 {
			mine.Field(i).Set(theirs.Field(i))
		}
	}
	return a
}

// A Folder is what git says of the current folder.
type Folder struct {
	Git    bool   // it is in a repository
	Origin string // address of the remote origin, "" for none
	Branch string // the default one of origin, or else the current one; "" if there is none
}

// FromGit returns what the current folder is, and what it suggests: where the
// workflow will run, and who its user is.
func FromGit(ctx context.Context, run Command) (Folder, Answers) {
	var a Answers
	said := func(args ...string) string {
		out, err := run(ctx, nil, "git", args...)
		if err != nil {
			return "" // no git, no repository, or nothing set
		}
		return strings.TrimSpace(string(out))
	}
	folder := Folder{Git: said("rev-parse", "--git-dir") != "", Origin: said("remote", "get-url", "origin")}
	if u, ok := addresses.Web(folder.Origin); ok {
		folder.Origin = addresses.Public(u) // users and tokens are no part of where it is
	}
	folder.Branch = cmp.Or(strings.TrimPrefix(said("symbolic-ref", "--short", "refs/remotes/origin/HEAD"), "origin/"), said("branch", "--show-current"))
	if remote, err := ParseRemote(folder.Origin); err == nil {
		a.Repository = remote.Slug
	}
	if name, email := said("config", "user.name"), said("config", "user.email"); name != "" && email != "" {
		signer := name + " <" + email + ">"
		if _, err := parseSigner(signer); err == nil {
			a.Signer = signer
		}
	}
	return folder, a
}

// Standard returns what suits most: two repositories beside the one that runs
// the workflow, each with a deploy key of its own; or, if the workflow runs in
// one of these two, that one alone, which needs no key.
func Standard(repository string) Answers {
	if slug, err := parseRepository(given(repository)); err == nil {
		repository = slug
	}
	owner, name, _ := strings.Cut(repository, "/")
	a := Answers{Access: string(DeployKeys)}
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
