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

// hasLine reports whether a message begins as those of the older tools and ours
// do.
func hasLine(message string) bool { return strings.HasPrefix(message, Subject) }

// lineOf reads the time of a message's first line. The older tools write the
// zone without a colon.
func lineOf(message string) (time.Time, bool) {
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

// lineWithin is how many first parents of a commit without a line are looked at.
const lineWithin = 100

// lineOfGround reads the line of the ground. Ours have one.
func (d *Repository) lineOfGround(ctx context.Context) (time.Time, error) {
	c, err := d.o.Repo.ReadCommit(ctx, d.ground.line)
	if err != nil {
		return time.Time{}, fmt.Errorf("read branch %q: %w", d.o.Branch, err)
	}
	if t, ok := lineOf(c.Message); ok && d.sane(t) {
		return t, nil
	}
	return d.lineFrom(ctx, d.ground.line)
}

// lineFrom returns the time of the newest sane line that a commit or one of its
// first parents has, the zero time if there is none.
func (d *Repository) lineFrom(ctx context.Context, commit string) (time.Time, error) {
	for c, err := range d.o.Repo.History(ctx, commit, "", lineWithin) {
		if err != nil {
			return time.Time{}, fmt.Errorf("read history: %w", err)
		}
		if t, ok := lineOf(c.Message); ok && d.sane(t) {
			return t, nil
		}
	}
	return time.Time{}, nil
}
