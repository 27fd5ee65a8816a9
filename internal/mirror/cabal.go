package mirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// Cabals puts every .cabal file that the index holds behind the bucket's
// position: each under its revision's number, the newest under its own name
// too. The log must begin at the position or before it. Done is told of each file
// that is in.
func (b *Bucket) Cabals(ctx context.Context, log *index.Log, tail *index.Tail, concurrency int, done func(size int64)) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	next := map[index.Release]int{}
	for e, err := range log.Entries() {
		if err != nil {
			b.fail(fmt.Errorf("read index for %q: %w", b, err))
			break
		}
		news := tail.News[e.Release]
		if e.Kind != index.Cabal || news == nil || e.Offset < b.state.Position.Length {
			continue
		}
		c := cabalFile{release: e.Release, content: bytes.Clone(e.Content), newest: e.Offset == news.LastCabal.Offset}
		number, seen := next[e.Release]
		if c.number = number; !seen {
			if c.number, err = b.firstRevision(ctx, c, news); err != nil {
				b.fail(err)
				break
			}
		}
		if news.Cabals > 1 && !b.state.Position.IsZero() {
			// The number of the next one may hang on what is found here.
			if c.number, err = b.putCabal(ctx, c, news); err != nil {
				b.fail(err)
				break
			}
			done(int64(len(c.content)))
		} else {
			group.Go(func() error {
				_, err := b.putCabal(ctx, c, news)
				done(int64(len(c.content)))
				return err
			})
		}
		next[e.Release] = c.number + 1
		if ctx.Err() != nil {
			break
		}
	}
	if err := group.Wait(); err != nil {
		b.fail(err)
	}
}

// A cabalFile is one revision on its way into a bucket.
type cabalFile struct {
	release index.Release
	number  int
	content []byte
	newest  bool
}

// putCabal puts one revision and returns its number. The numbered file never
// changes; the file under the package's name is a pointer to the newest, so it
// comes second.
func (b *Bucket) putCabal(ctx context.Context, c cabalFile, news *index.News) (int, error) {
	number, r := c.number, c.release
	err := b.put(ctx, revisionKey(r, number), c.content, typeCabal, forEver, bucket.IfAbsent())
	if errors.Is(err, bucket.ErrDiffers) && !b.state.Position.IsZero() {
		// The release is not as new as it looked: the index repeats its
		// package.json.
		if number, _, err = b.searchRevision(ctx, c, news, number+1); err != nil {
			return 0, err
		}
		err = b.put(ctx, revisionKey(r, number), c.content, typeCabal, forEver, bucket.IfAbsent())
	}
	if errors.Is(err, bucket.ErrDiffers) {
		b.refuse(r, err)
		err = nil
	}
	if err != nil {
		return 0, err
	}
	b.count(0, 1, 0)
	if !c.newest {
		return number, nil
	}
	return number, b.putNew(ctx, "package/"+r.String()+"/"+r.Package+".cabal", c.content, typeCabal)
}

// revisionKey is Hackage's own path of a revision.
func revisionKey(r index.Release, number int) string {
	return "package/" + r.String() + "/revision/" + strconv.Itoa(number) + ".cabal"
}

// firstRevision returns the number of the first revision of a release behind
// the bucket's position. A revision's number is the count of those before it in
// the index. From the start of the index, that is 0. A run that reads only the
// newest part takes a release whose first tarball is in that part for new, and
// asks the bucket, which holds them all, about any other.
func (b *Bucket) firstRevision(ctx context.Context, c cabalFile, news *index.News) (int, error) {
	_, owed := b.state.Ledger[c.release]
	signed := news.TargetOffset >= b.state.Position.Length
	if b.state.Position.IsZero() || signed && !news.Replaced && !owed {
		if !signed {
			b.unsigned = append(b.unsigned, c.release)
		}
		return 0, nil
	}
	number, held, err := b.searchRevision(ctx, c, news, xRevision(c.content))
	if held == 0 && news.TargetOffset < 0 && !owed {
		b.unsigned = append(b.unsigned, c.release)
	}
	return number, err
}

// searchRevision asks the bucket for the number of a revision and how many it
// holds. Some of those may be of a run that was stopped before it could note
// its position: then the bucket already holds this very file among the last
// ones, and its number is the file's.
func (b *Bucket) searchRevision(ctx context.Context, c cabalFile, news *index.News, guess int) (number, held int, err error) {
	if held, err = b.heldRevisions(ctx, c.release, guess); err != nil {
		return 0, 0, err
	}
	digest := sha256.Sum256(c.content)
	for number := max(0, held-news.Cabals); number < held; number++ {
		info, err := b.store.Head(ctx, revisionKey(c.release, number))
		if err != nil {
			return 0, 0, fmt.Errorf("look up revision %d of %q in %q: %w", number, c.release, b, err)
		}
		if info.SHA256 == digest {
			return number, held, nil
		}
	}
	return held, held, nil
}

// heldRevisions returns how many revisions the bucket holds of a release. They
// have no gap, so the end is searched from a guess that is right nearly always.
func (b *Bucket) heldRevisions(ctx context.Context, r index.Release, guess int) (int, error) {
	holds := func(number int) (bool, error) {
		_, err := b.store.Head(ctx, revisionKey(r, number))
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("look up revision %d of %q in %q: %w", number, r, b, err)
		}
		return true, nil
	}
	for number := guess; ; number++ {
		if there, err := holds(number); err != nil || !there {
			guess = number
			if err != nil {
				return 0, err
			}
			break
		}
	}
	for ; guess > 0; guess-- {
		if there, err := holds(guess - 1); err != nil || there {
			return guess, err
		}
	}
	return 0, nil
}

// xRevisionField finds the field by which an uploader's tool counts revisions.
var xRevisionField = regexp.MustCompile(`(?im)^x-revision:[ \t]*([0-9]{1,3})\s*$`)

// xRevision reads that field as a first guess at a revision's number. It is not
// to be relied on: some revisions lack it, some repeat or leave out a number.
func xRevision(cabal []byte) int {
	found := xRevisionField.FindSubmatch(cabal)
	if found == nil {
		return 0
	}
	number, err := strconv.Atoi(string(found[1]))
	if err != nil {
		return 0
	}
	return number
}
