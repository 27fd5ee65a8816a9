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

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// A revision is one .cabal file on its way into a bucket.
type revision struct {
	release index.Release
	ordinal int // among those of the release behind the position where the run began
	number  int // among all of the release
	content []byte
	span    index.Span // of the index
	newest  bool
}

func (r revision) object() bucket.Object { return object(r.content, typeCabal, forEver) }

// A firstRevision is the first of a release behind the position where the run
// began. Those that follow it are numbered by it, and wait for that.
type firstRevision struct {
	done   chan struct{}
	number int
	err    error
}

// startRevision starts the put of a .cabal file: under its revision's number, and if it
// is the newest under its own name too.
func (w *BucketWriter) startRevision(ctx context.Context, e index.Entry, changes *index.ReleaseChanges) {
	b := w.bucket
	r := revision{
		release: e.Release, ordinal: w.ordinals[e.Release],
		content: bytes.Clone(e.Content), span: e.Span(), newest: e.Offset == changes.LastCabal.Offset,
	}
	w.ordinals[e.Release]++
	if b.start.IsZero() {
		r.number = r.ordinal
		if r.ordinal == 0 && changes.TargetOffset < 0 {
			b.locked(func() { b.unsigned = append(b.unsigned, r.release) })
		}
		w.start(func() error { return w.putRevision(ctx, r) })
		return
	}
	if first, known := w.firsts[r.release]; known {
		w.start(func() error {
			<-first.done
			r.number = first.number + r.ordinal
			return cmp.Or(first.err, w.putRevision(ctx, r))
		})
		return
	}
	first := &firstRevision{done: make(chan struct{})}
	w.firsts[r.release] = first
	w.asking.Add(1)
	answered := sync.OnceFunc(w.asking.Done)
	w.start(func() error {
		defer close(first.done)
		defer answered()
		if first.number, first.err = w.putFirst(ctx, r, changes, answered); first.err == nil {
			b.locked(func() { b.firsts[r.release] = first.number })
		}
		return first.err
	})
}

// putFirst puts the first revision of a release behind the bucket's position, and
// returns its number. A run that reads only the newest part of the index treats a
// release whose first tarball is in that part as new, if the bucket has no revision
// of it; of any other it asks the bucket, and calls answered when that has answered.
func (w *BucketWriter) putFirst(ctx context.Context, r revision, changes *index.ReleaseChanges, answered func()) (number int, err error) {
	b := w.bucket
	_, pending := b.state.Ledger[r.release]
	signed := changes.TargetOffset >= 0
	if signed && !changes.Replaced && !pending {
		answered()
		if err := b.Acquire(ctx); err != nil {
			return 0, err
		}
		_, err := b.put(ctx, revisionKey(r.release, 0), r.object(), bucket.IfNew())
		if err == nil {
			return 0, b.putNewest(ctx, r)
		}
		if !errors.Is(err, bucket.ErrConflict) {
			return 0, b.unlessRefused(err)
		}
		// An earlier run was stopped, or the index repeats its package.json.
		if r.number, err = w.countedNumber(r); err != nil {
			return 0, err
		}
		return r.number, w.putRevision(ctx, r)
	}
	err = concurrently(ctx, 2, func(ctx context.Context, i int) (err error) {
		if i == 0 {
			number, err = w.nextNumber(ctx, r, changes.Cabals)
			return err
		}
		etag, err := b.etagOf(ctx, cabalKey(r.release))
		if err == nil && etag != "" {
			b.newest.set(cabalKey(r.release), etag)
		}
		return err
	})
	if err == nil && number == 0 && !signed && !pending {
		// Its package.json may have come before it, in an earlier run.
		var record string
		if record, err = b.etagOf(ctx, recordKey(r.release)); err == nil && record == "" {
			b.locked(func() { b.unsigned = append(b.unsigned, r.release) })
		}
	}
	if answered(); err != nil {
		return 0, err
	}
	r.number = number
	return number, w.putRevision(ctx, r)
}

// putRevision puts one revision. The numbered file never changes; the file under the
// package's name is a pointer to the newest, so it comes second.
func (w *BucketWriter) putRevision(ctx context.Context, r revision) error {
	b := w.bucket
	if err := b.Acquire(ctx); err != nil {
		return err
	}
	err := b.putNumbered(ctx, r)
	if errors.Is(err, bucket.ErrDiffers) {
		err = w.repairRevision(ctx, r)
	}
	if err = b.unlessRefused(err); err != nil {
		return err
	}
	return b.putNewest(ctx, r)
}

func (b *Bucket) putNumbered(ctx context.Context, r revision) error {
	kept, err := b.put(ctx, revisionKey(r.release, r.number), r.object(), bucket.IfAbsent())
	if err == nil && !kept {
		b.count(0, min(r.number, 1), 0)
	}
	return err
}

// repairRevision puts a revision where the bucket holds other bytes. Its number is
// counted in the whole index now, because nothing else is certain; if the bytes still
// differ then somebody else wrote there, which a person should know of.
func (w *BucketWriter) repairRevision(ctx context.Context, r revision) (err error) {
	b := w.bucket
	if r.number, err = w.countedNumber(r); err != nil {
		return err
	}
	if err = b.putNumbered(ctx, r); !errors.Is(err, bucket.ErrDiffers) {
		return err
	}
	key := revisionKey(r.release, r.number)
	if !b.overwrite {
		b.alarm(fmt.Sprintf("%s had other bytes than the signed index; the right ones were restored", key))
	}
	return b.replace(ctx, key, r.object())
}

// putNewest follows a revision that is in. If it is the newest of its release, it
// puts the file that points at it. Over one that is there it is put when the
// batch ends, together with the others.
func (b *Bucket) putNewest(ctx context.Context, r revision) error {
	if !r.newest {
		return nil
	}
	if b.newest.etag(cabalKey(r.release)) == "" {
		_, err := b.put(ctx, cabalKey(r.release), object(r.content, typeCabal, briefly), bucket.IfAbsent())
		unmet, ok := errors.AsType[*bucket.Unmet](err)
		if !ok {
			return b.unlessRefused(err)
		}
		b.newest.set(cabalKey(r.release), unmet.Have.ETag)
	}
	r.content = nil // the index has it
	b.newest.locked(func() { b.newest.waiting = append(b.newest.waiting, r) })
	return nil
}

// newestFiles are the files under the releases' own names, each of which points at the
// newest revision, and which versions are in place. The lock guards all of it.
type newestFiles struct {
	versions
	waiting []revision // to be put over those
	checked int        // how many of those were learned when the claim was checked last
}

// replaceNewest puts the newest .cabal files over older ones. Unless the claim was
// checked since the last of those was seen, that comes first.
func (b *Bucket) replaceNewest(ctx context.Context, ix *hackage.Access) error {
	var waiting []revision
	b.newest.locked(func() { waiting, b.newest.waiting = b.newest.waiting, nil })
	if len(waiting) == 0 {
		return nil
	}
	if err := b.Acquire(ctx); err != nil {
		return err
	}
	var checked bool
	if b.newest.locked(func() { checked = b.newest.checked == b.newest.learned }); !checked {
		if err := b.checkClaim(ctx); err != nil {
			return err
		}
	}
	return concurrently(ctx, len(waiting), func(ctx context.Context, i int) error {
		r := waiting[i]
		e, err := ix.Index.Entry(r.span)
		if err != nil {
			return err
		}
		key := cabalKey(r.release)
		etag, err := b.putPointer(ctx, key, object(e.Content, typeCabal, briefly), b.newest.etag(key), nil)
		if err == nil {
			b.newest.set(key, etag)
		}
		return b.unlessRefused(err)
	})
}

// revisionKey and cabalKey are Hackage's own paths of a revision, and of the
// newest.
func revisionKey(r index.Release, number int) string {
	return "package/" + r.String() + "/revision/" + strconv.Itoa(number) + ".cabal"
}

func cabalKey(r index.Release) string {
	return "package/" + r.String() + "/" + r.Package + ".cabal"
}

// countedNumber returns a revision's number by the whole index.
func (w *BucketWriter) countedNumber(r revision) (int, error) {
	earlier, err := w.earlier()
	return earlier[r.release] + r.ordinal, err
}

// maxAsked bounds how many revisions of a release are read concurrently.
const maxAsked = 32

// nextNumber asks the bucket for the number of the first revision behind its
// position. That is how many it holds, if it holds what the index has before and
// nothing else. But a run that was stopped before it could save its position put
// this revision and perhaps more, and somebody may have put others. Then the
// revision itself is among those that are held, or there are more than the field
// x-revision lets expect, and only the index can tell. Bytes are compared, for
// what a store says of an object proves nothing.
func (w *BucketWriter) nextNumber(ctx context.Context, r revision, more int) (int, error) {
	expected, stated := xRevision(r.content)
	held := 0
	for asked := min(expected+more+1, maxAsked); ; asked = maxAsked {
		there, same, err := w.bucket.askRevisions(ctx, r, held, asked)
		if err != nil {
			return 0, err
		}
		if held += there; same || stated && held > expected {
			return w.countedNumber(r)
		}
		if there < asked {
			return held, nil
		}
	}
}

// askRevisions reads some revisions of a release from a number on, concurrently.
// It returns how many are there without a gap, and whether one of them is r.
func (b *Bucket) askRevisions(ctx context.Context, r revision, from, count int) (there int, same bool, err error) {
	found, equal := make([]bool, count), make([]bool, count)
	err = concurrently(ctx, count, func(ctx context.Context, i int) error {
		file, err := b.readSmall(ctx, revisionKey(r.release, from+i), int64(len(r.content))+1)
		found[i], equal[i] = file.etag != "", bytes.Equal(file.raw, r.content)
		return err
	})
	there = slices.Index(append(found, false), false)
	return there, slices.Contains(equal[:there], true), err
}

// revisionsBefore counts the .cabal entries before an offset of the index, for
// the releases that a tail mentions.
func revisionsBefore(ctx context.Context, ix *hackage.Access, tail *index.Delta, offset int64) (map[index.Release]int, error) {
	whole, err := ix.Full(ctx)
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
