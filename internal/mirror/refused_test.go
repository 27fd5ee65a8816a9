package mirror

import (
	"errors"
	"fmt"
	"testing"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
)

// refuse makes the store refuse some of the puts of a key, from the first one on,
// and returns how often it was put.
func (r *rig) refuse(key string, times int) (puts func() int) {
	count := 0
	r.store.Hook = func(op buckettest.Op, at string) (bool, error) {
		if op != buckettest.Put || at != key {
			return true, nil
		}
		if count++; count > times {
			return true, nil
		}
		return false, errStopped
	}
	return func() int { return count }
}

// Once a pointer is in place the others follow, although the store refuses each of
// them a few times.
func TestRefusedPointerIsPutAgainOnceTheSetMoves(t *testing.T) {
	t.Parallel()
	for _, key := range []string{indexGz, "root.json", "mirrors.json", "snapshot.json", "timestamp.json"} {
		for _, times := range []int{1, pointerTries - 1} {
			t.Run(fmt.Sprintf("%s %d times", key, times), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, hackagetest.Small())
				r.mustRun()
				r.hackage.Upload("newer", "1.0", nil, nil)
				r.hackage.RotateRoot()
				r.hackage.SetMirrors("https://mirror.example/")
				puts := r.refuse(key, times)
				r.mustRun()
				r.check()
				if puts() != times+1 {
					t.Errorf("%q was put %d times", key, puts())
				}
			})
		}
	}
}

// So does the one file of a small index, where the other went beside it.
func TestRefusedIndexIsPutAgainBesideTheOther(t *testing.T) {
	t.Parallel()
	for _, key := range []string{indexTar, indexGz} {
		r := newSmallRig(t)
		r.mustRun()
		r.hackage.Upload("newer", "1.0", nil, nil)
		puts := r.refuse(key, 2)
		r.mustRun()
		r.check()
		if puts() != 3 {
			t.Errorf("%q was put %d times", key, puts())
		}
	}
}

// What is refused before readers see anything of it ends the run at once, and what
// is refused for good ends it after some tries.
func TestRefusedPointerEndsTheRun(t *testing.T) {
	t.Parallel()
	for key, tries := range map[string]int{indexTar: 1, "timestamp.json": pointerTries} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, hackagetest.Small())
			r.mustRun()
			r.hackage.Upload("newer", "1.0", nil, nil)
			puts := r.refuse(key, 100)
			if err := r.run(); !errors.Is(err, errStopped) || puts() != tries {
				t.Errorf("the run ends with %v after %d tries, want %d", err, puts(), tries)
			}
			r.store.Hook = nil
			r.mustRun()
			r.check()
		})
	}
}
