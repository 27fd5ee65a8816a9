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
	// Tick is how far each change moves the clock, one minute if zero.
	Tick time.Duration
	// Lifetime is how long timestamp and snapshot are good after each signing
	// (real Hackage: three days). Zero: all four files expire 50 years after
	// Start, so that tests with a real clock take them.
	Lifetime time.Duration
	// Form is the form of index entries and metadata.
	Form Form
	// Mirrors are the addresses in mirrors.json.
	Mirrors []string
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
	options Options
	first   []string

	mu    sync.Mutex
	state state
	last  *Generation
}

// state is all that a generation follows from. Once a generation has it, it is
// cloned before the next change, so that the generation stays what it was.
type state struct {
	now        time.Time
	keys       keyring
	version    map[Role]int64
	expires    map[Role]time.Time
	mirrors    []string
	entries    []entry
	releases   map[index.Release]release
	gone       map[index.Release]int
	deprecated []byte
	noTar      bool
}

// release is what is known of an upload besides its index entries.
type release struct {
	form     Form
	uploader string
	unsigned bool
	targets  int64
	tarball  *content
}

// New returns a Hackage without packages, its metadata at version 1.
func New(o Options) *Hackage {
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 1, 5, 6, 0, 0, 0, time.UTC)
	}
	o.Start = o.Start.UTC().Truncate(time.Second)
	if o.Tick == 0 {
		o.Tick = time.Minute
	}
	s := state{
		now:      o.Start,
		keys:     newKeyring(o.Seed),
		version:  map[Role]int64{},
		expires:  map[Role]time.Time{},
		mirrors:  slices.Clone(o.Mirrors),
		releases: map[index.Release]release{},
		gone:     map[index.Release]int{},
	}
	for _, role := range signedFiles() {
		s.version[role] = 1
		s.expires[role] = o.Start.AddDate(50, 0, 0)
		if o.Lifetime > 0 && (role == Timestamp || role == Snapshot) {
			s.expires[role] = o.Start.Add(o.Lifetime)
		}
	}
	return &Hackage{options: o, first: s.keys.ids(Root), state: s}
}

// KeyIDs returns the root key ids at the time of New: those that a client has
// pinned. They stay the same after RotateRoot.
func (h *Hackage) KeyIDs() []string { return slices.Clone(h.first) }

// Threshold returns how many of KeyIDs must sign root.json.
func (h *Hackage) Threshold() int { return rootThreshold }

// RootKeyIDs returns the ids of the root keys as they are now.
func (h *Hackage) RootKeyIDs() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state.keys.ids(Root)
}

// Now returns the clock: the time of the last change.
func (h *Hackage) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state.now
}

// Advance moves the clock without a change. Whole seconds count.
func (h *Hackage) Advance(d time.Duration) {
	h.change("", func(s *state) { s.now = s.now.Add(d.Truncate(time.Second)) })
}

// SetTick changes how far each further change moves the clock; zero lets
// changes share one second.
func (h *Hackage) SetTick(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.options.Tick = d
}

// Generation returns the repository as it is now.
func (h *Hackage) Generation() *Generation {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last == nil {
		h.last = newGeneration(h.state, h.options.Form)
	}
	return h.last
}

// Clone returns an independent Hackage with the same keys and history.
func (h *Hackage) Clone() *Hackage {
	h.mu.Lock()
	defer h.mu.Unlock()
	return &Hackage{options: h.options, first: h.first, state: h.state.clone()}
}

// Write makes dir hold exactly the repository as it is now, see
// [Generation.Write].
func (h *Hackage) Write(dir string) error { return h.Generation().Write(dir) }

// change ticks the clock, counts up the versions from the given role upwards and
// lets do alter the state, which is copied first if a generation has it. The empty role is a change that the metadata
// do not see: no clock, no version.
func (h *Hackage) change(role Role, do func(s *state)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last != nil {
		h.state, h.last = h.state.clone(), nil
	}
	if role != "" {
		h.state.now = h.state.now.Add(h.options.Tick.Truncate(time.Second))
	}
	h.state.sign(role, h.options.Lifetime)
	do(&h.state)
}

// sign counts up the version of role's file and of all that vouch for it.
func (s *state) sign(role Role, lifetime time.Duration) {
	above := map[Role]Role{Root: Snapshot, Mirrors: Snapshot, Snapshot: Timestamp}
	for ; role != ""; role = above[role] {
		s.version[role]++
		if lifetime > 0 && (role == Timestamp || role == Snapshot) {
			s.expires[role] = s.now.Add(lifetime)
		}
	}
}

// clone returns a state that shares nothing that a change writes to.
func (s *state) clone() state {
	c := *s
	c.keys = s.keys.clone()
	c.version = maps.Clone(s.version)
	c.expires = maps.Clone(s.expires)
	c.releases = maps.Clone(s.releases)
	c.gone = maps.Clone(s.gone)
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
