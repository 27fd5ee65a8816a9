// Package mirror fills buckets: every tarball, every revision of every .cabal
// file, and then the index and its signed metadata, so that cabal and stack can
// use a bucket as a secure repository.
//
// The layout below the bucket's root is that of Hackage:
//
//	package/N-V.tar.gz              as upstream has it, never changed again
//	package/N-V.json                its digests, one line of JSON
//	package/N-V/N.cabal             the newest revision
//	package/N-V/revision/R.cabal    every revision, numbered from 0
//	01-index.tar.gz 01-index.tar    as upstream has them
//	00-index.tar.gz                 derived: the newest .cabal files, sorted
//	root.json mirrors.json snapshot.json timestamp.json
//	packages/deprecated.json        upstream's list, which nothing signs
//	hackage-mirror.json             the state of the bucket
//
// Beside them stand the files that tell people how the mirror is, see Tell.
//
// A run first puts what is immutable and then the pointers, timestamp.json as
// the last of what a client reads; see Publish for what a reader may meet in
// between, and claim for runs that meet. A tarball that is not available is entered
// in the ledger and never delays the rest.
package mirror

import (
	"context"
	"io/fs"
	"slices"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// What readers and caches are told of an object.
const (
	forEver = "public, no-transform, max-age=31536000, immutable"
	briefly = "public, no-transform, max-age=60"

	typeGzip  = "application/gzip"
	typeTar   = "application/x-tar"
	typeJSON  = "application/json"
	typeCabal = "text/plain; charset=utf-8"
)

// A Bucket is the destination that an S3 bucket or a folder is, in one run. Load is
// called first; then one goroutine at a time uses it, but for its BucketWriter.
type Bucket struct {
	store      bucket.Bucket
	options    Options
	smallIndex int64 // the constant, but in tests

	// What the run is to do with what the bucket holds.
	overwrite bool // it gives way to the index
	comparing bool // see Compare

	stored    storedState        // as Load read it, or a put left it
	announced state.Announcement // which the next state that is put names
	root      readFile           // its root.json as the run began, if that was read
	start     index.Position     // where the run goes on from
	state     state.State        // what the bucket is at by now

	// These are for several goroutines.
	claim   *claim
	newest  newestFiles
	results // what came of the run
}

// Options are what a bucket is opened with.
type Options struct {
	// Tool names the program with its version, and Now is the clock, of the states that
	// are put.
	Tool string
	Now  func() time.Time
	// StateEvery is how often the state is put at most, and Pause waits for that, and
	// before a pointer that was refused is put again. Nil waits for nothing.
	StateEvery time.Duration
	Pause      func(context.Context, time.Duration) error
	// Shard is the part of a first fill that the bucket is for; zero is all of it.
	Shard Shard
}

// New returns the destination over a store.
func New(store bucket.Bucket, o Options) *Bucket {
	if o.Pause == nil {
		o.Pause = func(context.Context, time.Duration) error { return nil }
	}
	return &Bucket{
		store: store, options: o, smallIndex: smallIndex, claim: newClaim(),
		newest:  newestFiles{versions: versions{etags: map[string]string{}}},
		results: results{rejected: map[index.Release]error{}, firsts: map[index.Release]int{}},
	}
}

// String names the bucket as its option does.
func (b *Bucket) String() string { return b.store.String() }

// State returns what Load read or Publish wrote.
func (b *Bucket) State() state.State { return b.state }

// Stats returns what was put so far.
func (b *Bucket) Stats() Stats {
	var stats Stats
	b.locked(func() { stats = b.stats })
	stats.Read, stats.ReadBytes = b.store.Read()
	return stats
}

// Lacks returns the releases of a part of the index before the bucket's position
// that are not in it although its state says so, of the newest lookedAt. What is
// pending must be there but for its tarball.
func (b *Bucket) Lacks(ctx context.Context, tail *index.Delta) ([]index.Release, error) {
	var said []index.Release
	var keys []string
	for _, r := range slices.Backward(tail.Order) {
		_, pending := b.state.Ledger[r]
		news, key := tail.Changes[r], r.TarballKey()
		at := news.TargetOffset
		if pending && news.Cabals > 0 {
			at, key = news.LastCabal.Offset, cabalKey(r)
		}
		if at >= 0 && at < b.state.Position.Length && b.options.Shard.has(r) && len(said) < lookedAt {
			said, keys = append(said, r), append(keys, key)
		}
	}
	missing := make([]bool, len(said))
	err := concurrently(ctx, len(said), func(ctx context.Context, i int) error {
		etag, err := b.etagOf(ctx, keys[i])
		missing[i] = etag == ""
		return err
	})
	at := -1
	return slices.DeleteFunc(said, func(index.Release) bool { at++; return !missing[at] }), err
}

// lookedAt is how many releases Lacks looks for.
const lookedAt = 1000

// Rewind puts the bucket back to an earlier position, because what it says of
// itself is not so. A person should know why.
func (b *Bucket) Rewind(to index.Position, why string) {
	b.alarm(why)
	s := b.state
	s.Position = to
	b.resume(s)
}

// Overwrite makes the index's word count for more than what the bucket holds:
// the user accepted a rewritten index. It is called after Forget.
func (b *Bucket) Overwrite() { b.overwrite = true }

// Root returns the root.json that the bucket holds. Who can write to the bucket
// can change it, so it proves nothing by itself.
func (b *Bucket) Root(ctx context.Context) ([]byte, error) {
	there, err := b.readSmall(ctx, rootFile, tuf.MaxRoot)
	if err == nil && there.etag == "" {
		err = fs.ErrNotExist
	}
	b.root = there
	return there.raw, err
}

// DeprecatedList returns the list of deprecated packages that the bucket holds; nil if it
// has none, or if it cannot be read. Nothing signs it.
func (b *Bucket) DeprecatedList(ctx context.Context) []byte {
	raw, _ := b.Read(ctx, deprecatedKey, hackage.MaxDeprecated)
	return raw
}

// Wants returns the tarballs that the bucket lacks, of its share, and of what is
// pending those whose turn it is.
func (b *Bucket) Wants(tail *index.Delta, rotation state.Rotation) []state.Want {
	return slices.DeleteFunc(b.state.Wants(tail, rotation), func(w state.Want) bool { return !b.options.Shard.has(w.Release) })
}
