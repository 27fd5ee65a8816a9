package page

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"math"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

//go:embed index/page.html
var pageText string

//go:embed index/page.css
var style string

//go:embed index/page.js
var script string

// maxPage bounds the page, in bytes.
const maxPage = 100_000

// The lists of the page, in lines: those that are seen at once, and all. They
// become shorter until the page is below maxPage.
const (
	maxSeen = 15
	maxRows = 80
)

var (
	pageTemplate = template.Must(template.New("page.html").Parse(pageText))
	// policy lets the page run its own script and style, read files that lie
	// beside it, and nothing else.
	policy = "default-src 'none'; script-src " + digest(script) + "; style-src " + digest(style) +
		"; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'"
)

// digest is how a policy names a text.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func html(s *status.Status) ([]byte, error) {
	for rows := maxRows; ; rows /= 2 {
		var out bytes.Buffer
		if err := pageTemplate.ExecuteTemplate(&out, "page", newView(s, rows)); err != nil {
			return nil, err
		}
		if out.Len() <= maxPage {
			return out.Bytes(), nil
		}
		if rows == 0 {
			return nil, fmt.Errorf("the page has %d bytes without its lists, and may have %d", out.Len(), maxPage)
		}
	}
}

// A view is a status in words, as the template shows it.
type view struct {
	CSS    template.CSS
	JS     template.JS
	Policy string

	Host, Upstream, UpstreamLink, Packages, Tool string
	Health, Sentence, Behind, Error              string
	Run, RunLink                                 string
	Checked, State                               moment
	Figures                                      []figure
	ByHand, Keys, Uncounted                      bool
	Blocks                                       []block
	Repositories                                 []repository
	Chart                                        *chart
	Recent, Older                                []item
	Pending, Unlisted                            string
	Ledger                                       []record
	Expiries                                     []expiry
}

// A moment is a time: for programs, and for people.
type moment struct{ At, Text string }

// A figure is a number with its name.
type figure struct{ Of, Is string }

// An item is a release or a revision. Page and File are links.
type item struct {
	Name, Note, Page, File, Size string
	Time                         moment
}

// A record is a line of the ledger.
type record struct {
	Release, Reason, Why string
	Since                moment
}

// An expiry is a line of what expires.
type expiry struct {
	Of, Left string
	When     moment
}

func newMoment(t time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	return moment{stamp(t), t.UTC().Format("2 Jan 2006, 15:04 UTC")}
}

// newView puts a status into words, with lists of at most so many rows.
func newView(s *status.Status, rows int) *view {
	public := web(s.PublicURL)
	v := &view{
		CSS: template.CSS(style), JS: template.JS(script), Policy: policy, // our own, embedded
		Host: host(public), Upstream: cmp.Or(host(web(s.Upstream)), shown(s.Upstream, maxLine), "Hackage"), UpstreamLink: web(s.Upstream),
		Packages: shown(s.Packages, maxLine), Tool: cmp.Or(shown(s.Tool, maxWord), "hackage-mirror"),
		Error: details(s), RunLink: link(s.Run.URL),
		Health: lookOf(s.Health).class, Sentence: cmp.Or(shown(s.Sentence, maxError), lookOf(s.Health).sentence),
		Checked: newMoment(s.Checked), State: newMoment(s.Index.State),
		Figures: figures(s), ByHand: public == "", Keys: len(keys(s)) > 0, Uncounted: s.Holds.Releases < 0, Blocks: blocks(s, public),
		Repositories: newRepositories(s.Repositories, rows), Chart: newChart(s.Days),
	}
	if s.Index.Behind > 0 {
		v.Behind = span(seconds(s.Index.Behind))
	}
	v.Run = lastRun(s.Run)
	v.addLists(s, rows)
	return v
}

// host is an address as people say it.
func host(public string) string {
	_, rest, _ := strings.Cut(public, "://")
	return strings.TrimSuffix(rest, "/")
}

// details returns what went wrong, but for what the sentence says already.
func details(s *status.Status) string {
	text := shown(s.Run.Error, maxError)
	_, said, _ := strings.Cut(shown(s.Sentence, maxError), ": ")
	if len(said) <= len(text) && strings.EqualFold(text[:len(said)], said) {
		text = strings.TrimSpace(text[len(said):])
	}
	return text
}

// lastRun says when the last run was and how it ended.
func lastRun(r status.Run) string {
	if r.Began.IsZero() {
		return ""
	}
	said := newMoment(r.Began).Text
	if r.Outcome != "" {
		said += ", " + shown(r.Outcome, maxWord)
	}
	if r.Seconds >= 0 {
		said += fmt.Sprintf(", in %s s", humanize.CommafWithDigits(r.Seconds, 1))
	}
	return said
}

// figures returns the numbers that are known.
func figures(s *status.Status) []figure {
	var all []figure
	if s.Index.Lag >= 0 && !s.Index.State.IsZero() {
		all = append(all, figure{"From upload to mirror", span(seconds(s.Index.Lag))})
	}
	for _, f := range []struct {
		of string
		n  int64
	}{{"Packages", s.Holds.Packages}, {"Releases", s.Holds.Releases}, {"Revisions", s.Holds.Revisions}} {
		if f.n >= 0 {
			all = append(all, figure{f.of, plain.Count(f.n)})
		}
	}
	if s.Holds.Bytes >= 0 {
		all = append(all, figure{"Tarballs", plain.Size(s.Holds.Bytes)})
	}
	return all
}

// addLists adds the lists, of so many rows each at most.
func (v *view) addLists(s *status.Status, rows int) {
	for i, it := range first(s.Recent, rows) {
		if i < maxSeen {
			v.Recent = append(v.Recent, newItem(it))
		} else {
			v.Older = append(v.Older, newItem(it))
		}
	}
	if s.Pending > 0 || len(s.Ledger) > 0 {
		v.Pending = plain.Plural(max(s.Pending, len(s.Ledger)), "release")
	}
	for _, o := range first(s.Ledger, rows) {
		line := record{shown(o.Release, maxWord), shown(o.Reason, maxWord), shown(o.Why, maxLine), newMoment(o.Since)}
		line.Since.Text, _, _ = strings.Cut(line.Since.Text, ",")
		v.Ledger = append(v.Ledger, line)
	}
	if more := max(s.Pending, len(s.Ledger)) - len(v.Ledger); more > 0 {
		v.Unlisted = plain.Count(more)
	}
	now := s.Checked
	if s.Run.Began.After(now) {
		now = s.Run.Began
	}
	for _, e := range first(s.Expiries, rows) {
		// Of a key, the fingerprint stands with the repositories.
		line := expiry{Of: hexadecimal.ReplaceAllString(shown(e.Of, maxWord), ""), When: newMoment(e.When)}
		line.Left = span(e.When.Sub(now)) + " left"
		if e.When.Before(now) {
			line.Left = "expired"
		}
		v.Expiries = append(v.Expiries, line)
	}
}

func first[T any](list []T, n int) []T { return list[:min(n, len(list))] }

var hexadecimal = regexp.MustCompile(` [0-9A-Fa-f]{40,64}$`)

// newItem links a release or a revision to its files, if it can have any.
func newItem(i status.Item) item {
	v := item{Name: shown(i.Package, maxWord) + " " + shown(i.Version, maxWord), Time: newMoment(i.Time)}
	if i.Revision > 0 {
		v.Note = "revision " + plain.Count(i.Revision)
	}
	if !isRelease(i.Package, i.Version) {
		return v
	}
	path := "package/" + i.Package + "-" + i.Version
	if i.Revision > 0 {
		v.Page = fmt.Sprintf("%s/revision/%d.cabal", path, i.Revision)
		return v
	}
	v.Page, v.File, v.Size = path+"/"+i.Package+".cabal", path+".tar.gz", "tar.gz"
	if i.Bytes > 0 {
		v.Size = plain.Size(i.Bytes)
	}
	return v
}

// link returns an address of the web as it is, and nothing for any other.
func link(address string) string {
	u, err := url.Parse(address)
	if err != nil || web(address) == "" {
		return ""
	}
	u.User = nil
	return u.String()
}

func seconds(n int64) time.Duration {
	return time.Duration(min(n, int64(math.MaxInt64/time.Second))) * time.Second
}

// span says a length of time in the largest unit of which there is one, as the page's script
// does.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < 90*time.Minute:
		return plain.Plural(int(d/time.Minute), "minute")
	case d < 2*day:
		return plain.Plural(int(d/time.Hour), "hour")
	}
	return plain.Plural(int(d/day), "day")
}
