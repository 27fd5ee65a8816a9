package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/announce"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// readStates reads the states of all targets, while upstream is asked for the first
// file that is needed next. It returns why the state of a bucket could not be read.
func (r *run) readStates(ctx context.Context) (unread map[*Target]error) {
	defer r.timeline.start("states")()
	var group errgroup.Group
	if targets := live(r.Targets); len(targets) > 0 {
		group.Go(func() error { r.Upstream.FetchEarly(ctx); return nil })
		unread = collect(r, targets, func(s *Target) (error, error) { return s.read(ctx, r.packages, r.Shard, r.Full) })
	}
	_ = group.Wait() // what went wrong is told where it is needed
	return unread
}

// logWhy says what makes a run more than an update.
func (r *run) logWhy(unread map[*Target]error) {
	for _, s := range r.buckets() {
		if err := unread[s.Target]; err != nil {
			r.Progress.Log(fmt.Sprintf("%s %q: its state could not be read (%v); everything is compared", s.kind, s, err))
		}
	}
	for _, s := range r.repositories() {
		if why := s.Adopting(); why != "" {
			r.Progress.Log(fmt.Sprintf("%s %q: all of it is compared with the index, because %s", s.kind, s, why))
		} else if why := s.WhyPush(); why != "" {
			r.Progress.Log(fmt.Sprintf("%s %q: %s", s.kind, s, why))
		}
	}
}

// read reads a target's state and decides whether its position can be used. Unread is
// why what there is of a state could not be read, so that it was not used.
func (s *Target) read(ctx context.Context, packages string, shard mirror.Shard, full bool) (unread, err error) {
	read, err := s.load(ctx, shard, full)
	switch {
	case errors.Is(err, state.ErrForm), errors.Is(err, index.ErrPosition):
		s.Forget(err.Error())
		unread = err
	case err != nil:
		return nil, err
	case !full && read.Packages != packages && !read.Position.IsZero():
		s.Forget("it was filled with other packages")
		// Older metadata than it has seen stays refused.
	}
	s.before = read
	return unread, nil
}

// signed reports whether the target says what it has seen of the metadata in a tag.
func (s *Target) signed() bool {
	return s.destination != nil && s.inTag() && s.before.Seen.Timestamp > 0
}

// highestSeen returns what the targets have seen of the metadata, each version the highest
// of any.
func highestSeen(targets []*Target) (seen state.Seen) {
	for _, s := range targets {
		other := s.before.Seen
		seen.Root = max(seen.Root, other.Root)
		seen.Timestamp = max(seen.Timestamp, other.Timestamp)
		seen.Snapshot = max(seen.Snapshot, other.Snapshot)
		seen.Mirrors = max(seen.Mirrors, other.Mirrors)
	}
	return seen
}

// trusted returns what a run assumes was seen: what the signed tags say. Where there
// is none, a bucket's word counts for itself, so what all of them say alike; but
// one that names no expiry is not asked by, for it could stand still for ever.
func trusted(targets []*Target) state.Seen {
	var tags, buckets []*Target
	for _, s := range targets {
		if s.signed() {
			tags = append(tags, s)
		} else if s.destination != nil && !s.inTag() {
			buckets = append(buckets, s)
		}
	}
	switch {
	case len(tags) > 0:
		seen := highestSeen(tags)
		for _, s := range tags {
			if other := s.before.Seen; other.Timestamp == seen.Timestamp {
				seen.ETag, seen.Digest, seen.Index, seen.Expires = other.ETag, other.Digest, other.Index, other.Expires
				seen.RootExpires, seen.MirrorsExpires = other.RootExpires, other.MirrorsExpires
			}
		}
		return seen
	case len(buckets) == 0:
		return state.Seen{}
	}
	seen := buckets[0].before.Seen
	for _, s := range buckets {
		if s.before.Seen != seen || seen.Expires.IsZero() {
			return state.Seen{}
		}
	}
	return seen
}

// farthest returns the target that has seen the highest versions.
func farthest(targets []*Target) *Target {
	versions := func(s *Target) int64 {
		seen := s.before.Seen
		return max(seen.Root, seen.Timestamp, seen.Snapshot, seen.Mirrors)
	}
	return slices.MaxFunc(targets, func(a, b *Target) int { return cmp.Compare(versions(a), versions(b)) })
}

// stateOf names what the target's state stands in.
func (s *Target) stateOf(tag string) string {
	return fmt.Sprintf("%s of %s %q", s.stateName(tag), s.kind, s)
}

// readPrevious begins to find out what the buckets' readers were told last. The function it
// returns waits for that.
func (r *run) readPrevious(ctx context.Context) (wait func() map[*Target]announce.Previous) {
	previous := map[*Target]announce.Previous{}
	var mu sync.Mutex
	var group errgroup.Group
	for _, s := range r.buckets() {
		if r.announces(s) {
			group.Go(func() error {
				one := announce.ReadPrevious(ctx, s.Bucket, s.name, s.before, r.Progress.Log)
				mu.Lock()
				defer mu.Unlock()
				previous[s.Target] = one
				return nil
			})
		}
	}
	return func() map[*Target]announce.Previous { _ = group.Wait(); return previous }
}

// announces reports whether a run says in a bucket how the mirror is.
func (r *run) announces(s *bucketTarget) bool { return !r.DryRun && s.CanTell() }

// logIncomplete says which buckets' readers were not told of all, and reports whether
// there are any.
func (r *run) logIncomplete(previous map[*Target]announce.Previous) (any bool) {
	for _, s := range r.buckets() {
		if previous[s.Target].Incomplete {
			r.Progress.Log(fmt.Sprintf("%s %q: its readers were not told yet of all that it holds; what came since is read again for that", s.kind, s))
			any = true
		}
	}
	return any
}
