package run

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

const (
	// checkedWithin is how true a mirror's word is of when it was checked last: a
	// run that finds nothing new says so once an hour.
	checkedWithin = time.Hour
	// clockSkew is how far a time may lie beyond this clock and be believed.
	clockSkew = 10 * time.Minute
)

// judge finds what is the matter with a place that could be read.
func (l *look) judge(p *view) {
	if p.err != nil {
		return
	}
	l.judgeLag(p)
	l.judgeExpiry(p)
	for _, a := range p.absent {
		p.look("the tarball of %s is not as it should be: %v", a.release, a.err)
	}
	p.judgeMismatches()
	if p.tag != nil {
		l.judgeTag(p)
		return
	}
	if p.unstated != nil {
		p.note("what it says of its position and of pending releases cannot be read: %v", p.unstated)
	}
	if p.unsaid != nil {
		p.note("what it says of itself cannot be read: %v", p.unsaid)
	}
	if position, ok := p.position(); p.stated && ok && p.state.Position.Length != position.Length {
		p.note("its own word of its position, %d bytes of the index, is not that of the index which is signed there", p.state.Position.Length)
	}
	if p.said != nil {
		p.judgeWord()
	}
}

// judgeWord takes a mirror by its word, if that says that something is the matter.
func (p *view) judgeWord() {
	switch s := p.said; s.Health {
	case status.Good:
		if s.Run.Error != "" {
			p.note("it says that it is good, although its last run (%s) had something else to say: %s", shown(s.Run.Outcome), shown(s.Run.Error))
		}
	case status.Look:
		p.look("it says that a person should look: %s", shown(s.Sentence))
	case status.Filling:
		p.problems = append(p.problems, problem{filling: true, text: "it says of itself: " + shown(s.Sentence)})
	case status.Failed:
		p.look("it says that its last run did not bring it up to date: %s", shown(cmp.Or(s.Run.Error, s.Sentence, "it does not say why")))
	default:
		p.look("it says %q of its health, a word that this version does not know: %s", shown(string(s.Health)), shown(s.Sentence))
	}
}

// judgeMismatches tells of releases that are withheld. Of those which the operator
// has acknowledged there is nothing to look at; that is the mirror's own word, as
// the ledger is. Of a mirror that says itself that somebody should look, it is not
// told twice.
func (p *view) judgeMismatches() {
	total := p.state.Ledger.Count(state.Mismatch)
	accepted := p.accepted()
	if n := len(accepted); n > 0 {
		p.note("upstream serves other bytes of %s than it signed; they are not published, and by the mirror's own word its operator has acknowledged that",
			report.Plural(n, "release"))
	}
	tell := p.look
	if p.said != nil && p.said.Health == status.Look {
		tell = p.note
	}
	if n := total - len(accepted); n > 0 {
		tell("upstream serves other bytes of %s than it signed", report.Plural(n, "release"))
	}
}

// accepted are the mismatches of the ledger of which a bucket says that its operator
// has acknowledged them.
func (p *view) accepted() map[string]bool {
	accepted := map[string]bool{}
	if p.said == nil {
		return accepted
	}
	for _, owed := range p.said.Ledger {
		release, err := index.ParseRelease(owed.Release)
		if err == nil && owed.Accepted && p.state.Ledger[release].Reason == state.Mismatch {
			accepted[owed.Release] = true
		}
	}
	return accepted
}

func (p *view) look(format string, args ...any) {
	p.problems = append(p.problems, problem{text: fmt.Sprintf(format, args...)})
}

func (p *view) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// judgeLag holds what a place lacks against the time that is allowed.
func (l *look) judgeLag(p *view) {
	switch lag := &p.lag; {
	case l.upstream.metadata == nil:
		l.judgeAlone(p)
		return
	case errors.Is(lag.err, index.ErrDigest):
		p.look("its index is not the beginning of upstream's: one of the two was written anew")
		return
	case errors.Is(lag.err, index.ErrLength):
		p.note("its index is longer than the one that upstream shows here")
		lag.known, lag.err, lag.Gap = true, nil, hackage.Gap{}
	case !lag.known && l.sane(p.newest()).IsZero():
		p.look("what it lacks of upstream's index could not be found out: %v", lag.err)
		return
	case !lag.known:
		lag.known, lag.atMost, lag.Entries, lag.time = true, true, -1, max(0, l.now.Sub(p.newest()))
		p.note("what it lacks could not be counted (%v), so its own newest entry is taken for the time", lag.err)
	case lag.Entries != 0:
		lag.time = max(0, l.now.Sub(lag.First))
	}
	if p.lag.time > l.o.StaleAfter {
		p.problems = append(p.problems, problem{stale: true, text: "it lacks " + p.lag.String()})
	}
}

// judgeAlone is judgeLag without upstream: by what the mirror says of itself.
func (l *look) judgeAlone(p *view) {
	checked, allowed, by := l.sane(p.checked()), l.o.StaleAfter+checkedWithin, "it was compared with upstream"
	if checked.IsZero() {
		// A run that changed nothing, or failed, writes as well: only what it took
		// from upstream says that it had asked.
		checked, allowed, by = l.sane(p.newest()), l.o.StaleAfter, "its newest entry came"
	}
	switch age := l.now.Sub(checked); {
	case checked.IsZero():
		p.look("upstream cannot be read, and the mirror does not say when it was compared with it last")
	case age > allowed:
		p.problems = append(p.problems, problem{stale: true, text: fmt.Sprintf(
			"upstream cannot be read, and by the mirror's own word %s at %s last, %s ago", by, instant(checked), span(age))})
	default:
		p.note("upstream cannot be read; by the mirror's own word %s at %s last, %s ago", by, instant(checked), span(age))
	}
}

// sane returns a time that a mirror gives, or none if it is still to come.
func (l *look) sane(t time.Time) time.Time {
	if t.After(l.now.Add(clockSkew)) {
		return time.Time{}
	}
	return t
}

// checked is when a mirror says it was compared with upstream last, zero if it does
// not say so.
func (p *view) checked() time.Time {
	if p.said == nil {
		return time.Time{}
	}
	return p.said.Checked
}

// A signedFile is what a look tells of one of the signed files.
type signedFile struct {
	of      string
	version int64
	expires time.Time
	notice  notice
}

// filesOf returns those of a set.
func filesOf(m *hackage.Metadata) []signedFile {
	return []signedFile{
		{"timestamp.json", m.Timestamp.Version(), m.Timestamp.Expires(), daily},
		{"snapshot.json", m.Snapshot.Version(), m.Snapshot.Expires(), daily},
		{"root.json", m.Root.Version(), m.Root.Expires(), yearly},
		{"mirrors.json", m.Mirrors.Version(), m.Mirrors.Expires(), yearly},
	}
}

// state says whether a file has expired, or will soon.
func (f signedFile) state(now time.Time) string {
	left := f.expires.Sub(now)
	soon, _ := f.notice.at(left)
	switch {
	case f.expires.IsZero():
		return "never"
	case left <= 0:
		return "expired"
	case soon:
		return "soon"
	}
	return "good"
}

// judgeExpiry finds what clients refuse by now, or soon will: on the days on which a
// run of the mirror ends for it with exit code 3, it is more than a note.
func (l *look) judgeExpiry(p *view) {
	if p.metadata == nil {
		return
	}
	for i, f := range filesOf(p.metadata) {
		why := ""
		if m := l.upstream.metadata; m != nil && filesOf(m)[i].version == f.version {
			why = "; upstream has not signed a newer one"
		}
		left := f.expires.Sub(l.now)
		tell := p.note
		if _, look := f.notice.at(left); look {
			tell = p.look
		}
		switch f.state(l.now) {
		case "expired":
			p.look("%s expired at %s, so clients refuse the mirror%s", f.of, instant(f.expires), why)
		case "soon":
			tell("%s expires at %s, in %s%s", f.of, instant(f.expires), span(left), why)
		}
	}
}

// The ways in which a tag may be signed.
const (
	byTrusted  = "trusted"  // by a key that was given
	byUnknown  = "unknown"  // by another one
	byUnjudged = "unjudged" // no key was given to judge by
	byNobody   = "none"
	byFalse    = "bad"
)

// signature says how a tag is signed.
func (l *look) signature(s *allcabal.TagInfo) string {
	unknown := (*openpgp.UnknownKeyError)(nil)
	switch {
	case s.Unproven == nil:
		return byTrusted
	case errors.Is(s.Unproven, allcabal.ErrUnsigned):
		return byNobody
	case !errors.As(s.Unproven, &unknown):
		return byFalse
	case strings.TrimSpace(l.o.TrustedKeys) == "":
		return byUnjudged
	}
	return byUnknown
}

// judgeTag finds what is the matter with a repository's tag.
func (l *look) judgeTag(p *view) {
	s := p.tag
	switch l.signature(s) {
	case byUnknown:
		p.look("its tag is signed by key %s, which is none of trusted-keys", s.Fingerprint)
	case byNobody:
		if l.o.TrustedKeys != "" {
			p.look("its tag is not signed")
		}
	case byFalse:
		p.look("the signature of its tag does not hold: %v", s.Unproven)
	}
	switch kind, branch := string(s.State.Kind), s.State.Branch; {
	case kind != "" && !strings.HasPrefix(p.kind, kind):
		p.look("its tag says that it is a %s repository", shown(kind))
	case branch != "" && branch != l.sync.Branch:
		p.look("its tag is of branch %q", shown(branch))
	case s.Head == "":
		p.look("it has no branch %q", l.sync.Branch)
	case s.Head != s.Commit:
		p.look("branch %q is at commit %s, which is not the one that the tag names, %s", l.sync.Branch, s.Head, s.Commit)
	}
	for _, alarm := range l.alarms(s) {
		p.look("alarm: commit %s, found at %s, was not made by the mirror", alarm.Commit, instant(alarm.Since))
	}
}

// mostAlarms bounds how many alarms of a tag are told of; our own have no more.
const mostAlarms = 10

// alarms returns those of a tag that still stand.
func (l *look) alarms(s *allcabal.TagInfo) []state.Alarm {
	standing := state.Standing(s.State.Alarms, l.now)
	return standing[:min(len(standing), mostAlarms)]
}
