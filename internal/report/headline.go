package report

import (
	"fmt"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
)

// The first lines of a job summary: how it went, how fresh the mirror is, and what each
// destination got.

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

// where says how far a destination is, unless the first lines have said it.
func (m *markdown) where(d Destination) string {
	switch {
	case d.At == m.run.Index:
		return ""
	case d.At.IsZero():
		return "; holds nothing yet"
	}
	return "; has Hackage as of " + when(d.At.Time)
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
