package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// Notified returns the state that notify-url has heard of last, "" if that is not
// known. If the buckets do not say the same, as after one could not be reached, it
// is what differs from the state now.
func (r *Result) Notified(now status.Word) (before status.Word) {
	for _, s := range r.run.Targets {
		if s.bucket == nil {
			continue
		}
		word, known := s.bucket.Notified()
		said := status.Word(word)
		if said != status.Look && said != status.Failed && said != status.Filling {
			said = status.Good // whatever somebody wrote there
		}
		if known && said != now {
			return said
		} else if known {
			before = now
		}
	}
	return before
}

// KeepNotified lets the buckets remember what notify-url has heard, so that it hears
// it once.
func (r *Result) KeepNotified(ctx context.Context, now status.Word) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer stop()
	for _, s := range r.run.Targets {
		if s.bucket == nil {
			continue
		}
		word, known := s.bucket.Notified()
		if !known || status.Word(word) == now {
			continue
		}
		err := s.bucket.Notify(ctx, string(now))
		if err != nil && !errors.Is(err, bucket.ErrConflict) && !errors.Is(err, bucket.ErrLocked) { // another run will tell
			r.run.Warn(fmt.Sprintf("%s %q cannot remember what notify-url has heard, so that it may hear it again: %v", s.kind, s.place(), err))
		}
	}
}
