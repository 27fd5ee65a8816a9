package allcabal

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// A match is the entry of the index whose file the tree has at a path. All later
// ones are to be committed, so that no revision is lost, and no earlier one, so
// that none is turned back.
//
// The same bytes may stand in the index several times. Where the line of the
// commit says how far its maker had read, the file is that of the newest entry
// before, or of one in the same second; then an older one, if the maker lagged
// behind its line; then the first that came afterwards.
type match struct {
	at  int64 // offset of the entry
	how how
}

// A how says how good a match is.
type how uint8

const (
	unread  how = iota // the index has no entry for the path
	none               // it has entries, and the tree has none of their files
	further            // an entry beyond the line
	older              // an entry that the line says is overtaken
	exact              // the entry that the line leads to
)

// see takes in the next entry of the path; same says that the tree has its file.
func (m *match) see(e index.Entry, same bool, line time.Time) {
	m.how = max(m.how, none)
	switch before := e.Time.Before(line); {
	case same && (before || e.Time.Equal(line) && m.how != exact):
		m.at, m.how = e.Offset, exact
	case same && m.how == none:
		m.at, m.how = e.Offset, further
	case before && m.how == exact:
		m.how = older
	}
}

// ErrBehind says that upstream shows less than what a repository was made of.
var ErrBehind = errors.New("upstream is behind the repository")

// behindAtLeast is by how much the line of a repository that is adopted must be
// beyond the index before it counts against upstream: the older tools dated
// their commits by clocks of their own.
const behindAtLeast = time.Hour

// match finds out how far into the index the tree is at each of its paths. Of an
// adopted tree it takes the whole index, of one that is further than its tag what
// lies behind the position, and in either case to its end, so that a file of an
// entry that this run does not get to is not turned back.
func (d *Repository) match(in Input) error {
	if !d.adopting && !d.ahead {
		return nil
	}
	d.tree.match()
	var newest time.Time
	for e, err := range in.Index.Log(d.state.Position).Entries() {
		if err != nil {
			return fmt.Errorf("read index: %w", err)
		}
		if d.sane(e.Time) {
			newest = later(newest, e.Time)
		}
		if e.Kind == index.PackageJSON || !in.Take(e.Release.Package) {
			continue
		}
		if m, id, ok := d.tree.matched(e.Path()); ok {
			m.see(e, id == blobOf(e.Content), d.last)
		}
	}
	if !d.adopting {
		return nil
	}
	return d.judge(in, newest)
}

// judge looks at what of an adopted tree the index does not know.
func (d *Repository) judge(in Input, newest time.Time) error {
	var strange, unknown, cabals few
	for path, m := range d.tree.all() {
		pkg, _, _ := strings.Cut(path, "/")
		if !isData(path) || path == deprecatedPath || !in.Take(pkg) {
			continue
		}
		r, ok := releaseAt(path)
		isCabal := ok && path == r.CabalPath()
		if isCabal && m.how <= none {
			cabals.add(path)
		}
		switch {
		case isCabal && m.how == none, path == preferredPath(pkg) && m.how == none:
			strange.add(path)
		case m.how == unread && !(ok && path == r.JSONPath() && d.knows(r)):
			unknown.add(path)
		}
	}
	if d.owner != ours && d.last.Sub(newest) > behindAtLeast && cabals.n > 0 {
		return fmt.Errorf("adopt %q: its newest commit is of %s, upstream's index ends at %s and lacks %s: %w; "+
			"nothing was written. Wait until upstream has caught up, or name an upstream that has it it",
			d, d.last.Format(time.RFC3339), newest.Format(time.RFC3339), cabals, ErrBehind)
	}
	if strange.n > 0 {
		d.notify("%s: no revision in the index has these bytes; the newest revision replaces it", strange)
	}
	if unknown.n > 0 {
		d.notify("not in the index, left as found and unverified: %s", unknown)
	}
	return nil
}

// knows reports whether the index has a .cabal file for a release of the tree.
func (d *Repository) knows(r index.Release) bool {
	m, _, ok := d.tree.matched(r.CabalPath())
	return ok && m.how > unread
}

// releaseAt returns the release whose folder a path is in, if it is one.
func releaseAt(path string) (index.Release, bool) {
	parts := strings.Split(path, "/")
	if len(parts) != 3 || index.CheckPackage(parts[0]) != nil || index.CheckVersion(parts[1]) != nil {
		return index.Release{}, false
	}
	return index.Release{Package: parts[0], Version: parts[1]}, true
}

// passed reports whether the tree has an entry's file already, or that of a
// newer one.
func (r *replay) passed(e index.Entry) bool {
	m, _, ok := r.d.tree.matched(e.Path())
	if !ok {
		return false
	}
	if m.how <= none {
		return r.d.adopting && !r.isNewest(e)
	}
	return e.Offset <= m.at
}
