package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// maxError bounds the error of a run in the job summary, in bytes.
const maxError = 8 << 10

// needsYou lists what a person should do something about, each thing once.
func (m *markdown) needsYou() []string {
	r := m.run
	var items []string
	if r.Aborted && r.Error != "" {
		lines := cut(plain.Lines(short(r.Error, maxError)), maxError, code)
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
			items = append(items, "⚠️ "+m.release(record.Release)+": "+inline(why)+"; "+advice(record))
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
	return cut(items, m.rows, func(item string) string { return item })
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
