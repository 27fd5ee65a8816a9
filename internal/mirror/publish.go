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
	// raw is its content and before what was in place, of a file that seldom
	// changes. It is not put if they are the same.
	raw, before []byte
}

func (p pointer) stays() bool { return p.raw != nil && bytes.Equal(p.raw, p.before) }

// A publishing is a publication under way.
type publishing struct {
	*Bucket
	Publication
	final     state.State // what the bucket is at after it
	pointers  []pointer   // in their order
	begun     bool        // one is in place
	contested bool        // another run's put came between
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
	pub := &publishing{Bucket: b, Publication: p, final: b.state}
	pub.final.Seen = p.Metadata.Seen()
	if pub.final.Equal(b.stored) && pub.final.Seen == b.stored.Seen && !b.begin.IsZero() {
		return nil
	}
	if err := b.claim(ctx); err != nil {
		return err
	}
	if err := pub.prepare(ctx); err != nil {
		return err
	}
	ctx, stop := finishing(ctx)
	defer stop()
	err := pub.putAll(ctx)
	if err == nil {
		pub.final.Pointers, pub.final.Nonce = b.state.Pointers, b.state.Nonce
		b.state = pub.final
		err = b.putState(ctx, b.state)
	}
	if errors.Is(err, bucket.ErrConflict) && pub.begun {
		err = errors.Join(err, pub.takeBack(ctx), pub.doubt(ctx))
	}
	return err
}

// inPlace returns what is in place of a file that seldom changes. The root may have
// been read as the run began.
func (pub *publishing) inPlace(ctx context.Context, key string) ([]byte, error) {
	there := pub.root
	if key != "root.json" || there.etag == "" {
		var err error
		if there.raw, there.etag, err = pub.readSmall(ctx, key, tuf.MaxRoot); err != nil {
			return nil, err
		}
	}
	pub.know(key, there.etag)
	return there.raw, nil
}

// putAll puts the pointers. If another run's put came between, it may have been of
// a file that was right before and is left out here.
func (pub *publishing) putAll(ctx context.Context) error {
	for _, p := range pub.pointers {
		if p.stays() {
			continue
		}
		etag, err := pub.insist(ctx, p, pub.state.Pointers[p.key])
		if err != nil {
			return err
		}
		pub.know(p.key, etag)
		pub.begun = true
	}
	for _, p := range pub.pointers {
		if !pub.contested || !p.stays() {
			continue
		}
		there, etag, err := pub.readSmall(ctx, p.key, tuf.MaxRoot)
		if err == nil && !bytes.Equal(there, p.raw) {
			etag, err = pub.insist(ctx, p, etag)
		}
		if err != nil {
			return err
		}
		pub.know(p.key, etag)
	}
	return nil
}

// How often a pointer is put at most once another one is in place, and how long the
// first pause between is; each further one is twice as long.
const (
	insistTries = 4
	insistPause = time.Second
)

// insist puts a pointer. Once another one is in place, readers may refuse the set
// until this one is there too, so what the store refuses then is put again, whatever
// its reason is: a policy or a token that is being changed, a lock.
func (pub *publishing) insist(ctx context.Context, p pointer, etag string) (string, error) {
	for try := 0; ; try++ {
		put, err := p.put(ctx, etag)
		if err == nil || !pub.begun || try == insistTries-1 || errors.Is(err, bucket.ErrConflict) {
			return put, err
		}
		if stopped := pub.pause(ctx, insistPause<<try); stopped != nil {
			return "", errors.Join(err, stopped)
		}
	}
}

// takeBack puts back what an overtaken run put of the files that seldom change, if
// the set in place by now needs what was there before: the run that overtook this
// one had no reason to put it.
func (pub *publishing) takeBack(ctx context.Context) error {
	raw, _, err := pub.readSmall(ctx, "snapshot.json", maxSnapshot)
	if err != nil {
		return err
	}
	snapshot, err := pub.Metadata.Root.VerifySnapshot(raw, itself(raw), 0, time.Time{})
	if err != nil {
		return nil // nobody's set
	}
	needs := map[string]tuf.FileInfo{"root.json": snapshot.Root(), "mirrors.json": snapshot.Mirrors()}
	for _, p := range pub.pointers {
		if info := needs[p.key]; p.raw == nil || p.stays() || info.Check(p.before) != nil {
			continue
		}
		_, err = pub.store.Put(ctx, p.key, object(p.before, typeJSON, briefly), bucket.IfMatch(pub.state.Pointers[p.key]))
		if err != nil && !errors.Is(err, bucket.ErrConflict) {
			return fmt.Errorf("restore %q in %q: %w", p.key, pub, err)
		}
	}
	return nil
}

// doubt says in the state of the run that overtook this one that the set in place
// is not known, if that run is through. A put of this one may have come behind it,
// and the next run publishes all anew.
func (pub *publishing) doubt(ctx context.Context) error {
	there, err := pub.readState(ctx, pub.key)
	if err != nil || there.file.State.Seen.Index == "" {
		return err
	}
	there.file.State.Seen.Index = ""
	err = pub.put(ctx, pub.key, object(there.file.JSON(), typeJSON, briefly), bucket.IfMatch(there.etag))
	if errors.Is(err, bucket.ErrConflict) {
		return nil // a third one is at it
	}
	return err
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

// found is asked where another version of a pointer is in place than this run knew.
// Before the first of its own it may still give way to a newer set.
func (pub *publishing) found(ctx context.Context) error {
	pub.contested = true
	if pub.begun {
		return nil
	}
	return pub.notNewer(ctx, pub.Metadata)
}

// prepare makes everything ready. What clients of a set do not need is put here;
// the last thing is to see that nobody else has claimed the bucket.
func (pub *publishing) prepare(ctx context.Context) error {
	if pub.Deprecated != nil {
		if err := pub.putDeprecated(ctx, pub.Deprecated); err != nil {
			return err
		}
	}
	if pub.Index != nil {
		if err := pub.prepareIndex(ctx); err != nil {
			return err
		}
	}
	for _, file := range []struct {
		key    string
		raw    []byte
		seldom bool // it changes
	}{
		{"root.json", pub.Metadata.Root.Raw(), true},
		{"mirrors.json", pub.Metadata.Mirrors.Raw(), true},
		{"snapshot.json", pub.Metadata.Snapshot.Raw(), false},
		{"timestamp.json", pub.Metadata.Timestamp.Raw(), false},
	} {
		p := pointer{key: file.key, put: func(ctx context.Context, etag string) (string, error) {
			return pub.point(ctx, file.key, object(file.raw, typeJSON, briefly), etag, pub.found)
		}}
		if file.seldom {
			there, err := pub.inPlace(ctx, file.key)
			if err != nil {
				return err
			}
			p.raw, p.before = file.raw, there
		}
		pub.pointers = append(pub.pointers, p)
	}
	return pub.ours(ctx)
}

// notNewer refuses to put a set in the place of a newer one of upstream's, which a
// run with fresher caches before it has published or is about to. What is in
// place counts only if its signatures do.
func (b *Bucket) notNewer(ctx context.Context, m *hackage.Metadata) error {
	refuse := func(key string, there, ours int64) error {
		return fmt.Errorf("publish in %q: it already has %s of version %d, signed by upstream, and this run got version %d: "+
			"a cache in front of upstream is behind; the next run picks up from there", b, key, there, ours)
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
