package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/report"
)

// A listReader returns upstream's list of deprecated packages, nil if there is none. It
// is asked for once.
type listReader func() ([]byte, error)

// askForDeprecated begins to read upstream's list of deprecated packages, which is
// needed later, while the index comes. Stop ends that.
func (r *run) askForDeprecated(ctx context.Context) (list listReader, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	list = sync.OnceValues(func() ([]byte, error) { return r.readDeprecated(ctx) })
	var group errgroup.Group
	forHashes := slices.ContainsFunc(r.repositories(), func(s *repositoryTarget) bool { return s.kind == HashesKind })
	if forHashes || r.publishes() && len(r.buckets()) > 0 {
		group.Go(func() error {
			_, _ = list() // which says what went wrong, if anything did
			return nil
		})
	}
	return list, func() { cancel(); _ = group.Wait() }
}

// readDeprecated returns upstream's list of deprecated packages, nil if there is
// none. Nothing signs it and nobody builds on it, so one that cannot be read is
// only told of.
func (r *run) readDeprecated(ctx context.Context) ([]byte, error) {
	raw, err := r.Upstream.Deprecated(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil && ctx.Err() == nil {
		r.Warn(fmt.Sprintf("deprecated.json was not updated: %v", err))
		return nil, nil
	}
	return raw, ctx.Err()
}

// A deprecatedList is upstream's list of deprecated packages, before the run and now.
// Either may be nil.
type deprecatedList struct{ before, after []byte }

// deprecations says what changed in the list, as the hashes repository or else the
// buckets have it.
func (did account) deprecations() []report.Deprecation {
	list := did.list
	for _, c := range did.commits {
		if c.Deprecated != nil {
			list = deprecatedList{c.Deprecated, c.list}
		}
	}
	return deprecations(list.before, list.after)
}

// deprecations says what changed between two lists of deprecated packages. Without
// an earlier one that can be read, everything would be new, so nothing is.
func deprecations(before, after []byte) (changes []report.Deprecation) {
	was, err := hackage.ParseDeprecated(before)
	now, err2 := hackage.ParseDeprecated(after)
	if err != nil || err2 != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if _, already := was[name]; !already {
			changes = append(changes, report.Deprecation{Package: name, Instead: now[name]})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if _, still := now[name]; !still {
			changes = append(changes, report.Deprecation{Package: name, Ended: true})
		}
	}
	return changes
}
