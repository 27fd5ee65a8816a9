package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A set is the destinations of a run; those that are empty are not wanted.
type set struct {
	name                  string // as in the tables
	bucket, files, hashes string
}

// The names of sets.
const (
	toFiles  = "files"
	toHashes = "hashes"
	toBoth   = "files + hashes"
	toBucket = "bucket (folder)"
	toFolder = "bucket (folder) + files + hashes"
	toS3     = "bucket (S3) + files + hashes"
)

// repositories are the git repositories of the set.
func (s set) repositories() []string {
	return slices.DeleteFunc([]string{s.files, s.hashes}, func(path string) bool { return path == "" })
}

// syncArguments are those of a sync to a set.
func (b *scaleBench) syncArguments(s set, more []string) []string {
	arguments := []string{
		"sync", "--upstream", b.server.url, "--key-threshold", strconv.Itoa(b.server.threshold),
		"--root-keys", strings.Join(b.server.keys, ","), "--signing-key", b.key,
	}
	for _, d := range []struct{ option, address string }{
		{"--bucket", s.bucket}, {"--files-repository", s.files}, {"--hashes-repository", s.hashes},
	} {
		if d.address != "" {
			arguments = append(arguments, d.option, d.address)
		}
	}
	return append(arguments, more...)
}

// A cost is what a sync took, and what it moved.
type cost struct {
	usage
	upstream, s3    traffic
	fetched, pushed int64 // bytes of packs
	moved           int   // refs that are others now
	fresh           int64 // bytes of new entries and of the tarballs that came
}

// bytes returns all that went over the network, if there were one.
func (c cost) bytes() int64 {
	return c.upstream.total().bytes + c.s3.total().bytes + c.fetched + c.pushed
}

// sync runs the program once.
func (b *scaleBench) sync(ctx context.Context, s set, more ...string) (c cost, err error) {
	repositories := s.repositories()
	before, err := packs(repositories...)
	if err != nil {
		return c, err
	}
	stood := b.refs(ctx, repositories)
	if err := b.forget(ctx); err != nil {
		return c, err
	}
	j := b.job(b.mirror, b.dir, b.syncArguments(s, more)...)
	j.temporary = b.temporary
	if c.usage, _, err = watch(ctx, j); err != nil {
		return c, err
	}
	if c.upstream, err = b.server.counts(ctx); err != nil {
		return c, err
	}
	if b.gate != nil {
		c.s3 = b.gate.take()
	}
	if c.fetched, err = takePacked(b.packed); err != nil {
		return c, err
	}
	after, err := packs(repositories...)
	c.pushed = after - before
	for ref, id := range b.refs(ctx, repositories) {
		if stood[ref] != id {
			c.moved++
		}
	}
	return c, err
}

// settle waits until what was written before is on the disk, so that it is not
// counted with what comes next.
func (b *scaleBench) settle(ctx context.Context) error {
	if _, err := exec.LookPath("sync"); err != nil {
		return nil // not on this system
	}
	if said, err := exec.CommandContext(ctx, "sync").CombinedOutput(); err != nil {
		return fmt.Errorf("sync: %w: %s", err, said)
	}
	return nil
}

// forget sets all counts to zero.
func (b *scaleBench) forget(ctx context.Context) error {
	if err := b.settle(ctx); err != nil {
		return err
	}
	if b.gate != nil {
		_ = b.gate.take()
	}
	_, err := takePacked(b.packed)
	return errors.Join(err, b.server.reset(ctx), os.RemoveAll(b.temporary), os.Mkdir(b.temporary, 0o755))
}

// refs returns the ids of the refs of repositories. One that is not there yet
// has none.
func (b *scaleBench) refs(ctx context.Context, repositories []string) map[string]string {
	all := map[string]string{}
	for _, repository := range repositories {
		command := exec.CommandContext(ctx, "git", "--git-dir="+repository, "for-each-ref", "--format=%(refname) %(objectname)")
		command.Env = b.environment()
		said, err := command.Output()
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(said)) {
			name, id, _ := strings.Cut(strings.TrimSpace(line), " ")
			all[repository+" "+name] = id
		}
	}
	return all
}

// copyFolder copies a folder as fast as the file system can.
func (b *scaleBench) copyFolder(ctx context.Context, from, to string) error {
	said, err := exec.CommandContext(ctx, "cp", "-R", from, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("copy %q: %w: %s", filepath.Base(from), err, said)
	}
	return nil
}
