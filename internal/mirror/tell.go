package mirror

import (
	"context"
	"errors"

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
func (b *Bucket) Stored() state.State { return b.stored }

// CanTell reports whether the bucket is one that readers can be told of: it has a
// state that can be read, and is no shard's.
func (b *Bucket) CanTell() bool { return b.known && b.key == StateKey }

// Read returns an object of the bucket, cut at limit bytes; nil if there is none.
// Who can write to the bucket can change it, so it proves nothing.
func (b *Bucket) Read(ctx context.Context, key string, limit int64) ([]byte, error) {
	raw, _, err := b.readSmall(ctx, key, limit)
	return raw, err
}

// FirstRevision returns the number of the first revision of a release behind the
// position where the run began, if the run put it there.
func (b *Bucket) FirstRevision(r index.Release) (int, bool) {
	first := b.firsts[r]
	if first == nil {
		return 0, false
	}
	<-first.done
	return first.number, first.err == nil
}

// Tell puts files that tell readers of the mirror, and then says in the state what
// they were told: which word of health, and how far the bucket is. No claim is made and nothing else of the
// state changes: of two runs that meet, the last has the last word, which is
// harmless. ErrConflict says that another run has come, which will tell for itself.
//
// A run that is killed meanwhile leaves a state by which the next one tells anew.
// After a put that failed nothing more is put, and the state says that it was done
// all the same: what the store does not take is tried again in the next hour, and
// not in each run.
func (b *Bucket) Tell(ctx context.Context, files []File, health string, at index.Position) error {
	told := state.Told{When: b.now(), Health: health, At: at}
	if before := b.stored.Told; before.Health != health && before.Is(told.At) {
		if err := b.putTold(ctx, state.Told{When: before.When, At: told.At}); err != nil {
			return err
		}
	}
	var failed error
	for _, f := range files {
		if _, failed = b.store.Put(ctx, f.Key, object(f.Body, f.Type, f.CacheControl), bucket.Always()); failed != nil {
			break
		}
	}
	return errors.Join(failed, b.putTold(ctx, told))
}

// putTold changes what the state says was told, which is no change of the mirror.
func (b *Bucket) putTold(ctx context.Context, told state.Told) error {
	s := b.stored
	s.Told = told
	_, err := b.writeState(ctx, s)
	return err
}

// onlyTold reports whether another run did nothing but Tell and Notify since this one read the
// state, and if so takes that for what was read.
func (b *Bucket) onlyTold(ctx context.Context) bool {
	there, err := b.readState(ctx, b.key)
	if err != nil || there.etag == "" {
		return false
	}
	now, before := there.file.State, b.stored
	now.Told, before.Told = state.Told{}, state.Told{}
	now.Notified, before.Notified = "", ""
	if string(state.File{State: now}.JSON()) != string(state.File{State: before}.JSON()) {
		return false
	}
	b.etag, b.stored.Told, b.stored.Notified = there.etag, there.file.State.Told, there.file.State.Notified
	return true
}
