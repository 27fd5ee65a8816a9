// Package page makes of a mirror's status what people and programs look at in a
// bucket: a page, a badge in two forms, a feed and metrics, and the list of names
// that the page's search reads.
//
// It makes files of facts: no network, no clock. The same status gives
// the same bytes. What depends on the hour at which somebody looks is left to
// the page's own script, for a mirror whose runs no longer start cannot write
// that it is out of date. A badge therefore names the time that it speaks of.
//
// Nothing that is shown is trusted: names, addresses and the texts of errors may
// come from upstream, a bucket or a git host. Characters that have no picture of
// their own or that reorder others become blanks, an address is a link only if
// it is one of the web, a release only if its name is one that Hackage allows,
// and each form escapes what is left for where it stands. The page
// loads nothing from elsewhere, and its policy forbids it.
package page

import (
	"encoding/json"
	"fmt"

	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// NamesKey is where the page's search looks for the names.
const NamesKey = "names.json"

// A File is an object for a bucket: its key below the bucket's prefix, what it is
// served as and for how long, and its content.
type File struct {
	Key, Type, CacheControl string
	Body                    []byte
}

const (
	briefly = "public, no-transform, max-age=60"
	// anHour is for what changes once a week. It may be compressed on its way.
	anHour = "public, max-age=3600"
)

// Render returns index.html, badge.svg, badge.json, feed.xml and metrics.txt.
func Render(s *status.Status) ([]File, error) {
	var files []File
	for _, f := range []struct {
		key, kind string
		render    func(*status.Status) ([]byte, error)
	}{
		{"index.html", "text/html; charset=utf-8", html},
		{"badge.svg", "image/svg+xml", badgeSVG},
		{"badge.json", "application/json", badgeJSON},
		{"feed.xml", "application/atom+xml; charset=utf-8", feed},
		// Not the type of OpenMetrics, at which a browser would save the file.
		{"metrics.txt", "text/plain; charset=utf-8", metrics},
	} {
		body, err := f.render(s)
		if err != nil {
			return nil, fmt.Errorf("render %s: %w", f.key, err)
		}
		files = append(files, File{Key: f.key, Type: f.kind, CacheControl: briefly, Body: body})
	}
	return files, nil
}

// Names returns the file in which the page's search finds names: a JSON object
// with the newest version of each package, sorted, a line for each. What is not
// a name or a version is left out: no bucket has a file for it.
func Names(newest map[string]string) File {
	names := make(map[string]string, len(newest))
	for name, version := range newest {
		if isRelease(name, version) {
			names[name] = version
		}
	}
	body, err := json.MarshalIndent(names, "", "")
	if err != nil {
		panic("page: names do not fit into JSON: " + err.Error())
	}
	return File{Key: NamesKey, Type: "application/json", CacheControl: anHour, Body: append(body, '\n')}
}
