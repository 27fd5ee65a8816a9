package page_test

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// An atom is what RFC 4287 asks of a feed.
type atom struct {
	XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
	ID      []string `xml:"id"`
	Title   []string `xml:"title"`
	Updated []string `xml:"updated"`
	Author  []struct {
		Name string `xml:"name"`
	} `xml:"author"`
	Link  []atomLink `xml:"link"`
	Entry []struct {
		ID      []string   `xml:"id"`
		Title   []string   `xml:"title"`
		Updated []string   `xml:"updated"`
		Content []string   `xml:"content"`
		Link    []atomLink `xml:"link"`
	} `xml:"entry"`
}

type atomLink struct {
	Rel  string `xml:"rel,attr"`
	Href string `xml:"href,attr"`
}

func TestFeed(t *testing.T) {
	t.Parallel()
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := parseFeed(t, render(t, s)["feed.xml"])
			ids := map[string]bool{}
			for _, e := range f.Entry {
				once(t, "id", e.ID)
				once(t, "title", e.Title)
				date(t, e.Updated)
				if len(e.Content) != 1 || e.Content[0] == "" {
					t.Errorf("%s has the content %q", e.ID, e.Content)
				}
				if ids[e.ID[0]] {
					t.Errorf("two entries have the id %s", e.ID[0])
				}
				ids[e.ID[0]] = true
				if e.Updated[0] > f.Updated[0] {
					t.Errorf("%s is newer than the feed", e.ID)
				}
				links(t, e.Link, s.PublicURL, "alternate")
			}
			links(t, f.Link, s.PublicURL, "self")
		})
	}
	f := parseFeed(t, render(t, sample())["feed.xml"])
	if len(f.Entry) != status.MaxRecent || f.Entry[1].ID[0] != "https://hackage.haskell.org/package/text-builder-linear-1.1.1/revision/2.cabal" ||
		f.Entry[0].Link[0].Href != "https://hackage.example.org/package/aeson-0.0.0/aeson.cabal" || f.Link[0].Href != "https://hackage.example.org/feed.xml" {
		t.Errorf("%d entries, which begin with %+v", len(f.Entry), f.Entry[:2])
	}
}

// parseFeed reads a feed, strictly.
func parseFeed(t *testing.T, raw []byte) atom {
	t.Helper()
	for decoder := xml.NewDecoder(strings.NewReader(string(raw))); ; {
		if _, err := decoder.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, raw)
		}
	}
	var f atom
	if err := xml.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	once(t, "id", f.ID)
	once(t, "title", f.Title)
	date(t, f.Updated)
	if len(f.Author) != 1 || f.Author[0].Name == "" {
		t.Errorf("the feed has the author %q", f.Author)
	}
	return f
}

// once checks an element that has to be there once; an id has to be an address.
func once(t *testing.T, name string, values []string) {
	t.Helper()
	if len(values) != 1 || values[0] == "" || strings.ContainsAny(values[0], "\x00\x1b\u202e\u200b") {
		t.Fatalf("%s is %q", name, values)
	}
	if u, err := url.Parse(values[0]); name == "id" && (err != nil || !u.IsAbs()) {
		t.Errorf("the id %q is no address", values[0])
	}
}

func date(t *testing.T, values []string) {
	t.Helper()
	once(t, "updated", values)
	if _, err := time.Parse(time.RFC3339, values[0]); err != nil {
		t.Error(err)
	}
}

// links checks that there is one link where the mirror's address is known, and
// none elsewhere.
func links(t *testing.T, all []atomLink, public, rel string) {
	t.Helper()
	if !strings.HasPrefix(public, "https:") {
		if len(all) != 0 {
			t.Errorf("without an address there are the links %v", all)
		}
		return
	}
	if len(all) != 1 || all[0].Rel != rel || !strings.HasPrefix(all[0].Href, public+"/") {
		t.Errorf("the links are %v, want one %s below %s", all, rel, public)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := string(render(t, s)["metrics.txt"])
			if !strings.HasSuffix(raw, "\n# EOF\n") || strings.Count(raw, "\n# EOF") != 1 {
				t.Errorf("the end is not at the end:\n%s", raw)
			}
			for family, values := range parseMetrics(t, raw) {
				if !strings.HasPrefix(family, "hackage_mirror_") || family == "hackage_mirror_evil" {
					t.Errorf("there is the metric %s", family)
				}
				for _, value := range values {
					if math.IsNaN(value) || value < 0 && family != "hackage_mirror_lag_seconds" {
						t.Errorf("%s is %v", family, value)
					}
				}
			}
		})
	}
	values := parseMetrics(t, string(render(t, sample())["metrics.txt"]))
	for family, want := range map[string]float64{
		"hackage_mirror_releases": 151203, "hackage_mirror_checked_timestamp_seconds": float64(at.Unix()), "hackage_mirror_lag_seconds": 190,
		"hackage_mirror_owed_releases": 0, "hackage_mirror_info": 1, "hackage_mirror_run_duration_seconds": 1.3, "hackage_mirror_tarballs_bytes": 12_883_901_234,
	} {
		if got := values[family]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %v, want %v", family, got, want)
		}
	}
	unknown := firstFill()
	unknown.Holds.Releases = -1
	values = parseMetrics(t, string(render(t, unknown)["metrics.txt"]))
	if got := values["hackage_mirror_health"]; len(got) != 4 {
		t.Errorf("the words of health are %v", got)
	}
	for _, family := range []string{"hackage_mirror_releases", "hackage_mirror_lag_seconds", "hackage_mirror_changed_timestamp_seconds"} {
		if got := values[family]; len(got) != 0 {
			t.Errorf("%s is not known, and said to be %v", family, got)
		}
	}
}

// parseMetrics reads metrics by the library's own parser.
func parseMetrics(t *testing.T, raw string) map[string][]float64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	all := map[string][]float64{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			all[name] = append(all[name], m.GetGauge().GetValue())
		}
	}
	return all
}

func TestBadges(t *testing.T) {
	t.Parallel()
	for name, s := range samples() {
		files := render(t, s)
		var svg struct {
			XMLName xml.Name `xml:"http://www.w3.org/2000/svg svg"`
			Title   string   `xml:"title"`
			Label   string   `xml:"aria-label,attr"`
		}
		if err := xml.Unmarshal(files["badge.svg"], &svg); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var shield struct {
			SchemaVersion         int
			Label, Message, Color string
			IsError               bool
		}
		if err := json.Unmarshal(files["badge.json"], &shield); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := shield.Label + ": " + shield.Message; shield.SchemaVersion != 1 || svg.Title != want || svg.Label != want || shield.Color == "" {
			t.Errorf("%s: the badges say %q and %q", name, svg.Title, want)
		}
		want := map[string]string{
			"healthy": "up to date, checked 2026-11-26", "failed": "not up to date, checked 2026-11-26",
			"degraded": "needs a look, checked 2026-11-26", "empty": "unknown, never checked",
		}[name]
		if want != "" && shield.Message != want {
			t.Errorf("%s: the badge says %q, want %q", name, shield.Message, want)
		}
	}
}
