package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
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
		return fmt.Sprintf("%s\n…and %s more\n", t.out.String(), plain.Count(t.more))
	}
	return t.out.String()
}

// folded hides what is long behind a line that opens it.
func folded(title, content string) string {
	return "<details><summary>" + title + "</summary>\n\n" + content + "\n</details>\n"
}

func (m *markdown) headline() {
	r := m.run
	m.add("## %s\n\n%s\n\n", r.title(), m.lead())
	if r.Packages != "" {
		m.add("Only packages %s.\n\n", code(short(r.Packages, 200)))
	}
	if r.Left > 0 && !r.DryRun {
		m.add("**Still to come**: %s, because %s. The next run picks up from there.\n\n", plain.Plural(r.Left, "release"), r.why())
	}
	if r.Outcome == Interrupted {
		m.add("Readers see the old state of each destination or the new one, never a mixture.\n\n")
	}
}

// title says in a line how it went.
func (r *Run) title() string {
	const mirror = "Hackage mirror: "
	switch {
	case r.Outcome == Interrupted:
		return "⏹️ " + mirror + "interrupted"
	case r.Outcome == Failed && r.ended():
		return "❌ " + mirror + "failed"
	case r.Outcome == Failed:
		return "❌ " + mirror + fmt.Sprintf("%d of %s failed", r.failed(), plain.Plural(len(r.Destinations), "destination"))
	case r.DryRun:
		return "📝 " + mirror + "dry run, nothing was written"
	case r.Outcome == Degraded:
		return "⚠️ " + mirror + "up to date, but look at this"
	case r.Left > 0:
		return "⏳ " + mirror + "filling, " + plain.Plural(r.Left, "release") + " still to come"
	}
	return "✅ " + mirror + "up to date"
}

// failed returns how many destinations could not be brought up to date.
func (r *Run) failed() int {
	n := 0
	for _, d := range r.Destinations {
		if d.Err != "" {
			n++
		}
	}
	return n
}

// lead says how fresh the mirror is and what came.
func (m *markdown) lead() string {
	r := m.run
	var parts []string
	if !r.Index.IsZero() {
		parts = append(parts, fmt.Sprintf("The mirror has Hackage as of **%s ago** (%s).", ago(r.Began.Add(r.Took).Sub(r.Index.Time)), when(r.Index.Time)))
	}
	if r.Aborted && len(r.Destinations) == 0 {
		return "The run stopped after " + Took(r.Took) + ", before it wrote anything."
	}
	came := "Nothing new came"
	if len(r.New) > 0 || r.Revisions > 0 {
		came = plain.Plural(len(r.New), "release") + " and " + plain.Plural(r.Revisions, "revision") + " came"
		if r.DryRun {
			came = plain.Plural(len(r.New), "release") + " and " + plain.Plural(r.Revisions, "revision") + " would come"
		}
	}
	if r.Bytes > 0 {
		came += " (" + plain.Size(r.Bytes) + ")"
	}
	when := ", in "
	if r.ended() {
		when = "; the run stopped after "
	}
	return strings.Join(append(parts, came+when+Took(r.Took)+"."), " ")
}

// needsYou lists what a person should do something about, each thing once.
func (m *markdown) needsYou() {
	r := m.run
	var items []string
	if r.Aborted && r.Error != "" {
		var lines []string
		for _, line := range plain.Lines(short(r.Error, maxError)) {
			lines = append(lines, code(line))
		}
		items = append(items, "❌ "+strings.Join(lines, "<br>"))
	}
	for _, d := range r.Destinations {
		if d.Err != "" && r.Outcome != Interrupted { // what a signal stopped needs nobody
			items = append(items, "❌ "+m.name(d)+": "+code(d.Err)+inline(d.partial()))
		}
	}
	for _, record := range r.Ledger {
		if record.Reason == state.Mismatch && !record.Accepted {
			why := cmp.Or(record.Why, "the bytes are not the signed ones")
			items = append(items, "⚠️ "+m.links.release(r.Upstream, Release{Release: record.Release})+": "+inline(why)+"; "+advice(record))
		}
	}
	for _, text := range r.Repaired {
		items = append(items, "⚠️ Repaired: "+code(text))
	}
	for _, e := range r.Expiries {
		if e.Soon {
			items = append(items, "⚠️ "+m.of(e)+" expires "+m.left(e)+", "+when(e.When)+"; "+inline(e.Do))
		}
	}
	for _, message := range r.Messages {
		if !r.toldOf(message) {
			items = append(items, inline(string(message.Level))+": "+code(message.Text))
		}
	}
	m.list("What needs you", items)
}

// advice is what to do about a release, with what is to be pasted set off.
func advice(record Record) string {
	if record.Paste != "" {
		return inline(record.Do) + ": " + code(record.Paste)
	}
	return inline(record.Advice())
}

// toldOf reports whether a message says again what the summary has by itself.
func (r *Run) toldOf(message Message) bool {
	return slices.ContainsFunc(r.Expiries, func(e Expiry) bool { return e.Soon && strings.HasPrefix(message.Text, e.Of+" expires") })
}

// left says how long something lasts.
func (m *markdown) left(e Expiry) string {
	d := e.When.Sub(m.run.Began)
	if d <= 0 {
		return "❌ " + ago(-d) + " ago"
	}
	return "in " + ago(d)
}

// list adds a list of items that are Markdown already.
func (m *markdown) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	var out strings.Builder
	for i, item := range items {
		if i == m.rows {
			fmt.Fprintf(&out, "- …and %s more\n", plain.Count(len(items)-i))
			break
		}
		out.WriteString("- " + item + "\n")
	}
	m.section(title, out.String())
}

func (m *markdown) destinations() {
	if len(m.run.Destinations) == 0 {
		return
	}
	news := "What came"
	if m.run.DryRun {
		news = "What would come"
	}
	t := m.table("lll", "Destination", news, "Took")
	for _, d := range m.run.Destinations {
		if !t.room() {
			continue
		}
		cell := m.news(d)
		switch {
		case d.At == m.run.Index: // the first lines have said it
		case d.At.IsZero():
			cell += "; holds nothing yet"
		default:
			cell += "; has Hackage as of " + when(d.At.Time)
		}
		t.row(m.name(d), cell, Took(d.Took))
	}
	m.add("%s\n", t)
}

// maxName bounds the name of a destination in a cell, in characters.
const maxName = 44

// name is a destination's, with a link to its page if it has one: of a repository
// on GitHub OWNER/NAME is enough.
func (m *markdown) name(d Destination) string {
	if page := m.links.repository(d.Name); page != "" {
		_, path, _ := strings.Cut(strings.TrimPrefix(page, "https://"), "/")
		return link(page, code(path))
	}
	name := []rune(d.Name)
	if len(name) > maxName { // its end tells it from others
		return code("…" + string(name[len(name)-maxName:]))
	}
	return code(d.Name)
}

// news is what is new to a destination, or why it has nothing.
func (m *markdown) news(d Destination) string {
	switch {
	case d.Err != "" && m.run.Outcome == Interrupted:
		return "interrupted" + inline(d.partial())
	case d.Err != "":
		return "❌ failed, see below"
	case d.Changed && d.Commit != "":
		return unbroken(plain.Plural(d.Commits, "commit")) + ", " + m.links.commit(d)
	case d.Changed && d.Tarballs == 0 && d.Revisions == 0:
		return "signed files"
	case d.Changed:
		return unbroken(plain.Plural(d.Tarballs, "tarball")) + ", " + unbroken(plain.Plural(d.Revisions, "revision")) + ", " + unbroken(plain.Size(d.Bytes))
	case m.run.DryRun && d.Adopting != "":
		return plain.Plural(d.Files, "file") + " in " + plain.Plural(d.Commits, "commit") + " after a comparison with the whole index, because " + code(d.Adopting)
	case m.run.DryRun && d.Entries > 0:
		return plain.Plural(d.Entries, "entry") + " of the index"
	case m.run.DryRun:
		return "nothing new"
	}
	return inline(m.run.account(&d))
}

// chartFrom is how many releases make a chart worth its room.
const chartFrom = 30

func (m *markdown) releases() {
	r := m.run
	if len(r.New) == 0 {
		return
	}
	repository := m.links.diffRepository(r)
	aligns, titles := "llr", []string{"Release", "Published", "Size"}
	if repository.Commit != "" {
		aligns, titles = aligns+"l", append(titles, "Changes")
	}
	t := m.table(aligns, titles...)
	for _, release := range r.New {
		if !t.room() {
			continue
		}
		cells := []string{m.links.release(r.Upstream, release), when(release.Time), unbroken(plain.Size(release.Size))}
		if repository.Commit != "" {
			cells = append(cells, m.links.diff(repository, release))
		}
		t.row(cells...)
	}
	title := "Show the " + plain.Plural(len(r.New), "release")
	switch {
	case len(r.New) == 1:
		title = "Show the release"
	case len(r.New) > m.rows:
		title = "Show the newest of " + plain.Plural(len(r.New), "release")
	}
	m.add("%s\n", folded(title, m.histogram+"\n"+t.String()))
}

// revisions names what was revised.
func (m *markdown) revisions() {
	if len(m.run.Revised) == 0 {
		return
	}
	var names []string
	for i, release := range m.run.Revised {
		if i == m.rows {
			names = append(names, "…and "+plain.Count(len(m.run.Revised)-i)+" more")
			break
		}
		names = append(names, m.links.release(m.run.Upstream, Release{Release: release}))
	}
	title := "Show the " + plain.Plural(len(m.run.Revised), "revised release")
	m.add("%s\n", folded(title, strings.Join(names, ", ")+"\n"))
}

// deprecations names the packages that became deprecated, or no longer are.
func (m *markdown) deprecations() {
	lines := m.run.deprecated(code)
	if len(lines) > m.rows {
		lines = append(lines[:m.rows], "…")
	}
	if len(lines) > 0 {
		m.add("**Deprecated**: %s\n\n", strings.Join(lines, " · "))
	}
}

// restored says what a full comparison found missing.
func (m *markdown) restored() {
	for i, text := range m.run.Restored {
		if i < m.rows {
			m.add("**Repaired**: %s\n\n", inline(text))
		}
	}
}

// size says how large the mirror is.
func (m *markdown) size() {
	var parts []string
	if holds := m.run.holds(); holds != "" {
		parts = append(parts, holds)
	}
	if !m.run.Index.IsZero() {
		parts = append(parts, plain.Size(m.run.Index.Length)+" of index")
	}
	if len(parts) > 0 {
		m.add("**Holds**: %s\n\n", strings.Join(parts, ", "))
	}
}

// waiting lists the releases that the mirror lacks, except those that need a person.
func (m *markdown) waiting() {
	r := m.run
	t, n := m.table("lll", "Release", "Since", "Why"), 0
	for _, reason := range reasons() {
		for _, record := range r.Ledger {
			if record.Reason != reason || reason == state.Mismatch && !record.Accepted {
				continue
			}
			n++
			if t.room() {
				t.row(m.links.release(r.Upstream, Release{Release: record.Release}), date(record.Since), inline(string(reason)+": "+record.Advice()))
			}
		}
	}
	if n > 0 {
		m.add("%s\n", folded(plain.Plural(n, "release")+" missing from the mirror", t.String()))
	}
}

// readers says where readers find the mirror, and what they check it by.
func (m *markdown) readers() {
	var facts []string
	if m.run.PublicURL != "" {
		facts = append(facts, "address "+code(m.run.PublicURL))
	}
	if m.run.Fingerprint != "" {
		facts = append(facts, "signed tag "+code(m.run.Tag), "signing key "+code(m.run.Fingerprint))
	}
	if len(facts) > 0 {
		m.add("**For readers**: %s\n\n", strings.Join(facts, " · "))
	}
}

// expiries says when clients begin to refuse what the mirror holds. What expires
// soon is told of above.
func (m *markdown) expiries() {
	var facts []string
	for i, e := range m.run.Expiries {
		switch {
		case i >= m.rows:
		case e.When.IsZero():
			facts = append(facts, m.of(e)+" never")
		case !e.Soon:
			facts = append(facts, m.of(e)+" "+m.left(e))
		}
	}
	if len(facts) > 0 {
		m.add("**Expires**: %s\n\n", strings.Join(facts, " · "))
	}
}

// of names what expires; the key's fingerprint stands with what readers need.
func (m *markdown) of(e Expiry) string {
	return inline(strings.TrimSuffix(e.Of, " "+m.run.Fingerprint))
}

// skipped counts entries of the index that are no releases.
func (m *markdown) skipped() {
	if passed := m.run.Skipped; passed.Count > 0 {
		m.add("%s\n", folded("Skipped "+plain.Plural(passed.Count, "entry"), "They belong to no release, such as "+code(strings.Join(passed.Samples, ", "))+"\n"))
	}
}

// troubleshooting is where people go on reading.
const troubleshooting = "https://github.com/hackage-mirror/hackage-mirror/blob/main/docs/troubleshooting.md"

func (m *markdown) footer() {
	var parts []string
	if m.links.Run != "" {
		parts = append(parts, link(m.links.Run, "Log"))
	}
	parts = append(parts, link(troubleshooting, "Troubleshooting"))
	if m.run.Upstream != "" {
		parts = append(parts, "from "+code(m.run.Upstream))
	}
	if m.run.Tool != "" {
		parts = append(parts, "by "+code(m.run.Tool))
	}
	m.add("%s\n", strings.Join(parts, " · "))
}
