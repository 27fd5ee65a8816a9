package report

import (
	_ "embed"
	"strings"
	"text/template"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
)

// maxRows is how many rows a table of the job summary has at most.
const maxRows = 500

// Markdown returns what a run did as a GitHub job summary of at most room bytes.
// Its tables become shorter until it fits.
func (r *Run) Markdown(links Links, room int) string {
	histogram := r.histogram()
	for rows := maxRows; ; rows /= 4 {
		m := &markdown{run: r, links: links, rows: rows, histogram: histogram}
		if text := m.render(); len(text) <= room {
			return text
		}
		if rows == 0 {
			return ""
		}
	}
}

// A markdown is a job summary in the making.
type markdown struct {
	run   *Run
	links Links
	rows  int // at most in each table and list

	histogram string // which does not get shorter
}

//go:embed summary.tmpl
var summary string

// render fills the template.
func (m *markdown) render() string {
	var out strings.Builder
	if err := template.Must(template.New("").Funcs(m.values()).Parse(summary)).Execute(&out, m.run); err != nil {
		panic("report: the template of the job summary: " + err.Error())
	}
	return out.String()
}

// values are what the template asks for: Markdown, but for plain numbers and lists.
func (m *markdown) values() template.FuncMap {
	r, repository := m.run, m.links.diffRepository(m.run)
	return template.FuncMap{
		"code": code, "inline": inline, "link": link, "short": short, "join": strings.Join,
		"when": when, "date": date, "took": Took, "plural": func(n int, noun string) string { return plain.Plural(n, noun) },
		"size": func(bytes int64) string { return unbroken(plain.Size(bytes)) },
		"fit":  func(n int) int { return min(n, m.rows) },
		"cuts": func(n int) bool { return n > m.rows },
		"more": func(n int) string {
			if n <= m.rows {
				return ""
			}
			return "\n…and " + plain.Count(n-m.rows) + " more\n"
		},
		"title": r.title, "lead": m.lead, "why": r.why, "interrupted": func() bool { return r.Outcome == Interrupted },
		"name": m.name, "news": m.news, "where": m.where, "needsYou": m.needsYou,
		"histogram": func() string { return m.histogram }, "phases": r.phases,
		"release":    m.release,
		"diffs":      func() bool { return repository.Commit != "" },
		"diff":       func(release Release) string { return m.links.diff(repository, release) },
		"revised":    func() string { return strings.Join(cut(r.Revised, m.rows, m.release), ", ") },
		"deprecated": m.deprecated, "waiting": r.waiting, "holds": m.holds, "expiries": m.expiries,
		"page":            func() string { return m.links.Run },
		"troubleshooting": func() string { return troubleshooting },
	}
}

// release names a release, with a link to its page upstream.
func (m *markdown) release(r index.Release) string { return m.links.release(m.run.Upstream, r) }
