package mirror

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// cabals puts every .cabal file of the index up to a length: each under its
// revision's number, the newest under its own name too.
func (b *Bucket) cabals(ctx context.Context, c *cursor, tail *index.Delta, length int64) error {
	run := ctx
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(putsAtOnce)
	err := c.until(length, func(e index.Entry) error {
		news := tail.Changes[e.Release]
		if e.Kind != index.Cabal || news == nil || !b.share(e.Release) {
			return ctx.Err()
		}
		return b.cabal(ctx, group, e, news)
	})
	return cmp.Or(group.Wait(), err, run.Err())
}

// cabal starts the put of one .cabal file.
func (b *Bucket) cabal(ctx context.Context, group *errgroup.Group, e index.Entry, news *index.ReleaseChanges) (err error) {
	if err := b.Err(); err != nil {
		return err
	}
	if err := b.claim(ctx); err != nil {
		return err
	}
	c := cabalFile{
		release: e.Release, behind: b.behind[e.Release],
		content: bytes.Clone(e.Content), span: e.Span(), newest: e.Offset == news.LastCabal.Offset,
	}
	b.behind[e.Release]++
	if b.begin.IsZero() {
		c.number = c.behind
		if c.behind == 0 && news.TargetOffset < 0 {
			b.withoutTarget(c.release)
		}
		group.Go(func() error { return b.atSlot(func() error { return b.putCabal(ctx, c) }) })
		return ctx.Err()
	}
	first, known := b.firsts[e.Release]
	if !known {
		first = &firstRevision{done: make(chan struct{})}
		b.firsts[e.Release] = first
		group.Go(func() error {
			defer close(first.done)
			first.err = b.atSlot(func() (err error) {
				first.number, err = b.putFirst(ctx, c, news)
				return err
			})
			return first.err
		})
		return ctx.Err()
	}
	group.Go(func() error {
		<-first.done
		if first.err != nil {
			return first.err
		}
		c.number = first.number + c.behind
		return b.atSlot(func() error { return b.putCabal(ctx, c) })
	})
	return ctx.Err()
}

// atSlot does a put when the bucket has room for one.
func (b *Bucket) atSlot(put func() error) error {
	b.slots <- struct{}{}
	defer func() { <-b.slots }()
	return put()
}

// withoutTarget notes a release that comes without a package.json.
func (b *Bucket) withoutTarget(r index.Release) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unsigned = append(b.unsigned, r)
}

// A firstRevision is the first of a release behind the position where the run
// began. Those that follow it are numbered by it, and wait for that.
type firstRevision struct {
	done   chan struct{}
	number int
	err    error
}

// A cabalFile is one revision on its way into a bucket.
type cabalFile struct {
	release index.Release
	number  int
	behind  int // how many revisions of the release stand between the position and it
	content []byte
	span    index.Span // of the index
	newest  bool
}

// putFirst puts the first revision of a release behind the bucket's position, and
// returns its number. From the start of the index that number is 0. A run that
// reads only the newest part takes a release whose first tarball is in that part
// for new, if the bucket has no revision of it; of any other it asks the bucket.
func (b *Bucket) putFirst(ctx context.Context, c cabalFile, news *index.ReleaseChanges) (int, error) {
	_, owed := b.state.Ledger[c.release]
	signed := news.TargetOffset >= 0
	if signed && !news.Replaced && !owed {
		err := b.put(ctx, revisionKey(c.release, 0), c.object(), bucket.IfNew())
		if err == nil {
			return 0, b.unless(b.putNewest(ctx, c))
		}
		if !errors.Is(err, bucket.ErrConflict) {
			return 0, b.unless(err)
		}
		// An earlier run was stopped, or the index repeats its package.json.
		if c.number, err = b.counted(c); err != nil {
			return 0, err
		}
		return c.number, b.putCabal(ctx, c)
	}
	var err error
	if c.number, err = b.nextNumber(ctx, c, news.Cabals); err != nil {
		return 0, err
	}
	if c.number == 0 && !signed && !owed {
		// Its package.json may have come before it, in an earlier run.
		etag, err := b.etagOf(ctx, recordKey(c.release))
		if err != nil {
			return 0, err
		}
		if etag == "" {
			b.withoutTarget(c.release)
		}
	}
	return c.number, b.putCabal(ctx, c)
}

func (c cabalFile) object() bucket.Object { return object(c.content, typeCabal, forEver) }

// putCabal puts one revision. The numbered file never changes; the file under the
// package's name is a pointer to the newest, so it comes second.
func (b *Bucket) putCabal(ctx context.Context, c cabalFile) error {
	key := revisionKey(c.release, c.number)
	_, err := b.putOne(ctx, key, c.object(), bucket.IfAbsent(), 0, min(c.number, 1))
	if errors.Is(err, bucket.ErrDiffers) {
		err = b.mend(ctx, c)
	}
	if err = b.unless(err); err != nil {
		return err
	}
	return b.unless(b.putNewest(ctx, c))
}

// mend puts a revision where the bucket holds other bytes. Its number is counted
// in the whole index now, because nothing else is certain; if the bytes still
// differ then somebody else wrote there, which a person should know of.
func (b *Bucket) mend(ctx context.Context, c cabalFile) error {
	number, err := b.counted(c)
	if err != nil {
		return err
	}
	key := revisionKey(c.release, number)
	_, err = b.putOne(ctx, key, c.object(), bucket.IfAbsent(), 0, min(number, 1))
	if !errors.Is(err, bucket.ErrDiffers) {
		return err
	}
	if !b.overwrite {
		b.alarm(fmt.Sprintf("%s had other bytes than the signed index; the right ones were restored", key))
	}
	return b.replace(ctx, key, c.object())
}

// putNewest follows a revision that is in. If it is the newest of its release, it
// puts the file that points at it. Over one that is there it is put when the
// stretch ends, together with the others.
func (b *Bucket) putNewest(ctx context.Context, c cabalFile) error {
	if !c.newest {
		return nil
	}
	var err error
	if c.number == 0 || b.begin.IsZero() {
		err = b.put(ctx, cabalKey(c.release), object(c.content, typeCabal, briefly), bucket.IfAbsent())
		if !errors.Is(err, bucket.ErrDiffers) {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.newest[c.release] = c.span
	return nil
}

// putOverOlder puts the newest .cabal files over older ones: it looks at all of
// them, then sees that the bucket is still its own, and then puts.
func (b *Bucket) putOverOlder(ctx context.Context, log *hackage.Index) error {
	if len(b.newest) == 0 {
		return nil
	}
	var mu sync.Mutex
	etags := map[index.Release]string{}
	err := b.eachNewest(ctx, func(ctx context.Context, r index.Release) error {
		etag, err := b.etagOf(ctx, cabalKey(r))
		mu.Lock()
		defer mu.Unlock()
		etags[r] = etag
		return err
	})
	if err == nil {
		err = b.ours(ctx)
	}
	if err == nil {
		err = b.eachNewest(ctx, func(ctx context.Context, r index.Release) error {
			content, err := log.Entry(b.newest[r])
			if err == nil {
				_, err = b.point(ctx, cabalKey(r), object(content, typeCabal, briefly), etags[r], nil)
			}
			return b.unless(err)
		})
	}
	if err != nil {
		return err
	}
	clear(b.newest)
	return nil
}

// eachNewest does something for all of them, many at a time.
func (b *Bucket) eachNewest(ctx context.Context, do func(context.Context, index.Release) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(putsAtOnce)
	for r := range b.newest {
		group.Go(func() error { return do(ctx, r) })
	}
	return group.Wait()
}

// revisionKey and cabalKey are Hackage's own paths of a revision, and of the
// newest.
func revisionKey(r index.Release, number int) string {
	return "package/" + r.String() + "/revision/" + strconv.Itoa(number) + ".cabal"
}

func cabalKey(r index.Release) string {
	return "package/" + r.String() + "/" + r.Package + ".cabal"
}

// counted returns a revision's number by the whole index.
func (b *Bucket) counted(c cabalFile) (int, error) {
	earlier, err := b.earlier()
	return earlier[c.release] + c.behind, err
}

// maxAsked bounds how many revisions of a release are read concurrently.
const maxAsked = 32

// nextNumber asks the bucket for the number of the first revision behind its
// position. That is how many it holds, if it holds what the index has before and
// nothing else. But a run that was stopped before it could note its position put
// this revision and perhaps more, and somebody may have put others. Then the
// revision itself is among those that are held, or there are more than the field
// x-revision lets expect, and only the index can tell. Bytes are compared, for
// what a store says of an object proves nothing.
func (b *Bucket) nextNumber(ctx context.Context, c cabalFile, more int) (int, error) {
	expected, stated := xRevision(c.content)
	held := 0
	for asked := min(expected+more+1, maxAsked); ; asked = maxAsked {
		there, same, err := b.askRevisions(ctx, c, held, asked)
		if err != nil {
			return 0, err
		}
		if held += there; same || stated && held > expected {
			return b.counted(c)
		}
		if there < asked {
			return held, nil
		}
	}
}

// askRevisions reads some revisions of a release from a number on, concurrently.
// It returns how many are there without a gap, and whether one of them is c.
func (b *Bucket) askRevisions(ctx context.Context, c cabalFile, from, count int) (there int, same bool, err error) {
	found, equal := make([]bool, count), make([]bool, count)
	group, ctx := errgroup.WithContext(ctx)
	for i := range count {
		group.Go(func() error {
			have, etag, err := b.readSmall(ctx, revisionKey(c.release, from+i), int64(len(c.content))+1)
			found[i], equal[i] = etag != "", bytes.Equal(have, c.content)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, false, err
	}
	there = slices.Index(append(found, false), false)
	return there, slices.Contains(equal[:there], true), nil
}

// revisionsBefore counts the .cabal entries before an offset of the index, for
// the releases that a tail mentions.
func revisionsBefore(ctx context.Context, ix *hackage.Index, tail *index.Delta, offset int64) (map[index.Release]int, error) {
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
		if e.Kind == index.Cabal && tail.Changes[e.Release] != nil {
			counts[e.Release]++
		}
	}
	return counts, nil
}

// xRevisionField finds the field by which an uploader's tool counts revisions.
var xRevisionField = regexp.MustCompile(`(?im)^x-revision:[ \t]*([0-9]{1,3})\s*$`)

// xRevision reads that field, if it is there. It is not to be relied on: some
// revisions lack it, some repeat or leave out a number.
func xRevision(cabal []byte) (number int, stated bool) {
	found := xRevisionField.FindSubmatch(cabal)
	if found == nil {
		return 0, false
	}
	number, err := strconv.Atoi(string(found[1]))
	return number, err == nil
}
