package run

import (
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/report"
)

// How long before its expiry a thing is warned of. Hackage signs timestamp and
// snapshot anew each day, for three days, and the others by hand about once a
// year. A signing key takes somebody's time as well.
const (
	dailyNotice  = 24 * time.Hour
	yearlyNotice = 30 * 24 * time.Hour
)

// expiries are the days on which clients begin to refuse what a mirror holds.
func (r *syncer) expiries() []report.Expiry {
	var all []report.Expiry
	add := func(of, do string, when time.Time, notice time.Duration) {
		soon := !when.IsZero() && when.Sub(r.env.Now()) < notice
		all = append(all, report.Expiry{Of: of, When: when, Soon: soon, Do: do})
	}
	const unsigned = "clients refuse it from then on, unless upstream signs it anew"
	if m := r.metadata; m != nil {
		add("upstream's timestamp.json", unsigned, m.Timestamp.Expires(), dailyNotice)
		add("upstream's snapshot.json", unsigned, m.Snapshot.Expires(), dailyNotice)
		add("upstream's mirrors.json", unsigned, m.Mirrors.Expires(), yearlyNotice)
		add("upstream's root.json", unsigned, m.Root.Expires(), yearlyNotice)
	} else if seen := trusted(r.sites); seen.Timestamp > 0 {
		add("the first of upstream's signed files", unsigned, seen.Expires, dailyNotice)
	}
	if r.signer != nil {
		when, _ := r.signer.Expires()
		add("signing key "+r.signer.Fingerprint(), "extend it (gpg --quick-set-expire), and give the new key to this mirror and to its readers", when, yearlyNotice)
	}
	return all
}

// warnOfExpiry says what will soon keep clients from using a mirror, while there
// is time to do something.
func (r *syncer) warnOfExpiry() {
	for _, e := range r.expiries() {
		if e.Soon {
			r.warn(fmt.Sprintf("%s expires at %s; %s", e.Of, e.When.UTC().Format(time.RFC3339), e.Do))
		}
	}
}
