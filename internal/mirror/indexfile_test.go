package mirror

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// newWideRig returns a rig whose runs fetch only what is new of the index.
func newWideRig(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, hackagetest.Wide(12_000))
	r.tails = true
	return r
}

// held returns what the bucket's state says of its index.
func (r *rig) held() state.State {
	r.Helper()
	return New(r.store, Options{Now: noon}).mustLoad(r.T)
}

func TestGrownIndexIsBuiltOnTheOneInPlace(t *testing.T) {
	t.Parallel()
	r := newWideRig(t)
	r.mustRun()
	whole := r.last.Stats().Bytes
	for n := range 3 {
		before := r.held()
		if before.Held.Tar.Length != before.Position.Length || before.Held.Gz.IsZero() {
			t.Fatalf("the state says %+v of the index", before.Held)
		}
		for key, held := range map[string]state.FilePrefix{indexTar: before.Held.Tar, indexGz: before.Held.Gz} {
			if want := bucket.CRC64(0, r.store.Contents()[key][:held.Length]); held.CRC64 != want {
				t.Errorf("the state says CRC-64 %x of %q, it is %x", held.CRC64, key, want)
			}
		}
		r.hackage.Upload("small", fmt.Sprint(n), nil, nil)
		r.hackage.Revise("alpha", "0.2", cabalText("", n))
		r.store.ResetCounts()
		r.mustRun()
		r.check()
		stats := r.last.Stats()
		t.Logf("%d bytes the first time, %d now", whole, stats.Bytes)
		// Both indexes of a hundred kB or more, but for their ends.
		if stats.Bytes > whole-300_000 || r.store.Count(buckettest.Put, legacyGz) != 0 {
			t.Errorf("%d bytes were put, of them 00-index: %d times", stats.Bytes, r.store.Count(buckettest.Put, legacyGz))
		}
	}
}

func TestLegacyIsMadeOncePerWeek(t *testing.T) {
	t.Parallel()
	r := newWideRig(t)
	made := func(want int) {
		t.Helper()
		r.store.ResetCounts()
		r.mustRun()
		if n := r.store.Count(buckettest.Put, legacyGz); n != want {
			t.Errorf("it was put %d times, want %d", n, want)
		}
	}
	made(1)
	r.hackage.Upload("b", "1", nil, nil)
	made(0)
	r.hackage.Advance(7 * 24 * time.Hour)
	made(0) // nothing changed
	r.hackage.Upload("b", "2", nil, nil)
	made(1)
	r.hackage.Upload("b", "3", nil, nil)
	made(0)
	midnight := r.hackage.Now().Truncate(24 * time.Hour).Add(24 * time.Hour)
	for midnight.Weekday() != time.Monday {
		midnight = midnight.Add(24 * time.Hour)
	}
	end := func(length int64, at time.Time) index.Position {
		return index.Position{Prefix: midstate.Prefix{Length: length}, Time: at}
	}
	if b := r.last; b.LegacyDue(end(smallIndex, midnight.Add(-1))) || !b.LegacyDue(end(smallIndex, midnight)) {
		t.Errorf("with one of %s, it is due at the wrong time", b.State().Legacy)
	}
	b := New(r.store, Options{Now: noon})
	b.mustLoad(t)
	if !b.LegacyDue(end(smallIndex, midnight.Add(-1))) || b.LegacyDue(end(smallIndex+512, midnight.Add(-1))) {
		t.Error("a small index does not have it made with every change, or another one does")
	}
	if b := New(r.store, Options{Now: noon}); !b.LegacyDue(end(smallIndex+512, midnight)) {
		t.Error("it is not due in a bucket without one")
	}
}

// TestIndexInPlaceIsNotWhatTheStateSays: whatever it is, the run puts it right.
func TestIndexInPlaceIsNotWhatTheStateSays(t *testing.T) {
	t.Parallel()
	edit := func(r *rig, change func(string) string) {
		raw := string(r.store.Contents()[StateKey])
		changed := change(raw)
		if changed == raw {
			r.Fatalf("nothing to edit in %s", raw)
		}
		r.store.Set(StateKey, []byte(changed))
	}
	cut := func(raw, key string) string {
		var kept []string
		for line := range strings.Lines(raw) {
			if !strings.Contains(line, key) {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "")
	}
	for name, meanwhile := range map[string]func(r *rig){
		"01-index.tar is gone":       func(r *rig) { r.store.Delete(indexTar) },
		"01-index.tar is another":    func(r *rig) { r.store.Set(indexTar, make([]byte, 1<<20)) },
		"01-index.tar is empty":      func(r *rig) { r.store.Set(indexTar, nil) },
		"01-index.tar.gz is gone":    func(r *rig) { r.store.Delete(indexGz) },
		"01-index.tar.gz is another": func(r *rig) { r.store.Set(indexGz, make([]byte, 1<<20)) },
		"state of an older version":  func(r *rig) { edit(r, func(raw string) string { return cut(raw, `"Held-`) }) },
		"nothing said of the tar":    func(r *rig) { edit(r, func(raw string) string { return cut(raw, `"Held-Tar`) }) },
		"nothing said of the gz":     func(r *rig) { edit(r, func(raw string) string { return cut(raw, `"Held-Gz`) }) },
		"another tar": func(r *rig) {
			edit(r, func(raw string) string { return strings.Replace(raw, `"Held-Tar": "`, `"Held-Tar": "6`, 1) })
		},
		"another midstate": func(r *rig) {
			edit(r, func(raw string) string {
				held := r.held().Held.Tar
				return strings.Replace(raw, fmt.Sprintf("%d:%x", held.Length, held.Midstate), fmt.Sprintf("%d:%064x", held.Length, 7), 1)
			})
		},
		"another midstate of the gz": func(r *rig) {
			edit(r, func(raw string) string {
				held := r.held().Held.Gz
				return strings.Replace(raw, fmt.Sprintf("%d:%x", held.Length, held.Midstate), fmt.Sprintf("%d:%064x", held.Length, 7), 1)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newWideRig(t)
			r.mustRun()
			want := r.held().Held
			meanwhile(r)
			r.hackage.Upload("small", "1", nil, nil)
			r.mustRun()
			r.check()
			if held := r.held().Held; held.Tar.Length <= want.Tar.Length || held.Gz.Length < want.Gz.Length {
				t.Errorf("the state says %+v of the index, before %+v", held, want)
			}
		})
	}
}

// TestHave: what a bucket lacks begins at its position or where its index ends,
// whichever comes first.
func TestHave(t *testing.T) {
	t.Parallel()
	r := newWideRig(t)
	if tar, gz := New(r.store, Options{Now: noon}).Held(); !tar.IsZero() || !gz.IsZero() {
		t.Errorf("an empty bucket has %+v and %+v", tar, gz)
	}
	r.mustRun()
	b := New(r.store, Options{Now: noon})
	s := b.mustLoad(t)
	if tar, gz := b.Held(); tar != s.Position || gz != s.Held.Gz.Prefix {
		t.Errorf("a bucket at %+v has %+v and %+v", s, tar, gz)
	}
	b.state.Held.Tar.Prefix = midstate.Prefix{Length: 1024, Midstate: [32]byte{1}}
	if tar, _ := b.Held(); tar.Length != 1024 || tar.Midstate != b.state.Held.Tar.Midstate {
		t.Errorf("a bucket that holds 1024 bytes has %+v", tar)
	}
	b.Forget("")
	if tar, gz := b.Held(); !tar.IsZero() || !gz.IsZero() || !b.LegacyDue(index.Position{Prefix: midstate.Prefix{Length: smallIndex + 512}, Time: noon()}) {
		t.Errorf("a bucket that is put back to the start has %+v and %+v", tar, gz)
	}
	shard := New(r.store, Options{Now: noon, Shard: Shard{Number: 1, Of: 2}})
	if tar, gz := shard.Held(); !tar.IsZero() || !gz.IsZero() {
		t.Errorf("a new shard has %+v and %+v", tar, gz)
	}
}
