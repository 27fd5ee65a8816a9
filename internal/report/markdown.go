package report

import (
	"fmt"
	"strings"

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
	rows  int
	out   strings.Builder

	histogram string // which does not get shorter
}

// render puts first what an operator looks for first: is it fresh, how much came, what
// needs me, what came by name, how large is it, where is it; and last what explains
// the rest.
func (m *markdown) render() string {
	m.headline()
	m.destinations()
	m.needsYou()
	m.restored()
	m.releases()
	m.revisions()
	m.deprecations()
	m.waiting()
	m.size()
	m.readers()
	m.expiries()
	m.skipped()
	if m.histogram != "" {
		m.add("%s", folded("Where the time went", m.run.phases()))
	}
	m.footer()
	return m.out.String()
}

func (m *markdown) add(format string, args ...any) { fmt.Fprintf(&m.out, format, args...) }

// A table is made row by row, as far as there is room.
type table struct {
	rows int
	more int
	out  strings.Builder
}

// table begins a table. Aligns holds a letter for each column: l or r.
func (m *markdown) table(aligns string, titles ...string) *table {
	t := &table{rows: m.rows}
	t.out.WriteString("| " + strings.Join(titles, " | ") + " |\n|")
	for _, align := range aligns {
		t.out.WriteString(map[rune]string{'l': "---|", 'r': "--:|"}[align])
	}
	t.out.WriteString("\n")
	return t
}

// room reports whether there is room for a row, and counts the row if not. To
// make cells of what will not be shown would take long.
func (t *table) room() bool {
	if t.rows == 0 {
		t.more++
	}
	return t.rows > 0
}

// row adds a row of cells that are Markdown already, if there is room.
func (t *table) row(cells ...string) {
	if t.room() {
		t.rows--
		t.out.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
}

// String returns the table, with the number of rows that it lacks.
func (t *table) String() string {
	if t.more > 0 {
		return fmt.Sprintf("%s\n…and %s more\n", t.out.String(), plain.Count(t.more))
	}
	return t.out.String()
}

// folded hides what is long behind a line that opens it.
func folded(title, content string) string {
	return "<details><summary>" + title + "</summary>\n\n" + content + "\n</details>\n"
}

// list adds a list of items that are Markdown already.
func (m *markdown) list(title string, items []string) {
	if len(items) > 0 {
		lines := cut(items, m.rows, func(item string) string { return item })
		m.add("### %s\n\n- %s\n\n", title, strings.Join(lines, "\n- "))
	}
}

// facts adds a line of what is Markdown already, unless there is nothing to say.
func (m *markdown) facts(about string, facts ...string) {
	if len(facts) > 0 {
		m.add("**%s**: %s\n\n", about, strings.Join(facts, " · "))
	}
}
