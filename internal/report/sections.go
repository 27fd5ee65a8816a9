package report

import (
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// The parts of a job summary that name what came and what the mirror is.

// chartFrom is how many releases make a chart worth its room.
const chartFrom = 30

// deprecated names the packages that became deprecated, or no longer are.
func (m *markdown) deprecated() []string {
	lines := m.run.deprecated(code)
	if len(lines) > m.rows {
		lines = append(lines[:m.rows], "…")
	}
	return lines
}

// holds says how large the mirror is.
func (m *markdown) holds() string {
	holds := m.run.holds()
	if m.run.Index.IsZero() {
		return holds
	}
	return strings.TrimPrefix(holds+", "+plain.Size(m.run.Index.Length)+" of index", ", ")
}

// waiting lists the releases that the mirror lacks, except those that need a person.
func (r *Run) waiting() (all []Record) {
	for _, reason := range reasons() {
		for _, record := range r.Ledger {
			if record.Reason == reason && (reason != state.Mismatch || record.Accepted) {
				all = append(all, record)
			}
		}
	}
	return all
}

// expiries says when clients begin to refuse what the mirror holds. What expires
// soon is told of above.
func (m *markdown) expiries() []string {
	var facts []string
	for _, e := range m.run.Expiries[:min(m.rows, len(m.run.Expiries))] {
		switch {
		case e.When.IsZero():
			facts = append(facts, m.of(e)+" never")
		case !e.Soon:
			facts = append(facts, m.of(e)+" "+m.left(e))
		}
	}
	return facts
}

// of names what expires; the key's fingerprint stands with what readers need.
func (m *markdown) of(e Expiry) string {
	return inline(strings.TrimSuffix(e.Of, " "+m.run.Fingerprint))
}

// troubleshooting is where people go on reading.
const troubleshooting = "https://github.com/hackage-mirror/hackage-mirror/blob/main/docs/troubleshooting.md"
