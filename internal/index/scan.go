package index

import (
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
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
	// Entries counts the entries of packages that were taken, and Preferred
	// those among them that are preferred-versions.
	Entries, Preferred int
	// NewestPreferred has the offset of the newest preferred-versions of each
	// package.
	NewestPreferred map[string]int64
	Skipped         Skipped
}

// Scan reads the log to its end and sums it up for the packages that take
// wants, or for all if take is nil; take is asked once for each package. A
// malformed package.json is counted as skipped, and its release has no
// Target then. Some 200 bytes are held for each release.
func Scan(l *Log, take func(pkg string) bool) (*Delta, error) {
	tails, err := ScanEach(l, take, l.from)
	if err != nil {
		return nil, err
	}
	return tails[0], nil
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
func ScanEach(l *Log, take func(pkg string) bool, from ...Position) ([]*Delta, error) {
	if l.tape.pos != l.from.Length || l.done || l.err != nil {
		return nil, errors.New("scan index: the log was read before")
	}
	s := newScanner(l, take, from)
	for e, err := range l.steps(s.wants) {
		if err != nil {
			return nil, err
		}
		s.begin(e.Offset)
		s.add(e)
	}
	s.begin(l.End().Length)
	for _, t := range s.tails {
		t.To = l.End()
	}
	tails := make([]*Delta, len(from))
	for i, p := range from {
		tails[i] = s.found[p.place()]
	}
	return tails, nil
}

// A place is what tells positions apart.
type place struct {
	length   int64
	midstate [sha256.Size]byte
}

func (p Position) place() place {
	if p.IsZero() {
		return place{}
	}
	return place{p.Length, p.Midstate}
}

// A scanner builds Deltas.
type scanner struct {
	log *Log
	// ahead has the positions that the log has not come to, ascending; tails
	// has the Deltas of the others, by the same order, and found by place.
	ahead []Position
	tails []*Delta
	found map[place]*Delta

	take func(pkg string) bool
	// answers has what take said of each package.
	answers map[string]bool
	// words has each name and version once: they recur, and a Release that
	// is kept must not hold on to a whole path.
	words map[string]string
	// slab is where the next ReleaseChanges come from, many to an allocation.
	slab []ReleaseChanges
}

func newScanner(l *Log, take func(pkg string) bool, from []Position) *scanner {
	s := &scanner{
		log: l, ahead: slices.Clone(from), found: make(map[place]*Delta),
		take: take, answers: make(map[string]bool), words: make(map[string]string),
	}
	slices.SortFunc(s.ahead, func(a, b Position) int { return cmp.Compare(a.Length, b.Length) })
	for _, p := range from {
		l.tape.watch(p.Length)
	}
	return s
}

// begin begins the Deltas of the positions up to a boundary of the log.
func (s *scanner) begin(boundary int64) {
	for len(s.ahead) > 0 && s.ahead[0].Length <= boundary {
		p := s.ahead[0]
		s.ahead = s.ahead[1:]
		at, ok := s.log.At(p.Length)
		if !ok || at.place() != p.place() || s.found[p.place()] != nil {
			continue
		}
		t := &Delta{From: at, Changes: make(map[Release]*ReleaseChanges), NewestPreferred: make(map[string]int64)}
		s.tails = append(s.tails, t)
		s.found[p.place()] = t
	}
}

// wants reports whether an entry's content matters.
func (s *scanner) wants(e Entry) bool {
	s.begin(e.Offset)
	return e.Kind == PackageJSON && len(s.tails) > 0
}

func (s *scanner) takes(pkg string) bool {
	if s.take == nil {
		return true
	}
	answer, asked := s.answers[pkg]
	if !asked {
		answer = s.take(pkg)
		s.answers[s.word(pkg)] = answer
	}
	return answer
}

// add counts an entry in all Deltas that were begun.
func (s *scanner) add(e Entry) {
	switch {
	case len(s.tails) == 0:
	case e.Kind == 0:
		s.pass(s.log.odd)
	case s.takes(e.Release.Package):
		s.count(e)
	}
}

func (s *scanner) pass(o oddity) {
	for _, t := range s.tails {
		t.Skipped.add(o)
	}
}

// count counts an entry of a package that was taken.
func (s *scanner) count(e Entry) {
	for _, t := range s.tails {
		t.Entries++
	}
	switch e.Kind {
	case Preferred:
		name := s.word(e.Release.Package)
		for _, t := range s.tails {
			t.Preferred++
			t.NewestPreferred[name] = e.Offset
		}
	case Cabal:
		s.news(e.Release, func(n *ReleaseChanges) {
			if n.Cabals++; n.Cabals == 1 {
				n.FirstCabal = e.Offset
			}
			n.LastCabal = e.Span()
		})
	case PackageJSON:
		s.addTarget(e)
	}
}

// addTarget takes in a package.json.
func (s *scanner) addTarget(e Entry) {
	t, err := parsePackageJSON(e.Release, e.Content)
	s.news(e.Release, func(n *ReleaseChanges) {
		before := n.TargetOffset >= 0
		n.Replaced = n.Replaced || t.again || before && t.Target != n.Target
		n.Target, n.TargetOffset, n.MD5 = t.Target, e.Offset, t.md5
		if err != nil {
			n.TargetOffset = -1 // and the target is zero
		}
	})
	if err != nil {
		o := oddity{path: e.Path(), reason: reasonMalformed}
		s.log.passed.add(o)
		s.pass(o)
	}
}

// news changes what the Deltas know of a release, at first nothing. Those that
// have the same news of it go on sharing them: which they are follows from where
// the release was first mentioned, so they are neighbours.
func (s *scanner) news(r Release, change func(*ReleaseChanges)) {
	var fresh, last *ReleaseChanges
	for _, t := range s.tails {
		n, ok := t.Changes[r]
		if !ok {
			if fresh == nil {
				r = Release{Package: s.word(r.Package), Version: s.word(r.Version)}
				fresh = s.blank()
			}
			n = fresh
			t.Changes[r] = n
			t.Order = append(t.Order, r)
		}
		if n != last {
			change(n)
		}
		last = n
	}
}

// blank returns news of nothing.
func (s *scanner) blank() *ReleaseChanges {
	if len(s.slab) == 0 {
		s.slab = make([]ReleaseChanges, 256)
	}
	n := &s.slab[0]
	s.slab = s.slab[1:]
	n.TargetOffset = -1
	return n
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
