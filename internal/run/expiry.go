package run

import (
	"errors"
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/report"
)

const day = 24 * time.Hour

// A notice says how long before its expiry a thing is warned of, in each run, and
// when a run ends with exit code 3 for it, so that a person hears of it.
type notice struct {
	warn time.Duration
	// look are the ends of the spans, each a day long, in which a run ends so:
	// long enough for any schedule, and over before it is noise. The last span
	// goes on to the expiry and beyond.
	look []time.Duration
}

var (
	// yearly is for what is signed by hand about once a year, root and
	// mirrors, and of a signing key, which takes somebody's time as well.
	yearly = notice{warn: 14 * day, look: []time.Duration{14 * day, 7 * day, 2 * day}}
	// daily is for timestamp and snapshot, which Hackage signs each day
	// anew, for three days. With less than one left, some signings are missing.
	daily = notice{warn: day, look: []time.Duration{6 * time.Hour}}
)

// at says what is due so long before the expiry.
func (n notice) at(left time.Duration) (soon, look bool) {
	for i, end := range n.look {
		last := i == len(n.look)-1
		look = look || left <= end && (last || left > end-day)
	}
	return left <= n.warn, look
}

// What becomes of a thing that expires, and what a person can do.
const (
	byHand  = "clients refuse it from then on. Only upstream can sign it anew: tell its operator"
	byRobot = "clients refuse it from then on. It is upstream that has not signed anew in time: tell its operator. This mirror takes what is signed as soon as it comes"
	ownKey  = "extend it (gpg --quick-set-expire), and give the new key to this mirror and to its readers"
)

// expiries are the days on which clients begin to refuse what a mirror holds.
func (r *syncer) expiries() []report.Expiry {
	var all []report.Expiry
	add := func(of, do string, when time.Time, n notice) {
		e := report.Expiry{Of: of, When: when, Do: do}
		if !when.IsZero() {
			e.Soon, e.Look = n.at(when.Sub(r.env.Now()))
		}
		all = append(all, e)
	}
	if m := r.metadata; m != nil {
		add("upstream's timestamp.json", byRobot, m.Timestamp.Expires(), daily)
		add("upstream's snapshot.json", byRobot, m.Snapshot.Expires(), daily)
		add("upstream's mirrors.json", byHand, m.Mirrors.Expires(), yearly)
		add("upstream's root.json", byHand, m.Root.Expires(), yearly)
	} else if seen := trusted(r.sites); seen.Timestamp > 0 {
		if first := seen.Expires; first.IsZero() || first != seen.RootExpires && first != seen.MirrorsExpires {
			add("the first of upstream's signed files", byRobot, first, daily)
		}
		if !seen.MirrorsExpires.IsZero() {
			add("upstream's mirrors.json", byHand, seen.MirrorsExpires, yearly)
		}
		if !seen.RootExpires.IsZero() {
			add("upstream's root.json", byHand, seen.RootExpires, yearly)
		}
	}
	if r.signer != nil {
		when, _ := r.signer.Expires()
		add("signing key "+r.signer.Fingerprint(), ownKey, when, yearly)
	}
	return all
}

// warnOfExpiry says what will soon keep clients from using a mirror, while there
// is time to do something. What a person is to hear of is told with the verdict.
func (r *syncer) warnOfExpiry() {
	for _, e := range r.expiries() {
		if e.Soon && !e.Look {
			r.warn(r.expiring(e))
		}
	}
}

// expiring is the warning of one expiry.
func (r *syncer) expiring(e report.Expiry) string {
	return fmt.Sprintf("%s %s, at %s; %s", e.Of, remaining(e.When.Sub(r.env.Now())), e.When.UTC().Format(time.RFC3339), e.Do)
}

// remaining says when a thing expires that is so far off.
func remaining(left time.Duration) string {
	switch {
	case left < 0:
		return "has expired"
	case left < 2*time.Hour:
		return "expires in " + report.Plural(int(left/time.Minute), "minute")
	case left < 2*day:
		return "expires in " + report.Plural(int(left/time.Hour), "hour")
	}
	return "expires in " + report.Plural(int(left/day), "day")
}

// pressing are the expiries that a person is to hear of.
func (r *syncer) pressing(run *report.Run) (errs []error) {
	for _, e := range run.Expiries {
		if e.Look {
			errs = append(errs, errors.New(r.expiring(e)))
		}
	}
	return errs
}
