package hackagetest

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// Options are the properties of a new Hackage. The zero value is a good one.
type Options struct {
	// Seed makes the keys. Repositories of one seed have the same keys.
	Seed string
	// Start is the clock's first value, cut to whole seconds. The zero value
	// is 2026-01-05T06:00:00Z.
	Start time.Time
	// Lifetime is how long timestamp and snapshot are good after each signing
	// (real Hackage: three days). Zero: all four files expire 50 years after
	// Start, so that tests with a real clock accept them.
	Lifetime time.Duration
	// Form is the form of index entries and metadata.
	Form Form
}

// A Form is one of the two that repositories in the wild have.
type Form int

const (
	// Real is hackage.haskell.org's: package.json of version 0 with MD5 and
	// SHA-256, behind its .cabal; entries owned by the uploader, group Hackage.
	Real Form = iota
	// Reference is hackage-repo-tool's: package.json of version 1 with
	// SHA-256 only, before its .cabal as it sometimes is; entries owned by 0.
	Reference
)

// A Hackage is a repository that changes. It is made by New or Small.
type Hackage struct {
	mu    sync.Mutex
	tick  time.Duration
	state state
	last  *Generation
}

// state is all that a generation follows from. Once a generation has it, it is
// cloned before the next change, so that the generation stays what it was.
type state struct {
	options    Options
	now        time.Time
	renewals   map[Role]int // how often its keys were replaced
	version    map[Role]int64
	expires    map[Role]time.Time
	mirrors    []string
	entries    []entry
	releases   map[index.Release]release
	deprecated []byte
	noTar      bool
}

// release is what is known of an upload besides its index entries.
type release struct {
	form     Form
	unsigned bool
	targets  int64 // version of its package.json
	tarball  *content
	gone     int // HTTP status by which it was withdrawn, or 0
}

// New returns a Hackage without packages, its metadata at version 1.
func New(o Options) *Hackage {
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 1, 5, 6, 0, 0, 0, time.UTC)
	}
	s := state{
		options:  o,
		now:      o.Start.UTC().Truncate(time.Second),
		renewals: map[Role]int{},
		version:  map[Role]int64{},
		expires:  map[Role]time.Time{},
		releases: map[index.Release]release{},
	}
	for _, role := range []Role{Root, Mirrors, Snapshot, Timestamp} {
		s.expires[role] = s.now.AddDate(50, 0, 0)
		s.signed(role)
	}
	return &Hackage{tick: time.Minute, state: s}
}

// KeyIDs returns the root key ids at the time of New: those that a client has
// pinned. They stay the same after RotateRoot.
func (h *Hackage) KeyIDs() []string { return ids(keysOf(h.Generation().state.options.Seed, Root, 0)) }

// Threshold returns how many of KeyIDs must sign root.json.
func (h *Hackage) Threshold() int { return rootThreshold }

// RootKeyIDs returns the ids of the root keys as they are now.
func (h *Hackage) RootKeyIDs() []string { return ids(h.Generation().state.keys(Root)) }

// Now returns the clock: the time of the last change.
func (h *Hackage) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state.now
}

// Advance moves the clock without a change. Whole seconds count.
func (h *Hackage) Advance(d time.Duration) {
	h.change("", func(s *state) { s.now = s.now.Add(d).Truncate(time.Second) })
}

// SetTick changes how far each further change moves the clock, in whole seconds, from
// one minute; zero lets changes share one second.
func (h *Hackage) SetTick(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tick = d
}

// Generation returns the repository as it is now.
func (h *Hackage) Generation() *Generation {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last == nil {
		s := h.state
		h.last = &Generation{state: s, files: sync.OnceValue(s.files)}
	}
	return h.last
}

// Clone returns an independent Hackage with the same keys and history.
func (h *Hackage) Clone() *Hackage {
	h.mu.Lock()
	defer h.mu.Unlock()
	return &Hackage{tick: h.tick, state: h.state.clone()}
}

// Write makes dir hold exactly the repository as it is now, see
// [Generation.Write].
func (h *Hackage) Write(dir string) error { return h.Generation().Write(dir) }

// change moves the clock, counts up the versions from the given role upwards and
// lets do alter the state, which is copied first if a generation has it. The empty
// role is a change that the metadata do not see: no clock, no version.
func (h *Hackage) change(role Role, do func(s *state)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last != nil {
		h.state, h.last = h.state.clone(), nil
	}
	if role != "" {
		h.state.now = h.state.now.Add(h.tick)
	}
	above := map[Role]Role{Root: Snapshot, Mirrors: Snapshot, Snapshot: Timestamp}
	for ; role != ""; role = above[role] {
		h.state.signed(role)
	}
	do(&h.state)
}

// signed counts one more signing of role's file.
func (s *state) signed(role Role) {
	s.version[role]++
	if s.options.Lifetime > 0 && (role == Timestamp || role == Snapshot) {
		s.expires[role] = s.now.Add(s.options.Lifetime)
	}
}

// clone returns a state that shares nothing that a change writes to.
func (s *state) clone() state {
	c := *s
	c.renewals = maps.Clone(s.renewals)
	c.version = maps.Clone(s.version)
	c.expires = maps.Clone(s.expires)
	c.releases = maps.Clone(s.releases)
	c.entries = slices.Clip(s.entries)
	return c
}

// mustHave returns what is known of a release that a test names.
func (s *state) mustHave(r index.Release) release {
	known, ok := s.releases[r]
	if !ok {
		panic(fmt.Sprintf("hackagetest: no release %s was uploaded", r))
	}
	return known
}
