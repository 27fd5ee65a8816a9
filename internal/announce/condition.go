package announce

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/health"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// A condition is how a bucket's readers are told that its mirror is: everybody reads
// it, so it is made of the sentences below and never of an error's own text, which
// names addresses, paths and other buckets.
type condition struct {
	word     status.Word
	sentence string
	// wrong is what went wrong, "" if nothing did. Another bucket's failure is
	// none of this one's, and yet the run failed.
	wrong string
	// interrupted says that the run did not come to a condition of its own.
	interrupted bool
}

// asBefore is the condition that a run which was interrupted leaves: what readers
// were told before. An end that somebody asked for makes no mirror worse.
func (c condition) asBefore(former *status.Status, published bool) condition {
	words := []status.Word{status.Good, status.Look, status.Filling, status.Failed}
	switch {
	case !c.interrupted:
	case former != nil && slices.Contains(words, former.Health):
		c.word, c.sentence = former.Health, former.Sentence
	case !published:
		c.word, c.sentence = status.Filling, "Filling: the last run was interrupted; the next run goes on."
	}
	return c
}

// conditionOf says how the mirror of a bucket is after the run. The word is the run's own word but
// for what concerns another bucket alone.
func (r *Run) conditionOf(b *Bucket, interrupted bool) condition {
	failed, look := r.failures(b, interrupted), r.concerns(b)
	anotherFailed := slices.ContainsFunc(r.Buckets, func(other *Bucket) bool { return other != b && other.Err != nil })
	word := health.WordOf(r.Run)
	if word == status.Failed && len(failed) == 0 && !anotherFailed {
		failed = []string{"The last run did not come to its end."}
	}
	if word == status.Look && len(failed)+len(look) == 0 && len(r.Buckets) == 1 {
		look = []string{"The last run found something, which its log names."}
	}
	c := condition{interrupted: r.Outcome == report.Interrupted}
	c.word, c.sentence = health.Summarize(failed, look, health.ToCome(r.Left, -1), len(b.Stored().Ledger))
	if anotherFailed {
		failed = append(failed, "Another bucket of this mirror could not be brought up to date.")
	}
	c.wrong = strings.Join(append(failed, look...), " ")
	return c
}

// failures says what keeps a bucket's mirror from being up to date.
func (r *Run) failures(b *Bucket, interrupted bool) (all []string) {
	switch {
	case interrupted && (r.Aborted != nil || b.Err != nil):
		all = append(all, "The last run was interrupted.")
	case b.Err != nil:
		all = append(all, whyFailed(b.Err, "This bucket could not be brought up to date."))
	case r.Aborted != nil:
		all = append(all, whyFailed(r.Aborted, "What upstream has could not be read, or not be verified."))
	}
	for _, repo := range r.Repositories {
		if repo.Error != "" && !interrupted {
			all = append(all, fmt.Sprintf("The %s repository could not be brought up to date.", repo.Kind))
		}
	}
	return all
}

// whyFailed says in general terms what an error means, or otherwise.
func whyFailed(err error, otherwise string) string {
	for _, known := range []struct {
		err  error
		text string
	}{
		{tuf.ErrExpired, "Upstream's signed files have expired."},
		{tuf.ErrRollback, "Upstream shows something older than this mirror has."},
		{index.ErrRewritten, "Upstream's index does not go on from the one that this mirror has."},
		{mirror.ErrOutage, "Upstream gives no tarballs."},
		{bucket.ErrRefused, "The store of this bucket refuses some of the files."},
	} {
		if errors.Is(err, known.err) {
			return known.text
		}
	}
	return otherwise
}

// concerns says what a person should look at.
func (r *Run) concerns(b *Bucket) (all []string) {
	mismatches := 0
	for _, pending := range r.Ledger {
		if pending.Reason == state.Mismatch && !pending.Accepted && !r.onlyElsewhere(b, pending.Release) {
			mismatches++
		}
	}
	if mismatches > 0 {
		all = append(all, fmt.Sprintf("The bytes of %s are not the signed ones, and are not published.", plain.Plural(mismatches, "release")))
	}
	for _, e := range r.Expiries {
		if e.Look {
			all = append(all, fmt.Sprintf("The %s expires at %s.", strings.TrimPrefix(e.Of, "the "), e.When.UTC().Format(time.RFC3339)))
		}
	}
	if len(b.Alarms()) > 0 {
		all = append(all, "Somebody else had written to this bucket, which was repaired.")
	}
	for _, repo := range r.Repositories {
		if repo.Repaired {
			all = append(all, fmt.Sprintf("Somebody else had committed to the %s repository, which was undone.", repo.Kind))
		}
	}
	return all
}

// onlyElsewhere reports whether nobody but other buckets has a mismatch.
func (r *Run) onlyElsewhere(b *Bucket, release index.Release) bool {
	return b.State().Ledger[release].Reason != state.Mismatch &&
		!slices.ContainsFunc(r.Repositories, func(repo Repository) bool { return repo.Ledger[release].Reason == state.Mismatch })
}
