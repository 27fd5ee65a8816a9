package hackage

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackagetest"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// Root keys that all have changed twice are followed through the roots between,
// in whatever order and company these come; without them nothing vouches.
func TestKeyRotationChain(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	first := h.Generation().File(rootFile)
	h.RotateRoot()
	second := h.Generation().File(rootFile)
	h.RotateRoot()
	h.RotateKeys()
	third := h.Generation().File(rootFile)
	stranger := hackagetest.New(hackagetest.Options{Seed: "stranger"}).Generation().File(rootFile)
	for name, test := range map[string]struct {
		known [][]byte
		want  error
	}{
		"whole chain":            {known: [][]byte{first, second}},
		"pinned vouch for both":  {known: [][]byte{second}},
		"any order and others":   {known: [][]byte{nil, []byte("{}"), stranger, second, first}},
		"with the present one":   {known: [][]byte{third, second, first}},
		"a root between lacking": {known: [][]byte{first}, want: tuf.ErrThreshold},
		"no root known":          {want: tuf.ErrThreshold},
		"only a stranger's":      {known: [][]byte{stranger}, want: tuf.ErrThreshold},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := hasty(h)
			o.KnownRoots = knownRoots(test.known...)
			both(t, h, h.Generation(), o, func(t *testing.T, u *Upstream) {
				m, err := u.Metadata(t.Context(), state.Seen{})
				if !errors.Is(err, test.want) {
					t.Fatalf("error %v instead of %v", err, test.want)
				}
				if err == nil && m.Root.Version() != 4 {
					t.Errorf("root is version %d", m.Root.Version())
				}
			})
		})
	}
}

// An old root that has expired vouches for the next one, but not for the rest.
func TestExpiredKnownRoot(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	h.SetExpiry(hackagetest.Root, h.Now().Add(time.Hour))
	old := h.Generation().File(rootFile)
	h.Advance(2 * time.Hour)
	o := hasty(h)
	o.KnownRoots = knownRoots(old)
	both(t, h, h.Generation(), o, func(t *testing.T, u *Upstream) {
		if _, err := u.Metadata(t.Context(), state.Seen{}); !errors.Is(err, tuf.ErrExpired) {
			t.Errorf("upstream's root has expired, but: %v", err)
		}
	})
	later := h.Clone()
	later.SetExpiry(hackagetest.Root, h.Now().Add(time.Hour))
	both(t, h, later.Generation(), o, func(t *testing.T, u *Upstream) {
		if m := metadata(t, u, state.Seen{}); m.Root.Version() != 3 {
			t.Errorf("root is version %d", m.Root.Version())
		}
	})
}

// Upstream cannot go back behind a root that was known.
func TestKnownRootIsTheLeast(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	before := h.Generation()
	h.RotateKeys()
	o := hasty(h)
	o.KnownRoots = knownRoots(h.Generation().File(rootFile))
	both(t, h, before, o, func(t *testing.T, u *Upstream) {
		if _, err := u.Metadata(t.Context(), state.Seen{}); !errors.Is(err, tuf.ErrRollback) {
			t.Errorf("root version 1 after 2: %v", err)
		}
	})
}

// The root that is known is not asked for, as the snapshot says that it is the
// present one; a changed one costs one request more.
func TestKnownRootSavesARequest(t *testing.T) {
	t.Parallel()
	h := hackagetest.Small()
	s := serve(t, h)
	o := hasty(h)
	o.KnownRoots = knownRoots(h.Generation().File(rootFile))
	metadata(t, open(t, s.URL, o), state.Seen{})
	if s.Count("/root.json") != 0 || s.Count("/") != 3 {
		t.Errorf("%d requests, %d for root.json", s.Count("/"), s.Count("/root.json"))
	}
	for _, change := range []func(){h.RotateKeys, func() { h.SetExpiry(hackagetest.Root, time.Time{}) }} {
		change()
		s.Forget()
		metadata(t, open(t, s.URL, o), state.Seen{})
		if s.Count("/root.json") != 1 || s.Count("/timestamp.json") != 1 {
			t.Errorf("%d requests for root.json, %d for timestamp.json", s.Count("/root.json"), s.Count("/timestamp.json"))
		}
	}
}

// knownRoots gives out roots as the option wants them.
func knownRoots(raw ...[]byte) func(context.Context) [][]byte {
	return func(context.Context) [][]byte { return raw }
}
