package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/bucket/buckettest"
	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// A run that is told to stop while it publishes comes to the end of that; one that
// is told so before has published nothing.
func TestToldToStopAPublicationIsFinished(t *testing.T) {
	t.Parallel()
	c := newCourse(t, newRig(t, hackagetest.Small()), false)
	window := false
	for _, s := range stages() {
		window = window || s.name == "newest cabal of a revised release"
		begun := window
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, c.rig.hackage)
			r.dir, r.written = c.rig.dir, true
			for key, content := range c.before {
				r.store.Set(key, content)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			count := 0
			r.store.Hook = func(op buckettest.Op, key string) (bool, error) {
				if op == buckettest.Put && s.fits(key) {
					if count++; count == s.nth {
						cancel()
					}
				}
				return true, nil
			}
			r.ctx = ctx
			// What came to its end is not said to have been left as it was.
			if err := r.run(); begun != (err == nil) || err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("the run ends with %v", err)
			}
			r.ctx, r.store.Hook = nil, nil
			if begun {
				compare(t, c.after, r.store.Contents())
				return
			}
			for _, key := range []string{indexTar, indexGz, "root.json", "mirrors.json", "snapshot.json", "timestamp.json"} {
				if !bytes.Equal(r.store.Contents()[key], c.before[key]) {
					t.Errorf("%q was published", key)
				}
			}
		})
	}
}

// What a killed run left torn is published anew by the next, also if upstream has
// nothing newer than the run before it saw.
func TestTornSetIsHealedAlthoughNothingIsNew(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.mustRun()
	old := r.hackage.Generation()
	r.hackage.Upload("newer", "1.0", nil, nil)
	hook, _ := stopAt(stage{fits: is("snapshot.json"), nth: 1}, false)
	r.store.Hook = hook
	if err := r.run(); !errors.Is(err, errStopped) {
		t.Fatal(err)
	}
	r.store.Hook = nil
	r.written = true
	if err := old.Write(r.dir); err != nil {
		t.Fatal(err)
	}
	r.mustRun()
	for _, key := range []string{indexTar, indexGz, "snapshot.json", "timestamp.json"} {
		if !bytes.Equal(r.store.Contents()[key], old.File(key)) {
			t.Errorf("%q is not that of the set", key)
		}
	}
}

// If a pointer is another version than the state says, the next update repairs it,
// and so does a run that begins anew.
func TestPointerOfSomebodyElseIsRepaired(t *testing.T) {
	t.Parallel()
	for _, key := range []string{legacyGz, indexTar, indexGz, "root.json", "mirrors.json", "snapshot.json", "timestamp.json"} {
		for _, how := range []string{"update", "full"} {
			for name, content := range map[string][]byte{"changed": []byte("somebody's"), "removed": nil} {
				t.Run(fmt.Sprint(key, " ", name, " ", how), func(t *testing.T) {
					t.Parallel()
					r := newRig(t, hackagetest.Small())
					r.store = buckettest.NewMemory(t) // somebody keeps to no rules
					r.mustRun()
					if r.store.Set(key, content); content == nil {
						r.store.Delete(key)
					}
					r.hackage.Advance(7 * 24 * 3600e9) // for 00-index.tar.gz
					if how == "update" {
						r.hackage.Upload("newer", "1.0", nil, nil)
					} else {
						r.hackage.Resign()
						r.store.Delete(StateKey)
					}
					r.mustRun()
					r.check()
				})
			}
		}
	}
}

// A run to a later index is killed before it notes its state, and the next one
// meets an earlier index, as caches of a CDN have it.
func TestRevisionsOfAKilledRunKeepTheirNumbers(t *testing.T) {
	t.Parallel()
	for _, hint := range []string{"", "x-revision: %d\n"} {
		for _, restored := range []bool{false, true} { // the state of before the claim
			t.Run(fmt.Sprintf("%q restored %t", hint, restored), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, hackagetest.Small())
				r.mustRun()
				state := r.store.Contents()[StateKey]
				var gens []*hackagetest.Generation
				for n := range 4 {
					hint := hint
					if hint != "" {
						hint = fmt.Sprintf(hint, n+1)
					}
					r.hackage.Revise("alpha", "0.2", cabalText(hint, n+1))
					gens = append(gens, r.hackage.Generation())
				}
				show := func(g *hackagetest.Generation) {
					t.Helper()
					if err := g.Write(r.dir); err != nil {
						t.Fatal(err)
					}
				}
				r.written = true
				show(gens[2])
				hook, _ := stopAt(stage{fits: is(indexTar), nth: 1}, false)
				r.store.Hook = hook
				if err := r.run(); !errors.Is(err, errStopped) {
					t.Fatal(err)
				}
				r.store.Hook = nil
				if restored {
					r.store.Set(StateKey, state)
				}
				for _, g := range gens[1:] {
					show(g)
					r.mustRun()
				}
				r.check()
				if alarms := r.last.Alarms(); len(alarms) > 0 {
					t.Errorf("a stranger is blamed: %q", alarms)
				}
			})
		}
	}
}

// A package.json that comes again makes a release look new, and its revision may
// have the bytes of the first one.
func TestRepeatedPackageJSONWithTheFirstRevisionAgain(t *testing.T) {
	t.Parallel()
	for _, before := range []bool{true, false} { // the package.json comes before the revision
		r := newRig(t, hackagetest.New(hackagetest.Options{}))
		r.hackage.Upload("p", "1", cabalText("", 0), nil)
		r.mustRun()
		if before {
			r.hackage.AddTargets("p", "1")
		}
		r.hackage.Revise("p", "1", cabalText("", 0))
		if !before {
			r.hackage.AddTargets("p", "1")
		}
		r.mustRun()
		r.check()
		r.hackage.Revise("p", "1", cabalText("", 1))
		r.mustRun()
		r.check()
		r.store.Delete(StateKey)
		r.hackage.Resign()
		r.mustRun()
		r.check()
		if alarms := r.last.Alarms(); len(alarms) > 0 {
			t.Errorf("a stranger is blamed: %q", alarms)
		}
	}
}

// An object that the store takes under no circumstances is named, and everything
// else is published.
func TestRefusedObjectKeepsNothingElseBack(t *testing.T) {
	t.Parallel()
	for _, key := range []string{
		"package/new-1.0.tar.gz", "package/new-1.0.json", "package/new-1.0/new.cabal",
		"package/new-1.0/revision/0.cabal", "package/alpha-0.2/revision/1.cabal", "package/alpha-0.2/alpha.cabal",
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, hackagetest.Small())
			r.store = buckettest.NewMemory(t)
			r.mustRun()
			r.hackage.Upload("new", "1.0", nil, nil)
			r.hackage.Revise("alpha", "0.2", cabalText("", 1))
			r.store.Hook = func(op buckettest.Op, at string) (bool, error) {
				if op == buckettest.Put && at == key {
					return false, fmt.Errorf("a filter: %w", bucket.ErrRefused)
				}
				return true, nil
			}
			r.mustRun()
			err := r.last.Incomplete()
			if !errors.Is(err, bucket.ErrRefused) || !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), "--full") {
				t.Errorf("it says %v", err)
			}
			if !bytes.Equal(r.store.Contents()["timestamp.json"], r.hackage.Generation().File("timestamp.json")) {
				t.Error("nothing was published")
			}
			owed := r.last.State().Ledger[index.Release{Package: "new", Version: "1.0"}].Reason
			if (owed == "failed") != strings.HasSuffix(key, ".tar.gz") {
				t.Errorf("the release is owed because it %q", owed)
			}
			r.store.Hook = nil
			r.store.Delete(StateKey) // as --full
			r.hackage.Resign()
			r.mustRun()
			r.check()
		})
	}
}

// The list of deprecated packages is put as upstream has it, and left alone if it
// has none.
func TestDeprecatedPackagesAreListed(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	publish := func(list []byte) {
		t.Helper()
		r.hackage.Upload("p", fmt.Sprint(len(r.hackage.Generation().Releases())), nil, nil)
		r.deprecated = list
		r.mustRun()
	}
	for _, list := range []string{"[]", `[{"deprecated-package":"a","in-favour-of":[]}]`} {
		publish([]byte(list))
		publish(nil)
		if got := string(r.store.Contents()[deprecatedKey]); got != list {
			t.Errorf("it is %q", got)
		}
	}
}

// A store may find out, when a state is read, that its bytes do not fit its
// checksum. The error says what to do, and that helps.
func TestStateThatDoesNotFitItsChecksumSaysWhatToDo(t *testing.T) {
	t.Parallel()
	r := newRig(t, hackagetest.Small())
	r.mustRun()
	r.hackage.Upload("newer", "1.0", nil, nil)
	r.via = misfit{r.store}
	if err := r.run(); err == nil || !strings.Contains(err.Error(), "remove it") || !strings.Contains(err.Error(), StateKey) || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("the run ends with %v", err)
	}
	// Nothing that is wrong with a bucket as a whole is mended by removing it.
	r.via = unreachable{r.store}
	if err := r.run(); !errors.Is(err, errUnreachable) || strings.Contains(err.Error(), "remove") {
		t.Errorf("without an answer the run ends with %v", err)
	}
	r.store.Delete(StateKey)
	r.via = nil
	r.mustRun()
	r.check()
}

var errUnreachable = errors.New("no such host")

// unreachable is a store that gives no object.
type unreachable struct{ *buckettest.Memory }

// Get implements bucket.Bucket.
func (unreachable) Get(context.Context, string) (io.ReadCloser, bucket.Info, error) {
	return nil, bucket.Info{}, errUnreachable
}

// misfit is a store whose state does not fit its checksum.
type misfit struct{ *buckettest.Memory }

// Get implements bucket.Bucket.
func (m misfit) Get(ctx context.Context, key string) (io.ReadCloser, bucket.Info, error) {
	body, info, err := m.Memory.Get(ctx, key)
	if err == nil && key == StateKey {
		body = io.NopCloser(io.MultiReader(body, iotest.ErrReader(errors.New("the checksum differs"))))
	}
	return body, info, err
}
