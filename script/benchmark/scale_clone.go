package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Who packed what a reader takes.
const (
	byUs     = "as pushed"
	byRepack = "after `git repack -adf`"
)

// wantClone is how much larger a clone of ours may be than one of the same after
// git's own packing.
const wantClone = 1.2

// whatArchive is the same whatever the packs are like: only its time counts.
const whatArchive = "`git archive`"

// A taking is a way in which a reader takes a repository, at a path, to another.
type taking struct {
	name string
	git  func(from, to string) []string
}

func takings() []taking {
	return []taking{
		{"clone `--depth 1`", func(from, to string) []string {
			return []string{"clone", "--quiet", "--bare", "--depth=1", "--branch=hackage", "file://" + from, to}
		}},
		{"clone", func(from, to string) []string {
			return []string{"clone", "--quiet", "--bare", "--branch=hackage", "file://" + from, to}
		}},
		{whatArchive, func(from, to string) []string {
			return []string{"--git-dir=" + from, "archive", "--output=" + to, "--format=tar", "hackage"}
		}},
	}
}

// of names the taking of a repository in the tables.
func (t taking) of(repository string) string { return t.name + ", " + repository }

// clones measures what readers of both repositories take, in turn with what they
// would take if git had packed all of it anew.
func (b *scaleBench) clones(ctx context.Context, z *size) error {
	if z.hashes.files == "" {
		return fmt.Errorf("there is nothing to clone: step %s has to come before", stepBoth)
	}
	return errors.Join(b.clonesOf(ctx, z, toFiles, z.hashes.files), b.clonesOf(ctx, z, toHashes, z.hashes.hashes))
}

func (b *scaleBench) clonesOf(ctx context.Context, z *size, name, ours string) error {
	packed := b.sizePath(z, "packed.git")
	if err := os.CopyFS(packed, os.DirFS(ours)); err != nil {
		return err
	}
	u, err := b.git(ctx, packed, "repack", "-adfq")
	if err := b.peer(z, "`git repack -adf`, "+name, byGit, u, err); err != nil {
		return err
	}
	for range b.rounds {
		for _, t := range takings() {
			err := errors.Join(b.take(ctx, z, t, name, byUs, ours), b.take(ctx, z, t, name, byRepack, packed))
			if err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(packed)
}

// take measures one taking, and how many bytes came.
func (b *scaleBench) take(ctx context.Context, z *size, t taking, name, by, from string) error {
	to := b.sizePath(z, "taken")
	if _, err := takePacked(b.packed); err != nil {
		return err
	}
	u, err := b.git(ctx, b.dir, t.git(from, to)...)
	if err != nil {
		return fmt.Errorf("%s: %w", t.of(name), err)
	}
	c := cost{usage: u}
	c.own, c.children = 0, max(u.own, u.children)
	if c.fetched, err = takePacked(b.packed); err == nil && c.fetched == 0 {
		c.fetched = sizeOf(to) // no pack was sent
	}
	b.add(z, t.of(name), by, c)
	return errors.Join(err, os.RemoveAll(to))
}

// clones judges what readers take.
func (r *scaleReport) clones() []target {
	var out []target
	for _, name := range []string{toFiles, toHashes} {
		for _, t := range takings() {
			ours, ok := r.at(t.of(name), byUs)
			packed, also := r.at(t.of(name), byRepack)
			if !ok || !also || t.name == whatArchive {
				continue
			}
			got := float64(ours.fetched) / float64(packed.fetched)
			out = append(out, target{
				"bytes of " + t.of(name) + ": " + byUs + " / " + byRepack, fmt.Sprintf("at most %.1f", wantClone),
				fmt.Sprintf("%.2f (%s / %s)", got, bytesOf(ours.fetched), bytesOf(packed.fetched)), got <= wantClone,
			})
		}
	}
	return out
}
