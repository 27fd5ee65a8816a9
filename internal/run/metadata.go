package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hackage-mirror/hackage-mirror/internal/announce"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/mirror"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// readMetadata reads the one set of metadata that the whole run uses: nil if upstream
// has nothing newer than what every target has.
func (r *run) readMetadata(ctx context.Context) (*hackage.Metadata, error) {
	defer r.timeline.start("metadata")()
	seen := trusted(live(r.Targets))
	if !r.allAt(seen) {
		return r.rereadMetadata(ctx)
	}
	m, err := r.Upstream.Metadata(ctx, seen)
	if errors.Is(err, hackage.ErrUnchanged) {
		return nil, nil
	}
	return m, r.withAdvice(err)
}

// rereadMetadata reads the metadata whatever was seen. Nobody is to be brought
// back, so at first no version may be lower than any target says. If upstream has
// none such, what signed tags say must hold all the same. A bucket that says more
// fails alone.
func (r *run) rereadMetadata(ctx context.Context) (*hackage.Metadata, error) {
	targets := live(r.Targets)
	all, signed := highestSeen(targets), highestSeen(slices.DeleteFunc(slices.Clone(targets), func(s *Target) bool { return !s.signed() }))
	m, err := r.Upstream.Metadata(ctx, all)
	if errors.Is(err, tuf.ErrRollback) && all != signed {
		m, err = r.Upstream.Metadata(ctx, signed)
	}
	if err != nil {
		return nil, r.withAdvice(err)
	}
	for _, s := range targets {
		if s.sawNewer(m) {
			s.err = s.fromTheFuture(m, r.Tag)
		}
	}
	return m, nil
}

// fromTheFuture is the error of a target that says it has seen newer metadata than
// upstream has.
func (s *Target) fromTheFuture(m *hackage.Metadata, tag string) error {
	said, seen := s.before.Seen, m.Seen()
	return fmt.Errorf("upstream shows metadata of versions %d, %d, %d and %d (root, timestamp, snapshot, mirrors), but %s says that versions %d, %d, %d and %d were seen: %w; "+
		"nothing was changed here. If this happens again, ask upstream's operator; if the file is wrong, remove it, and the next run compares everything",
		seen.Root, seen.Timestamp, seen.Snapshot, seen.Mirrors, s.stateOf(tag), said.Root, said.Timestamp, said.Snapshot, said.Mirrors, tuf.ErrRollback)
}

// allAt reports whether every target says of itself that it was brought up to the
// metadata that the run assumes was seen. A repository's tag does not move when only the
// metadata was signed anew, so its position is compared instead.
func (r *run) allAt(seen state.Seen) bool {
	if seen.Digest == "" {
		return false
	}
	var end index.Position
	for _, s := range live(r.Targets) {
		if s.before.Seen.Timestamp == seen.Timestamp && (end.IsZero() || s.signed()) {
			end = s.before.Position
		}
	}
	for _, s := range live(r.Targets) {
		if s.State().Position != end || !s.saysSeen(seen) {
			return false
		}
	}
	return true
}

// upToDate reports whether no target has anything to gain from the index: each is
// at its end, and what is pending is still not available.
func (r *run) upToDate(ctx context.Context, m *hackage.Metadata, previous map[*Target]announce.Previous) (bool, error) {
	if m != nil && slices.ContainsFunc(live(r.Targets), func(s *Target) bool { return !s.atEnd(m) }) {
		return false, nil
	}
	if r.logIncomplete(previous) {
		return false, nil
	}
	return r.samePending(ctx)
}

// samePending asks upstream again for everything that is pending, and reports whether
// the answers are those that the ledgers have.
func (r *run) samePending(ctx context.Context) (bool, error) {
	pending := map[state.Tarball]mirror.Want{}
	for _, s := range live(r.Targets) {
		for _, w := range s.State().Wants(&index.Delta{}, s.turn(r.Now(), quietRetries)) {
			pending[w.Tarball] = mirror.Want{Tarball: w.Tarball, Retried: true, Digests: true}
		}
	}
	if len(pending) == 0 || r.DryRun {
		return true, nil
	}
	outcomes, err := r.downloader().Download(ctx, slices.Collect(maps.Values(pending)))
	if err != nil {
		return false, err
	}
	for _, s := range live(r.Targets) {
		for release, record := range s.State().Ledger {
			outcome, asked := outcomes[state.Tarball{Release: release, Target: record.Target}]
			if asked && !sameReason(record.Reason, outcome.Err) {
				return false, nil
			}
		}
	}
	return true, nil
}

// sameReason reports whether a tarball is still pending for the reason it was. One
// that is missing for long counts as withdrawn.
func sameReason(before state.Reason, err error) bool {
	if err == nil {
		return false
	}
	now := state.ReasonOf(err)
	return now == before || now == state.Missing && before == state.Withdrawn
}

// atEnd reports whether the target is at the end of the index that the metadata
// names, proven by the midstate of its position alone.
func (s *Target) atEnd(m *hackage.Metadata) bool {
	info, signed := m.Snapshot.IndexTar()
	return signed && s.State().Position.Ends(info.Length, info.SHA256) && s.holds(m.Snapshot)
}

// sawNewer reports whether a target says that it has seen newer metadata.
func (s *Target) sawNewer(m *hackage.Metadata) bool {
	said, seen := s.before.Seen, m.Seen()
	return said.Root > seen.Root || said.Timestamp > seen.Timestamp || said.Snapshot > seen.Snapshot || said.Mirrors > seen.Mirrors
}

// withAdvice adds to an error of upstream's metadata, if it is one, what the user can
// do.
func (r *run) withAdvice(err error) error {
	if err == nil {
		return nil
	}
	hint := "; nothing was changed"
	switch {
	case errors.Is(err, tuf.ErrExpired):
		hint = "; upstream has not renewed it, or the clock of this machine is wrong. Nothing was changed"
	case errors.Is(err, tuf.ErrRollback):
		hint = "; upstream shows older files than a destination has seen, as " + farthest(r.Targets).stateOf(r.Tag) +
			" says. Nothing was changed. If this happens again, ask upstream's operator; if what it says is wrong, remove it"
	case errors.Is(err, hackage.ErrTorn):
		hint = "; nothing was changed, and the next run tries again"
	}
	return fmt.Errorf("upstream %q: %w%s", r.Upstream, err, hint)
}
