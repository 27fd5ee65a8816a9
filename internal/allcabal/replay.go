package allcabal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// A replay turns the index behind the position into commits.
type replay struct {
	d          *Repository
	in         Input
	plan       *plan
	im         *gitpack.TreeWriter
	committer  *committer
	now        time.Time
	newBranch  bool
	newestOnly bool // only the newest content of each path is wanted

	uncommitted bool            // something is in the commit under way
	paths       map[string]bool // of the commit under way that may come again in the index
	newest      time.Time       // of all entries so far, but for those beyond the clock
	result      Result
	rewrites    map[string]bool // paths, of an adopted tree
}

// A Result is what a run did to a repository, or in a dry run would do.
type Result struct {
	// Commit is the new head of the branch, or the base if there was
	// nothing to commit.
	Commit string
	// Commits, Files and Revisions count what was committed: all files, and
	// changed .cabal files among them.
	Commits, Files, Revisions int
	// New are the releases that the repository did not list before.
	New []index.Release
	// Deprecated is the list of deprecated packages that a new one takes the place
	// of; nil if there was none, or if it did not change.
	Deprecated []byte
	// Adopted says why the whole index was compared with the tree, "" if it
	// was not.
	Adopted string
	// Undone are the paths at which somebody else's commits were undone.
	Undone []string
	// Changed says whether anything was pushed.
	Changed bool
}

// replay makes the commits of a run.
func (d *Repository) replay(ctx context.Context, in Input, p *plan) (_ Result, err error) {
	im, err := d.startImport(ctx)
	if err != nil {
		return Result{}, err
	}
	newBranch := d.base.commit == ""
	r := &replay{
		d: d, in: in, plan: p, im: im, now: d.o.Now(), paths: map[string]bool{}, rewrites: map[string]bool{},
		newBranch: newBranch, newestOnly: newBranch && d.o.History == Snapshot,
		result: Result{Adopted: d.adopting},
	}
	r.committer = d.startCommitter(ctx)
	defer func() { err = errors.Join(err, im.Close()) }()
	err = r.run(ctx)
	if r.result.Commit, err = r.committer.finish(err); err != nil {
		return Result{}, err
	}
	r.result.New = d.newReleases(in, p)
	return r.result, nil
}

// newReleases returns the releases that the base does not list. In the files
// repository these are those whose first package.json came.
func (d *Repository) newReleases(in Input, p *plan) []index.Release {
	var list []index.Release
	for _, r := range in.Tail.Order {
		path, isNew := r.JSONPath(), d.writesRecord(in, p, r)
		if !d.o.Hashes {
			path, isNew = r.CabalPath(), in.Tail.Changes[r].TargetOffset >= d.state.Position.Length
		}
		if isNew && d.tree.lookUp(path) == nil {
			list = append(list, r)
		}
	}
	for r := range d.state.Ledger {
		if in.Tail.Changes[r] == nil && d.writesRecord(in, p, r) && d.tree.lookUp(r.JSONPath()) == nil {
			list = append(list, r)
		}
	}
	return list
}

// writesRecord reports whether the record of a release is to be written.
func (d *Repository) writesRecord(in Input, p *plan, r index.Release) bool {
	return d.o.Hashes && d.wanted(in, r) && !p.noRecord[r]
}

// run undoes what somebody else committed, then writes the releases from before the
// position that are unblocked, then every entry in order, then deprecated.json.
func (r *replay) run(ctx context.Context) error {
	if err := r.undo(); err != nil {
		return err
	}
	if err := r.writeUnblocked(); err != nil {
		return err
	}
	ix, from, err := r.start(ctx)
	if err != nil {
		return err
	}
	for e, err := range ix.LogTo(from, r.in.Tail.To.Length).Entries() {
		if err != nil {
			return fmt.Errorf("read index for %q: %w", r.d, err)
		}
		if !r.in.Selected(e.Release.Package) {
			continue
		}
		if err := r.entry(e); err != nil {
			return err
		}
		if e.Offset >= r.d.state.Position.Length {
			r.in.Done()
		}
	}
	if err := r.writeDeprecated(ctx); err != nil {
		return err
	}
	return r.commit()
}

// writeUnblocked writes the releases from before the position that can be listed now.
func (r *replay) writeUnblocked() error {
	for _, u := range r.plan.unblocked {
		if u.content != nil {
			r.paths[u.release.CabalPath()] = true
			if err := r.write(u.release.CabalPath(), u.content); err != nil {
				return err
			}
		}
		if err := r.writeRecord(u.release); err != nil {
			return err
		}
	}
	return nil
}

// start returns the index and where to begin in it: at the position, or at its
// start if all revisions of a release that was pending are needed.
func (r *replay) start(ctx context.Context) (*hackage.Index, index.Position, error) {
	if len(r.plan.reread) == 0 {
		return r.in.Index.Index, r.d.state.Position, nil
	}
	whole, err := r.in.Index.Full(ctx)
	if err != nil {
		return nil, index.Position{}, fmt.Errorf("read index for the revisions of %d releases that %q was owed: %w", len(r.plan.reread), r.d, err)
	}
	return whole.Index, index.Position{}, nil
}

// entry commits one entry of the index, or skips it.
func (r *replay) entry(e index.Entry) error {
	skipped := r.skips(e)
	if !skipped && e.Kind != index.PackageJSON && (r.paths[e.Path()] || r.endsDay(e)) {
		if err := r.commit(); err != nil { // else the entry would hide one of its paths
			return err
		}
	}
	if !e.Time.After(r.now) {
		r.newest = later(r.newest, e.Time)
	}
	switch {
	case skipped:
		return nil
	case e.Kind == index.PackageJSON:
		return r.replaceRecord(e)
	case !r.overtaken(e):
		return r.writeEntry(e)
	case r.isNewest(e):
		return r.writeRecord(e.Release)
	}
	return nil
}

// skips reports whether an entry is not to be committed: one from before the position,
// but for the revisions of a release that was pending; one of a release that is still
// pending; and in a new history of one commit all but the newest of a path.
func (r *replay) skips(e index.Entry) bool {
	switch {
	case e.Offset < r.d.state.Position.Length:
		return e.Kind != index.Cabal || !r.plan.reread[e.Release]
	case e.Kind == index.PackageJSON:
		return false
	case e.Kind == index.Cabal && r.plan.withheld[e.Release]:
		return true
	}
	return r.newestOnly && !r.isNewest(e)
}

// endsDay reports whether an entry is of a later day than those before it, where a
// new history is written day by day.
func (r *replay) endsDay(e index.Entry) bool {
	day := func(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
	return r.newBranch && !r.newestOnly && !r.newest.IsZero() && day(e.Time).After(day(r.newest)) && !e.Time.After(r.now)
}

// isNewest reports whether the index holds nothing newer at the entry's path.
func (r *replay) isNewest(e index.Entry) bool {
	if e.Kind == index.Preferred {
		return r.in.Tail.NewestPreferred[e.Release.Package] == e.Offset
	}
	news := r.in.Tail.Changes[e.Release]
	return news != nil && news.LastCabal.Offset == e.Offset
}

// writeEntry writes the file of an entry, if the tree does not have the very same,
// and the record beside a .cabal file.
func (r *replay) writeEntry(e index.Entry) error {
	id, there := r.d.tree.id(e.Path())
	if !there || id != gitpack.BlobID(e.Content) {
		if !r.isNewest(e) {
			r.paths[e.Path()] = true
		}
		if err := r.write(e.Path(), e.Content); err != nil {
			return err
		}
		if e.Kind == index.Cabal && there {
			r.result.Revisions++
		}
	}
	return r.writeRecord(e.Release)
}

// replaceRecord writes the new record of a release that is listed already: its
// tarball was replaced, or was pending until now.
func (r *replay) replaceRecord(e index.Entry) error {
	news := r.in.Tail.Changes[e.Release]
	if !r.d.writesRecord(r.in, r.plan, e.Release) || news == nil || e.Offset != news.TargetOffset {
		return nil
	}
	if news.Cabals > 0 {
		return nil // it goes with the .cabal file
	}
	return r.writeRecord(e.Release)
}

// writeRecord writes a release's planned record, if it was not before.
func (r *replay) writeRecord(release index.Release) error {
	if !r.d.writesRecord(r.in, r.plan, release) {
		return nil
	}
	outcome, _, err := r.in.Outcome(release)
	if err != nil {
		return err
	}
	record := outcome.Digests.JSON(hashes.Locations(release, r.d.o.PublicURL)...)
	if there, err := r.im.Has(release.JSONPath(), record); there || err != nil {
		return err
	}
	return r.write(release.JSONPath(), record)
}

// deprecatedPath is the path of upstream's list of deprecated packages.
const deprecatedPath = "deprecated.json"

// writeDeprecated writes upstream's list if it changed.
func (r *replay) writeDeprecated(ctx context.Context) error {
	if r.in.Deprecated == nil || !r.d.o.Hashes {
		return nil
	}
	id, there := r.d.tree.id(deprecatedPath)
	if there && id == gitpack.BlobID(r.in.Deprecated) {
		return nil
	}
	if there && r.d.o.Repo.FetchObjects(ctx, id.String()) == nil {
		// For people only: that it cannot be read changes nothing.
		r.result.Deprecated, _ = r.d.o.Repo.BlobByID(ctx, id.String())
	}
	return r.write(deprecatedPath, r.in.Deprecated)
}
