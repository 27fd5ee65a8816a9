package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
)

// remoteName is the remote's name in the settings of a fetch. A filter needs
// one. All other commands know the remote by its address only, so that none of
// them can fetch what is missing by itself, one object at a time.
const remoteName = "published"

// A filterLevel is how much of the trees is left out of a fetch. A remote that
// cannot do the one can perhaps do the one before.
type filterLevel uint8

const (
	noFilter filterLevel = iota // the newest commits come with all their files
	noFiles                     // files come by id
	noTrees                     // trees and files come by id
)

// String is what git calls it.
func (f filterLevel) String() string {
	return [...]string{"", "blob:none", "tree:0"}[f]
}

// fetch runs one git fetch. What it brings in is a pack of its own.
func (r *Repo) fetch(ctx context.Context, f filterLevel, stdin []byte, args ...string) error {
	r.fetches++
	all := []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules"}
	if f > noFilter {
		all = append(all, "--filter="+f.String())
	}
	if stdin != nil {
		all = append(all, "--stdin")
	}
	_, said, err := r.runRemote(ctx, r.fetchEnvironment(f), stdin, append(all, args...)...)
	if err == nil && f > noFilter && strings.Contains(said, "filtering not recognized") {
		r.filter = noFilter // and that is what came
		r.notifyMore("it does not know filters (uploadpack.allowFilter, over ssh with uploadpack.allowAnySHA1InWant)")
	}
	return forgetFilter(r.git.dir, err)
}

// fetchEnvironment is what only a fetch may know. The later of two variables of
// a name counts.
func (r *Repo) fetchEnvironment(f filterLevel) []string {
	settings := append(slices.Clone(r.config), [2]string{"remote." + remoteName + ".url", r.remote.forGit})
	if f > noFilter {
		settings = append(settings,
			[2]string{"remote." + remoteName + ".promisor", "true"},
			// What is here is never told: only named objects are fetched.
			[2]string{"fetch.negotiationAlgorithm", "noop"})
	}
	if r.remote.transport == local {
		// Nobody but us serves this folder to us, so we allow ourselves.
		settings = append(settings, [2]string{
			"remote." + remoteName + ".uploadpack",
			"git -c uploadpack.allowFilter=true -c uploadpack.allowAnySHA1InWant=true upload-pack",
		})
	}
	return configEnvironment(settings)
}

// forgetFilter takes out of the local settings that a filter was used: by that
// git would take the remote for one to fetch missing objects from.
func forgetFilter(dir string, err error) error {
	path := filepath.Join(dir, "config")
	raw, readErr := os.ReadFile(path)
	if readErr != nil {
		return fmt.Errorf("read local settings: %w", readErr)
	}
	own, _, found := bytes.Cut(raw, []byte("[remote "))
	if !found {
		return err
	}
	if writeErr := os.WriteFile(path, own, 0o600); writeErr != nil {
		return fmt.Errorf("write local settings: %w", writeErr)
	}
	return err
}

// filterRefused reports whether the remote has a rule against the filter.
func filterRefused(err error) bool {
	return err != nil && strings.Contains(err.Error(), "filter '") && strings.Contains(err.Error(), "not supported")
}

// idsRefused reports whether the remote does not give objects by id.
func idsRefused(err error) bool {
	return filterRefused(err) || strings.Contains(err.Error(), "unadvertised object") || strings.Contains(err.Error(), "not our ref")
}

// fetchMore goes on with less left out, and says why.
func (r *Repo) fetchMore(why string) {
	r.filter--
	r.fetchedLess = true
	r.notifyMore(why)
}

// notifyMore says once for each reason that more is fetched than needed.
func (r *Repo) notifyMore(why string) {
	what := map[filterLevel]string{noFilter: "files", noFiles: "folders"}[r.filter]
	r.notify(fmt.Sprintf("%s: all %s of the newest commit are fetched: %s", r.remote.display, what, why))
}

// idsAtOnce is how many objects are asked for in one fetch. Each takes 50 bytes of
// the request, which git sends over HTTP in one piece of known length up to 1 MiB
// less the longest packet, 64 KiB; not all servers take it otherwise.
const idsAtOnce = 19_600

// FetchObjects fetches the objects of these ids that are not here yet, in as few
// fetches as may be; for none, without one. Objects that only a commit made by us has
// are found as well. Where the remote moved meanwhile and an object is gone,
// the error is ErrMoved.
func (r *Repo) FetchObjects(ctx context.Context, ids ...string) error {
	if err := r.Flush(ctx); err != nil {
		return err
	}
	return r.fetchObjects(ctx, r.filter, ids)
}

// fetchObjects is FetchObjects for what was not written by us. The filter is for what
// is below folders, as far as the remote can do so. Where the remote gives no ids,
// what was left out of the refs is fetched, as far back as they were.
func (r *Repo) fetchObjects(ctx context.Context, filter filterLevel, ids []string) error {
	for {
		missing, err := r.missing(ctx, ids)
		if err != nil || len(missing) == 0 {
			return err
		}
		if r.filter == noFilter {
			return fmt.Errorf("fetch %d objects (%s, ...) from %q: the remote no longer has them: %w", len(missing), missing[0], r.remote.display, ErrMoved)
		}
		for some := range slices.Chunk(missing, idsAtOnce) {
			if err == nil {
				err = r.fetch(ctx, min(filter, r.filter), []byte(strings.Join(some, "\n")+"\n"), remoteName)
			}
		}
		if err == nil {
			return nil
		}
		if !idsRefused(err) {
			return fmt.Errorf("fetch %d objects from %q: %w", len(missing), r.remote.display, r.explain(err))
		}
		if strings.Contains(err.Error(), "not our ref") { // they may also be gone, because it moved
			if err := r.refetch(ctx); err != nil {
				return err
			}
		}
		r.fetchMore("it sends no objects by id (uploadpack.allowAnySHA1InWant)")
		if err := r.refetch(ctx); err != nil {
			return err
		}
	}
}

// refetch fetches the refs once more, with less left out.
func (r *Repo) refetch(ctx context.Context) error {
	before, err := r.fetched(ctx, r.refs)
	if err != nil {
		return err
	}
	now, err := r.Fetch(ctx, slices.Clone(r.refs)...)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrMoved, err)
	}
	if err == nil && !maps.Equal(before, now) {
		return fmt.Errorf("fetch %q from %q again: %w", r.refs, r.remote.display, ErrMoved)
	}
	return err
}

// missing returns those of the ids that are not here.
func (r *Repo) missing(ctx context.Context, ids []string) ([]string, error) {
	if len(ids) == 0 || len(r.refs) == 0 || r.filter == noFilter && !r.fetchedLess {
		return nil, nil
	}
	for _, id := range ids {
		if err := gitpack.CheckID(id); err != nil {
			return nil, err
		}
	}
	here, err := r.ids(ctx, ids)
	var missing []string
	for i, id := range here {
		if id == "" {
			missing = append(missing, ids[i])
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing), err
}

// fetchAllTrees fetches all folders of a commit or tree, and no files. A folder below
// the top never comes without all below it, so that only the top needs a look.
func (r *Repo) fetchAllTrees(ctx context.Context, rev string) error {
	top, err := r.treeOf(ctx, rev)
	if err != nil {
		return err
	}
	if err := r.fetchObjects(ctx, noFiles, []string{top}); err != nil {
		return err
	}
	raw, err := r.readTree(ctx, top)
	if err != nil {
		return err
	}
	var below []string
	for e, err := range gitpack.Entries(raw) {
		if err != nil {
			return err
		}
		if e.IsFolder() {
			below = append(below, e.ID().String())
		}
	}
	return r.fetchObjects(ctx, noFiles, below)
}
