package page

import (
	"fmt"
	"time"

	"github.com/gorilla/feeds"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// hackage is what the ids of a feed begin with where upstream has no address on
// the web.
const hackage = "https://hackage.haskell.org/"

// feed returns the newest releases and revisions as an Atom feed (RFC 4287). An
// entry's id is upstream's address of it: unique, and the same wherever the
// mirror moves. Links need an address of the mirror and are left out without.
func feed(s *status.Status) ([]byte, error) {
	public := web(s.PublicURL)
	upstream := web(s.Upstream)
	if upstream == "" {
		upstream = hackage
	}
	f := &feeds.AtomFeed{
		Xmlns: "http://www.w3.org/2005/Atom", Title: "New on the Hackage mirror", Id: upstream + "#mirror",
		Subtitle: "Releases and revisions, the newest first",
		Author:   &feeds.AtomAuthor{AtomPerson: feeds.AtomPerson{Name: "hackage-mirror"}},
	}
	if public != "" {
		f.Title, f.Id = "New on "+public, public+"feed.xml"
		f.Link = &feeds.AtomLink{Href: public + "feed.xml", Rel: "self", Type: "application/atom+xml"}
	}
	var updated time.Time // of the newest, so that a feed without news is the same
	seen := map[string]bool{}
	for _, item := range s.Recent {
		entry := newEntry(item, upstream, public)
		if entry == nil || seen[entry.Id] {
			continue
		}
		seen[entry.Id] = true
		f.Entries = append(f.Entries, entry)
		if item.Time.After(updated) {
			updated = item.Time
		}
	}
	if updated.IsZero() {
		updated = time.Unix(0, 0) // a feed has to have a time
	}
	f.Updated = stamp(updated)
	text, err := feeds.ToXML(f)
	return []byte(text + "\n"), err
}

// newEntry returns an item as an entry; none of an item that is no release or
// has no time.
func newEntry(item status.Item, upstream, public string) *feeds.AtomEntry {
	if !isRelease(item.Package, item.Version) || item.Time.IsZero() {
		return nil
	}
	path, title := "package/"+item.Package+"-"+item.Version, item.Package+" "+item.Version
	text, file := "A new release.", path+"/"+item.Package+".cabal"
	if item.Bytes > 0 {
		text = fmt.Sprintf("A new release, %s.", plain.Size(item.Bytes))
	}
	if item.Revision > 0 {
		path = fmt.Sprintf("%s/revision/%d.cabal", path, item.Revision)
		title = fmt.Sprintf("%s, revision %d", title, item.Revision)
		text, file = "A new revision of the .cabal file.", path
	}
	entry := &feeds.AtomEntry{
		Title: title, Id: upstream + path, Updated: stamp(item.Time), Published: stamp(item.Time),
		Content: &feeds.AtomContent{Type: "text", Content: text},
	}
	if public != "" {
		entry.Links = []feeds.AtomLink{{Href: public + file, Rel: "alternate", Type: "text/plain"}}
	}
	return entry
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
