package report

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// maxSummaryJSON is what an environment variable bears on every system, with
// some room for its name: Windows takes 32,767 characters, Linux 128 KiB.
const maxSummaryJSON = 32_000

// The forms of JSON. Keys are as the outputs are named; times are RFC 3339 in
// UTC, "" where there is none.
type (
	runForm struct {
		Tool         string            `json:"tool"`
		Upstream     string            `json:"upstream"`
		Packages     string            `json:"packages"`
		DryRun       bool              `json:"dry-run"`
		Outcome      Outcome           `json:"outcome"`
		Error        string            `json:"error"`
		Began        string            `json:"began"`
		Seconds      float64           `json:"seconds"`
		Changed      bool              `json:"changed"`
		IndexState   string            `json:"index-state"`
		IndexLength  int64             `json:"index-length"`
		Releases     int               `json:"releases"`
		Revisions    int               `json:"revisions"`
		Bytes        int64             `json:"bytes"`
		Left         int               `json:"left"`
		Pending      int               `json:"pending"`
		PassedOver   int               `json:"skipped"`
		Destinations []destinationForm `json:"destinations"`
		Phases       []phaseForm       `json:"phases"`
		Expiries     []expiryForm      `json:"expiries"`
		Repaired     []string          `json:"repaired"`
		Messages     []Message         `json:"messages"`
		Ledger       []recordForm      `json:"ledger"`
		New          []releaseForm     `json:"new"`
		Deprecations []Deprecation     `json:"deprecations"`
		// Holds is null while nobody knows.
		Holds *status.Holds `json:"holds"`
		// Cut says that a list holds less than there was.
		Cut bool `json:"cut"`
	}
	destinationForm struct {
		Kind        string  `json:"kind"`
		Name        string  `json:"name"`
		Error       string  `json:"error"`
		Changed     bool    `json:"changed"`
		IndexState  string  `json:"index-state"`
		IndexLength int64   `json:"index-length"`
		Tarballs    int     `json:"tarballs"`
		Revisions   int     `json:"revisions"`
		Bytes       int64   `json:"bytes"`
		Commits     int     `json:"commits"`
		Commit      string  `json:"commit"`
		Files       int     `json:"files"`
		Adopting    string  `json:"compared-because"`
		Pending     int     `json:"pending"`
		Seconds     float64 `json:"seconds"`
	}
	phaseForm struct {
		Name  string  `json:"name"`
		Begin float64 `json:"begin"`
		End   float64 `json:"end"`
	}
	expiryForm struct {
		Of   string `json:"of"`
		When string `json:"when"`
		Soon bool   `json:"soon"`
	}
	recordForm struct {
		Release  string `json:"release"`
		Reason   string `json:"reason"`
		Since    string `json:"since"`
		Why      string `json:"why,omitempty"`
		Do       string `json:"do"`
		Accepted bool   `json:"accepted,omitempty"`
	}
	releaseForm struct {
		Release string `json:"release"`
		Time    string `json:"time"`
		Bytes   int64  `json:"bytes"`
	}
)

// JSON returns what a run did for programs: all of it, indented, ending in a
// newline. No line of it is a command for GitHub's runner.
func (r *Run) JSON() []byte {
	return Indented(r.encode(math.MaxInt, math.MaxInt))
}

// boundedJSON is JSON on one line of less than limit bytes, with its lists and
// texts cut as far as that takes.
func (r *Run) boundedJSON(limit int) []byte {
	for entries, text := 256, 1024; ; entries, text = entries/2, max(text/2, 16) {
		if out := r.encode(entries, text); len(out) < limit {
			return out
		}
	}
}

// encode writes at most so many entries of each list, and so many bytes of each
// text that comes from elsewhere.
func (r *Run) encode(entries, text int) []byte {
	return Marshal(r.form(entries, text))
}

// Marshal writes JSON of our own on one line, which is no command for GitHub's runner.
func Marshal(form any) []byte {
	raw, err := json.Marshal(form)
	if err != nil {
		panic("report: facts do not fit into JSON: " + err.Error())
	}
	// In a log the runner would take this for a command, wherever it stands.
	return bytes.ReplaceAll(raw, []byte("##["), []byte(`#\u0023[`))
}

// Indented lays out what Marshal wrote for people, with a newline at its end.
func Indented(raw []byte) []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		panic("report: JSON of our own does not parse: " + err.Error())
	}
	return append(out.Bytes(), '\n')
}

func (r *Run) form(entries, text int) runForm {
	f := runForm{
		Tool: short(r.Tool, text), Upstream: short(r.Upstream, text), Packages: short(r.Packages, text),
		DryRun: r.DryRun, Outcome: r.Outcome, Error: short(r.Error, text),
		Began: instant(r.Began), Seconds: seconds(r.Took), Changed: r.Changed(),
		IndexState: stamp(r.Index, ""), IndexLength: r.Index.Length,
		Releases: len(r.New), Revisions: r.Revisions, Bytes: r.Bytes,
		Left: r.Left, Pending: r.Pending(), PassedOver: r.Skipped.Count,
	}
	b := &Bound{Entries: entries}
	f.Destinations = List(b, r.Destinations, func(d Destination) destinationForm { return d.form(text) })
	f.Phases = List(b, r.Phases, func(p Phase) phaseForm { return phaseForm{p.Name, seconds(p.Begin), seconds(p.End)} })
	f.Expiries = List(b, r.Expiries, func(e Expiry) expiryForm { return expiryForm{e.Of, instant(e.When), e.Soon} })
	f.Repaired = List(b, slices.Concat(r.Repaired, r.Restored), func(s string) string { return short(s, text) })
	f.Messages = List(b, r.Messages, func(m Message) Message { return Message{m.Level, short(m.Text, text)} })
	f.Ledger = List(b, r.Ledger, func(o Record) recordForm {
		return recordForm{short(o.Release.String(), text), string(o.Reason), instant(o.Since), short(o.Why, text), short(o.Advice(), text), o.Accepted}
	})
	f.New = List(b, r.New, func(n Release) releaseForm {
		return releaseForm{short(n.Release.String(), text), instant(n.Time), n.Size}
	})
	f.Deprecations = List(b, r.Deprecations, func(d Deprecation) Deprecation {
		return Deprecation{short(d.Package, text), List(b, d.Instead, func(s string) string { return short(s, text) }), d.Ended}
	})
	f.Holds = r.Holds
	f.Cut = b.Cut
	return f
}

func (d *Destination) form(text int) destinationForm {
	return destinationForm{
		Kind: d.Kind, Name: short(d.Name, text), Error: short(d.Err, text), Changed: d.Changed,
		IndexState: stamp(d.At, ""), IndexLength: d.At.Length,
		Tarballs: d.Tarballs, Revisions: d.Revisions, Bytes: d.Bytes,
		Commits: d.Commits, Commit: d.Commit, Files: d.Files, Adopting: short(d.Adopting, text), Pending: d.Pending, Seconds: seconds(d.Took),
	}
}

// A Bound cuts lists to so many entries, and remembers whether it did.
type Bound struct {
	Entries int
	Cut     bool
}

// List converts the entries of a list that there is room for; it is never nil.
func List[From, To any](b *Bound, from []From, convert func(From) To) []To {
	to := []To{}
	for _, entry := range from[:min(len(from), b.Entries)] {
		to = append(to, convert(entry))
	}
	b.Cut = b.Cut || len(to) < len(from)
	return to
}

// instant writes a time, "" for none.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// seconds writes a duration to the millisecond.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }
