package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// both measures first imports of both repositories. The last is kept, to be
// adopted.
func (b *scaleBench) both(ctx context.Context, z *size) error {
	histories := []struct{ step, history string }{{whatDaily, "daily"}}
	if z.percent == b.sizes[0] {
		histories = append(histories, struct{ step, history string }{whatSnapshot, "snapshot"})
	}
	for _, h := range histories {
		s := set{name: toBoth, files: b.sizePath(z, h.history+"-both-files.git"), hashes: b.sizePath(z, h.history+"-both-hashes.git")}
		if err := b.record(ctx, z, h.step, s, "--history", h.history); err != nil {
			return err
		}
		if h.history == "daily" {
			z.hashes = s
			continue
		}
		if err := removeAll(s.repositories()...); err != nil {
			return err
		}
	}
	return nil
}

// lag leaves destinations at three places and lets one run bring them to the
// end. They and their copies on S3 are what grows afterwards.
func (b *scaleBench) lag(ctx context.Context, z *size) error {
	if err := b.upstreamAt(ctx, z, z.n*bucketShare/10_000); err != nil {
		return err
	}
	if err := b.record(ctx, z, whatBefore, set{name: toBucket, bucket: b.bucket}); err != nil {
		return err
	}
	if err := b.upstreamAt(ctx, z, z.n*filesShare/10_000); err != nil {
		return err
	}
	s := set{name: toFolder, bucket: b.bucket, files: b.sizePath(z, "folder-files.git"), hashes: b.sizePath(z, "folder-hashes.git")}
	if _, err := b.sync(ctx, set{files: s.files}, "--history", "snapshot"); err != nil {
		return err
	}
	if err := b.upstreamAt(ctx, z, z.n); err != nil {
		return err
	}
	if err := b.record(ctx, z, whatLag, s); err != nil {
		return err
	}
	z.sets = append(z.sets, s)
	if b.gate == nil {
		return nil
	}
	name := fmt.Sprintf("at-%d", z.percent)
	t := set{name: toS3, bucket: b.s3Address(name), files: b.sizePath(z, "s3-files.git"), hashes: b.sizePath(z, "s3-hashes.git")}
	z.sets = append(z.sets, t)
	return errors.Join(
		b.copyFolder(ctx, s.files, t.files), b.copyFolder(ctx, s.hashes, t.hashes),
		b.copyBucket(ctx, b.bucket, name, z.n, z.n+b.growth()))
}

// grow measures what happens day by day.
func (b *scaleBench) grow(ctx context.Context, z *size) error {
	for range b.rounds {
		for _, change := range []struct {
			name string
			by   int
		}{{whatNothing, 0}, {whatFew, fewEntries}, {whatOne, oneEntry}} {
			if err := b.growBy(ctx, z, change.name, change.by); err != nil {
				return err
			}
		}
	}
	if err := b.growBy(ctx, z, "+"+thousands(b.many())+" entries", b.many()); err != nil {
		return err
	}
	if b.corpus.sameWeek(z.at, z.at+fewEntries) {
		return nil
	}
	return b.growBy(ctx, z, whatNewWeek, fewEntries)
}

// growBy measures one change for all sets, in turn.
func (b *scaleBench) growBy(ctx context.Context, z *size, name string, by int) error {
	before := b.corpus.ends[z.at]
	if err := b.upstreamAt(ctx, z, z.at+by); err != nil {
		return err
	}
	for _, s := range z.sets {
		c, err := b.sync(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		c.fresh = b.corpus.ends[z.at] - before + c.upstream[kindTarballs].bytes
		b.add(z, name, s.name, c)
	}
	return nil
}

// adopt measures what a repository takes that older tools made: it has no tag
// that says where in the index it stands.
func (b *scaleBench) adopt(ctx context.Context, z *size) error {
	if err := b.upstreamAt(ctx, z, z.n+b.growth()); err != nil {
		return err
	}
	step := fmt.Sprintf("adoption, %s entries behind", thousands(b.growth()))
	if z.raw != "" {
		if err := b.record(ctx, z, step, set{name: toFiles, files: z.raw}); err != nil {
			return err
		}
	}
	if z.hashes.files == "" {
		return nil
	}
	for _, repository := range z.hashes.repositories() {
		if _, err := b.git(ctx, repository, "update-ref", "-d", "refs/tags/current-hackage"); err != nil {
			return err
		}
	}
	if err := b.record(ctx, z, step, z.hashes); err != nil {
		return err
	}
	return os.RemoveAll(z.raw)
}

// rsa measures what another key costs: each commit is signed.
func (b *scaleBench) rsa(ctx context.Context, z *size) error {
	key, err := newKey(packet.PubKeyAlgoRSA)
	if err != nil {
		return err
	}
	s, path := set{name: toFiles, files: b.sizePath(z, "rsa.git")}, b.path("rsa.asc")
	if err := os.WriteFile(path, key, 0o600); err != nil {
		return err
	}
	err = b.record(ctx, z, whatRSA, s, "--history", "daily", "--signing-key", path)
	return errors.Join(err, os.RemoveAll(s.files))
}
