package index

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
)

// A Kind tells the three entries of an index apart.
type Kind uint8

// The kinds of entries.
const (
	Cabal       Kind = iota + 1 // NAME/VERSION/NAME.cabal
	PackageJSON                 // NAME/VERSION/package.json
	Preferred                   // NAME/preferred-versions
)

// MaxEntry is the largest content in bytes that is read; a larger entry is
// skipped. The largest .cabal file on Hackage has 262 kB.
const MaxEntry = 16 << 20

// The last part of the paths that are not named after their package.
const (
	packageJSONName = "package.json"
	preferredName   = "preferred-versions"
)

// An Entry is one file of the index.
type Entry struct {
	Kind Kind
	// Release is what the entry is about; the Version of a Preferred is "".
	Release Release
	// Time is the entry's, in UTC and whole seconds, within the years 1970
	// to 9999.
	Time time.Time
	// Offset and End are bytes in the whole index: where the entry's first
	// header starts, and where the padding behind its content ends.
	Offset, End int64
	// Size is the length of the content in bytes.
	Size int64
	// Content is valid until the next entry is asked for.
	Content []byte
}

// Path returns the entry's path in the index, which is also its path in the
// git repositories.
func (e Entry) Path() string {
	switch e.Kind {
	case Cabal:
		return e.Release.CabalPath()
	case PackageJSON:
		return e.Release.Package + "/" + e.Release.Version + "/" + packageJSONName
	case Preferred:
		return e.Release.Package + "/" + preferredName
	}
	return ""
}

// Span returns where the entry stands in the index.
func (e Entry) Span() Span { return Span{Offset: e.Offset, Size: e.Size} }

// A Span is an entry's place in the index: where its first header starts, and
// how long its content is, in bytes.
type Span struct {
	Offset, Size int64
}

// Within reports whether an index of that length can have such an entry.
func (s Span) Within(length int64) bool {
	return s.Offset >= 0 && s.Size >= 0 && s.Size <= MaxEntry && s.Offset < length-s.Size
}

// ErrNoEntry says that at a place of the index no entry of the size begins that
// was asked for.
var ErrNoEntry = errors.New("no such entry of the index begins there")

// AroundEntry is how many bytes ReadEntry needs beside an entry's content and its
// header, for headers of a long name.
const AroundEntry = 4 << 10

// ReadEntry returns the entry at span, which is the first that r has. The error is
// ErrNoEntry if it is another, or none.
func ReadEntry(r io.Reader, span Span) (Entry, error) {
	from := Position{Prefix: midstate.Prefix{Length: span.Offset}}
	for e, err := range newLog(r, AroundEntry, from).Entries() {
		switch {
		case errors.Is(err, ErrDamaged):
			return Entry{}, fmt.Errorf("%w: %w", err, ErrNoEntry)
		case err != nil:
			return Entry{}, err
		case e.Offset != span.Offset || e.Size != span.Size:
			return Entry{}, fmt.Errorf("read index entry at offset %d: another is there: %w", span.Offset, ErrNoEntry)
		}
		return e, nil // nobody reads on in this log, so the content stays
	}
	return Entry{}, fmt.Errorf("read index entry at offset %d: the index ends there: %w", span.Offset, ErrNoEntry)
}

// Reasons for skipping an entry, as they stand in Skipped.ByReason.
const (
	reasonType      = "not a regular file"
	reasonSparse    = "sparse file"
	reasonTooLarge  = "too large"
	reasonUnclean   = "unclean path"
	reasonName      = "bad package name or version"
	reasonOther     = "other file name"
	reasonMalformed = "malformed package.json"
)

// parsePath says what the path of an entry is about, or why it is skipped.
func parsePath(path string) (kind Kind, r Release, reason string) {
	if !clean(path) {
		return 0, Release{}, reasonUnclean
	}
	name, rest, _ := strings.Cut(path, "/")
	version, file, nested := strings.Cut(rest, "/")
	switch {
	case !nested && version == preferredName:
		kind, r = Preferred, Release{Package: name}
	case !nested || strings.Contains(file, "/"):
		return 0, Release{}, reasonOther
	case file == packageJSONName:
		kind, r = PackageJSON, Release{Package: name, Version: version}
	case len(file) == len(name)+len(".cabal") && strings.HasPrefix(file, name) && strings.HasSuffix(file, ".cabal"):
		kind, r = Cabal, Release{Package: name, Version: version}
	default:
		return 0, Release{}, reasonOther
	}
	if CheckPackage(name) != nil || kind != Preferred && CheckVersion(version) != nil {
		return 0, Release{}, reasonName
	}
	return kind, r, ""
}

// clean reports whether a path is printable ASCII, relative, without a
// backslash, and made of real names only.
func clean(path string) bool {
	for i := range len(path) {
		if c := path[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			return false
		}
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}

// Skipped tells of entries that were skipped.
type Skipped struct {
	// Count is how many there were, and ByReason how many for each reason.
	Count    int
	ByReason map[string]int
	// Samples are the first few, as quoted path, colon, reason.
	Samples []string
}

// maxSamples bounds Skipped.Samples.
const maxSamples = 10

// An oddity is an entry that is skipped.
type oddity struct{ path, reason string }

// add counts an entry. The path is an uploader's text, so it is quoted and cut.
func (p *Skipped) add(o oddity) {
	if p.ByReason == nil {
		p.ByReason = make(map[string]int)
	}
	p.Count++
	p.ByReason[o.reason]++
	if len(p.Samples) < maxSamples {
		p.Samples = append(p.Samples, fmt.Sprintf("%.200q: %s", o.path, o.reason))
	}
}
