package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// git runs git and looks at it.
func (b *scaleBench) git(ctx context.Context, dir string, arguments ...string) (usage, error) {
	u, _, err := watch(ctx, b.job("git", dir, arguments...))
	return u, err
}

// job is a run of one of the others' programs.
func (b *scaleBench) job(program, dir string, arguments ...string) job {
	return job{program: program, arguments: arguments, dir: dir, environment: b.environment()}
}

// rawImport feeds a stream to git fast-import in a new bare repository.
func (b *scaleBench) rawImport(ctx context.Context, h history, repository string) (_ usage, err error) {
	if _, err := b.git(ctx, b.dir, "init", "--quiet", "--bare", "--initial-branch=hackage", repository); err != nil {
		return usage{}, err
	}
	j := b.job("git", repository, "fast-import", "--quiet")
	if j.stdin, err = os.Open(h.path); err != nil {
		return usage{}, err
	}
	defer func() { err = errors.Join(err, j.stdin.Close()) }()
	if err := b.settle(ctx); err != nil {
		return usage{}, err
	}
	u, _, err := watch(ctx, j)
	return u, err
}

// An oldScript does what update.sh of the older tools did: it takes all of the
// index apart into a work tree and lets git find out what changed. Not counted
// is its download of the index, and it need not sign.
type oldScript struct {
	b              *scaleBench
	remote, folder string
}

// begin is its first import.
func (o oldScript) begin(ctx context.Context, packed string) (usage, error) {
	if _, err := o.b.git(ctx, o.b.dir, "init", "--quiet", "--bare", "--initial-branch=hackage", o.remote); err != nil {
		return usage{}, err
	}
	if _, err := o.b.git(ctx, o.b.dir, "init", "--quiet", "--initial-branch=hackage", o.folder); err != nil {
		return usage{}, err
	}
	if err := o.b.settle(ctx); err != nil {
		return usage{}, err
	}
	return o.commit(ctx, packed)
}

// clone takes the newest state of the repository, as a job does that keeps
// nothing.
func (o oldScript) clone(ctx context.Context) (usage, error) {
	if err := o.b.settle(ctx); err != nil {
		return usage{}, err
	}
	return o.b.git(ctx, o.b.dir, "clone", "--quiet", "--depth=1", "file://"+o.remote, o.folder)
}

// commit brings the work tree to an index, commits and pushes.
func (o oldScript) commit(ctx context.Context, packed string) (usage, error) {
	var sum usage
	for _, j := range []job{
		o.b.job("tar", o.folder, "-xzf", packed, "--exclude=package.json"),
		o.b.job("git", o.folder, "status", "--short"),
		o.b.job("git", o.folder, "add", "--all"),
		o.b.job("git", o.folder, "commit", "--quiet", "--message=Update from Hackage"),
		o.b.job("git", o.folder, "push", "--quiet", "file://"+o.remote, "hackage"),
	} {
		u, _, err := watch(ctx, j)
		if err != nil {
			return sum, err
		}
		sum = sum.plus(u)
	}
	return sum, nil
}

// missing counts the blobs that a repository lacks.
func (b *scaleBench) missing(ctx context.Context, repository string, want map[[sha1.Size]byte]bool) (int, error) {
	command := exec.CommandContext(ctx, "git", "cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname)")
	command.Dir, command.Env = repository, b.environment()
	raw, err := command.Output()
	if err != nil {
		return 0, fmt.Errorf("list objects of %q: %w", filepath.Base(repository), err)
	}
	found := 0
	for line := range bytes.Lines(raw) {
		id, err := hex.DecodeString(string(bytes.TrimSpace(line)))
		if err == nil && len(id) == sha1.Size && want[[sha1.Size]byte(id)] {
			found++
		}
	}
	return len(want) - found, nil
}

// commits counts the commits of a repository's branch.
func (b *scaleBench) commits(ctx context.Context, repository string) (int, error) {
	_, said, err := watch(ctx, b.job("git", repository, "rev-list", "--count", "hackage"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(said))
}
