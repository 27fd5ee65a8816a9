package probe

import (
	"bytes"
	"encoding/json"
	"math"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A Form is what status prints as JSON: see docs/probe.md. A number or a time that is
// not known is null.
type (
	Form struct {
		Version    int          `json:"version"`
		Health     word         `json:"health"`
		Sentence   string       `json:"sentence"`
		Asked      time.Time    `json:"asked"`
		StaleAfter int64        `json:"stale-after-seconds"`
		Tool       string       `json:"tool"`
		Upstream   upstreamForm `json:"upstream"`
		Places     []placeForm  `json:"places"`
		Cut        bool         `json:"cut"`
	}
	upstreamForm struct {
		Address string     `json:"address"`
		Error   string     `json:"error"`
		Index   *int64     `json:"index-length"`
		Files   []fileForm `json:"files"`
	}
	placeForm struct {
		Kind     string     `json:"kind"`
		Address  string     `json:"address"`
		Error    string     `json:"error"`
		Stale    bool       `json:"stale"`
		Problems []string   `json:"problems"`
		Notes    []string   `json:"notes"`
		Lacks    lagForm    `json:"lacks"`
		Index    *int64     `json:"index-length"`
		State    *time.Time `json:"index-state"`
		Files    []fileForm `json:"files"`
		Owed     *int       `json:"owed"`
		Ledger   []owedLine `json:"ledger"`
		Says     *saysForm  `json:"says"`
		Tag      *tagForm   `json:"tag"`
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
	owedLine struct {
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
func (r *Report) JSON() []byte {
	var out bytes.Buffer
	if err := json.Indent(&out, r.encode(mostListed), "", "  "); err != nil {
		panic("probe: JSON of our own does not parse: " + err.Error())
	}
	return append(out.Bytes(), '\n')
}

// BoundedJSON is the same on one line of less than limit bytes, with lists cut as far
// as that takes.
func (r *Report) BoundedJSON(limit int) []byte {
	for entries := 256; ; entries /= 2 {
		if raw := r.encode(entries); len(raw) < limit || entries == 0 {
			return raw
		}
	}
}

// encode writes so many entries of each list at most.
func (r *Report) encode(entries int) []byte {
	f := Form{
		Version: formVersion, Health: r.health(), Sentence: shownTo(longestError, r.Sentence()), Asked: r.now.UTC().Truncate(time.Second),
		StaleAfter: int64(r.c.StaleAfter / time.Second), Tool: r.c.Tool,
		Upstream: r.upstreamForm(), Places: []placeForm{},
	}
	for i, d := range r.destinations {
		if i >= entries {
			f.Cut = true
			break
		}
		place, cut := r.placeForm(d, entries)
		f.Places, f.Cut = append(f.Places, place), f.Cut || cut
	}
	raw, err := json.Marshal(f)
	if err != nil {
		panic("probe: facts do not fit into JSON: " + err.Error())
	}
	// In a log the runner would take this for a command, wherever it stands.
	return bytes.ReplaceAll(raw, []byte("##["), []byte(`#\u0023[`))
}

func (r *Report) upstreamForm() upstreamForm {
	f := upstreamForm{Address: shown(r.upstreamName()), Files: []fileForm{}}
	if r.upstream.err != nil {
		f.Error = shownTo(longestError, r.upstream.err.Error())
		return f
	}
	if info, signed := r.upstream.metadata.Snapshot.IndexTar(); signed {
		f.Index = &info.Length
	}
	f.Files = r.fileForms(filesOf(r.upstream.metadata))
	return f
}

func (r *Report) fileForms(files []signedFile) []fileForm {
	forms := []fileForm{}
	for _, file := range files {
		f := fileForm{Of: file.of, Version: file.version, Expires: known(file.expires), State: file.state(r.now)}
		if f.Expires != nil {
			days := math.Round(file.expires.Sub(r.now).Hours()/24*10) / 10
			f.Days = &days
		}
		forms = append(forms, f)
	}
	return forms
}

// known returns a time in UTC, nil for none, and for one that JSON cannot write.
func known(t time.Time) *time.Time {
	t = t.UTC()
	if t.IsZero() || t.Year() < 0 || t.Year() > 9999 {
		return nil
	}
	return &t
}

// placeForm also reports whether a list was cut.
func (r *Report) placeForm(d *destination, entries int) (f placeForm, cut bool) {
	f = placeForm{
		Kind: d.kind, Address: shown(d.name), Stale: d.health() == stale, Problems: []string{}, Notes: []string{},
		Lacks: d.lag.form(), State: known(d.newest()), Files: []fileForm{}, Ledger: []owedLine{},
		Says: d.saysForm(), Tag: r.tagForm(d),
	}
	if d.err != nil {
		f.Error = shownTo(longestError, d.err.Error())
	}
	for _, problem := range d.problems {
		f.Problems = append(f.Problems, shownTo(longestError, problem.text))
	}
	for _, note := range d.notes {
		f.Notes = append(f.Notes, shownTo(longestError, note))
	}
	if d.metadata != nil {
		if info, signed := d.metadata.Snapshot.IndexTar(); signed {
			f.Index = &info.Length
		}
		f.Files = r.fileForms(filesOf(d.metadata))
	}
	if !d.stated {
		return f, false
	}
	if f.Index == nil {
		f.Index = &d.state.Position.Length
	}
	owed := len(d.state.Ledger)
	f.Owed = &owed
	f.Ledger = owedLines(d.state.Ledger, d.accepted(), entries)
	return f, len(f.Ledger) < owed
}

// owedLines are the first lines of a ledger.
func owedLines(ledger state.Ledger, accepted map[string]bool, most int) []owedLine {
	lines := []owedLine{}
	for _, release := range ledger.Sorted() {
		if len(lines) == most {
			break
		}
		lines = append(lines, owedLine{shown(release.String()), string(ledger[release].Reason), known(ledger[release].Since), accepted[release.String()]})
	}
	return lines
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
	f := &tagForm{
		Name: r.c.Tag, Commit: s.Commit, Head: s.Head, Line: known(s.Time), Older: s.Older,
		Signature: r.signature(s), Fingerprint: report.Line(s.Fingerprint), Alarms: []alarmForm{},
	}
	for _, alarm := range r.alarms(s) {
		f.Alarms = append(f.Alarms, alarmForm{alarm.Commit, known(alarm.Since)})
	}
	return f
}
