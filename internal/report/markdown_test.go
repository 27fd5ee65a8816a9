package report

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// tags are all that a summary has of HTML.
var tags = regexp.MustCompile(`</?(code|pre|br|details|summary|a)( href="https://[A-Za-z0-9/.#%:@$&;=~_+!,()*-]*")?>`)

// checkMarkdown fails if a job summary holds what only an attack can have put
// there.
func checkMarkdown(t *testing.T, text string) {
	t.Helper()
	if left := tags.ReplaceAllString(text, ""); strings.ContainsAny(fenceless(left), "<>") {
		t.Errorf("HTML that is not ours: %q", regexp.MustCompile(`.{0,40}[<>].{0,40}`).FindString(fenceless(left)))
	}
	columns := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		n := strings.Count(line, "|")
		if columns > 0 && n != columns {
			t.Errorf("a row of the table has %d bars and the row above it %d: %.300q", n, columns, line)
		}
		columns = n
	}
	text = regexp.MustCompile(`(?s)<pre>.*?</pre>| href="[^"]*"`).ReplaceAllString(text, "")
	if strings.Contains(text, "](") || strings.Contains(text, "\u202e") || strings.Contains(text, "@octocat") {
		t.Error("a link, a mention or a mark that turns text around")
	}
}

// fenceless takes the charts out.
func fenceless(text string) string {
	return regexp.MustCompile("(?s)```mermaid\n.*?\n```\n").ReplaceAllString(text, "")
}

func TestMarkdownOfAnAttack(t *testing.T) {
	t.Parallel()
	for name, r := range samples(t) {
		got := r.Markdown(Links{Server: "https://github.com"}, maxSummary)
		checkMarkdown(t, got)
		if strings.Count(got, "<details>") != strings.Count(got, "</details>") || strings.Count(got, "<pre>") != strings.Count(got, "</pre>") {
			t.Errorf("%s: a block is not closed", name)
		}
	}
}

// Only what is said to be Markdown is: no text of a log may be a command.
func TestNothingOfAnAttackIsACommand(t *testing.T) {
	t.Parallel()
	for name, r := range samples(t) {
		for form, text := range map[string]string{"text": r.Text(), "JSON": string(r.JSON()), "one line of JSON": string(r.boundedJSON(maxSummaryJSON))} {
			if found := commands(text); len(found) > 0 {
				t.Errorf("%s as %s: %q", name, form, found)
			}
		}
	}
}

func TestJSONKeepsTexts(t *testing.T) {
	t.Parallel()
	var got struct{ Error string }
	if err := json.Unmarshal(hostile().JSON(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Error != attack {
		t.Errorf("the error became %q", got.Error)
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	ghes := Links{Server: "https://git.example"}
	for _, test := range []struct {
		links        Links
		remote, want string
	}{
		{Links{}, "https://github.com/o/r.git", "https://github.com/o/r"},
		{Links{}, "https://github.com/o/r/", "https://github.com/o/r"},
		{Links{}, "ssh://git@github.com/o/r.git", "https://github.com/o/r"},
		{Links{}, "ssh://git@ssh.github.com:443/o/r.git", "https://github.com/o/r"},
		{Links{}, "git@github.com:o/r.git", "https://github.com/o/r"},
		{Links{}, "github.com:o/r", "https://github.com/o/r"},
		{Links{}, "GitHub.com:o/r.x", "https://github.com/o/r.x"},
		{Links{}, "https://git.example/o/r", ""},
		{ghes, "https://git.example/o/r", "https://git.example/o/r"},
		{ghes, "git@git.example:o/r.git", "https://git.example/o/r"},
		{ghes, "https://github.com/o/r", "https://github.com/o/r"},
		{Links{}, "/srv/o/r.git", ""},
		{Links{}, `C:\o\r`, ""},
		{Links{}, "https://github.com.evil.example/o/r", ""},
		{Links{}, "https://github.com@evil.example/o/r", ""},
		{Links{}, `https://github.com/o/r"onclick=x`, ""},
		{Links{}, "https://github.com/o/r/../../x", ""},
		{Links{}, "http://github.com/o/r", ""},
		{Links{}, "", ""},
	} {
		if got := test.links.repository(test.remote); got != test.want {
			t.Errorf("%+v: the page of %q is %q, want %q", test.links, test.remote, got, test.want)
		}
	}
}

func TestReleaseLinks(t *testing.T) {
	t.Parallel()
	r := index.Release{Package: "a", Version: "1"}
	for upstream, want := range map[string]string{
		"https://hackage.haskell.org": `<a href="https://hackage.haskell.org/package/a-1"><code>a-1</code></a>`,
		"http://host:81/x/":           `<a href="http://host:81/x/package/a-1"><code>a-1</code></a>`,
		"/srv/upstream":               "<code>a-1</code>",
		"file:///srv":                 "<code>a-1</code>",
		"javascript://x/":             "<code>a-1</code>",
	} {
		if got := (Links{}).release(upstream, r); got != want {
			t.Errorf("from %q: %s, want %s", upstream, got, want)
		}
	}
}

func TestDiffLinks(t *testing.T) {
	t.Parallel()
	r := Release{Release: index.Release{Package: "a", Version: "1"}}
	d := Destination{Name: "github.com:o/r", Commit: "c0ffee", Commits: 1}
	// GitHub's anchor of a file is the SHA-256 of its path.
	if got, want := (Links{}).diff(d, r), `<a href="https://github.com/o/r/commit/c0ffee#diff-260a50a897e8e5e900f3915ebcc71e85f48ccaf4c7f68aaa5b3adaee483fe89d">diff</a>`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	d.Commits = 2
	if got, want := (Links{}).diff(d, r), `<a href="https://github.com/o/r/commits/c0ffee/a/1/a.cabal">history</a>`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	d.Name = "/srv/files.git"
	if got := (Links{}).diff(d, r); got != "" {
		t.Errorf("%q of a repository that is not on GitHub", got)
	}
}

func TestBins(t *testing.T) {
	t.Parallel()
	at := func(ages ...time.Duration) (out []Release) {
		for _, age := range ages {
			out = append(out, Release{Time: began.Add(-age)})
		}
		return append(out, Release{}) // one without a time
	}
	const day, year = 24 * time.Hour, 365 * 24 * time.Hour
	for _, test := range []struct {
		releases           []Release
		by                 string
		bars               int
		first, last        string
		countFirst, counts int
	}{
		{at(0, time.Minute, 2*time.Hour), "hour", 3, "Nov 22 04:00", "Nov 22 06:00", 1, 3},
		{at(30*time.Hour, 0), "hour", 31, "Nov 21 00:00", "Nov 22 06:00", 1, 2},
		{at(31*time.Hour, 31*time.Hour, 0), "day", 3, "2026-11-20", "2026-11-22", 2, 3},
		{at(60*day, 0), "month", 3, "2026-09", "2026-11", 1, 2},
		{at(20*year, 0), "year", 21, "2006", "2026", 1, 2},
		{at(200*year, 0), "year", 62, "1965", "2026", 0, 1},
	} {
		by, bars := bins(test.releases)
		sum := 0
		for _, b := range bars {
			sum += b.count
		}
		if by != test.by || len(bars) != test.bars || bars[0].label != test.first || bars[len(bars)-1].label != test.last || bars[0].count != test.countFirst || sum != test.counts {
			t.Errorf("by %s %d bars from %+v to %+v that count %d, want %+v", by, len(bars), bars[0], bars[len(bars)-1], sum, test)
		}
	}
	if by, bars := bins(at()); by != "" || bars != nil {
		t.Errorf("without times there are %v", bars)
	}
}
