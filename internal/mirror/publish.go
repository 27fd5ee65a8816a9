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

// A publishing is a publication under way: what its puts share.
type publishing struct {
	*Bucket
	Publication
	index     *hackage.Access // nil if the bucket holds it
	pointers  versions        // that are in place
	started   bool            // one of the set is in place
	contested atomic.Bool     // another run's put came between
}

// A pointerSet is a set of pointers that is ready.
type pointerSet struct {
	stages [][]pointer // in their order; those of a stage go together
	kept   []pointer   // which are right as they are
	// held is what the index files of the set can be continued from, once they are in
	// place; nil if they are as they were.
	held *state.Held
}

// Publish makes newer metadata known over the index that the bucket holds.
func (b *Bucket) Publish(ctx context.Context, m *hackage.Metadata) error {
	return b.publish(ctx, Publication{Metadata: m}, nil, nil)
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
func (b *Bucket) publish(ctx context.Context, p Publication, ix *hackage.Access, inPlace *rareFiles) error {
	final := b.state
	final.Seen = p.Metadata.Seen()
	if final.Equal(b.stored.State) && final.Seen == b.stored.State.Seen && !b.start.IsZero() {
		return nil
	}
	if inPlace == nil {
		var err error
		if inPlace, err = b.readRareFiles(ctx, func() {}); err != nil {
			return err
		}
	}
	pub := &publishing{Bucket: b, Publication: p, index: ix, pointers: versions{etags: map[string]string{}}}
	maps.Copy(pub.pointers.etags, b.state.Pointers)
	set, err := pub.prepare(ctx, inPlace)
	if err != nil {
		return err
	}
	ctx, stop := finishing(ctx)
	defer stop()
	var others errgroup.Group
	others.Go(func() error { return pub.putOthers(ctx) })
	err = pub.putSet(ctx, set)
	if err = cmp.Or(err, others.Wait()); err == nil {
		err = b.saveState(ctx, pub.final(final, set))
	}
	if errors.Is(err, bucket.ErrConflict) && pub.started {
		err = errors.Join(err, pub.restoreOlder(ctx, set), pub.forgetIndex(ctx))
	}
	return err
}

// final is the state of a bucket in which all is in place.
func (pub *publishing) final(s state.State, set *pointerSet) state.State {
	s.Pointers = pub.pointers.etags
	if set.held != nil {
		s.Held = *set.held
	}
	if pub.Legacy != "" {
		s.Legacy = s.Position.Time
	}
	return s
}

// The files of a set that seldom change.
const (
	rootFile    = "root.json"
	mirrorsFile = "mirrors.json"
)

// rareFiles are what is in place of those.
type rareFiles struct{ root, mirrors readFile }

// readRareFiles reads what is in place of the files that seldom change, and then sees,
// when other looks at the bucket are over too, that nobody else has claimed it. The
// root may have been read as the run began.
func (b *Bucket) readRareFiles(ctx context.Context, wait func()) (*rareFiles, error) {
	files := &rareFiles{root: b.root}
	err := concurrently(ctx, 4, func(ctx context.Context, i int) (err error) {
		switch {
		case i == 0 && b.root.etag == "":
			files.root, err = b.readSmall(ctx, rootFile, tuf.MaxRoot)
		case i == 1:
			files.mirrors, err = b.readSmall(ctx, mirrorsFile, tuf.MaxRoot)
		case i == 2:
			err = b.Acquire(ctx)
		case i == 3:
			wait()
		}
		return err
	})
	if err == nil {
		err = b.checkClaim(ctx)
	}
	return files, err
}

// putSet puts the pointers. If another run's put came between, it may have been of
// a file that was right before and is left out here.
func (pub *publishing) putSet(ctx context.Context, set *pointerSet) error {
	for _, stage := range set.stages {
		if err := pub.putStage(ctx, stage); err != nil {
			return err
		}
	}
	if !pub.contested.Load() {
		return nil
	}
	for _, p := range set.kept {
		there, err := pub.readSmall(ctx, p.key, tuf.MaxRoot)
		if err != nil {
			return err
		}
		pub.pointers.set(p.key, there.etag)
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
		failed, err := pub.tryStage(ctx, stage)
		if err == nil || !pub.started || try == pointerTries || errors.Is(err, bucket.ErrConflict) {
			return err
		}
		if stopped := pub.options.Pause(ctx, pointerPause<<(try-1)); stopped != nil {
			return errors.Join(err, stopped)
		}
		stage = failed
	}
}

// tryStage puts each pointer once, and returns those that could not be put.
func (pub *publishing) tryStage(ctx context.Context, stage []pointer) (failed []pointer, err error) {
	errs := make([]error, len(stage))
	var group errgroup.Group
	for i, p := range stage {
		group.Go(func() error {
			etag, err := p.put(ctx, pub.pointers.etag(p.key))
			if errs[i] = err; err == nil {
				pub.pointers.set(p.key, etag)
			}
			return err
		})
	}
	err = group.Wait()
	for i, p := range stage {
		if errs[i] != nil {
			failed = append(failed, p)
		}
		if errors.Is(errs[i], bucket.ErrConflict) {
			err = errs[i]
		}
	}
	pub.started = pub.started || len(failed) < len(stage)
	return failed, err
}

// putOthers puts what no set of files needs: the newest .cabal files over older ones,
// the index for old clients, and upstream's list of deprecated packages.
func (pub *publishing) putOthers(ctx context.Context) error {
	return concurrently(ctx, 3, func(ctx context.Context, i int) error {
		switch {
		case i == 0:
			return pub.replaceNewest(ctx, pub.index)
		case i == 1 && pub.Legacy != "":
			return pub.putLegacy(ctx, pub.Legacy)
		case i == 2 && pub.Deprecated != nil:
			return pub.putOther(ctx, deprecatedKey, object(pub.Deprecated, typeJSON, briefly))
		}
		return nil
	})
}

// putOther puts a pointer that belongs to no set over the version that is known.
func (pub *publishing) putOther(ctx context.Context, key string, o bucket.Object) error {
	etag, err := pub.putPointer(ctx, key, o, pub.pointers.etag(key), nil)
	if err == nil {
		pub.pointers.set(key, etag)
	}
	return err
}

// restoreOlder puts back what an overtaken run put of the files that seldom change, if
// the set in place by now needs what was there before: the run that overtook this
// one had no reason to put it.
func (pub *publishing) restoreOlder(ctx context.Context, set *pointerSet) error {
	there, err := pub.readSmall(ctx, "snapshot.json", maxSnapshot)
	if err != nil {
		return err
	}
	snapshot, err := pub.Metadata.Root.VerifySnapshot(there.raw, itself(there.raw), 0, time.Time{})
	if err != nil {
		return nil // nobody's set
	}
	named := map[string]tuf.FileInfo{rootFile: snapshot.Root(), mirrorsFile: snapshot.Mirrors()}
	for _, p := range slices.Concat(set.stages...) {
		info, seldom := named[p.key]
		if !seldom || info.Check(p.before) != nil {
			continue
		}
		_, err = pub.store.Put(ctx, p.key, object(p.before, typeJSON, briefly), bucket.IfMatch(pub.pointers.etag(p.key)))
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
	there, err := pub.readState(ctx, pub.stateKey())
	if err != nil || there.State.Seen.Index == "" {
		return err
	}
	there.State.Seen.Index = ""
	_, err = pub.put(ctx, pub.stateKey(), object(there.JSON(), typeJSON, briefly), bucket.IfMatch(there.etag))
	if errors.Is(err, bucket.ErrConflict) {
		return nil // a third one is at it
	}
	return err
}

// itself is what metadata say of a file with these bytes.
func itself(raw []byte) tuf.FileInfo {
	return tuf.FileInfo{Length: int64(len(raw)), SHA256: sha256.Sum256(raw)}
}

// versions are the ETags of objects that are known to be in place, by their keys. The
// lock guards all of it.
type versions struct {
	lock
	etags   map[string]string
	learned int // how often one was
}

func (v *versions) set(key, etag string) {
	v.locked(func() { v.etags[key], v.learned = etag, v.learned+1 })
}

// etag returns that of an object, "" if none is known.
func (v *versions) etag(key string) (etag string) {
	v.locked(func() { etag = v.etags[key] })
	return etag
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
func (pub *publishing) prepare(ctx context.Context, inPlace *rareFiles) (*pointerSet, error) {
	set := &pointerSet{stages: [][]pointer{nil}}
	if pub.index != nil {
		if err := pub.prepareIndex(ctx, set); err != nil {
			return nil, err
		}
	}
	m, last := pub.Metadata, &set.stages[len(set.stages)-1] // of the index, if there is one
	root, mirrors := pub.small(rootFile, m.Root.Raw()), pub.small(mirrorsFile, m.Mirrors.Raw())
	for _, f := range []struct {
		pointer
		there readFile
	}{{root, inPlace.root}, {mirrors, inPlace.mirrors}} {
		pub.pointers.set(f.key, f.there.etag)
		if f.before = f.there.raw; !bytes.Equal(f.raw, f.before) {
			*last = append(*last, f.pointer)
		} else {
			set.kept = append(set.kept, f.pointer)
		}
	}
	set.stages = append(set.stages,
		[]pointer{pub.small("snapshot.json", m.Snapshot.Raw())}, []pointer{pub.small("timestamp.json", m.Timestamp.Raw())})
	return set, nil
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
	return b.stored.State.Seen.Index == hex.EncodeToString(want[:])
}

// The keys of the index.
const (
	indexGz  = "01-index.tar.gz"
	indexTar = "01-index.tar"
	legacyGz = "00-index.tar.gz"
)

// deprecatedKey is Hackage's own path of the list of deprecated packages.
const deprecatedKey = "packages/deprecated.json"
