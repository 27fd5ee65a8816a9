package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// remoteName is the remote's name in the settings of a fetch. A filter needs
// one. All other commands know the remote by its address only, so that none of
// them can fetch what is missing by itself, one object at a time.
const remoteName = "published"

// A sparseness is how much of the trees is left out of a fetch. A remote that
// cannot do the one can perhaps do the one before.
type sparseness uint8

const (
	everything  sparseness = iota // the newest commits with all their files
	foldersOnly                   // no files; these come by id
	asNeeded                      // nothing; folders and files come by id
)

// filter is what git calls it.
func (s sparseness) filter() string {
	return [...]string{"", "blob:none", "tree:0"}[s]
}

// fetch runs one git fetch. What it brings in is a pack of its own.
func (r *Repo) fetch(ctx context.Context, s sparseness, stdin []byte, args ...string) error {
	r.fetches++
	all := []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules"}
	if s > everything {
		all = append(all, "--filter="+s.filter())
	}
	if stdin != nil {
		all = append(all, "--stdin")
	}
	_, said, err := r.contact(ctx, r.fetchEnvironment(s), stdin, append(all, args...)...)
	if err == nil && s > everything && strings.Contains(said, "filtering not recognized") {
		r.sparse = everything // and that is what came
		r.tell("it does not know filters (uploadpack.allowFilter, over ssh with uploadpack.allowAnySHA1InWant)")
	}
	return forgetFilter(r.git.dir, err)
}

// fetchEnvironment is what only a fetch may know. The later of two variables of
// a name counts.
func (r *Repo) fetchEnvironment(s sparseness) []string {
	settings := append(slices.Clone(r.config), [2]string{"remote." + remoteName + ".url", r.remote.forGit})
	if s > everything {
		settings = append(settings,
			[2]string{"remote." + remoteName + ".promisor", "true"},
			// What is here is never told: only named objects are fetched.
			[2]string{"fetch.negotiationAlgorithm", "noop"})
	}
	if r.remote.by == local {
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
	if err == nil {
		return false
	}
	words := err.Error()
	return filterRefused(err) || strings.Contains(words, "unadvertised object") || strings.Contains(words, "not our ref")
}

// widen goes on with less left out, and says why.
func (r *Repo) widen(why string) {
	r.sparse--
	r.widened = true
	r.tell(why)
}

// tell says once for each reason that more is fetched than needed.
func (r *Repo) tell(why string) {
	if r.notify == nil {
		return
	}
	what := "all files of the newest commit are fetched"
	if r.sparse == foldersOnly {
		what = "all folders of the newest commit are fetched"
	}
	r.notify(fmt.Sprintf("%s: %s: %s", r.remote.display, what, why))
}

// idsAtOnce is how many objects are asked for in one fetch. Each takes 50 bytes of
// the request, which git sends over HTTP in one piece of known length up to 1 MiB
// less the longest packet, 64 KiB; not all servers take it otherwise.
const idsAtOnce = 19_600

// Need brings the objects of these ids that are not here yet, in as few fetches
// as may be; for none, without one. Objects that only a commit made by us has
// are found as well. Where the remote moved meanwhile and an object is gone,
// the error is ErrMoved.
func (r *Repo) Need(ctx context.Context, ids ...string) error {
	if err := r.Flush(ctx); err != nil {
		return err
	}
	return r.need(ctx, r.sparse, ids)
}

// need is Need for what was not written by us. It says what is left out below
// folders, as far as the remote can do so. Where the remote gives no ids, it
// brings what is left out of the refs, as far back as they were fetched.
func (r *Repo) need(ctx context.Context, leaveOut sparseness, ids []string) error {
	for {
		missing, err := r.missing(ctx, ids)
		if err != nil || len(missing) == 0 {
			return err
		}
		if r.sparse == everything {
			return fmt.Errorf("fetch %d objects (%s, ...) from %q: the remote no longer has them: %w", len(missing), missing[0], r.remote.display, ErrMoved)
		}
		for some := range slices.Chunk(missing, idsAtOnce) {
			err = r.fetch(ctx, min(leaveOut, r.sparse), []byte(strings.Join(some, "\n")+"\n"), remoteName)
			if err != nil {
				break
			}
		}
		if err == nil {
			return nil
		}
		if !idsRefused(err) {
			return fmt.Errorf("fetch %d objects from %q: %w", len(missing), r.remote.display, r.hint(err))
		}
		if err := r.widenIDs(ctx, err); err != nil {
			return err
		}
	}
}

// widenIDs goes on with less left out after the remote refused ids. They may
// also be gone, because it moved.
func (r *Repo) widenIDs(ctx context.Context, refused error) error {
	if strings.Contains(refused.Error(), "not our ref") {
		if err := r.again(ctx); err != nil {
			return err
		}
	}
	r.widen("it sends no objects by id (uploadpack.allowAnySHA1InWant)")
	return r.again(ctx)
}

// again fetches the refs once more, with less left out.
func (r *Repo) again(ctx context.Context) error {
	before, err := r.fetched(ctx, r.refs)
	if err != nil {
		return err
	}
	now, err := r.Fetch(ctx, slices.Clone(r.refs)...)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrMoved, err)
	}
	if err != nil {
		return err
	}
	for ref, id := range now {
		if id != before[ref] {
			return fmt.Errorf("fetch %q from %q again: %w", ref, r.remote.display, ErrMoved)
		}
	}
	return nil
}

// missing returns those of the ids that are not here.
func (r *Repo) missing(ctx context.Context, ids []string) ([]string, error) {
	if len(ids) == 0 || len(r.refs) == 0 || r.sparse == everything && !r.widened {
		return nil, nil
	}
	for _, id := range ids {
		if err := checkID(id); err != nil {
			return nil, err
		}
	}
	here, err := r.ids(ctx, ids)
	if err != nil {
		return nil, err
	}
	var missing []string
	for i, id := range ids {
		if here[i] == "" {
			missing = append(missing, id)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing), nil
}

// complete brings all folders of a commit or tree, and no files. A folder below the
// top never comes without all below it, so that only the top needs a look.
func (r *Repo) complete(ctx context.Context, rev string) error {
	top, err := r.treeOf(ctx, rev)
	if err != nil {
		return err
	}
	if err := r.need(ctx, foldersOnly, []string{top}); err != nil {
		return err
	}
	raw, err := r.treeByID(ctx, top)
	if err != nil {
		return err
	}
	var below []string
	for at := 0; at < len(raw); {
		e, err := entryAt(raw, at)
		if err != nil {
			return err
		}
		if at = e.end; e.isTree() {
			below = append(below, oid(e.id).String())
		}
	}
	return r.need(ctx, foldersOnly, below)
}
