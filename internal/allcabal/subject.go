package allcabal

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Subject begins the message of every commit.
const Subject = "Update from Hackage at "

// subject is the one line of a commit's message, and the first of a tag's.
func subject(t time.Time) string { return Subject + t.UTC().Format(time.RFC3339) }

// hasSubject reports whether a message begins as those of the older tools and ours
// do.
func hasSubject(message string) bool { return strings.HasPrefix(message, Subject) }

// subjectTime reads the time of a message's first line. The older tools write the
// zone without a colon.
func subjectTime(message string) (time.Time, bool) {
	first, _, _ := strings.Cut(message, "\n")
	text, ok := strings.CutPrefix(first, Subject)
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05-0700"} {
		if t, err := time.Parse(form, strings.TrimSpace(text)); ok && err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// sane reports whether a time can date a commit: one beyond the clock would date
// all that come after it.
func (d *Repository) sane(t time.Time) bool { return !t.IsZero() && !t.After(d.o.Now()) }

// maxUndated is how many first parents of a commit are searched for a subject with a
// sane time. Ours have one.
const maxUndated = 100

// baseTime returns the newest sane time in the subject of the base or its first
// parents, the zero time if there is none.
func (d *Repository) baseTime(ctx context.Context) (time.Time, error) {
	for c, err := range d.o.Repo.History(ctx, d.base.dated, "", maxUndated) {
		if err != nil {
			return time.Time{}, fmt.Errorf("read history: %w", err)
		}
		if t, ok := subjectTime(c.Message); ok && d.sane(t) {
			return t, nil
		}
	}
	return time.Time{}, nil
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
