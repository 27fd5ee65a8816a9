package mirror

import (
	"bytes"
	"errors"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// opened is a bucket over the rig's store, loaded.
func (r *rig) opened() *Bucket {
	r.Helper()
	b := New(r.store, Options{Tool: "test", Now: noon})
	if _, err := b.Load(r.Context()); err != nil {
		r.Fatal(err)
	}
	return b
}

// openedAnnounced is a bucket whose readers were told of all that it holds.
func (r *rig) openedAnnounced(health string) *Bucket {
	r.Helper()
	b := r.opened()
	b.SetAnnounced(state.Announcement{When: noon(), Health: health, At: b.Stored().Position})
	return b
}

// A run that only tells takes nothing from one that meets it and has something new,
// and tells nothing over one that came before it.
func TestTellingIsNoClaim(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.mustRun()
	news, quiet := r.opened(), r.openedAnnounced("good")
	page := []File{{Key: "status.json", Type: typeJSON, CacheControl: briefly, Body: []byte("{}")}}
	if !quiet.CanTell() {
		t.Fatal("the bucket has a state, and nobody can be told of it")
	}
	if err := quiet.Tell(t.Context(), page, "good", quiet.Stored().Position); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(r.store.Contents()["status.json"], page[0].Body) || quiet.Stats().Bytes != 0 {
		t.Errorf("%d bytes of the mirror were put", quiet.Stats().Bytes)
	}
	late := r.openedAnnounced("failed")
	if err := news.Acquire(t.Context()); err != nil {
		t.Errorf("a run that met one that only told ends with %v", err)
	}
	if told := news.Stored().Announced; told.Health != "" {
		t.Errorf("a claim leaves what was told as it was: %+v", told)
	}
	if err := late.Tell(t.Context(), nil, "failed", late.Stored().Position); !errors.Is(err, bucket.ErrConflict) {
		t.Errorf("telling beside a run at work ends with %v", err)
	}
	if err := quiet.Acquire(t.Context()); !errors.Is(err, bucket.ErrConflict) {
		t.Errorf("claiming beside a run at work ends with %v", err)
	}
}

// Stopped at any put, the state says that something is to be told.
func TestStoppedWhileItTellsTheStateSaysSo(t *testing.T) {
	t.Parallel()
	for nth := 1; nth <= 3; nth++ {
		for _, persisted := range []bool{false, true} {
			r := newRig(t, hackagetest.Small())
			r.mustRun()
			b := r.openedAnnounced("good")
			at := b.Stored().Position
			if err := b.Tell(t.Context(), nil, "good", at); err != nil {
				t.Fatal(err)
			}
			any := func(string) bool { return true }
			hook, hit := stopAt(stage{fits: any, nth: nth}, persisted)
			r.store.Hook = hook
			files := []File{{Key: "index.html", Body: []byte("1")}, {Key: "status.json", Body: []byte("2")}}
			if err := r.opened().Tell(t.Context(), files, "failed", at); !errors.Is(err, errStopped) || !hit() {
				t.Fatalf("it ends with %v", err)
			}
			r.store.Hook = nil
			told, changed := r.opened().Stored().Announced, r.store.Contents()["status.json"] != nil
			if changed && told.Health == "good" {
				t.Errorf("stopped at put %d (persisted %v): the state says %q, and a file was changed", nth, persisted, told.Health)
			}
			if !told.IsOf(at) {
				t.Errorf("stopped at put %d: what was told is not known", nth)
			}
		}
	}
}

// After a claim nothing is put but the files, so that the state is put no third time;
// but what the store does not take is not tried again in each run.
func TestToldOfAnUpdateCostsOnlyTheFiles(t *testing.T) {
	t.Parallel()
	for _, refuse := range []bool{false, true} {
		r := newRig(t, hackagetest.Small())
		r.mustRun()
		b := r.openedAnnounced("good")
		if err := b.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		puts, no := []string{}, errors.New("no")
		r.store.Hook = func(_ buckettest.Op, key string) (bool, error) {
			puts = append(puts, key)
			if refuse && key == "status.json" {
				return false, no
			}
			return true, nil
		}
		err := b.Tell(t.Context(), []File{{Key: "status.json", Body: []byte("1")}}, "good", b.Stored().Position)
		if errors.Is(err, no) != refuse || err != nil && !refuse {
			t.Errorf("it ends with %v", err)
		}
		if told := b.Stored().Announced; (told.Health == "good") != refuse || (len(puts) == 1) == refuse {
			t.Errorf("refused %v: it made the requests %q, and the state says %+v", refuse, puts, told)
		}
		r.store.Hook = nil
	}
}

// A bucket without a state, or with one that cannot be read, is none to tell of.
func TestBucketsToTellOf(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.store = buckettest.NewMemory(t)
	if r.opened().CanTell() {
		t.Error("an empty bucket is told of")
	}
	r.mustRun()
	shard := New(r.store, Options{Tool: "test", Now: noon, Shard: Shard{Number: 1, Of: 2}})
	if _, err := shard.Load(t.Context()); err != nil || shard.CanTell() {
		t.Errorf("a shard is told of, or %v", err)
	}
	r.store.Set(StateKey, []byte("garbage"))
	b := New(r.store, Options{Tool: "test", Now: noon})
	if _, err := b.Load(t.Context()); err == nil || b.CanTell() {
		t.Errorf("a bucket whose state is %v is told of", err)
	}
}
