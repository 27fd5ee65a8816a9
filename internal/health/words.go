package health

import (
	"fmt"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/plain"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// WordOf is the state of a mirror after a run in one word: the exit code in other
// terms.
func WordOf(run *report.Run) status.Word {
	switch {
	case run.Outcome == report.Degraded:
		return status.Look
	case run.Outcome != report.Done:
		return status.Failed
	case run.Left > 0:
		return status.Filling
	}
	return status.Good
}

// Summarize returns the word and the sentence for what failed, what to look at, what is
// still to come, and what is pending, each in sentences.
func Summarize(failed, look []string, filling string, pending int) (status.Word, string) {
	switch {
	case len(failed) > 0:
		return status.Failed, "Not up to date: " + uncapital(failed[0])
	case len(look) > 0 && filling != "":
		return status.Look, filling + " But look at this: " + uncapital(look[0])
	case len(look) > 0:
		return status.Look, "Up to date, but look at this: " + uncapital(look[0])
	case filling != "":
		return status.Filling, filling
	case pending > 0:
		return status.Good, fmt.Sprintf("Up to date, but for %s, listed with the reason.", plain.Plural(pending, "release"))
	}
	return status.Good, "Up to date."
}

// uncapital makes a sentence the second half of one.
func uncapital(sentence string) string {
	if len(sentence) < 2 || strings.ToUpper(sentence[1:2]) == sentence[1:2] { // such as "S3"
		return sentence
	}
	return strings.ToLower(sentence[:1]) + sentence[1:]
}

// ToCome says how many releases are still to come after a run whose time was up,
// and how many are here, unless that is negative; "" if none are to come.
func ToCome(left int, here int64) string {
	switch {
	case left == 0:
		return ""
	case here < 0:
		return fmt.Sprintf("Filling: %s still to come; the next run goes on.", plain.Plural(left, "release"))
	}
	return fmt.Sprintf("Filling: %s of %s are here; the next run goes on.", plain.Count(here), plain.Plural(left+int(here), "release"))
}
