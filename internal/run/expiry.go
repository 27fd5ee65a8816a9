package run

import (
	"errors"
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/health"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
)

// What becomes of a thing that expires, and what a person can do.
const (
	byHand  = "clients refuse it from then on. Only upstream can sign it anew: tell its operator"
	byRobot = "clients refuse it from then on. It is upstream that has not signed anew in time: tell its operator. This mirror takes what is signed as soon as it comes"
	ownKey  = "extend it (gpg --quick-set-expire), and give the new key to this mirror and to its readers"
)

// expiries are the days on which clients begin to refuse what a mirror holds.
func (r *run) expiries(m *hackage.Metadata) []report.Expiry {
	var all []report.Expiry
	add := func(of, do string, when time.Time, n health.Notice) {
		e := report.Expiry{Of: of, When: when, Do: do}
		if !when.IsZero() {
			e.Soon, e.Look = n.At(when.Sub(r.Now()))
		}
		all = append(all, e)
	}
	if m != nil {
		add("upstream's timestamp.json", byRobot, m.Timestamp.Expires(), health.Daily)
		add("upstream's snapshot.json", byRobot, m.Snapshot.Expires(), health.Daily)
		add("upstream's mirrors.json", byHand, m.Mirrors.Expires(), health.Yearly)
		add("upstream's root.json", byHand, m.Root.Expires(), health.Yearly)
	} else if seen := trusted(r.Targets); seen.Timestamp > 0 {
		if first := seen.Expires; first.IsZero() || first != seen.RootExpires && first != seen.MirrorsExpires {
			add("the first of upstream's signed files", byRobot, first, health.Daily)
		}
		if !seen.MirrorsExpires.IsZero() {
			add("upstream's mirrors.json", byHand, seen.MirrorsExpires, health.Yearly)
		}
		if !seen.RootExpires.IsZero() {
			add("upstream's root.json", byHand, seen.RootExpires, health.Yearly)
		}
	}
	if r.Signer != nil {
		when, _ := r.Signer.Expires()
		add("signing key "+r.Signer.Fingerprint(), ownKey, when, health.Yearly)
	}
	return all
}

// warnOfExpiry says what will soon keep clients from using a mirror, while there
// is time to do something. What a person is to hear of is told with the verdict.
func (r *run) warnOfExpiry(m *hackage.Metadata) {
	for _, e := range r.expiries(m) {
		if e.Soon && !e.Look {
			r.Warn(r.expiring(e))
		}
	}
}

// expiring is the warning of one expiry.
func (r *run) expiring(e report.Expiry) string {
	return fmt.Sprintf("%s %s, at %s; %s", e.Of, health.Remaining(e.When.Sub(r.Now())), e.When.UTC().Format(time.RFC3339), e.Do)
}

// pressing are the expiries that a person is to hear of.
func (r *run) pressing(run *report.Run) (errs []error) {
	for _, e := range run.Expiries {
		if e.Look {
			errs = append(errs, errors.New(r.expiring(e)))
		}
	}
	return errs
}
