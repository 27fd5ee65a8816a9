package allcabal

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// A match is the entry of the index whose file the tree has at a path. All later
// ones are to be committed, so that no revision is lost, and no earlier one, so
// that none is turned back.
//
// The same bytes may stand in the index several times. Where the subject of the
// commit says how far its maker had read, the file is that of the newest entry
// before, or of one in the same second; then an older one, if the maker lagged
// behind its subject; then the first that came afterwards.
type match struct {
	at  int64 // offset of the entry
	how matchKind
}

// A matchKind says how an entry matches a file; the greater the better.
type matchKind uint8

const (
	noEntry matchKind = iota // the index has no entry for the path
	none                     // it has entries, and the tree has none of their files
	further                  // an entry beyond the subject's time
	older                    // an entry that is overtaken by that time
	exact                    // the newest entry by that time
)

// compare takes the next entry of the path into account; same says that the tree has
// its file, and until is the time in the subject.
func (m *match) compare(e index.Entry, same bool, until time.Time) {
	m.how = max(m.how, none)
	switch before := e.Time.Before(until); {
	case same && (before || e.Time.Equal(until) && m.how != exact):
		m.at, m.how = e.Offset, exact
	case same && m.how == none:
		m.at, m.how = e.Offset, further
	case before && m.how == exact:
		m.how = older
	}
}

// ErrBehind says that upstream shows less than what a repository was made of.
var ErrBehind = errors.New("upstream is behind the repository")

// behindAtLeast is by how much the subject of a repository that is adopted must be
// beyond the index before it counts against upstream: the older tools dated
// their commits by clocks of their own.
const behindAtLeast = time.Hour

// matchEntries finds out how far into the index the tree is at each of its paths. Of
// an adopted tree it reads the whole index, of one that is further than its tag what
// lies behind the position, and in either case to its end, so that a file of an
// entry that this run does not get to is not turned back.
func (d *Repository) matchEntries(in Input) error {
	if d.adopting == "" && !d.pastTag {
		return nil
	}
	var newest time.Time
	for e, err := range in.Index.Log(d.state.Position).Entries() {
		if err != nil {
			return fmt.Errorf("read index: %w", err)
		}
		if d.sane(e.Time) {
			newest = later(newest, e.Time)
		}
		if e.Kind == index.PackageJSON || !in.Selected(e.Release.Package) {
			continue
		}
		if f := d.tree.lookUp(e.Path()); f != nil {
			f.match.compare(e, f.id == gitpack.BlobID(e.Content), d.lastTime)
		}
	}
	if d.adopting == "" {
		return nil
	}
	return d.reportUnmatched(in, newest)
}

// reportUnmatched tells what of an adopted tree the index does not know.
func (d *Repository) reportUnmatched(in Input, newest time.Time) error {
	var strange, unknown, cabals firstNames
	for _, f := range d.tree.files {
		pkg, _, _ := strings.Cut(f.path, "/")
		if !isData(f.path) || f.path == deprecatedPath || !in.Selected(pkg) {
			continue
		}
		r, ok := releaseAt(f.path)
		isCabal := ok && f.path == r.CabalPath()
		if isCabal && f.match.how <= none {
			cabals.add(f.path)
		}
		switch {
		case isCabal && f.match.how == none, f.path == preferredPath(pkg) && f.match.how == none:
			strange.add(f.path)
		case f.match.how == noEntry && !(ok && f.path == r.JSONPath() && d.inIndex(r)):
			unknown.add(f.path)
		}
	}
	if d.owner != ours && d.lastTime.Sub(newest) > behindAtLeast && cabals.n > 0 {
		return fmt.Errorf("adopt %q: its newest commit is of %s, upstream's index ends at %s and lacks %s: %w; "+
			"nothing was written. Wait until upstream has caught up, or name an upstream that has it",
			d, d.lastTime.Format(time.RFC3339), newest.Format(time.RFC3339), cabals, ErrBehind)
	}
	if strange.n > 0 {
		d.notify("%s: no revision in the index has these bytes; the newest revision replaces it", strange)
	}
	if unknown.n > 0 {
		d.notify("not in the index, left as found and unverified: %s", unknown)
	}
	return nil
}

// inIndex reports whether the index has a .cabal file for a release of the tree.
func (d *Repository) inIndex(r index.Release) bool {
	f := d.tree.lookUp(r.CabalPath())
	return f != nil && f.match.how > noEntry
}

// overtaken reports whether the tree has an entry's file already, or that of a
// newer one.
func (r *replay) overtaken(e index.Entry) bool {
	f := r.d.tree.lookUp(e.Path())
	switch {
	case f == nil:
		return false
	case f.match.how <= none:
		return r.d.adopting != "" && !r.isNewest(e)
	}
	return e.Offset <= f.match.at
}
