// Package health says how a mirror is, in a word, a sentence and a date.
package health

import (
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
)

// Day is a day of a clock.
const Day = 24 * time.Hour

// A Notice says how long before its expiry a thing is warned of, in each run, and
// when a run ends with exit code 3 for it, so that a person hears of it.
type Notice struct {
	warn time.Duration
	// look are the ends of the spans, each a day long, in which a run ends so:
	// long enough for any schedule, and over before it is noise. The last span
	// goes on to the expiry and beyond.
	look []time.Duration
}

var (
	// Yearly is for what is signed by hand about once a year, root and
	// mirrors, and of a signing key, which takes somebody's time as well.
	Yearly = Notice{warn: 14 * Day, look: []time.Duration{14 * Day, 7 * Day, 2 * Day}}
	// Daily is for timestamp and snapshot, which Hackage signs each day
	// anew, for three days. With less than one left, some signings are missing.
	Daily = Notice{warn: Day, look: []time.Duration{6 * time.Hour}}
)

// At says what is due so long before the expiry.
func (n Notice) At(left time.Duration) (soon, look bool) {
	for i, end := range n.look {
		last := i == len(n.look)-1
		look = look || left <= end && (last || left > end-Day)
	}
	return left <= n.warn, look
}

// Remaining says when a thing expires that is so far off.
func Remaining(left time.Duration) string {
	if left < 0 {
		return "has expired"
	}
	return "expires in " + plain.Span(left)
}
