package index

import (
	"cmp"
	"crypto/md5"
	"errors"
	"slices"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
)

// ReleaseChanges is what a part of the log says of one release.
type ReleaseChanges struct {
	// Cabals counts the .cabal entries; FirstCabal is where the first of them
	// starts, and LastCabal is the newest.
	Cabals     int
	FirstCabal int64
	LastCabal  Span
	// Target is what the newest package.json says of the tarball, and
	// TargetOffset is where that entry starts, -1 if there is none or if it
	// is malformed.
	Target       Target
	TargetOffset int64
	// TargetUnix is the time of that entry, in seconds since 1970.
	TargetUnix int64
	// MD5 is that file's too, zero where it has none.
	MD5 [md5.Size]byte
	// Replaced says that the tarball was replaced: two package.json of the
	// part disagree, or one says of itself that it is not the first. A
	// malformed one disagrees with any before it.
	Replaced bool
}

// A Delta is what a part of the log holds, without the contents.
type Delta struct {
	// From and To are the ends of the part.
	From, To Position
	// Changes has each release that the part mentions; Order has them by
	// first appearance.
	Changes map[Release]*ReleaseChanges
	Order   []Release
	// Entries counts the entries of packages that are selected, and Preferred
	// those among them that are preferred-versions.
	Entries, Preferred int
	// NewestPreferred has the offset of the newest preferred-versions of each
	// package.
	NewestPreferred map[string]int64
	Skipped         Skipped
}

// Scan reads the log to its end and sums it up for the packages that are
// selected, or for all if selected is nil; it is asked once for each package. A
// malformed package.json is counted as skipped, and its release has no
// Target then. Some 200 bytes are held for each release.
func Scan(l *Log, selected func(pkg string) bool) (*Delta, error) {
	deltas, err := ScanEach(l, selected, l.from)
	if err != nil {
		return nil, err
	}
	return deltas[0], nil
}

// ScanEach is Scan for several positions at once: it reads the log one time and
// gives each of them its own Delta, in their order. A position that is no
// boundary between entries of this log, or whose midstate is not the log's
// there, gets a nil Delta; its time does not matter. Positions may repeat and then
// share one Delta, and Deltas share their Changes where they agree, so all of it is
// to be read only.
//
// The log must not have been read before. Where it begins is a boundary; that
// the position there is true is known only by Finish.
func ScanEach(l *Log, selected func(pkg string) bool, from ...Position) ([]*Delta, error) {
	if l.in.pos != l.from.Length || l.done || l.err != nil {
		return nil, errors.New("scan index: the log was read before")
	}
	s := newScanner(l, selected, from)
	for e, err := range l.steps(func(e Entry) bool { return e.Kind == PackageJSON }) {
		if err != nil {
			return nil, err
		}
		s.startDeltas(e.Offset)
		s.add(e)
	}
	s.startDeltas(l.End().Length)
	deltas := make([]*Delta, len(from))
	for i, p := range from {
		if deltas[i] = s.found[p.key()]; deltas[i] != nil {
			deltas[i].To = l.End()
		}
	}
	return deltas, nil
}

// key is what tells positions apart.
func (p Position) key() midstate.Prefix {
	if p.IsZero() {
		return midstate.Prefix{}
	}
	return p.Prefix
}

// A scanner builds Deltas.
type scanner struct {
	log *Log
	// unreached has the positions that the log has not come to, ascending; deltas
	// has the Deltas of the others, in the same order, and found by their keys.
	unreached []Position
	deltas    []*Delta
	found     map[midstate.Prefix]*Delta

	selected func(pkg string) bool
	// answers has what selected said of each package.
	answers map[string]bool
	// words has each name and version once: they recur, and a Release that
	// is kept must not hold on to a whole path.
	words map[string]string
}

func newScanner(l *Log, selected func(pkg string) bool, from []Position) *scanner {
	s := &scanner{
		log: l, unreached: slices.Clone(from), found: make(map[midstate.Prefix]*Delta),
		selected: selected, answers: make(map[string]bool), words: make(map[string]string),
	}
	slices.SortFunc(s.unreached, func(a, b Position) int { return cmp.Compare(a.Length, b.Length) })
	for _, p := range from {
		l.watch(p.Length)
	}
	return s
}

// startDeltas starts the Deltas of the positions up to a boundary of the log.
func (s *scanner) startDeltas(boundary int64) {
	for len(s.unreached) > 0 && s.unreached[0].Length <= boundary {
		p := s.unreached[0]
		s.unreached = s.unreached[1:]
		at, ok := s.log.At(p.Length)
		if !ok || at.key() != p.key() || s.found[p.key()] != nil {
			continue
		}
		d := &Delta{From: at, Changes: make(map[Release]*ReleaseChanges), NewestPreferred: make(map[string]int64)}
		s.deltas = append(s.deltas, d)
		s.found[p.key()] = d
	}
}

func (s *scanner) isSelected(pkg string) bool {
	if s.selected == nil {
		return true
	}
	answer, asked := s.answers[pkg]
	if !asked {
		answer = s.selected(pkg)
		s.answers[s.word(pkg)] = answer
	}
	return answer
}

// add counts an entry in all Deltas that were started.
func (s *scanner) add(e Entry) {
	if len(s.deltas) == 0 {
		return
	}
	if e.Kind == 0 {
		s.skip(s.log.odd)
		return
	}
	if !s.isSelected(e.Release.Package) {
		return
	}
	for _, d := range s.deltas {
		d.Entries++
	}
	switch e.Kind {
	case Preferred:
		name := s.word(e.Release.Package)
		for _, d := range s.deltas {
			d.Preferred++
			d.NewestPreferred[name] = e.Offset
		}
	case Cabal:
		s.change(e.Release, func(c *ReleaseChanges) {
			if c.Cabals++; c.Cabals == 1 {
				c.FirstCabal = e.Offset
			}
			c.LastCabal = e.Span()
		})
	case PackageJSON:
		s.addTarget(e)
	}
}

func (s *scanner) skip(o oddity) {
	for _, d := range s.deltas {
		d.Skipped.add(o)
	}
}

// addTarget adds what a package.json says.
func (s *scanner) addTarget(e Entry) {
	t, err := parsePackageJSON(e.Release, e.Content)
	s.change(e.Release, func(c *ReleaseChanges) {
		before := c.TargetOffset >= 0
		c.Replaced = c.Replaced || t.again || before && t.Target != c.Target
		c.Target, c.TargetOffset, c.TargetUnix, c.MD5 = t.Target, e.Offset, e.Time.Unix(), t.md5
		if err != nil {
			c.TargetOffset = -1 // and the target is zero
		}
	})
	if err != nil {
		o := oddity{path: e.Path(), reason: reasonMalformed}
		s.log.skipped.add(o)
		s.skip(o)
	}
}

// change changes what the Deltas know of a release, at first nothing. Those that
// know the same of it go on sharing that: which they are follows from where the
// release was first mentioned, so they are neighbours.
func (s *scanner) change(r Release, apply func(*ReleaseChanges)) {
	var fresh, last *ReleaseChanges
	for _, d := range s.deltas {
		c, ok := d.Changes[r]
		if !ok {
			if fresh == nil {
				r = Release{Package: s.word(r.Package), Version: s.word(r.Version)}
				fresh = &ReleaseChanges{TargetOffset: -1}
			}
			c = fresh
			d.Changes[r] = c
			d.Order = append(d.Order, r)
		}
		if c != last {
			apply(c)
		}
		last = c
	}
}

// word returns a copy of text that is shared by all who ask for it.
func (s *scanner) word(text string) string {
	if w, ok := s.words[text]; ok {
		return w
	}
	w := strings.Clone(text)
	s.words[w] = w
	return w
}
