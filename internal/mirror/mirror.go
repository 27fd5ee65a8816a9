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
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// StateKey is where a bucket carries its state.
const StateKey = "hackage-mirror.json"

// MaxState bounds what is read as a state, in bytes: some 100,000 ledger lines.
const MaxState = 32 << 20

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
	pause func(context.Context, time.Duration) error

	key     string      // of the state
	stored  state.State // what the store has
	root    readFile    // its root.json as the run began, if that was read
	state   state.State // what the bucket is at by now
	told    state.Told  // of which readers were told, for the next state that is put
	etag    string      // of the stored state
	known   bool        // the store has a state that can be read
	claimed claim
	begin   index.Position           // where the run took the bucket up
	share   func(index.Release) bool // the releases that are this run's business

	// slots has room for as many puts as the bucket gets at a time.
	slots chan struct{}

	overwrite bool  // what the bucket holds gives way to the index
	small     int64 // see smallIndex

	behind map[index.Release]int            // .cabal files behind begin so far
	firsts map[index.Release]*firstRevision // of them, unless begin is the start
	newest map[index.Release]index.Span     // to be put over older ones, see putOverOlder
	// earlier counts the revisions that the index has before begin.
	earlier func() (map[index.Release]int, error)

	mu       sync.Mutex
	refused  map[index.Release]error // tarballs the bucket holds with other bytes
	refusal  error                   // the first of an object that the store does not take
	refusals int                     // how many
	alarms   []string                // other foreign bytes, repaired
	unsigned []index.Release         // releases that came without a package.json
	broken   error                   // the first error that is not of one release
	stats    Stats

	comparing bool
	missing   []index.Release // found by that
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

// noPause is the pace of a store that needs none.
func noPause(context.Context, time.Duration) error { return nil }

// New returns the destination over a store. The tool's version and the clock
// go into the state it writes.
func New(store bucket.Bucket, tool string, now func() time.Time) *Bucket {
	return &Bucket{
		store: store, tool: tool, now: now, key: StateKey,
		share: func(index.Release) bool { return true },
		slots: make(chan struct{}, putsAtOnce),
		small: smallIndex, pause: noPause,
		behind: map[index.Release]int{}, firsts: map[index.Release]*firstRevision{},
		newest: map[index.Release]index.Span{}, refused: map[index.Release]error{},
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

// Load reads the bucket's state. A bucket without one is at the start of the
// index. One that cannot be read back is state.ErrForm: see Forget.
func (b *Bucket) Load(ctx context.Context) (state.State, error) {
	b.Forget("")
	there, err := b.readState(ctx, b.key)
	b.etag, b.stored = there.etag, there.file.State
	b.known = err == nil && there.etag != ""
	b.claimed.made, b.claimed.err, b.claimed.last = false, nil, time.Time{}
	if err != nil {
		return state.State{}, err
	}
	read := there.file.State
	if b.key != StateKey {
		whole, err := b.readState(ctx, StateKey)
		if err == nil && whole.file.State.Position.Length > read.Position.Length {
			read = whole.file.State // a share of what is there already is done
		}
	}
	b.resume(read)
	b.stored, b.told = read, read.Told
	return b.state, nil
}

// resume takes the bucket up at a state.
func (b *Bucket) resume(s state.State) { b.state, b.begin = s, s.Position }

// A stateFile is a state in a bucket. Without one it has no ETag.
type stateFile struct {
	file state.File
	etag string
}

// readState reads a state. One that cannot be read back comes with its ETag and
// state.ErrForm.
func (b *Bucket) readState(ctx context.Context, key string) (stateFile, error) {
	there := stateFile{file: state.File{State: state.State{Ledger: state.Ledger{}}}}
	raw, etag, damaged, err := b.read(ctx, key, MaxState)
	if errors.Is(err, errContent) {
		err = fmt.Errorf("%w; if this happens again, remove it: the next run then compares everything, and keeps what is right", err)
	}
	if err != nil {
		return there, err
	}
	if there.etag = etag; etag == "" {
		return there, nil
	}
	if damaged {
		return there, fmt.Errorf("read state %q: its bytes are not the ones that were put: %w", key, state.ErrForm)
	}
	file, err := state.ParseFile(raw)
	if err != nil {
		return there, fmt.Errorf("read state %q: %w", key, err)
	}
	there.file = file
	return there, nil
}

// Lacks returns the releases of a stretch of the index before the bucket's position
// that are not in it although its state says so, of the newest lookedAt. What it
// owes must be there but for its tarball.
func (b *Bucket) Lacks(ctx context.Context, tail *index.Delta) ([]index.Release, error) {
	var said []index.Release
	var keys []string
	for _, r := range slices.Backward(tail.Order) {
		_, owed := b.state.Ledger[r]
		news, key := tail.Changes[r], r.TarballKey()
		at := news.TargetOffset
		if owed && news.Cabals > 0 {
			at, key = news.LastCabal.Offset, cabalKey(r)
		}
		if at >= 0 && at < b.state.Position.Length && b.share(r) && len(said) < lookedAt {
			said, keys = append(said, r), append(keys, key)
		}
	}
	missing := make([]bool, len(said))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(putsAtOnce)
	for i, key := range keys {
		group.Go(func() error {
			etag, err := b.etagOf(ctx, key)
			missing[i] = etag == ""
			return err
		})
	}
	err := group.Wait()
	var lacks []index.Release
	for i, r := range said {
		if missing[i] {
			lacks = append(lacks, r)
		}
	}
	return lacks, err
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

// Alarms returns what the bucket held of somebody else's and holds no more.
func (b *Bucket) Alarms() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.alarms)
}

// Root returns the root.json that the bucket holds. Who can write to the bucket
// can change it, so it proves nothing by itself.
func (b *Bucket) Root(ctx context.Context) ([]byte, error) {
	raw, etag, err := b.readSmall(ctx, "root.json", tuf.MaxRoot)
	if err == nil && etag == "" {
		err = fs.ErrNotExist
	}
	b.root = readFile{raw, etag}
	return raw, err
}

// DeprecatedList returns the list of deprecated packages that the bucket holds; nil if it
// has none, or if it cannot be read. Nothing signs it.
func (b *Bucket) DeprecatedList(ctx context.Context) []byte {
	raw, _, err := b.readSmall(ctx, deprecatedKey, hackage.MaxDeprecated)
	if err != nil {
		return nil
	}
	return raw
}

// A readFile is an object that was read; without an ETag there is none.
type readFile struct {
	raw  []byte
	etag string
}

// Forget puts the bucket back to the start of the index, keeping what it holds.
// The run then puts everything again; what is there already is left as it is.
func (b *Bucket) Forget(string) { b.resume(state.State{Ledger: state.Ledger{}}) }

// Wants returns the tarballs that the bucket lacks, of its share, and of what it
// owes those whose turn it is.
func (b *Bucket) Wants(tail *index.Delta, turn state.Turn) []state.Want {
	return slices.DeleteFunc(b.state.WantsInTurn(tail, turn), func(w state.Want) bool { return !b.share(w.Release) })
}

// count adds to the statistics.
func (b *Bucket) count(tarballs, revisions int, size int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Tarballs += tarballs
	b.stats.Revisions += revisions
	b.stats.Bytes += size
}

// fail notes the first error that is not of one release. The bucket takes
// nothing more in this run; its state stays, so the next run goes on from it.
func (b *Bucket) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken == nil {
		b.broken = err
	}
}
