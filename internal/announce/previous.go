package announce

import (
	"context"
	"fmt"

	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// Previous is what the readers of a bucket were told before a run.
type Previous struct {
	state.Announcement
	// Incomplete says that they were not told of all that the bucket holds, because a run
	// was killed before it did, or an older version wrote there.
	Incomplete bool
	former     *status.Status // which says so, if it was read
}

// ReadPrevious finds out what the readers of a bucket were told last. The state says so, or
// that they were told more since; then the status itself is asked.
func ReadPrevious(ctx context.Context, b *mirror.Bucket, name string, before state.State, log func(string)) Previous {
	previous := Previous{Announcement: before.Announced}
	if previous.Health != "" {
		return previous
	}
	former, err := readStatus(ctx, b, name, log)
	if err != nil {
		return previous // it is announced anew, which says what is wrong
	}
	previous.former = former
	if previous.Incomplete = former == nil || former.Nonce == "" || former.Nonce != before.Nonce; !previous.Incomplete {
		previous.Announcement = state.Announcement{When: former.Run.Began, Health: string(former.Health), At: before.Position}
		b.SetAnnounced(previous.Announcement)
	}
	return previous
}

// readStatus reads the status that is in place. One that cannot be understood is
// begun anew: nothing depends on it but what it goes on counting.
func readStatus(ctx context.Context, b *mirror.Bucket, name string, log func(string)) (*status.Status, error) {
	raw, err := b.Read(ctx, status.Key, status.MaxSize+1)
	if err != nil || raw == nil {
		return nil, err
	}
	former, err := status.Parse(raw)
	if err != nil {
		log(fmt.Sprintf("bucket %q: %v; it is begun anew", name, err))
		return nil, nil
	}
	return former, nil
}

// Notified returns the state that notify-url has heard of last, "" if that is not
// known. If the buckets do not say the same, as after one could not be reached, it
// is what differs from the state now.
func (r *Run) Notified(now status.Word) (before status.Word) {
	for _, b := range r.Buckets {
		if !b.hasState() {
			continue
		}
		said := status.Word(b.Stored().Notified)
		if said != status.Look && said != status.Failed && said != status.Filling {
			said = status.Good // whatever somebody wrote there
		}
		if said != now {
			return said
		}
		before = now
	}
	return before
}

// KeepNotified lets the buckets remember what notify-url has heard, so that it hears
// it once.
func (r *Run) KeepNotified(ctx context.Context, now status.Word) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer stop()
	for _, b := range r.Buckets {
		if !b.hasState() || b.Stored().Notified == string(now) {
			continue
		}
		if err := b.Notify(ctx, string(now)); err != nil && !overtaken(err) { // another run will tell
			r.Warn(fmt.Sprintf("bucket %q cannot remember what notify-url has heard, so that it may hear it again: %v", b.Address, err))
		}
	}
}
