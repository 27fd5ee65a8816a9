package report

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// maxRows is how many rows a table of the job summary has at most.
const maxRows = 500

// maxError bounds the error of a run in the job summary, in bytes.
const maxError = 8 << 10

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

func (m *markdown) render() string {
	m.headline()
	m.destinations()
	m.ledger()
	m.texts("Put right", "Somebody else had written to a destination. Find out who can write there.", m.run.PutRight)
	m.messages()
	m.releases()
	m.expiries()
	m.section("Where the time went", m.run.phases())
	return m.out.String()
}

func (m *markdown) add(format string, args ...any) { fmt.Fprintf(&m.out, format, args...) }

// section adds a part, unless it is empty.
func (m *markdown) section(title, content string) {
	if content != "" {
		m.add("### %s\n\n%s\n", title, content)
	}
}

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
		return fmt.Sprintf("%s\n…and %s more\n", t.out.String(), count(t.more))
	}
	return t.out.String()
}

// folded hides what is long behind a line that opens it.
func folded(title, content string) string {
	return "<details><summary>" + title + "</summary>\n\n" + content + "\n</details>\n"
}

func (m *markdown) headline() {
	r := m.run
	m.add("## %s\n\n", r.title())
	facts := []string{"index-state " + code(r.indexState())}
	if r.Upstream != "" {
		facts = append(facts, "from "+code(r.Upstream))
	}
	if r.Packages != "" {
		facts = append(facts, "only packages "+code(short(r.Packages, 200)))
	}
	if r.Tool != "" {
		facts = append(facts, "by "+code(r.Tool))
	}
	m.add("%s\n\n", strings.Join(facts, " · "))
	if r.Error != "" {
		m.add("%s\n", block(r.Error, maxError))
	}
	if r.Left > 0 && !r.DryRun {
		m.add("**Still to come**: %s, because %s. The next run goes on from here.\n\n", Plural(r.Left, "release"), r.why())
	}
	if r.Outcome == Interrupted {
		m.add("Readers of every destination find its old state or its new one.\n\n")
	}
}

// title says in a line how it went.
func (r *Run) title() string {
	came := "nothing new"
	if len(r.New) > 0 || r.Revisions > 0 {
		came = fmt.Sprintf("%s, %s, %s", Plural(len(r.New), "release"), Plural(r.Revisions, "revision"), size(r.Bytes))
	}
	took := took(r.Took)
	switch {
	case r.Outcome == Interrupted:
		return fmt.Sprintf("⏹️ Hackage mirror: interrupted after %s: %s", took, came)
	case r.Outcome == Failed && r.ended():
		return fmt.Sprintf("❌ Hackage mirror: failed after %s", took)
	case r.Outcome == Failed:
		return fmt.Sprintf("❌ Hackage mirror: failed in part after %s: %s", took, came)
	case r.DryRun:
		return fmt.Sprintf("📝 Hackage mirror, dry run, nothing was written: there are %s", came)
	case r.Outcome == Degraded:
		return fmt.Sprintf("⚠️ Hackage mirror: a person has to look; %s in %s", came, took)
	}
	return fmt.Sprintf("✅ Hackage mirror: %s in %s", came, took)
}

func (m *markdown) destinations() {
	r := m.run
	if len(r.Destinations) == 0 {
		return
	}
	t := m.table("lllrrrl", "Destination", "Position", "New", "Pending", "Seconds", "Bytes", "Commit")
	for _, d := range r.Destinations {
		if !t.room() {
			continue
		}
		commit, bytes := "", ""
		if d.Commit != "" {
			commit = m.links.commit(d)
		}
		if d.Bytes > 0 {
			bytes = unbroken(size(d.Bytes))
		}
		t.row(inline(d.Kind)+"<br>"+m.name(d), cmp.Or(when(d.At.Time), "none"), m.news(d),
			count(d.Pending), fmt.Sprintf("%.1f", d.Took.Seconds()), bytes, commit)
	}
	m.add("%s\n", t)
	if r.Passed.Count > 0 {
		m.add("Passed over: %s of the index that are none of ours, such as %s\n\n",
			Plural(r.Passed.Count, "entry"), code(strings.Join(r.Passed.Samples, ", ")))
	}
}

// name is a destination's, with a link to its page if it has one.
func (m *markdown) name(d Destination) string {
	if page := m.links.repository(d.Name); page != "" {
		return link(page, code(d.Name))
	}
	return code(d.Name)
}

// news is what is new to a destination, or why it has nothing.
func (m *markdown) news(d Destination) string {
	switch {
	case d.Err != "":
		return "❌ not brought up to date: " + code(d.Err) + inline(d.partial())
	case d.Changed && d.Commit != "":
		return unbroken(Plural(d.Commits, "commit"))
	case d.Changed && d.Tarballs == 0 && d.Revisions == 0:
		return "signed files"
	case d.Changed:
		return unbroken(Plural(d.Tarballs, "tarball")) + ", " + unbroken(Plural(d.Revisions, "revision"))
	case m.run.DryRun && d.Adopting != "":
		return Plural(d.Files, "file") + " in " + Plural(d.Commits, "commit") + "; compared with the whole index, because " + code(d.Adopting)
	case m.run.DryRun && d.Entries > 0:
		return Plural(d.Entries, "entry") + " of the index"
	}
	return inline(m.run.account(&d))
}

func (m *markdown) ledger() {
	r := m.run
	if len(r.Ledger) == 0 {
		return
	}
	byReason := m.table("lrl", "Reason", "Releases", "What to do")
	for _, reason := range reasons() {
		if n := r.Count(reason); n > 0 {
			byReason.row(mark(reason)+inline(string(reason)), count(n), inline(Advice(reason)))
		}
	}
	each := m.table("lll", "Release", "Reason", "Since")
	for _, reason := range reasons() {
		for _, owed := range r.Ledger {
			if owed.Reason == reason && each.room() {
				each.row(m.links.release(r.Upstream, Release{Release: owed.Release}), inline(string(owed.Reason)), date(owed.Since))
			}
		}
	}
	m.section("Not there yet", byReason.String()+"\n"+folded("Which", each.String()))
}

// mark stands before what needs a person.
func mark(reason state.Reason) string {
	if reason == state.Mismatch {
		return "⚠️ "
	}
	return ""
}

func (m *markdown) messages() {
	var texts []string
	for _, message := range m.run.Messages {
		texts = append(texts, string(message.Level)+": "+message.Text)
	}
	m.texts("Messages", "", texts)
}

// texts adds a list.
func (m *markdown) texts(title, intro string, texts []string) {
	if len(texts) == 0 {
		return
	}
	var out strings.Builder
	if intro != "" {
		out.WriteString(intro + "\n\n")
	}
	for i, text := range texts {
		if i == m.rows {
			fmt.Fprintf(&out, "- …and %s more\n", count(len(texts)-i))
			break
		}
		out.WriteString("- " + code(text) + "\n")
	}
	m.section(title, out.String())
}

func (m *markdown) releases() {
	r := m.run
	if len(r.New) == 0 {
		return
	}
	repository := m.links.diffRepository(r)
	aligns, titles := "llr", []string{"Release", "In the index since", "Size"}
	if repository.Commit != "" {
		aligns, titles = aligns+"l", append(titles, "Changes")
	}
	t := m.table(aligns, titles...)
	for _, release := range r.New {
		if !t.room() {
			continue
		}
		cells := []string{m.links.release(r.Upstream, release), when(release.Time), size(release.Size)}
		if repository.Commit != "" {
			cells = append(cells, m.links.diff(repository, release))
		}
		t.row(cells...)
	}
	list := t.String()
	if len(r.New) > 10 {
		list = folded("All of them", list)
		if len(r.New) > m.rows {
			list = folded("The newest", t.String())
		}
	}
	m.section(Plural(len(r.New), "new release"), m.histogram+"\n"+list)
}

func (m *markdown) expiries() {
	if len(m.run.Expiries) == 0 {
		return
	}
	t := m.table("lll", "What", "Until", "")
	for _, e := range m.run.Expiries {
		if !t.room() {
			continue
		}
		hours := int(e.When.Sub(m.run.Began).Hours())
		left := "in " + Plural(hours/24, "day")
		switch {
		case e.When.After(m.run.Began) && hours < 48:
			left = "in " + Plural(hours, "hour")
		case e.When.IsZero():
			left = ""
		case !e.When.After(m.run.Began):
			left = "❌ over"
		}
		until := "never expires"
		if !e.When.IsZero() {
			until = when(e.When)
		}
		if e.Soon {
			left = "⚠️ " + left + "; " + inline(e.Do)
		}
		t.row(inline(e.Of), until, left)
	}
	m.section("Next expiry dates", t.String())
}
