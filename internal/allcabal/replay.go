package allcabal

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
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
	whole bool // only the newest content of each path is wanted

	wrote  bool            // something is in the commit under way
	held   map[string]bool // its paths, unless none can come twice
	newest time.Time       // of its entries
	result Result

	counted int // entries that Done was not told of
}

// A Result counts what a run committed.
type Result struct {
	// Commit is the new head of the branch, or the old one if there was
	// nothing to commit.
	Commit string
	// Commits, Releases and Revisions are those of this run.
	Commits, Releases, Revisions int
	// Changed says whether anything was pushed.
	Changed bool
}

// replay makes the commits of a run.
func (d *Repository) replay(ctx context.Context, in Input, p *plan) (_ Result, err error) {
	im, err := d.startImport(ctx)
	if err != nil {
		return Result{}, err
	}
	r := &replay{
		d: d, in: in, plan: p, im: im, now: d.o.Now(), held: map[string]bool{},
		whole: d.adopting || d.head == "" && d.o.History == Snapshot,
	}
	r.chain = d.newChain(ctx)
	defer func() { err = errors.Join(err, im.Close()) }()
	err = r.run(ctx)
	if r.result.Commit, err = r.chain.end(err); err != nil {
		return Result{}, err
	}
	return r.result, nil
}

// Every file is to be checked out as it is stored: some have CRLF line ends, and
// git for Windows changes the others.
const (
	attributesPath = ".gitattributes"
	attributes     = "* -text\n"
)

// startImport starts on top of the branch. A new one gets its attributes along
// with its first commit; an existing one keeps what it has.
func (d *Repository) startImport(ctx context.Context) (*gitrepo.Import, error) {
	im, err := d.o.Repo.Import(ctx, d.head)
	if err != nil || d.head != "" {
		return im, err
	}
	if err := im.Write(attributesPath, []byte(attributes)); err != nil {
		return nil, errors.Join(err, im.Close())
	}
	return im, nil
}

// run writes the late files, then every entry in order, then deprecated.json.
func (r *replay) run(ctx context.Context) error {
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
	for e, err := range r.in.Index.LogTo(r.d.state.Position, r.in.Tail.To.Length).Entries() {
		if err != nil {
			return fmt.Errorf("read index for %q: %w", r.d, err)
		}
		if !r.in.Take(e.Release.Package) {
			continue
		}
		if err := r.entry(ctx, e); err != nil {
			return err
		}
		r.count()
	}
	r.in.Done(r.counted)
	if err := r.deprecated(); err != nil {
		return err
	}
	return r.commit(ctx)
}

// doneEvery is how many entries make a step of progress.
const doneEvery = 1000

// count tells of entries from time to time.
func (r *replay) count() {
	if r.counted++; r.counted == doneEvery {
		r.in.Done(r.counted)
		r.counted = 0
	}
}

// entry deals with one entry of the index.
func (r *replay) entry(ctx context.Context, e index.Entry) error {
	switch {
	case e.Kind == index.PackageJSON:
		return r.packageJSON(ctx, e)
	case r.plan.withheld[e.Release] && e.Kind == index.Cabal, r.whole && e.Offset < r.d.since && !r.isNewest(e):
		return nil
	}
	if err := r.cut(ctx, e); err != nil {
		return err
	}
	if id, ok := r.d.listing.get(e.Path()); ok && id == blobOf(e.Content) {
		return r.recordAt(e)
	}
	if err := r.write(e.Path(), e.Content); err != nil {
		return err
	}
	if r.newest = later(r.newest, e.Time); e.Kind == index.Cabal {
		r.result.Revisions++
	}
	return r.recordAt(e)
}

// blobOf is the id that git gives to a file of this content.
func blobOf(content []byte) (id blobID) {
	if _, err := hex.Decode(id[:], []byte(gitrepo.BlobID(content))); err != nil {
		panic("allcabal: an object id that is not hexadecimal: " + err.Error())
	}
	return id
}

// cut ends the commit under way before an entry that would hide one of its
// paths, and at the end of a day where a new history is written day by day.
func (r *replay) cut(ctx context.Context, e index.Entry) error {
	daily := r.d.head == "" && !r.whole && !r.newest.IsZero() && day(e.Time).After(day(r.newest))
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
	if e.Kind != index.Cabal || !r.plan.ready[e.Release] {
		return nil
	}
	r.newest = later(r.newest, e.Time)
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
	r.newest = later(r.newest, e.Time)
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
	r.result.Releases++
	return r.write(release.JSONPath(), outcome.Digests.JSON(hashes.Locations(release, r.d.o.PublicURL)...))
}

// write puts a file into the commit under way.
func (r *replay) write(path string, content []byte) error {
	r.wrote = true
	if r.d.head != "" || !r.whole {
		r.held[path] = true
	}
	if r.d.adopting {
		r.d.listing.set(path, blobOf(content))
	}
	return r.im.Write(path, content)
}

// deprecatedPath is where upstream's list of deprecated packages stands.
const deprecatedPath = "deprecated.json"

// deprecated takes upstream's list along if it changed.
func (r *replay) deprecated() error {
	if r.in.Deprecated == nil || !r.d.o.Hashes {
		return nil
	}
	if id, ok := r.d.held(deprecatedPath); ok && id == gitrepo.BlobID(r.in.Deprecated) {
		return nil
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
	when := r.newest
	if when.IsZero() {
		when = r.in.Tail.To.Time // only files from before the position
	}
	r.wrote = false
	clear(r.held)
	r.newest = time.Time{}
	if !changed {
		return nil
	}
	// The time of a commit is what readers take for the state of the index,
	// so it does not go back when an old release arrives late.
	r.d.last = later(r.d.last, when)
	r.result.Commits++
	return r.chain.add(gitrepo.Commit{
		Tree: tree, Author: gitrepo.SignerIdentity(r.d.o.Signer), AuthorWhen: r.d.last,
		Committer: gitrepo.SignerIdentity(r.d.o.Signer), CommitterWhen: r.now,
		Message: subject(r.d.last) + "\n",
	})
}

// subject is the one line of a commit's message.
func subject(t time.Time) string { return Subject + t.UTC().Format(time.RFC3339) }
