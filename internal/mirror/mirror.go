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
	"sync"
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

// A Bucket is the destination that an S3 bucket or a folder is.
type Bucket struct {
	store bucket.Bucket
	tool  string
	now   func() time.Time
	every time.Duration // see Pace
	pause func(context.Context, time.Duration) error

	key        string                   // of the state
	share      func(index.Release) bool // the releases that are this run's business
	smallIndex int64                    // the constant, but in tests
	root       readFile                 // its root.json as the run began, if that was read
	nonce      string                   // of the claim
	stored     state.State              // what the store has
	etag       string                   // of that
	known      bool                     // the store has a state that can be read
	saved      time.Time                // when it was put last
	told       state.Announcement       // of which readers were told, for the next state that is put

	overwrite bool           // what the bucket holds gives way to the index
	start     index.Position // where the run began
	state     state.State    // what the bucket is at by now

	// Of the bucket's writer alone: .cabal files behind start so far, and the first
	// of each release, unless start is that of the index.
	behind map[index.Release]int
	firsts map[index.Release]*firstRevision
	// before counts the revisions that the index has before start.
	before func() (map[index.Release]int, error)

	comparing bool // see Compare

	mu       sync.Mutex // guards what follows, and the state's Pointers
	claim    *claim     // nil before it is begun
	broken   error      // the first error that is not of one release
	stats    Stats
	refused  map[index.Release]error // tarballs the bucket holds with other bytes
	refusal  error                   // the first of an object that the store does not accept
	refusals int                     // how many
	alarms   []string                // other foreign bytes, repaired
	unsigned []index.Release         // releases that came without a package.json

	newestETags map[index.Release]string // of newest .cabal files in place
	overOlder   []revision               // to be put over those, see putOverOlder
	seen        int                      // how often such a version was seen
	checked     int                      // how often when the claim was checked last
	missing     []index.Release          // found by comparing
}

// Stats counts what a run put into a bucket, and did not find there.
type Stats struct {
	Tarballs  int
	Revisions int // changed .cabal files; the first of a release is none
	Bytes     int64
	// Read and ReadBytes count what was read of the bucket.
	Read      int
	ReadBytes int64
}

// New returns the destination over a store. The tool's version and the clock
// go into the state it writes.
func New(store bucket.Bucket, tool string, now func() time.Time) *Bucket {
	return &Bucket{
		store: store, tool: tool, now: now, key: StateKey,
		share:      func(index.Release) bool { return true },
		pause:      func(context.Context, time.Duration) error { return nil },
		smallIndex: smallIndex,
		behind:     map[index.Release]int{}, firsts: map[index.Release]*firstRevision{},
		newestETags: map[index.Release]string{}, refused: map[index.Release]error{},
	}
}

// String names the bucket as its option does.
func (b *Bucket) String() string { return b.store.String() }

// State returns what Load read or Publish wrote.
func (b *Bucket) State() state.State { return b.state }

// Stats returns what was put so far.
func (b *Bucket) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	stats := b.stats
	stats.Read, stats.ReadBytes = b.store.Read()
	return stats
}

// Err returns the error that made the bucket lag in this run, if any.
func (b *Bucket) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.broken
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
		if at >= 0 && at < b.state.Position.Length && b.share(r) && len(said) < lookedAt {
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
	back := b.state
	back.Position = to
	b.resume(back)
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
func (b *Bucket) Wants(tail *index.Delta, turn state.Rotation) []state.Want {
	return slices.DeleteFunc(b.state.Wants(tail, turn), func(w state.Want) bool { return !b.share(w.Release) })
}

// locked calls do while nobody else is at what mu guards.
func (b *Bucket) locked(do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	do()
}

// count adds to the statistics.
func (b *Bucket) count(tarballs, revisions int, size int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Tarballs += tarballs
	b.stats.Revisions += revisions
	b.stats.Bytes += size
}

// fail keeps the first error that is not of one release; nil is none. Nothing more is
// put into the bucket in this run; its state stays, so the next run goes on from it.
func (b *Bucket) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken == nil {
		b.broken = err
	}
}
