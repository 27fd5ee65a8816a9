package run

import (
	"context"
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

// A judgement is how a bucket's readers are told that its mirror is: everybody reads
// it, so it is made of the sentences below and never of an error's own text, which
// names addresses, paths and other buckets.
type judgement struct {
	word     status.Word
	sentence string
	// wrong is what went wrong, "" if nothing did. Another bucket's failure is
	// none of this one's, and yet the run failed.
	wrong string
	left  int // releases that are still to come
	// interrupted says that the run did not come to a judgement of its own.
	interrupted bool
}

// asBefore is the judgement that a run which was interrupted leaves: what readers
// were told before. An end that somebody asked for makes no mirror worse.
func (j judgement) asBefore(former *status.Status, published bool) judgement {
	words := []status.Word{status.Good, status.Look, status.Filling, status.Failed}
	switch {
	case !j.interrupted:
	case former != nil && slices.Contains(words, former.Health):
		j.word, j.sentence = former.Health, former.Sentence
	case !published:
		j.word, j.sentence = status.Filling, "Filling: the last run was interrupted; the next run goes on."
	}
	return j
}

// health judges the mirror of a bucket after the run. It is the run's own word but
// for what concerns another bucket alone. Err is what ended the run before its end,
// if anything did.
func (r *run) health(ctx context.Context, s *Target, run *report.Run, err error) judgement {
	failed, look := r.failures(ctx, s, run, err), r.concerns(s, run)
	others := r.others(s)
	word := health.WordOf(run)
	if word == status.Failed && len(failed) == 0 && !slices.ContainsFunc(others, func(s *Target) bool { return s.err != nil }) {
		failed = []string{"The last run did not come to its end."}
	}
	if word == status.Look && len(failed)+len(look)+len(others) == 0 {
		look = []string{"The last run found something, which its log names."}
	}
	h := judgement{left: run.Left, interrupted: run.Outcome == report.Interrupted}
	h.word, h.sentence = health.Judge(failed, look, health.ToCome(run.Left, -1), len(s.bucket.Stored().Ledger))
	if slices.ContainsFunc(others, func(s *Target) bool { return s.err != nil }) {
		failed = append(failed, "Another bucket of this mirror could not be brought up to date.")
	}
	h.wrong = strings.Join(append(failed, look...), " ")
	return h
}

// others are the targets of the other buckets.
func (r *run) others(s *Target) (others []*Target) {
	for _, other := range r.Targets {
		if other != s && other.kind == BucketKind {
			others = append(others, other)
		}
	}
	return others
}

// failures says what keeps a bucket's mirror from being up to date.
func (r *run) failures(ctx context.Context, s *Target, run *report.Run, err error) (all []string) {
	switch {
	case ctx.Err() != nil && (err != nil || s.err != nil):
		all = append(all, "The last run was interrupted.")
	case s.err != nil:
		all = append(all, whyFailed(s.err, "This bucket could not be brought up to date."))
	case err != nil:
		all = append(all, whyFailed(err, "What upstream has could not be read, or not be verified."))
	}
	for _, other := range r.Targets {
		if other.kind != BucketKind && other.err != nil && ctx.Err() == nil {
			all = append(all, fmt.Sprintf("The %s could not be brought up to date.", strings.ReplaceAll(other.kind, "-", " ")))
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
		{errRewritten, "Upstream's index does not go on from the one that this mirror has."},
		{mirror.ErrOutage, "Upstream gives no tarballs."},
		{bucket.ErrRefused, "The store of this bucket refuses some of the files."},
	} {
		if errors.Is(err, known.err) {
			return known.text
		}
	}
	return otherwise
}

// onlyElsewhere reports whether nobody but other buckets has a mismatch.
func (r *run) onlyElsewhere(s *Target, release index.Release) bool {
	return !slices.ContainsFunc(r.Targets, func(other *Target) bool {
		return (other == s || other.repo != nil) && other.destination != nil && other.State().Ledger[release].Reason == state.Mismatch
	})
}

// concerns says what a person should look at.
func (r *run) concerns(s *Target, run *report.Run) (all []string) {
	mismatches := 0
	for _, owed := range run.Ledger {
		if owed.Reason == state.Mismatch && !owed.Accepted && !r.onlyElsewhere(s, owed.Release) {
			mismatches++
		}
	}
	if mismatches > 0 {
		all = append(all, fmt.Sprintf("The bytes of %s are not the signed ones, and are not published.", plain.Plural(mismatches, "release")))
	}
	for _, e := range run.Expiries {
		if e.Look {
			all = append(all, fmt.Sprintf("The %s expires at %s.", strings.TrimPrefix(e.Of, "the "), e.When.UTC().Format(time.RFC3339)))
		}
	}
	if len(s.bucket.Alarms()) > 0 {
		all = append(all, "Somebody else had written to this bucket, which was repaired.")
	}
	for _, other := range r.Targets {
		if other.repo != nil && other.err == nil && len(other.repo.Alarms()) > 0 {
			all = append(all, fmt.Sprintf("Somebody else had committed to the %s, which was undone.", strings.ReplaceAll(other.kind, "-", " ")))
		}
	}
	return all
}
