package probe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// What stands before a fact: who vouches for it.
const (
	verified = "verified" // keys that are trusted
	unproven = "unproven" // nobody whom the reader named
	unsigned = "unsigned" // nobody
	sampled  = "sampled"  // nobody, but we have looked at a part
)

// textWidth is how wide the text is, in characters.
const textWidth = 100

// The bounds of what is shown of a text from elsewhere, and of an error, in bytes.
const (
	longest      = 300
	longestError = 4000
)

// shown makes a text from elsewhere one for people.
func shown(text string) string { return shownTo(longest, text) }

// shownTo is shown for so many bytes.
func shownTo(most int, text string) string {
	return plain.Cut(report.Line(strings.ReplaceAll(text, "\n", " ")), most, " [cut]")
}

// Sentence is the mirror's health in one sentence.
func (r *Report) Sentence() string {
	word := r.health()
	for _, d := range r.destinations {
		switch {
		case d.health() != word:
		case word == unverified:
			return fmt.Sprintf("%s: %s %s is not as it was signed%s", word, d.kind, d.name, r.more())
		case word == filling && d.err != nil:
			return fmt.Sprintf("%s: the first fill of %s %s has not come to its end%s", word, d.kind, d.name, r.more())
		case word == unreachable:
			return fmt.Sprintf("%s: %s %s cannot be read%s", word, d.kind, d.name, r.more())
		case word == stale || word == degraded || word == filling:
			return fmt.Sprintf("%s: %s %s: %s%s", word, d.kind, d.name, d.worst(), r.more())
		case d.lag.time > 0:
			return fmt.Sprintf("%s: %s %s lacks %s, which is within %s", word, d.kind, d.name, d.lag, span(r.c.StaleAfter))
		}
	}
	if r.upstream.metadata == nil {
		return "fresh, as far as the mirror itself says; upstream cannot be read"
	}
	return "fresh: nothing of upstream's index is missing"
}

// worst is the first problem, or the first that makes a destination stale.
func (d *destination) worst() string {
	for _, problem := range d.problems {
		if problem.stale {
			return problem.text
		}
	}
	return d.problems[0].text
}

// more says how many other things there are to look at.
func (r *Report) more() string {
	n := -1
	for _, d := range r.destinations {
		n += len(d.problems)
		if d.err != nil {
			n++
		}
	}
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more to look at)", n)
}

// Text is what was found, for people: the health, what is the matter, and a table
// for each destination.
func (r *Report) Text() string {
	t := &statusText{}
	t.wrap("", r.Sentence())
	for _, d := range r.destinations {
		t.line("")
		t.line(d.kind + " " + d.name)
		if d.err != nil {
			t.wrap("  ", "cannot be read: "+d.err.Error())
			continue
		}
		for _, problem := range d.problems {
			t.wrap("  ! ", problem.text)
		}
		for _, note := range d.notes {
			t.wrap("  - ", note)
		}
		if d.tag != nil {
			r.writeTag(t, d)
		} else {
			r.writeBucket(t, d)
		}
	}
	t.line("")
	t.line("upstream " + r.upstreamName())
	if r.upstream.err != nil {
		t.wrap("  ", "cannot be read: "+r.upstream.err.Error())
	} else {
		t.signedIndex(r.upstream.metadata)
		files := filesOf(r.upstream.metadata)
		files = slices.DeleteFunc(files, func(f signedFile) bool { return f.expires.IsZero() })
		slices.SortStableFunc(files, func(a, b signedFile) int { return a.expires.Compare(b.expires) })
		r.writeFiles(t, files[:min(len(files), 1)])
	}
	return t.out.String()
}

// upstreamName is upstream's address without a password.
func (r *Report) upstreamName() string {
	if r.upstream.from == nil {
		return r.c.Upstream // whose password check refuses
	}
	return r.upstream.from.String()
}

// writeBucket writes the facts of a bucket.
func (r *Report) writeBucket(t *statusText, d *destination) {
	vouched := verified
	if !d.lag.known || d.lag.atMost || d.lag.Bytes > 0 && !d.lag.Proven {
		vouched = unproven
	}
	t.fact(vouched, "missing", d.lag.String())
	t.signedIndex(d.metadata)
	if d.served.End {
		t.fact(sampled, "index there", "of that length, with the beginning and the end of one")
	} else {
		t.fact(sampled, "index there", "of that length, with the beginning of one; the end could not be looked at")
	}
	r.writeFiles(t, filesOf(d.metadata))
	if d.stated {
		t.fact(unsigned, "newest entry", r.ago(d.newest()))
		t.fact(unsigned, "ledger", ledgerLine(d.state.Ledger))
	}
	if s := d.said; s != nil {
		t.fact(unsigned, "says of itself", string(s.Health)+": "+s.Sentence)
		t.fact(unsigned, "last checked", r.ago(s.Checked))
		t.fact(unsigned, "last run", cmp.Or(s.Run.Outcome, "unknown outcome")+", began "+r.ago(s.Run.Began))
	}
}

// writeTag writes the facts of a repository.
func (r *Report) writeTag(t *statusText, d *destination) {
	s, how := d.tag, r.signature(d.tag)
	vouched, signer := unproven, "key "+s.Fingerprint
	switch how {
	case byTrusted:
		vouched, signer = verified, signer+", which is trusted"
	case byUnknown:
		signer += ", which is none of trusted-keys"
	case byUnjudged:
		signer += "; if it is the mirror's, give it by --trusted-keys"
	case byNobody:
		vouched, signer = unsigned, "nobody"
	case byFalse:
		signer = "nobody whose signature holds"
	}
	t.fact(vouched, "missing", d.lag.String())
	t.fact(vouched, "tag", r.c.Tag+" at commit "+s.Commit)
	t.fact(vouched, "signed by", signer)
	t.fact(vouched, "newest entry", r.ago(d.newest()))
	if s.Older {
		t.fact(vouched, "made by", "an older tool, which says no position")
	} else {
		t.fact(vouched, "ledger", ledgerLine(s.State.Ledger))
	}
}

// writeFiles tells of signed files.
func (r *Report) writeFiles(t *statusText, files []signedFile) {
	for _, f := range files {
		value := fmt.Sprintf("version %d, ", f.version)
		switch left := f.expires.Sub(r.now); f.state(r.now) {
		case "never":
			value += "never expires"
		case "expired":
			value += fmt.Sprintf("expired %s, %s ago", instant(f.expires), span(-left))
		default:
			value += fmt.Sprintf("expires %s, in %s", instant(f.expires), span(left))
		}
		t.fact(verified, f.of, value)
	}
}

// ledgerLine tells what is pending: how many releases for each reason, and some names.
func ledgerLine(ledger state.Ledger) string {
	if len(ledger) == 0 {
		return "nothing is pending"
	}
	var counts []string
	for _, reason := range []state.Reason{state.Mismatch, state.Missing, state.Withdrawn, state.Unsigned, state.Failed} {
		if n := ledger.Count(reason); n > 0 {
			counts = append(counts, fmt.Sprintf("%s %s", plain.Count(n), reason))
		}
	}
	var names []string
	all := ledger.Sorted()
	for _, release := range all[:min(len(all), 5)] {
		names = append(names, shown(release.String()))
	}
	if more := len(all) - len(names); more > 0 {
		names = append(names, "and "+plain.Count(more)+" more")
	}
	return fmt.Sprintf("%s pending: %s (%s)", plain.Plural(len(all), "release"), strings.Join(counts, ", "), strings.Join(names, ", "))
}

// String tells what is missing, and for how long.
func (g lag) String() string {
	switch {
	case !g.known && g.err != nil:
		return "not known: " + g.err.Error()
	case !g.known:
		return "not known, as upstream cannot be read"
	case g.atMost:
		return "something that has been missing for at most " + span(g.time)
	case g.Entries == 0:
		return "nothing"
	case g.Entries < 0:
		return fmt.Sprintf("%s of upstream's index, the oldest entry for %s", plain.Size(g.Bytes), span(g.time))
	}
	return fmt.Sprintf("%s (%s of upstream's index), the oldest for %s", plain.Plural(g.Entries, "entry"), plain.Size(g.Bytes), span(g.time))
}

// ago writes a time and how long ago it was.
func (r *Report) ago(t time.Time) string {
	switch age := r.now.Sub(t); {
	case t.IsZero():
		return "not known"
	case age < 0:
		return instant(t) + ", which is in the future"
	default:
		return instant(t) + ", " + span(age) + " ago"
	}
}

// instant writes a time for people and programs alike.
func instant(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// span writes a length of time by its two largest units.
func span(d time.Duration) string {
	days, hours, minutes := int64(d/(24*time.Hour)), int64(d%(24*time.Hour)/time.Hour), int64(d%time.Hour/time.Minute)
	switch {
	case days >= 30 || days > 0 && hours == 0:
		return plain.Plural(int(days), "day")
	case days > 0:
		return fmt.Sprintf("%s %d h", plain.Plural(int(days), "day"), hours)
	case hours > 0 && minutes == 0:
		return fmt.Sprintf("%d h", hours)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%d min", minutes)
	}
	return fmt.Sprintf("%d s", int64(d/time.Second))
}

// A statusText collects lines, each safe for a log.
type statusText struct{ out strings.Builder }

func (t *statusText) line(text string) { t.out.WriteString(report.Line(text) + "\n") }

// wrap writes a text behind a lead, in as many lines as it takes.
func (t *statusText) wrap(lead, text string) {
	room := textWidth - len(lead)
	line := ""
	for _, word := range strings.Fields(report.Line(strings.ReplaceAll(text, "\n", " "))) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > room {
			t.line(lead + line)
			lead, line = strings.Repeat(" ", len(lead)), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	t.line(lead + line)
}

// fact writes a fact in columns, behind who vouches for it.
func (t *statusText) fact(vouched, label, value string) {
	t.wrap(fmt.Sprintf("  %-8s  %-14s  ", vouched, label), shown(value))
}

// signedIndex tells of the index that a snapshot signs.
func (t *statusText) signedIndex(m *hackage.Metadata) {
	if info, signed := m.Snapshot.IndexTar(); signed {
		t.fact(verified, "index signed", plain.Count(info.Length)+" bytes")
	}
}
