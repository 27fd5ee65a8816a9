package mirror

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A Publication is what a bucket's readers are to see next.
type Publication struct {
	Metadata *hackage.Metadata
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
	// changes.
	raw, before []byte
}

// A publishing is a publication under way.
type publishing struct {
	*Bucket
	Publication
	index     *hackage.Access     // nil if the bucket holds it
	final     state.State         // what the bucket is at after it
	inPlace   map[string]readFile // of the files that seldom change; nil if it was not read
	stages    [][]pointer         // in their order; those of a stage go together
	kept      []pointer           // which are right as they are
	started   bool                // one is in place
	contested atomic.Bool         // another run's put came between
}

// Publish makes newer metadata known over the index that the bucket holds.
func (b *Bucket) Publish(ctx context.Context, m *hackage.Metadata) error {
	pub := &publishing{Bucket: b, Publication: Publication{Metadata: m}}
	return pub.publish(ctx)
}

// publish makes known what the bucket holds by now.
//
// While the files of a set move, a new client may meet some of the old ones and
// some of the new ones, and refuse them. So everything is made ready first; then
// come 01-index.tar and 01-index.tar.gz with what changed of root.json and
// mirrors.json, then snapshot.json and then timestamp.json, with nothing between, and
// they are put to the end also when the run is told to stop. What remains is the time
// that these puts take: those of two small files, and before them those of the index
// where it changed. A run that is killed in it leaves the set to the next, which
// publishes all of it because the claim says that nothing is known of it.
//
// What no client of the set needs is put beside it, and before the state.
func (pub *publishing) publish(ctx context.Context) error {
	pub.final = pub.state
	pub.final.Seen = pub.Metadata.Seen()
	if pub.final.Equal(pub.stored) && pub.final.Seen == pub.stored.Seen && !pub.start.IsZero() {
		return nil
	}
	if pub.inPlace == nil {
		if err := pub.readInPlace(ctx, func() {}); err != nil {
			return err
		}
	}
	if err := pub.prepare(ctx); err != nil {
		return err
	}
	ctx, stop := finishing(ctx)
	defer stop()
	var beside errgroup.Group
	beside.Go(func() error { return pub.putBeside(ctx) })
	err := pub.putSet(ctx)
	if err = cmp.Or(err, beside.Wait()); err == nil {
		pub.final.Pointers = pub.state.Pointers
		err = pub.saveState(ctx, pub.final)
	}
	if errors.Is(err, bucket.ErrConflict) && pub.started {
		err = errors.Join(err, pub.restoreOlder(ctx), pub.forgetIndex(ctx))
	}
	return err
}

// The files of a set that seldom change.
const (
	rootFile    = "root.json"
	mirrorsFile = "mirrors.json"
)

// readInPlace reads what is in place of the files that seldom change, and then sees,
// when other looks at the bucket are over too, that nobody else has claimed it. The
// root may have been read as the run began.
func (pub *publishing) readInPlace(ctx context.Context, wait func()) error {
	files := []readFile{pub.root, {}}
	err := concurrently(ctx, 4, func(ctx context.Context, i int) (err error) {
		switch {
		case i == 2:
			err = pub.Acquire(ctx)
		case i == 3:
			wait()
		case files[i].etag == "":
			files[i], err = pub.readSmall(ctx, []string{rootFile, mirrorsFile}[i], tuf.MaxRoot)
		}
		return err
	})
	if err == nil {
		err = pub.checkClaim(ctx)
	}
	pub.inPlace = map[string]readFile{rootFile: files[0], mirrorsFile: files[1]}
	return err
}

// putSet puts the pointers. If another run's put came between, it may have been of
// a file that was right before and is left out here.
func (pub *publishing) putSet(ctx context.Context) error {
	for _, stage := range pub.stages {
		if err := pub.putStage(ctx, stage); err != nil {
			return err
		}
	}
	if !pub.contested.Load() {
		return nil
	}
	for _, p := range pub.kept {
		there, err := pub.readSmall(ctx, p.key, tuf.MaxRoot)
		if err != nil {
			return err
		}
		pub.setPointer(p.key, there.etag)
		if bytes.Equal(there.raw, p.raw) {
			continue
		}
		if err := pub.putStage(ctx, []pointer{p}); err != nil {
			return err
		}
	}
	return nil
}

// How often a pointer is put at most once another one is in place, and how long the
// first pause between is; each further one is twice as long.
const (
	pointerTries = 4
	pointerPause = time.Second
)

// putStage puts some pointers beside each other. Once one is in place, readers may
// refuse the set until the others are there too, so what the store refuses then is put
// again, whatever its reason is: a policy or a token that is being changed, a lock.
func (pub *publishing) putStage(ctx context.Context, stage []pointer) error {
	for try := 1; ; try++ {
		left, err := pub.tryStage(ctx, stage)
		if err == nil || !pub.started || try == pointerTries || errors.Is(err, bucket.ErrConflict) {
			return err
		}
		if stopped := pub.pause(ctx, pointerPause<<(try-1)); stopped != nil {
			return errors.Join(err, stopped)
		}
		stage = left
	}
}

// tryStage puts each pointer once, and returns those that could not be put.
func (pub *publishing) tryStage(ctx context.Context, stage []pointer) (left []pointer, err error) {
	errs := make([]error, len(stage))
	var group errgroup.Group
	for i, p := range stage {
		group.Go(func() error {
			etag, err := p.put(ctx, pub.pointerETag(p.key))
			if errs[i] = err; err == nil {
				pub.setPointer(p.key, etag)
			}
			return err
		})
	}
	err = group.Wait()
	for i, p := range stage {
		if errs[i] != nil {
			left = append(left, p)
		}
		if errors.Is(errs[i], bucket.ErrConflict) {
			err = errs[i]
		}
	}
	pub.started = pub.started || len(left) < len(stage)
	return left, err
}

// putBeside puts what no set of files needs: the newest .cabal files over older ones,
// the index for old clients, and upstream's list of deprecated packages.
func (pub *publishing) putBeside(ctx context.Context) error {
	return concurrently(ctx, 3, func(ctx context.Context, i int) error {
		switch {
		case i == 0:
			return pub.putOverOlder(ctx, pub.index)
		case i == 1 && pub.Legacy != "":
			return pub.putLegacy(ctx, pub.Legacy)
		case i == 2 && pub.Deprecated != nil:
			return pub.putKnown(ctx, deprecatedKey, object(pub.Deprecated, typeJSON, briefly))
		}
		return nil
	})
}

// putKnown puts a pointer that belongs to no set over the version that is known.
func (b *Bucket) putKnown(ctx context.Context, key string, o bucket.Object) error {
	etag, err := b.putPointer(ctx, key, o, b.pointerETag(key), nil)
	if err == nil {
		b.setPointer(key, etag)
	}
	return err
}

// restoreOlder puts back what an overtaken run put of the files that seldom change, if
// the set in place by now needs what was there before: the run that overtook this
// one had no reason to put it.
func (pub *publishing) restoreOlder(ctx context.Context) error {
	there, err := pub.readSmall(ctx, "snapshot.json", maxSnapshot)
	if err != nil {
		return err
	}
	snapshot, err := pub.Metadata.Root.VerifySnapshot(there.raw, itself(there.raw), 0, time.Time{})
	if err != nil {
		return nil // nobody's set
	}
	named := map[string]tuf.FileInfo{rootFile: snapshot.Root(), mirrorsFile: snapshot.Mirrors()}
	for _, p := range slices.Concat(pub.stages...) {
		info, seldom := named[p.key]
		if !seldom || info.Check(p.before) != nil {
			continue
		}
		_, err = pub.store.Put(ctx, p.key, object(p.before, typeJSON, briefly), bucket.IfMatch(pub.pointerETag(p.key)))
		if err != nil && !errors.Is(err, bucket.ErrConflict) {
			return fmt.Errorf("restore what this run replaced: %w", err)
		}
	}
	return nil
}

// forgetIndex says in the state of the run that overtook this one that the set in place
// is not known, if that run is through. A put of this one may have come behind it,
// and the next run publishes all anew.
func (pub *publishing) forgetIndex(ctx context.Context) error {
	there, err := pub.readState(ctx, pub.key)
	if err != nil || there.file.State.Seen.Index == "" {
		return err
	}
	there.file.State.Seen.Index = ""
	_, err = pub.put(ctx, pub.key, object(there.file.JSON(), typeJSON, briefly), bucket.IfMatch(there.etag))
	if errors.Is(err, bucket.ErrConflict) {
		return nil // a third one is at it
	}
	return err
}

// itself is what metadata say of a file with these bytes.
func itself(raw []byte) tuf.FileInfo {
	return tuf.FileInfo{Length: int64(len(raw)), SHA256: sha256.Sum256(raw)}
}

// setPointer keeps the version of a pointer that is in place.
func (b *Bucket) setPointer(key, etag string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := maps.Clone(b.state.Pointers) // the state that is in the store shares it
	if known == nil {
		known = map[string]string{}
	}
	known[key] = etag
	b.state.Pointers = known
}

// pointerETag returns that version.
func (b *Bucket) pointerETag(key string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state.Pointers[key]
}

// mayReplace is asked where another version of a pointer is in place than this run
// knew. Before the first of its own it may still give way to a newer set.
func (pub *publishing) mayReplace(ctx context.Context) error {
	pub.contested.Store(true)
	if pub.started {
		return nil
	}
	return pub.notNewer(ctx, pub.Metadata)
}

// prepare makes everything ready.
func (pub *publishing) prepare(ctx context.Context) error {
	if pub.index != nil {
		if err := pub.prepareIndex(ctx); err != nil {
			return err
		}
	}
	m := pub.Metadata
	var seldom []pointer
	for _, p := range []pointer{pub.small(rootFile, m.Root.Raw()), pub.small(mirrorsFile, m.Mirrors.Raw())} {
		there := pub.inPlace[p.key]
		pub.setPointer(p.key, there.etag)
		if p.before = there.raw; !bytes.Equal(p.raw, p.before) {
			seldom = append(seldom, p)
		} else {
			pub.kept = append(pub.kept, p)
		}
	}
	last := len(pub.stages) - 1 // of the index, if there is one
	if last < 0 {
		pub.stages, last = [][]pointer{nil}, 0
	}
	pub.stages[last] = append(pub.stages[last], seldom...)
	pub.stages = append(pub.stages,
		[]pointer{pub.small("snapshot.json", m.Snapshot.Raw())}, []pointer{pub.small("timestamp.json", m.Timestamp.Raw())})
	return nil
}

// small is the pointer that a small file of the set is.
func (pub *publishing) small(key string, raw []byte) pointer {
	return pointer{key: key, raw: raw, put: func(ctx context.Context, etag string) (string, error) {
		return pub.putPointer(ctx, key, object(raw, typeJSON, briefly), etag, pub.mayReplace)
	}}
}

// notNewer refuses to put a set in the place of a newer one of upstream's, which a
// run with fresher caches before it has published or is about to. What is in
// place counts only if its signatures do.
func (b *Bucket) notNewer(ctx context.Context, m *hackage.Metadata) error {
	refuse := func(key string, there, ours int64) error {
		return fmt.Errorf("publish in %q: it already has %s of version %d, signed by upstream, and this run got version %d: "+
			"a cache in front of upstream is behind; the next run picks up from there", b, key, there, ours)
	}
	there, err := b.readSmall(ctx, "timestamp.json", tuf.MaxTimestamp)
	if err != nil {
		return err
	}
	timestamp, err := m.Root.VerifyTimestamp(there.raw, 0, time.Time{})
	if ours := m.Timestamp.Version(); err == nil && timestamp.Version() > ours {
		return refuse("timestamp.json", timestamp.Version(), ours)
	}
	if there, err = b.readSmall(ctx, "snapshot.json", maxSnapshot); err != nil {
		return err
	}
	snapshot, err := m.Root.VerifySnapshot(there.raw, itself(there.raw), 0, time.Time{})
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
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return last, func() { stop(); cancel() }
}

// HasIndex reports whether the bucket holds exactly the index that a snapshot
// names, so that only the metadata above it is new. Its state says so: what it
// names as seen was published whole.
func (b *Bucket) HasIndex(snapshot *tuf.Snapshot) bool {
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
