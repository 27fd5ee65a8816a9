package mirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A Publication is what a bucket's readers are to see next.
type Publication struct {
	Metadata *hackage.Metadata
	// Index is nil when the bucket is known to hold it: see HoldsIndex. It need
	// not be whole: see Have.
	Index *hackage.Index
	// Legacy is the path of a 00-index.tar.gz made from the same index; empty
	// when the index did not change, or it is not due: see LegacyDue.
	Legacy string
	// Deprecated is upstream's list of deprecated packages, which nothing signs;
	// nil leaves the one in place.
	Deprecated []byte
}

// A pointer is a file that readers begin with. Several of them make one set, but
// a store replaces one at a time.
type pointer struct {
	key string
	// put puts it in place of the version with an ETag and returns the new one.
	put func(ctx context.Context, etag string) (string, error)
	// before is what put replaces, of a file that seldom changes.
	before []byte
}

// Publish makes known what the bucket holds by now.
//
// While the files of a set move, a new client may meet some of the old ones and
// some of the new ones, and refuse them. So everything is made ready first; then
// come 01-index.tar, 01-index.tar.gz, what changed of root.json and mirrors.json,
// snapshot.json and timestamp.json, with nothing between, and they are put to the
// end also when the run is told to stop. What remains is the time that these puts
// take: those of two small files, and before them those of the index where it
// changed. A run that is killed in it leaves the set to the next, which publishes
// all of it because the claim says that nothing is known of it.
func (b *Bucket) Publish(ctx context.Context, p Publication) error {
	final := b.state
	final.Seen = p.Metadata.Seen()
	if final.Equal(b.stored) && final.Seen == b.stored.Seen && !b.begin.IsZero() {
		return nil
	}
	if err := b.claim(ctx); err != nil {
		return err
	}
	final.Nonce = b.state.Nonce
	pointers, err := b.prepare(ctx, p, &final)
	if err != nil {
		return err
	}
	ctx, stop := finishing(ctx)
	defer stop()
	for i, next := range pointers {
		etag, err := next.put(ctx, b.state.Pointers[next.key])
		if errors.Is(err, bucket.ErrConflict) {
			return errors.Join(err, b.takeBack(ctx, p.Metadata, pointers[:i]))
		}
		if err != nil {
			return err
		}
		b.know(next.key, etag)
	}
	final.Pointers = b.state.Pointers
	b.state = final
	return b.putState(ctx, b.state)
}

// takeBack puts back what an overtaken run put of the files that seldom change, if
// the set of the run that overtook it needs what was there before: that one had no
// reason to put it.
func (b *Bucket) takeBack(ctx context.Context, m *hackage.Metadata, put []pointer) error {
	raw, _, err := b.readSmall(ctx, "snapshot.json", maxSnapshot)
	if err != nil {
		return err
	}
	snapshot, err := m.Root.VerifySnapshot(raw, itself(raw), 0, time.Time{})
	if err != nil {
		return nil // nobody's set
	}
	needs := map[string]tuf.FileInfo{"root.json": snapshot.Root(), "mirrors.json": snapshot.Mirrors()}
	for _, p := range put {
		if info := needs[p.key]; p.before == nil || info.Check(p.before) != nil {
			continue
		}
		_, err = b.store.Put(ctx, p.key, object(p.before, typeJSON, briefly), bucket.IfMatch(b.state.Pointers[p.key]))
		if err != nil && !errors.Is(err, bucket.ErrConflict) {
			return fmt.Errorf("put back %q in %q: %w", p.key, b, err)
		}
	}
	return nil
}

// itself is what metadata say of a file with these bytes.
func itself(raw []byte) tuf.FileInfo {
	return tuf.FileInfo{Length: int64(len(raw)), SHA256: sha256.Sum256(raw)}
}

// know notes the version of a pointer that is in place.
func (b *Bucket) know(key, etag string) {
	known := maps.Clone(b.state.Pointers)
	if known == nil {
		known = map[string]string{}
	}
	known[key] = etag
	b.state.Pointers = known
}

// prepare makes everything ready and returns the pointers in their order. What
// clients of a set do not need is put here; the last thing is to see that nobody
// else has claimed the bucket.
func (b *Bucket) prepare(ctx context.Context, p Publication, final *state.State) ([]pointer, error) {
	var pointers []pointer
	if p.Deprecated != nil {
		if err := b.putDeprecated(ctx, p.Deprecated); err != nil {
			return nil, err
		}
	}
	begun := false
	found := func() error {
		if begun {
			return nil
		}
		return b.notNewer(ctx, p.Metadata)
	}
	if p.Index != nil {
		indexes, err := b.prepareIndex(ctx, p, final, found)
		if err != nil {
			return nil, err
		}
		pointers = append(pointers, indexes...)
	}
	for _, file := range []struct {
		key   string
		raw   []byte
		stays bool // mostly
	}{
		{"root.json", p.Metadata.Root.Raw(), true},
		{"mirrors.json", p.Metadata.Mirrors.Raw(), true},
		{"snapshot.json", p.Metadata.Snapshot.Raw(), false},
		{"timestamp.json", p.Metadata.Timestamp.Raw(), false},
	} {
		var before []byte
		if file.stays {
			there, etag, err := b.readSmall(ctx, file.key, tuf.MaxRoot)
			if err != nil {
				return nil, err
			}
			b.know(file.key, etag)
			if bytes.Equal(there, file.raw) {
				continue
			}
			before = there
		}
		put := func(ctx context.Context, etag string) (string, error) {
			return b.point(ctx, file.key, object(file.raw, typeJSON, briefly), etag, found)
		}
		pointers = append(pointers, pointer{file.key, put, before})
	}
	first := pointers[0].put
	pointers[0].put = func(ctx context.Context, etag string) (string, error) {
		etag, err := first(ctx, etag)
		begun = true
		return etag, err
	}
	return pointers, b.ours(ctx)
}

// notNewer refuses to put a set in the place of a newer one of upstream's, which a
// run with fresher caches before it has published or is about to. What is in
// place counts only if its signatures do.
func (b *Bucket) notNewer(ctx context.Context, m *hackage.Metadata) error {
	refuse := func(key string, there, ours int64) error {
		return fmt.Errorf("publish in %q: it holds %s of version %d, signed by upstream, and upstream gave this run version %d: "+
			"a cache before it is behind; the next run goes on", b, key, there, ours)
	}
	raw, _, err := b.readSmall(ctx, "timestamp.json", tuf.MaxTimestamp)
	if err != nil {
		return err
	}
	there, err := m.Root.VerifyTimestamp(raw, 0, time.Time{})
	if ours := m.Timestamp.Version(); err == nil && there.Version() > ours {
		return refuse("timestamp.json", there.Version(), ours)
	}
	if raw, _, err = b.readSmall(ctx, "snapshot.json", maxSnapshot); err != nil {
		return err
	}
	snapshot, err := m.Root.VerifySnapshot(raw, itself(raw), 0, time.Time{})
	if ours := m.Snapshot.Version(); err == nil && snapshot.Version() > ours {
		return refuse("snapshot.json", snapshot.Version(), ours)
	}
	return nil
}

// maxSnapshot bounds what is read of a snapshot.json in place.
const maxSnapshot = 1 << 20

// grace is how long a publication that is under way may still take once the run
// is told to stop.
const grace = time.Minute

// finishing returns a context that outlives ctx by the grace.
func finishing(ctx context.Context) (context.Context, func()) {
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
		case <-last.Done():
		}
		cancel()
	})
	return last, func() { stop(); cancel() }
}

// putDeprecated puts upstream's list of deprecated packages.
func (b *Bucket) putDeprecated(ctx context.Context, raw []byte) error {
	etag, err := b.point(ctx, deprecatedKey, object(raw, typeJSON, briefly), b.state.Pointers[deprecatedKey], nil)
	if err == nil {
		b.know(deprecatedKey, etag)
	}
	return err
}

// HoldsIndex reports whether the bucket holds exactly the index that a snapshot
// names, so that only the metadata above it is new. Its state says so: what it
// names as seen was published whole.
func (b *Bucket) HoldsIndex(snapshot *tuf.Snapshot) bool {
	want := snapshot.IndexTarGz().SHA256
	return b.stored.Seen.Index == hex.EncodeToString(want[:])
}

// The keys of the index.
const (
	indexGz  = "01-index.tar.gz"
	indexTar = "01-index.tar"
	legacyGz = "00-index.tar.gz"
)

// deprecatedKey is Hackage's own path of the list of deprecated packages.
const deprecatedKey = "packages/deprecated.json"
