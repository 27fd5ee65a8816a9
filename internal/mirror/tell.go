package mirror

import (
	"context"
	"errors"
	"io/fs"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A File is one that tells readers of the mirror: its key, what it is served as
// and for how long, and its content.
type File struct {
	Key, Type, CacheControl string
	Body                    []byte
}

// Stored returns the state that the store has by now.
func (b *Bucket) Stored() state.State { return b.stored.State }

// CanTell reports whether the bucket is one that readers can be told of: it has a
// state that can be read, and is no shard's.
func (b *Bucket) CanTell() bool { return b.stored.readable && !b.isShard() }

// Read returns an object of the bucket, cut at limit bytes; nil if there is none.
// Who can write to the bucket can change it, so it proves nothing.
func (b *Bucket) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	there, err := b.readSmall(ctx, key, limit)
	return there.raw, err
}

// Size returns the length in bytes of an object of the bucket, -1 if there is none.
func (b *Bucket) Size(ctx context.Context, key string) (int64, error) {
	info, err := b.store.Head(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	return info.Size, err
}

// Revisions returns how many revisions of a release the bucket holds, which are so
// many at least.
func (b *Bucket) Revisions(ctx context.Context, r index.Release, least int) (int, error) {
	for n := least; ; n++ {
		if etag, err := b.etagOf(ctx, revisionKey(r, n)); etag == "" {
			return n, err
		}
	}
}

// Notify says in the state which word of health those have heard last who are notified
// of each change. No claim is made and nothing else of the state changes. bucket.ErrConflict says that another run has come.
func (b *Bucket) Notify(ctx context.Context, word string) error {
	b.announced.Health = "" // another word is about to be told
	s := b.stored.State
	s.Notified = word
	_, err := b.putState(ctx, s)
	return err
}

// SetAnnounced sets what a run announced that did not say so in the
// state. What the run writes into the state from now on says it.
func (b *Bucket) SetAnnounced(told state.Announcement) { b.announced = told }

// Tell puts files that tell readers of the mirror, the last one when the others are
// there: which word of health, and how far the bucket is. No claim is made and nothing
// else of the state changes: of two runs that meet, the last has the last word, which
// is harmless. ErrConflict says that another run has come, which will tell for itself.
//
// The state says what was told only where that spares later runs a look at the
// files: when the same word is told again. From a claim on, and before another word
// is told, it says that the files are to be looked at, so that a run which comes
// after one that was killed meanwhile does. After a put that failed the last file is
// not put, and the state says that it was done all the same: what the store does not
// accept is tried again in the next hour, and not in each run.
func (b *Bucket) Tell(ctx context.Context, files []File, health string, at index.Position) error {
	look := b.claim.made()
	if said := b.stored.State.Announced.Health; !look && said != "" && said != health {
		b.announced.Health, look = "", true
		if _, err := b.putState(ctx, b.stored.State); err != nil {
			return err
		}
	}
	last := max(0, len(files)-1)
	for _, together := range [][]File{files[:last], files[last:]} {
		err := concurrently(ctx, len(together), func(ctx context.Context, i int) error {
			f := together[i]
			_, err := b.store.Put(ctx, f.Key, object(f.Body, f.Type, f.CacheControl), bucket.Always())
			return err
		})
		if err != nil {
			return errors.Join(err, b.putAnnounced(ctx, health, b.announced.At))
		}
	}
	if look || b.announced.Health != health {
		return nil
	}
	return b.putAnnounced(ctx, health, at)
}

// putAnnounced changes what the state says was announced, which is no change of the mirror.
func (b *Bucket) putAnnounced(ctx context.Context, health string, at index.Position) error {
	b.announced = state.Announcement{When: b.options.Now(), Health: health, At: at}
	_, err := b.putState(ctx, b.stored.State)
	return err
}

// onlyAnnounced reports whether another run did nothing but Tell and Notify since this one read the
// state, and if so treats that as what was read.
func (b *Bucket) onlyAnnounced(ctx context.Context) bool {
	there, err := b.readState(ctx, b.stateKey())
	if err != nil || there.etag == "" {
		return false
	}
	now, before := there.State, b.stored.State
	now.Announced, before.Announced = state.Announcement{}, state.Announcement{}
	now.Notified, before.Notified = "", ""
	if string(state.File{State: now}.JSON()) != string(state.File{State: before}.JSON()) {
		return false
	}
	b.stored.etag, b.stored.State.Notified = there.etag, there.State.Notified
	return true
}
