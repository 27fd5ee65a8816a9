package probe

import (
	"cmp"
	"math"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A Form is what status prints as JSON: see docs/probe.md. A number or a time that is
// not known is null.
type (
	Form struct {
		Version      int               `json:"version"`
		Health       word              `json:"health"`
		Sentence     string            `json:"sentence"`
		Asked        time.Time         `json:"asked"`
		StaleAfter   int64             `json:"stale-after-seconds"`
		Tool         string            `json:"tool"`
		Upstream     upstreamForm      `json:"upstream"`
		Destinations []destinationForm `json:"places"`
		Cut          bool              `json:"cut"`
	}
	upstreamForm struct {
		Address string     `json:"address"`
		Error   string     `json:"error"`
		Index   *int64     `json:"index-length"`
		Files   []fileForm `json:"files"`
	}
	destinationForm struct {
		Kind     string       `json:"kind"`
		Address  string       `json:"address"`
		Error    string       `json:"error"`
		Stale    bool         `json:"stale"`
		Problems []string     `json:"problems"`
		Notes    []string     `json:"notes"`
		Lacks    lagForm      `json:"lacks"`
		Index    *int64       `json:"index-length"`
		State    *time.Time   `json:"index-state"`
		Files    []fileForm   `json:"files"`
		Pending  *int         `json:"owed"`
		Ledger   []recordForm `json:"ledger"`
		Says     *saysForm    `json:"says"`
		Tag      *tagForm     `json:"tag"`
	}
	fileForm struct {
		Of      string     `json:"of"`
		Version int64      `json:"version"`
		Expires *time.Time `json:"expires"`
		Days    *float64   `json:"days-left"`
		State   string     `json:"state"`
	}
	lagForm struct {
		Seconds *int64 `json:"seconds"`
		AtMost  bool   `json:"at-most"`
		Entries *int   `json:"entries"`
		Bytes   *int64 `json:"bytes"`
		Proven  bool   `json:"proven"`
	}
	recordForm struct {
		Release string     `json:"release"`
		Reason  string     `json:"reason"`
		Since   *time.Time `json:"since"`
		// Accepted is the mirror's own word, too.
		Accepted bool `json:"accepted"`
	}
	saysForm struct {
		Health   string     `json:"health"`
		Sentence string     `json:"sentence"`
		Tool     string     `json:"tool"`
		Checked  *time.Time `json:"checked"`
		Changed  *time.Time `json:"changed"`
		Began    *time.Time `json:"run-began"`
		Outcome  string     `json:"run-outcome"`
		Error    string     `json:"run-error"`
	}
	tagForm struct {
		Name        string      `json:"name"`
		Commit      string      `json:"commit"`
		Head        string      `json:"branch-head"`
		Line        *time.Time  `json:"line"`
		Older       bool        `json:"older-tool"`
		Signature   string      `json:"signature"`
		Fingerprint string      `json:"fingerprint"`
		Alarms      []alarmForm `json:"alarms"`
	}
	alarmForm struct {
		Commit string     `json:"commit"`
		Since  *time.Time `json:"since"`
	}
)

// formVersion changes when the meaning of a key does.
const formVersion = 1

// mostListed bounds the lists of what is printed: a ledger is as long as somebody
// likes.
const mostListed = 1000

// JSON returns what was found, indented.
func (r *Report) JSON() []byte { return report.Indented(r.encode(mostListed)) }

// BoundedJSON is the same on one line of less than limit bytes, with lists cut as far
// as that takes.
func (r *Report) BoundedJSON(limit int) []byte {
	for entries := 256; ; entries /= 2 {
		if raw := r.encode(entries); len(raw) < limit || entries == 0 {
			return raw
		}
	}
}

// encode writes so many destinations, and so many lines of each ledger, at most.
func (r *Report) encode(entries int) []byte {
	b := &report.Bound{Entries: entries}
	f := Form{
		Version: formVersion, Health: r.health(), Sentence: shownTo(longestError, r.Sentence()), Asked: r.now.UTC().Truncate(time.Second),
		StaleAfter: int64(r.c.StaleAfter / time.Second), Tool: r.c.Tool, Upstream: r.upstreamForm(),
		Destinations: report.List(b, r.destinations, func(d *destination) destinationForm { return r.destinationForm(d, b) }),
	}
	f.Cut = b.Cut
	return report.Marshal(f)
}

// list converts a list that is not cut; it is never nil.
func list[From, To any](from []From, convert func(From) To) []To {
	return report.List(&report.Bound{Entries: len(from)}, from, convert)
}

func (r *Report) upstreamForm() upstreamForm {
	f := upstreamForm{Address: shown(r.upstreamName()), Files: []fileForm{}}
	if r.upstream.err != nil {
		f.Error = shownTo(longestError, r.upstream.err.Error())
		return f
	}
	f.Index, f.Files = r.signedForms(r.upstream.metadata)
	return f
}

// signedForms are the length of the index that a set signs, and the files of the set.
func (r *Report) signedForms(m *hackage.Metadata) (length *int64, files []fileForm) {
	if info, signed := m.Snapshot.IndexTar(); signed {
		length = &info.Length
	}
	return length, list(filesOf(m), func(file signedFile) fileForm {
		f := fileForm{Of: file.of, Version: file.version, Expires: known(file.expires), State: file.state(r.now)}
		if f.Expires != nil {
			days := math.Round(file.expires.Sub(r.now).Hours()/24*10) / 10
			f.Days = &days
		}
		return f
	})
}

// known returns a time in UTC, nil for none, and for one that JSON cannot write.
func known(t time.Time) *time.Time {
	t = t.UTC()
	if t.IsZero() || t.Year() < 0 || t.Year() > 9999 {
		return nil
	}
	return &t
}

func (r *Report) destinationForm(d *destination, b *report.Bound) destinationForm {
	whole := func(text string) string { return shownTo(longestError, text) }
	f := destinationForm{
		Kind: d.kind, Address: shown(d.name), Stale: d.health() == stale,
		Problems: list(d.problems, func(p problem) string { return whole(p.text) }), Notes: list(d.notes, whole),
		Lacks: d.lag.form(), State: known(d.newest()), Files: []fileForm{}, Ledger: []recordForm{},
		Says: d.saysForm(), Tag: r.tagForm(d),
	}
	if d.err != nil {
		f.Error = whole(d.err.Error())
	}
	if d.metadata != nil {
		f.Index, f.Files = r.signedForms(d.metadata)
	}
	if !d.stated {
		return f
	}
	ledger, accepted, pending := d.state.Ledger, d.accepted(), len(d.state.Ledger)
	f.Index = cmp.Or(f.Index, &d.state.Position.Length)
	f.Pending = &pending
	f.Ledger = report.List(b, ledger.Sorted(), func(release index.Release) recordForm {
		return recordForm{shown(release.String()), string(ledger[release].Reason), known(ledger[release].Since), accepted[release.String()]}
	})
	return f
}

func (g lag) form() lagForm {
	if !g.known {
		return lagForm{}
	}
	seconds := int64(g.time / time.Second)
	f := lagForm{Seconds: &seconds, AtMost: g.atMost, Proven: g.Proven}
	if g.atMost {
		return f
	}
	f.Bytes = &g.Bytes
	if g.Entries >= 0 {
		f.Entries = &g.Entries
	}
	return f
}

func (d *destination) saysForm() *saysForm {
	s := d.said
	if s == nil {
		return nil
	}
	return &saysForm{
		Health: shown(string(s.Health)), Sentence: shown(s.Sentence), Tool: shown(s.Tool),
		Checked: known(s.Checked), Changed: known(s.Changed),
		Began: known(s.Run.Began), Outcome: shown(s.Run.Outcome), Error: shown(s.Run.Error),
	}
}

func (r *Report) tagForm(d *destination) *tagForm {
	s := d.tag
	if s == nil {
		return nil
	}
	return &tagForm{
		Name: r.c.Tag, Commit: s.Commit, Head: s.Head, Line: known(s.Time), Older: s.Older,
		Signature: r.signature(s), Fingerprint: report.Line(s.Fingerprint),
		Alarms: list(r.alarms(s), func(a state.Alarm) alarmForm { return alarmForm{a.Commit, known(a.Since)} }),
	}
}
