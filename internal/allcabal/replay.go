package allcabal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/hackage"
	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// A replay turns the index behind the position into commits.
type replay struct {
	d     *Repository
	in    Input
	plan  *plan
	im    *gitrepo.Import
	chain *chain
	now   time.Time
	fresh bool // the branch is new
	whole bool // only the newest content of each path is wanted

	wrote  bool            // something is in the commit under way
	held   map[string]bool // its paths, unless none can come twice
	newest time.Time       // of all entries so far, but for those beyond the clock
	result Result

	counted int             // entries that Done was not told of
	changed map[string]bool // paths, of an adopted tree
}

// A Result is what a run did to a repository, or in a dry run would do.
type Result struct {
	// Commit is the new head of the branch, or the ground if there was
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
	// Undone are the paths at which somebody else's commits were put back.
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
	fresh := d.ground.commit == ""
	r := &replay{
		d: d, in: in, plan: p, im: im, now: d.o.Now(), held: map[string]bool{}, changed: map[string]bool{},
		fresh: fresh, whole: fresh && d.o.History == Snapshot,
	}
	r.result.New, r.result.Adopted = d.fresh(in, p), d.Adopting()
	r.chain = d.newChain(ctx)
	defer func() { err = errors.Join(err, im.Close()) }()
	err = r.run(ctx)
	if r.result.Commit, err = r.chain.end(err); err != nil {
		return Result{}, err
	}
	return r.result, nil
}

// fresh returns the releases that the repository lists only from now on. In the
// files repository these are those whose first package.json came.
func (d *Repository) fresh(in Input, p *plan) []index.Release {
	var list []index.Release
	if d.o.Hashes {
		for r := range p.ready {
			if !d.listed(r) {
				list = append(list, r)
			}
		}
		return list
	}
	for _, r := range in.Tail.Order {
		if _, held := d.held(r.CabalPath()); !held && in.Tail.News[r].TargetOffset >= d.state.Position.Length {
			list = append(list, r)
		}
	}
	return list
}

// Every file is to be checked out as it is stored: some have CRLF line ends, and
// git for Windows changes the others.
const (
	attributesPath = ".gitattributes"
	attributes     = "* -text\n"
)

// startImport starts on the ground. A new branch gets its attributes along with
// its first commit; an existing one keeps what it has.
func (d *Repository) startImport(ctx context.Context) (*gitrepo.Import, error) {
	im, err := d.o.Repo.Import(ctx, d.ground.commit)
	if err != nil || d.ground.commit != "" {
		return im, err
	}
	if err := im.Write(attributesPath, []byte(attributes)); err != nil {
		return nil, errors.Join(err, im.Close())
	}
	return im, nil
}

// run undoes what somebody else committed, then writes the late files, then every
// entry in order, then deprecated.json.
func (r *replay) run(ctx context.Context) error {
	if err := r.undo(ctx); err != nil {
		return err
	}
	for _, late := range r.plan.late {
		if late.content != nil {
			if err := r.write(late.release.CabalPath(), late.content); err != nil {
				return err
			}
		}
		if err := r.record(late.release); err != nil {
			return err
		}
	}
	ix, from, err := r.source(ctx)
	if err != nil {
		return err
	}
	for e, err := range ix.LogTo(from, r.in.Tail.To.Length).Entries() {
		if err != nil {
			return fmt.Errorf("read index for %q: %w", r.d, err)
		}
		if !r.in.Take(e.Release.Package) {
			continue
		}
		if err := r.entry(ctx, e); err != nil {
			return err
		}
		r.count(e)
	}
	r.in.Done(r.counted)
	if err := r.deprecated(ctx); err != nil {
		return err
	}
	return r.commit(ctx)
}

// source returns the index and where to begin in it: at the position, or at its
// start if all revisions of a release that was owed are needed.
func (r *replay) source(ctx context.Context) (*hackage.Index, index.Position, error) {
	if len(r.plan.early) == 0 {
		return r.in.Index, r.d.state.Position, nil
	}
	whole, err := r.in.Index.Whole(ctx)
	if err != nil {
		return nil, index.Position{}, fmt.Errorf("read index for the revisions of %d releases that %q was owed: %w", len(r.plan.early), r.d, err)
	}
	return whole, index.Position{}, nil
}

// undo commits the tree of the ground, with what the owner keeps, on top of what
// somebody else committed.
func (r *replay) undo(ctx context.Context) error {
	g := r.d.ground
	if !g.undo {
		return nil
	}
	if err := g.keep(r.im); err != nil {
		return err
	}
	for _, change := range g.undone {
		r.result.Undone = append(r.result.Undone, change.Path)
	}
	tree, _, err := r.im.Tree()
	if err != nil {
		return err
	}
	return r.add(tree)
}

// doneEvery is how many entries make a step of progress.
const doneEvery = 1000

// count tells of entries from time to time.
func (r *replay) count(e index.Entry) {
	if e.Offset < r.d.state.Position.Length {
		return
	}
	if r.counted++; r.counted == doneEvery {
		r.in.Done(r.counted)
		r.counted = 0
	}
}

// entry deals with one entry of the index.
func (r *replay) entry(ctx context.Context, e index.Entry) error {
	skipped := r.skips(e)
	if !skipped && e.Kind != index.PackageJSON {
		if err := r.cut(ctx, e); err != nil {
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
		return r.packageJSON(ctx, e)
	case !r.passed(e):
		return r.put(e)
	case r.isNewest(e):
		return r.recordAt(e)
	}
	return nil
}

// put writes the file of an entry, if the tree does not have the very same.
func (r *replay) put(e index.Entry) error {
	id, there := r.d.tree.get(e.Path())
	if there && id == blobOf(e.Content) {
		return r.recordAt(e)
	}
	if err := r.write(e.Path(), e.Content); err != nil {
		return err
	}
	if e.Kind == index.Cabal && there {
		r.result.Revisions++
	}
	return r.recordAt(e)
}

// skips reports whether an entry is not to be committed: what came before the
// position, but for the revisions of a release that was owed; what is owed still;
// and of a new history of one commit all but the newest.
func (r *replay) skips(e index.Entry) bool {
	switch {
	case e.Offset < r.d.state.Position.Length:
		return e.Kind != index.Cabal || !r.plan.early[e.Release]
	case e.Kind == index.PackageJSON:
		return false
	case e.Kind == index.Cabal && r.plan.withheld[e.Release]:
		return true
	}
	return r.whole && !r.isNewest(e)
}

// cut ends the commit under way before an entry that would hide one of its
// paths, and at the end of a day where a new history is written day by day.
func (r *replay) cut(ctx context.Context, e index.Entry) error {
	daily := r.fresh && !r.whole && !r.newest.IsZero() && day(e.Time).After(day(r.newest)) && !e.Time.After(r.now)
	if !daily && !r.held[e.Path()] {
		return nil
	}
	return r.commit(ctx)
}

// day is the UTC day of a time.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// isNewest reports whether the index holds nothing newer at the entry's path.
func (r *replay) isNewest(e index.Entry) bool {
	if e.Kind == index.Preferred {
		return r.in.Tail.NewestPreferred[e.Release.Package] == e.Offset
	}
	news := r.in.Tail.News[e.Release]
	return news != nil && news.LastCabal.Offset == e.Offset
}

// recordAt writes a release's record beside its .cabal file.
func (r *replay) recordAt(e index.Entry) error {
	if e.Kind != index.Cabal {
		return nil
	}
	return r.record(e.Release)
}

// packageJSON writes the new record of a release that is listed already: its
// tarball was replaced, or was owed until now.
func (r *replay) packageJSON(ctx context.Context, e index.Entry) error {
	news := r.in.Tail.News[e.Release]
	if !r.plan.ready[e.Release] || news == nil || e.Offset != news.TargetOffset {
		return nil
	}
	if news.Cabals > 0 {
		return nil // it goes with the .cabal file
	}
	if r.held[e.Release.JSONPath()] {
		if err := r.commit(ctx); err != nil {
			return err
		}
	}
	return r.record(e.Release)
}

// record writes a release's planned record, once.
func (r *replay) record(release index.Release) error {
	if !r.plan.ready[release] {
		return nil
	}
	outcome, _, err := r.in.Outcome(release)
	if err != nil {
		return err
	}
	delete(r.plan.ready, release)
	return r.write(release.JSONPath(), outcome.Digests.JSON(hashes.Locations(release, r.d.o.PublicURL)...))
}

// write puts a file into the commit under way.
func (r *replay) write(path string, content []byte) error {
	r.wrote = true
	if r.result.Files++; r.d.adopting {
		// Few, and a dry run tells of files, not of how often they change.
		r.changed[path] = true
		r.result.Files = len(r.changed)
	}
	if !r.whole {
		r.held[path] = true
	}
	if !r.fresh {
		r.d.tree.set(path, blobOf(content))
	}
	return r.im.Write(path, content)
}

// deprecatedPath is where upstream's list of deprecated packages stands.
const deprecatedPath = "deprecated.json"

// deprecated takes upstream's list along if it changed.
func (r *replay) deprecated(ctx context.Context) error {
	if r.in.Deprecated == nil || !r.d.o.Hashes {
		return nil
	}
	id, there := r.d.held(deprecatedPath)
	if there && id == gitrepo.BlobID(r.in.Deprecated) {
		return nil
	}
	if there && r.d.o.Repo.Need(ctx, id) == nil {
		// For people only: that it cannot be read changes nothing.
		r.result.Deprecated, _ = r.d.o.Repo.BlobByID(ctx, id)
	}
	return r.write(deprecatedPath, r.in.Deprecated)
}

// commit ends the commit under way, if it changes the tree.
func (r *replay) commit(ctx context.Context) error {
	if !r.wrote {
		return nil
	}
	tree, changed, err := r.im.Tree()
	if err != nil {
		return err
	}
	r.wrote = false
	clear(r.held)
	if !changed {
		return nil
	}
	return r.add(tree)
}

// add hands a tree over to be committed. The line of a commit is what readers
// take for the state of the index: it names the newest entry up to there, and it
// does not go back.
func (r *replay) add(tree string) error {
	r.d.last = r.d.dated(r.newest, r.in)
	r.result.Commits++
	return r.chain.add(gitrepo.Commit{
		Tree: tree, Author: r.d.identity(), AuthorWhen: r.d.last,
		Committer: r.d.identity(), CommitterWhen: r.now,
		Message: subject(r.d.last) + "\n",
	})
}

// dated returns the time of the next commit or tag, given that of the newest
// entry in it: the zero time if none was read.
func (d *Repository) dated(newest time.Time, in Input) time.Time {
	when := later(d.last, newest)
	if when.IsZero() && d.sane(in.Tail.To.Time) {
		when = in.Tail.To.Time
	}
	if when.IsZero() {
		when = d.o.Now().UTC().Truncate(time.Second) // all entries are beyond the clock
	}
	return when
}

// identity is who commits.
func (d *Repository) identity() gitrepo.Identity {
	if d.o.Signer == nil {
		return gitrepo.Identity{Name: "dry run", Email: "nobody@localhost"}
	}
	return gitrepo.SignerIdentity(d.o.Signer)
}
