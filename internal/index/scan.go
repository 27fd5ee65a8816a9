package index

import "strings"

// News is what a stretch of the log says of one release.
type News struct {
	// Cabals counts the .cabal entries; LastCabal is the newest of them.
	Cabals    int
	LastCabal Span
	// Target is what the newest package.json says of the tarball, and
	// TargetOffset is where that entry starts, -1 if there is none or if it
	// is malformed.
	Target       Target
	TargetOffset int64
	// Replaced says that the tarball was replaced: two package.json of the
	// stretch disagree, or one says of itself that it is not the first. A
	// malformed one disagrees with any before it.
	Replaced bool
}

// A Tail is what a stretch of the log holds, without the contents.
type Tail struct {
	// From and To are the ends of the stretch.
	From, To Position
	// News has each release that the stretch mentions; Order has them by
	// first appearance.
	News  map[Release]*News
	Order []Release
	// Entries counts the entries of packages that were taken, and Preferred
	// those among them that are preferred-versions.
	Entries, Preferred int
	// NewestPreferred has the offset of the newest preferred-versions of each
	// package.
	NewestPreferred map[string]int64
	Passed          Passed
}

// Scan reads the log to its end and sums it up for the packages that take
// wants, or for all if take is nil; take is asked once for each package. A
// malformed package.json is counted as passed over, and its release has no
// Target then. Some 200 bytes are held for each release.
func Scan(l *Log, take func(pkg string) bool) (*Tail, error) {
	s := &scanner{
		tail:    &Tail{From: l.from, News: make(map[Release]*News), NewestPreferred: make(map[string]int64)},
		take:    take,
		answers: make(map[string]bool),
		words:   make(map[string]string),
	}
	for e, err := range l.entries(func(k Kind) bool { return k == PackageJSON }) {
		if err != nil {
			return nil, err
		}
		if !s.takes(e.Release.Package) {
			continue
		}
		if err := s.add(e); err != nil {
			l.passed.add(e.Path(), reasonMalformed)
		}
	}
	s.tail.To = l.End()
	s.tail.Passed = l.Passed()
	return s.tail, nil
}

// A scanner builds a Tail.
type scanner struct {
	tail *Tail
	take func(pkg string) bool
	// answers has what take said of each package.
	answers map[string]bool
	// words has each name and version once: they recur, and a Release that
	// is kept must not hold on to a whole path.
	words map[string]string
	// slab is where the next News come from, many to an allocation.
	slab []News
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

// add counts an entry. It fails on a malformed package.json.
func (s *scanner) add(e Entry) error {
	s.tail.Entries++
	switch e.Kind {
	case Preferred:
		s.tail.Preferred++
		s.tail.NewestPreferred[s.word(e.Release.Package)] = e.Offset
	case Cabal:
		n := s.news(e.Release)
		n.Cabals++
		n.LastCabal = e.Span()
	case PackageJSON:
		return s.addTarget(s.news(e.Release), e)
	}
	return nil
}

// addTarget takes in a package.json.
func (s *scanner) addTarget(n *News, e Entry) error {
	target, again, err := parsePackageJSON(e.Release, e.Content)
	before := n.TargetOffset >= 0
	n.Replaced = n.Replaced || again || before && target != n.Target
	n.Target, n.TargetOffset = target, e.Offset
	if err != nil {
		n.TargetOffset = -1 // and the target is zero
	}
	return err
}

// news returns what is known of a release, at first nothing.
func (s *scanner) news(r Release) *News {
	if n, ok := s.tail.News[r]; ok {
		return n
	}
	r = Release{Package: s.word(r.Package), Version: s.word(r.Version)}
	if len(s.slab) == 0 {
		s.slab = make([]News, 256)
	}
	n := &s.slab[0]
	s.slab = s.slab[1:]
	n.TargetOffset = -1
	s.tail.News[r] = n
	s.tail.Order = append(s.tail.Order, r)
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
