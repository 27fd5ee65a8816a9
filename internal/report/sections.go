package report

import (
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// The parts of a job summary that name what came and what the mirror is.

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
	names := cut(m.run.Revised, m.rows, func(r index.Release) string { return m.links.release(m.run.Upstream, Release{Release: r}) })
	title := "Show the " + plain.Plural(len(m.run.Revised), "revised release")
	m.add("%s\n", folded(title, strings.Join(names, ", ")+"\n"))
}

// deprecations names the packages that became deprecated, or no longer are.
func (m *markdown) deprecations() {
	lines := m.run.deprecated(code)
	if len(lines) > m.rows {
		lines = append(lines[:m.rows], "…")
	}
	m.facts("Deprecated", lines...)
}

// restored says what a full comparison found missing.
func (m *markdown) restored() {
	for _, text := range m.run.Restored[:min(m.rows, len(m.run.Restored))] {
		m.facts("Repaired", inline(text))
	}
}

// size says how large the mirror is.
func (m *markdown) size() {
	holds := m.run.holds()
	if !m.run.Index.IsZero() {
		holds = strings.TrimPrefix(holds+", "+plain.Size(m.run.Index.Length)+" of index", ", ")
	}
	if holds != "" {
		m.facts("Holds", holds)
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
	m.facts("For readers", facts...)
}

// expiries says when clients begin to refuse what the mirror holds. What expires
// soon is told of above.
func (m *markdown) expiries() {
	var facts []string
	for _, e := range m.run.Expiries[:min(m.rows, len(m.run.Expiries))] {
		switch {
		case e.When.IsZero():
			facts = append(facts, m.of(e)+" never")
		case !e.Soon:
			facts = append(facts, m.of(e)+" "+m.left(e))
		}
	}
	m.facts("Expires", facts...)
}

// of names what expires; the key's fingerprint stands with what readers need.
func (m *markdown) of(e Expiry) string {
	return inline(strings.TrimSuffix(e.Of, " "+m.run.Fingerprint))
}

// skipped counts entries of the index that are no releases.
func (m *markdown) skipped() {
	if skipped := m.run.Skipped; skipped.Count > 0 {
		m.add("%s\n", folded("Skipped "+plain.Plural(skipped.Count, "entry"), "They belong to no release, such as "+code(strings.Join(skipped.Samples, ", "))+"\n"))
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
