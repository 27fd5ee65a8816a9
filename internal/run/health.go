package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
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
}

// health judges the mirror of a bucket after the run. Err is what ended the run
// before its end, if anything did.
func (r *syncer) health(ctx context.Context, s *site, run *report.Run, err error) judgement {
	failed := r.failures(ctx, s, run, err)
	look := r.concerns(s, run)
	wrong := slices.Clone(failed)
	for _, other := range r.sites {
		if other.bucket != s.bucket && other.kind == bucketKind && other.err != nil {
			wrong = append(wrong, "Another bucket of this mirror could not be brought up to date.")
			break
		}
	}
	h := judgement{status.Good, "Up to date.", strings.Join(append(wrong, look...), " ")}
	owed := len(s.bucket.Stored().Ledger)
	switch {
	case len(failed) > 0:
		h.word, h.sentence = status.Failed, "Not up to date: "+uncapital(failed[0])
	case len(look) > 0:
		h.word, h.sentence = status.Look, "Up to date, but look at this: "+uncapital(look[0])
	case owed > 0:
		h.sentence = fmt.Sprintf("Up to date, but for %s that could not be downloaded yet.", report.Plural(owed, "release"))
	}
	return h
}

// uncapital makes a sentence the second half of one.
func uncapital(sentence string) string { return strings.ToLower(sentence[:1]) + sentence[1:] }

// failures says what keeps a bucket's mirror from being up to date.
func (r *syncer) failures(ctx context.Context, s *site, run *report.Run, err error) (all []string) {
	switch {
	case ctx.Err() != nil && (err != nil || s.err != nil):
		all = append(all, "The last run was interrupted.")
	case s.err != nil:
		all = append(all, whyFailed(s.err, "This bucket could not be brought up to date."))
	case err != nil:
		all = append(all, whyFailed(err, "What upstream has could not be read, or not be verified."))
	}
	for _, other := range r.sites {
		if other.kind != bucketKind && other.err != nil && ctx.Err() == nil {
			all = append(all, fmt.Sprintf("The %s could not be brought up to date.", strings.ReplaceAll(other.kind, "-", " ")))
		}
	}
	if run.Left > 0 && len(all) == 0 {
		all = append(all, fmt.Sprintf("There are %s still to come, with the next runs.", report.Plural(run.Left, "release")))
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

// concerns says what a person should look at.
func (r *syncer) concerns(s *site, run *report.Run) (all []string) {
	mismatches := 0
	for _, owed := range run.Ledger {
		if s.bucket.Stored().Ledger[owed.Release].Reason == state.Mismatch && !owed.Accepted {
			mismatches++
		}
	}
	if mismatches > 0 {
		all = append(all, fmt.Sprintf("The bytes of %s are not the signed ones, and are not published.", report.Plural(mismatches, "release")))
	}
	for _, e := range run.Expiries {
		if e.Look {
			all = append(all, fmt.Sprintf("The %s expires at %s.", strings.TrimPrefix(e.Of, "the "), e.When.UTC().Format(time.RFC3339)))
		}
	}
	if len(s.bucket.Alarms()) > 0 {
		all = append(all, "Somebody else had written to this bucket, which was repaired.")
	}
	for _, other := range r.sites {
		if other.repo != nil && other.err == nil && len(other.repo.Alarms()) > 0 {
			all = append(all, fmt.Sprintf("Somebody else had committed to the %s, which was undone.", strings.ReplaceAll(other.kind, "-", " ")))
		}
	}
	return all
}
