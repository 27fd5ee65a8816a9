package notify

import (
	"cmp"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/health"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// maxText bounds what a chat shows, in bytes: Discord allows 2000 characters.
const maxText = 1_800

// A Change is what the addresses of notify-url are told: the state of the mirror,
// and what it was before. Text and Content say it to people, under the names that
// chats read; Mentions keeps Discord from calling anybody whose name is in them.
type Change struct {
	Text     string      `json:"text"`
	Content  string      `json:"content"`
	Mentions mentions    `json:"allowed_mentions"`
	Before   status.Word `json:"before"` // empty if that is not known
	*status.Status
}

// mentions are those whom Discord may call: nobody.
type mentions struct {
	Parse []string `json:"parse"`
}

// Changed returns what is to be told of a run, nil if that is nothing. Without a
// former state, as without a bucket, each failed run is told of, and no other: it
// is not known whether that is a change. A run that was interrupted says nothing
// of the mirror's state.
func Changed(before status.Word, now *status.Status) *Change {
	if now.Run.Outcome == string(report.Interrupted) || now.Health == before || before == "" && now.Health != status.Failed {
		return nil
	}
	short := *now
	short.Days, short.Recent, short.Ledger = nil, nil, nil // who wants them reads status.json
	text := "Hackage mirror"
	if now.PublicURL != "" {
		text += " " + now.PublicURL
	}
	text += ": " + string(now.Health)
	if before != "" && now.Health != status.Filling { // which is no fall from anything
		text += ", was " + string(before)
	}
	text += ". " + now.Sentence
	if now.Run.URL != "" {
		text += "\n" + now.Run.URL
	}
	text = plain.Cut(harmless.Replace(text), maxText-len("…"), "…")
	return &Change{Text: text, Content: text, Mentions: mentions{[]string{}}, Before: before, Status: &short}
}

// harmless removes from a text what chats make links, mentions and markup of: errors
// contain what others wrote.
var harmless = strings.NewReplacer("@", "@\u200b", "<", "‹", ">", "›", "](", "] (", "`", "'")

// StatusOf says what a run, whose page on GitHub is given, tells alone of the state of the mirror.
func StatusOf(run *report.Run, page string) *status.Status {
	now := &status.Status{
		Version: status.Version, Tool: run.Tool, Upstream: run.Upstream, PublicURL: run.PublicURL, Packages: run.Packages,
		Index: status.Index{Length: run.Index.Length, State: run.Index.Time, Lag: -1, Behind: -1},
		Holds: status.Holds{Packages: -1, Releases: -1, Revisions: -1, Bytes: -1}, Pending: len(run.Ledger),
		Run: status.Run{
			Began: run.Began, Seconds: run.Took.Seconds(), Outcome: string(run.Outcome), Error: run.Error, URL: page,
		},
	}
	for _, e := range run.Expiries {
		now.Expiries = append(now.Expiries, status.Expiry{Of: e.Of, When: e.When})
	}
	first, _, _ := strings.Cut(run.Error, "\n")
	said := map[status.Word][]string{health.WordOf(run): {report.Line(cmp.Or(first, string(run.Outcome))) + "."}}
	now.Health, now.Sentence = health.Summarize(said[status.Failed], said[status.Look], health.ToCome(run.Left, -1), len(run.Ledger))
	return now
}
