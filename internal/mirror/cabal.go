package mirror

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"sort"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// cabals puts every .cabal file of the index up to a length: each under its
// revision's number, the newest under its own name too.
func (b *Bucket) cabals(ctx context.Context, c *cursor, tail *index.Tail, length int64) error {
	run := ctx
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(putsAtOnce)
	err := c.until(length, func(e index.Entry) error {
		news := tail.News[e.Release]
		if e.Kind != index.Cabal || news == nil || !b.share(e.Release) {
			return ctx.Err()
		}
		return b.cabal(ctx, group, e, news)
	})
	if err = cmp.Or(group.Wait(), err, run.Err()); err != nil {
		return fmt.Errorf("put .cabal files into %q: %w", b, err)
	}
	return nil
}

// cabal starts the put of one .cabal file.
func (b *Bucket) cabal(ctx context.Context, group *errgroup.Group, e index.Entry, news *index.News) (err error) {
	if err := b.Err(); err != nil {
		return err
	}
	if err := b.claim(ctx); err != nil {
		return err
	}
	at, seen := b.numbers[e.Release]
	c := cabalFile{
		release: e.Release, number: at.next, behind: at.behind,
		content: bytes.Clone(e.Content), newest: e.Offset == news.LastCabal.Offset,
	}
	if !seen {
		if c.number, err = b.firstRevision(ctx, c, news); err != nil {
			return err
		}
	}
	if news.Cabals > 1 && !b.begin.IsZero() {
		// The number of the next one may hang on what is found here.
		if c.number, err = b.putCabal(ctx, c, news); err != nil {
			return err
		}
	} else {
		group.Go(func() error {
			b.slots <- struct{}{}
			defer func() { <-b.slots }()
			_, err := b.putCabal(ctx, c, news)
			return err
		})
	}
	b.numbers[e.Release] = numbering{next: c.number + 1, behind: c.behind + 1}
	return ctx.Err()
}

// A numbering is how far a run is with the revisions of a release.
type numbering struct {
	next   int // the number of the next one
	behind int // how many there were behind the position where the run began
}

// A cabalFile is one revision on its way into a bucket.
type cabalFile struct {
	release index.Release
	number  int
	behind  int // how many revisions of the release stand between the position and it
	content []byte
	newest  bool
}

// putCabal puts one revision and returns its number. The numbered file never
// changes; the file under the package's name is a pointer to the newest, so it
// comes second.
func (b *Bucket) putCabal(ctx context.Context, c cabalFile, news *index.News) (int, error) {
	number, r := c.number, c.release
	err := b.put(ctx, revisionKey(r, number), c.content, typeCabal, forEver, bucket.IfAbsent())
	if errors.Is(err, bucket.ErrDiffers) && !b.begin.IsZero() {
		// The release is not as new as it looked: the index repeats its
		// package.json.
		if number, err = b.searchRevision(ctx, c, news, number+1); err != nil {
			return 0, err
		}
		err = b.put(ctx, revisionKey(r, number), c.content, typeCabal, forEver, bucket.IfAbsent())
	}
	if errors.Is(err, bucket.ErrDiffers) {
		number, err = b.mend(ctx, c)
	}
	if err != nil {
		return 0, err
	}
	b.count(0, 1, 0)
	if !c.newest {
		return number, nil
	}
	key := "package/" + r.String() + "/" + r.Package + ".cabal"
	if number > 0 {
		return number, b.put(ctx, key, c.content, typeCabal, briefly, bucket.Always())
	}
	return number, b.putNew(ctx, key, c.content, typeCabal)
}

// mend puts a revision where the bucket holds other bytes. Its number is counted
// in the whole index now, because nothing else is certain; if the bytes still
// differ then somebody else wrote there, which a person should know of.
func (b *Bucket) mend(ctx context.Context, c cabalFile) (int, error) {
	earlier, err := b.earlier()
	if err != nil {
		return 0, err
	}
	number := earlier[c.release] + c.behind
	key := revisionKey(c.release, number)
	err = b.put(ctx, key, c.content, typeCabal, forEver, bucket.IfAbsent())
	if !errors.Is(err, bucket.ErrDiffers) {
		return number, err
	}
	if !b.overwrite {
		b.alarm(fmt.Sprintf("%s held other bytes than the signed index, and holds the index's now", key))
	}
	return number, b.put(ctx, key, c.content, typeCabal, forEver, bucket.Always())
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
	signed := news.TargetOffset >= 0
	if b.begin.IsZero() || signed && !news.Replaced && !owed {
		if !signed {
			b.unsigned = append(b.unsigned, c.release)
		}
		return 0, nil
	}
	number, err := b.searchRevision(ctx, c, news, xRevision(c.content))
	if err != nil || number > 0 || news.TargetOffset >= 0 || owed {
		return number, err
	}
	// Its package.json may have come before it, in an earlier run.
	taken, err := b.holds(ctx, recordKey(c.release))
	if !taken {
		b.unsigned = append(b.unsigned, c.release)
	}
	return number, err
}

// holds reports whether the bucket holds an object.
func (b *Bucket) holds(ctx context.Context, key string) (bool, error) {
	_, err := b.store.Head(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up %q in %q: %w", key, b, err)
	}
	return true, nil
}

// searchRevision asks the bucket for the number of a revision. Nearly always
// that is how many it holds. But when the bucket holds this very file among the
// last ones, then either a run that was stopped before it could note its
// position put it there, or the index repeats a content that it had before; and
// only the index can tell.
func (b *Bucket) searchRevision(ctx context.Context, c cabalFile, news *index.News, guess int) (int, error) {
	held, err := b.heldRevisions(ctx, c.release, guess)
	if err != nil {
		return 0, err
	}
	for number := max(0, held-news.Cabals); number < held; number++ {
		holds, err := bucket.Holds(ctx, b.store, revisionKey(c.release, number), c.content)
		if err != nil {
			return 0, fmt.Errorf("read revision %d of %q in %q: %w", number, c.release, b, err)
		}
		if holds {
			earlier, err := b.earlier()
			return earlier[c.release] + c.behind, err
		}
	}
	return held, nil
}

// revisionsBefore counts the .cabal entries before an offset of the index, for
// the releases that a tail mentions.
func revisionsBefore(ctx context.Context, ix *hackage.Index, tail *index.Tail, offset int64) (map[index.Release]int, error) {
	whole, err := ix.Whole(ctx)
	if err != nil {
		return nil, err
	}
	counts := map[index.Release]int{}
	for e, err := range whole.Log(index.Position{}).Entries() {
		if err != nil {
			return nil, fmt.Errorf("count revisions: %w", err)
		}
		if e.Offset >= offset {
			break
		}
		if e.Kind == index.Cabal && tail.News[e.Release] != nil {
			counts[e.Release]++
		}
	}
	return counts, nil
}

// heldRevisions returns how many revisions the bucket holds of a release. They
// have no gap, so the end is searched from a guess that is right nearly always.
func (b *Bucket) heldRevisions(ctx context.Context, r index.Release, guess int) (int, error) {
	var failed error
	holds := func(number int) bool {
		_, err := b.store.Head(ctx, revisionKey(r, number))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = fmt.Errorf("look up revision %d of %q in %q: %w", number, r, b, err)
		}
		return err == nil
	}
	for holds(guess) {
		guess++
	}
	if failed != nil || guess == 0 || holds(guess-1) {
		return guess, failed
	}
	// The guess was too high, perhaps by far.
	held := sort.Search(guess-1, func(number int) bool { return failed != nil || !holds(number) })
	return held, failed
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
