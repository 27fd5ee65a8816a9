package run

import (
	"fmt"
	"time"
)

// How long before its expiry a file of the metadata is warned of. Hackage signs
// timestamp and snapshot anew each day, for three days, and the others by hand
// about once a year.
const (
	dailyNotice  = 24 * time.Hour
	yearlyNotice = 30 * 24 * time.Hour
)

// warnOfExpiry says which files will soon keep clients from using a mirror, while
// there is time to tell upstream.
func (r *syncer) warnOfExpiry() {
	if r.metadata == nil {
		return
	}
	now := r.env.Now()
	for _, file := range []struct {
		name    string
		expires time.Time
		notice  time.Duration
	}{
		{"timestamp.json", r.metadata.Timestamp.Expires(), dailyNotice},
		{"snapshot.json", r.metadata.Snapshot.Expires(), dailyNotice},
		{"mirrors.json", r.metadata.Mirrors.Expires(), yearlyNotice},
		{"root.json", r.metadata.Root.Expires(), yearlyNotice},
	} {
		if !file.expires.IsZero() && file.expires.Sub(now) < file.notice {
			r.progress.Note(fmt.Sprintf("warning: upstream's %s expires at %s; clients refuse it from then on, unless upstream signs it anew",
				file.name, file.expires.UTC().Format(time.RFC3339)))
		}
	}
}
