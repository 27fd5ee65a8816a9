package probe

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/allcabal"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/health"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
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

// check finds what is the matter with a destination that could be read.
func (r *Report) check(d *destination) {
	if d.err != nil {
		return
	}
	r.checkLag(d)
	r.checkExpiry(d)
	for _, a := range d.absent {
		d.addProblem("the tarball of %s is not as it should be: %v", a.release, a.err)
	}
	d.checkMismatches()
	if d.tag != nil {
		r.checkTag(d)
		return
	}
	if d.unstated != nil {
		d.addNote("what it says of its position and of pending releases cannot be read: %v", d.unstated)
	}
	if d.unsaid != nil {
		d.addNote("what it says of itself cannot be read: %v", d.unsaid)
	}
	if position, ok := d.position(); d.stated && ok && d.state.Position.Length != position.Length {
		d.addNote("its own word of its position, %d bytes of the index, is not that of the index which is signed there", d.state.Position.Length)
	}
	if d.said != nil {
		d.checkStatus()
	}
}

// checkStatus believes a mirror that says that something is the matter with it.
func (d *destination) checkStatus() {
	switch s := d.said; s.Health {
	case status.Good:
		if s.Run.Error != "" {
			d.addNote("it says that it is good, although its last run (%s) had something else to say: %s", shown(s.Run.Outcome), shown(s.Run.Error))
		}
	case status.Look:
		d.addProblem("it says that a person should look: %s", shown(s.Sentence))
	case status.Filling:
		d.problems = append(d.problems, problem{filling: true, text: "it says of itself: " + shown(s.Sentence)})
	case status.Failed:
		d.addProblem("it says that its last run did not bring it up to date: %s", shown(cmp.Or(s.Run.Error, s.Sentence, "it does not say why")))
	default:
		d.addProblem("it says %q of its health, a word that this version does not know: %s", shown(string(s.Health)), shown(s.Sentence))
	}
}

// checkMismatches tells of releases that are withheld. Of those which the operator
// has acknowledged there is nothing to look at; that is the mirror's own word, as
// the ledger is. Of a mirror that says itself that somebody should look, it is not
// told twice.
func (d *destination) checkMismatches() {
	total := d.state.Ledger.Count(state.Mismatch)
	accepted := d.accepted()
	if n := len(accepted); n > 0 {
		d.addNote("upstream serves other bytes of %s than it signed; they are not published, and by the mirror's own word its operator has acknowledged that",
			plain.Plural(n, "release"))
	}
	tell := d.addProblem
	if d.said != nil && d.said.Health == status.Look {
		tell = d.addNote
	}
	if n := total - len(accepted); n > 0 {
		tell("upstream serves other bytes of %s than it signed", plain.Plural(n, "release"))
	}
}

// accepted are the mismatches of the ledger of which a bucket says that its operator
// has acknowledged them.
func (d *destination) accepted() map[string]bool {
	accepted := map[string]bool{}
	if d.said == nil {
		return accepted
	}
	for _, record := range d.said.Ledger {
		release, err := index.ParseRelease(record.Release)
		if err == nil && record.Accepted && d.state.Ledger[release].Reason == state.Mismatch {
			accepted[record.Release] = true
		}
	}
	return accepted
}

func (d *destination) addProblem(format string, args ...any) {
	d.problems = append(d.problems, problem{text: fmt.Sprintf(format, args...)})
}

func (d *destination) addNote(format string, args ...any) {
	d.notes = append(d.notes, fmt.Sprintf(format, args...))
}

// checkLag compares what a destination lacks with the time that is allowed.
func (r *Report) checkLag(d *destination) {
	switch lag := &d.lag; {
	case r.upstream.metadata == nil:
		r.checkLagAlone(d)
		return
	case errors.Is(lag.err, index.ErrDigest):
		d.addProblem("its index is not the beginning of upstream's: one of the two was written anew")
		return
	case errors.Is(lag.err, index.ErrLength):
		d.addNote("its index is longer than the one that upstream shows here")
		lag.known, lag.err, lag.Gap = true, nil, hackage.Gap{}
	case !lag.known && r.sane(d.newest()).IsZero():
		d.addProblem("what it lacks of upstream's index could not be found out: %v", lag.err)
		return
	case !lag.known:
		lag.known, lag.atMost, lag.Entries, lag.time = true, true, -1, max(0, r.now.Sub(d.newest()))
		d.addNote("what it lacks could not be counted (%v), so its own newest entry is taken for the time", lag.err)
	case lag.Entries != 0:
		lag.time = max(0, r.now.Sub(lag.First))
	}
	if d.lag.time > r.c.StaleAfter {
		d.problems = append(d.problems, problem{stale: true, text: "it lacks " + d.lag.String()})
	}
}

// checkLagAlone is checkLag without upstream: by what the mirror says of itself.
func (r *Report) checkLagAlone(d *destination) {
	checked, allowed, by := r.sane(d.checked()), r.c.StaleAfter+checkedWithin, "it was compared with upstream"
	if checked.IsZero() {
		// A run that changed nothing, or failed, writes as well: only what it took
		// from upstream says that it had asked.
		checked, allowed, by = r.sane(d.newest()), r.c.StaleAfter, "its newest entry came"
	}
	switch age := r.now.Sub(checked); {
	case checked.IsZero():
		d.addProblem("upstream cannot be read, and the mirror does not say when it was compared with it last")
	case age > allowed:
		d.problems = append(d.problems, problem{stale: true, text: fmt.Sprintf(
			"upstream cannot be read, and by the mirror's own word %s at %s last, %s ago", by, instant(checked), span(age))})
	default:
		d.addNote("upstream cannot be read; by the mirror's own word %s at %s last, %s ago", by, instant(checked), span(age))
	}
}

// sane returns a time that a mirror gives, or none if it is still to come.
func (r *Report) sane(t time.Time) time.Time {
	if t.After(r.now.Add(clockSkew)) {
		return time.Time{}
	}
	return t
}

// checked is when a mirror says it was compared with upstream last, zero if it does
// not say so.
func (d *destination) checked() time.Time {
	if d.said == nil {
		return time.Time{}
	}
	return d.said.Checked
}

// A signedFile is what is told of one of the signed files.
type signedFile struct {
	of      string
	version int64
	expires time.Time
	notice  health.Notice
}

// filesOf returns those of a set.
func filesOf(m *hackage.Metadata) []signedFile {
	return []signedFile{
		{"timestamp.json", m.Timestamp.Version(), m.Timestamp.Expires(), health.Daily},
		{"snapshot.json", m.Snapshot.Version(), m.Snapshot.Expires(), health.Daily},
		{"root.json", m.Root.Version(), m.Root.Expires(), health.Yearly},
		{"mirrors.json", m.Mirrors.Version(), m.Mirrors.Expires(), health.Yearly},
	}
}

// state says whether a file has expired, or will soon.
func (f signedFile) state(now time.Time) string {
	left := f.expires.Sub(now)
	soon, _ := f.notice.At(left)
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

// checkExpiry finds what clients refuse by now, or soon will: on the days on which a
// run of the mirror ends for it with exit code 3, it is more than a note.
func (r *Report) checkExpiry(d *destination) {
	if d.metadata == nil {
		return
	}
	for i, f := range filesOf(d.metadata) {
		why := ""
		if m := r.upstream.metadata; m != nil && filesOf(m)[i].version == f.version {
			why = "; upstream has not signed a newer one"
		}
		left := f.expires.Sub(r.now)
		tell := d.addNote
		if _, look := f.notice.At(left); look {
			tell = d.addProblem
		}
		switch f.state(r.now) {
		case "expired":
			d.addProblem("%s expired at %s, so clients refuse the mirror%s", f.of, instant(f.expires), why)
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
func (r *Report) signature(s *allcabal.TagInfo) string {
	unknown := (*openpgp.UnknownKeyError)(nil)
	switch {
	case s.Unproven == nil:
		return byTrusted
	case errors.Is(s.Unproven, allcabal.ErrUnsigned):
		return byNobody
	case !errors.As(s.Unproven, &unknown):
		return byFalse
	case !r.c.KeysGiven:
		return byUnjudged
	}
	return byUnknown
}

// checkTag finds what is the matter with a repository's tag.
func (r *Report) checkTag(d *destination) {
	s := d.tag
	switch r.signature(s) {
	case byUnknown:
		d.addProblem("its tag is signed by key %s, which is none of trusted-keys", s.Fingerprint)
	case byNobody:
		if r.c.KeysGiven {
			d.addProblem("its tag is not signed")
		}
	case byFalse:
		d.addProblem("the signature of its tag does not hold: %v", s.Unproven)
	}
	switch kind, branch := string(s.State.Kind), s.State.Branch; {
	case kind != "" && !strings.HasPrefix(d.kind, kind):
		d.addProblem("its tag says that it is a %s repository", shown(kind))
	case branch != "" && branch != r.c.Branch:
		d.addProblem("its tag is of branch %q", shown(branch))
	case s.Head == "":
		d.addProblem("it has no branch %q", r.c.Branch)
	case s.Head != s.Commit:
		d.addProblem("branch %q is at commit %s, which is not the one that the tag names, %s", r.c.Branch, s.Head, s.Commit)
	}
	for _, alarm := range r.alarms(s) {
		d.addProblem("alarm: commit %s, found at %s, was not made by the mirror", alarm.Commit, instant(alarm.Since))
	}
}

// mostAlarms bounds how many alarms of a tag are told of; our own have no more.
const mostAlarms = 10

// alarms returns those of a tag that still stand.
func (r *Report) alarms(s *allcabal.TagInfo) []state.Alarm {
	standing := state.Standing(s.State.Alarms, r.now)
	return standing[:min(len(standing), mostAlarms)]
}
