// Package allcabal fills the two git repositories that the Haskell world reads:
// all-cabal-files, every .cabal file and every preferred-versions of the index,
// and all-cabal-hashes, the same plus the digests of every tarball.
//
//	N/V/N.cabal            the newest revision, byte for byte as in the index
//	N/V/N.json             hashes repository only: see package hashes
//	N/preferred-versions   the newest
//	deprecated.json        hashes repository only: upstream's own list
//	.gitattributes         in branches made here: no change of line ends
//
// A release stands in the hashes repository only with both files. A commit's
// message is one line, "Update from Hackage at " and the time of the newest
// entry in it; nixpkgs reads it. The author's date is that time too.
//
// No revision is lost: a commit ends before an entry whose path it already
// holds, so every revision is a blob of the history. All commits of a run, each
// signed, and the signed tag current-hackage are pushed in one atomic step. The
// tag's message carries the repository's state.
//
// What a commit is built on is the ground: the commit of our tag, and those above
// it that we signed. What somebody else committed on top is undone by a commit of
// ours, but for other files that the owner keeps, and told as an alarm. A branch
// of the older tools, whose tag says no position, is adopted: the whole index is
// compared with the tree once, and what differs or came later is committed.
package allcabal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// A History says how much of the index's past a new repository's history
// shows.
type History string

// The two histories.
const (
	Daily    History = "daily"    // a commit per day of the index, every revision in
	Snapshot History = "snapshot" // one commit of the newest content
)

// Options say which repository to fill, and how.
type Options struct {
	// Repo is the remote, opened.
	Repo *gitrepo.Repo
	// Signer signs every commit and the tag; its identity is theirs. It may
	// lack in a dry run.
	Signer *openpgp.Signer
	// Keys tell what we signed, also with a former key. Without any, in a dry
	// run, nothing is checked.
	Keys Keys
	// Hashes makes it the hashes repository.
	Hashes bool
	// Branch and Tag are short names.
	Branch, Tag string
	// History is used for a branch that does not exist yet.
	History History
	// PublicURL is the mirror's address in the JSON records; empty for none.
	PublicURL string
	// Tool is the program's version, for the tag.
	Tool string
	// Keep are patterns of files that others may commit: see CheckKeep.
	Keep []string
	// Adopt takes the branch as it is, whoever made it.
	Adopt bool
	// DryRun makes all commits and pushes none.
	DryRun bool
	// Notify is told, in one line for people, what they should know.
	Notify func(string)
	// Now is the clock of committer and tagger.
	Now func() time.Time
}

// Keys are the public keys of this mirror.
type Keys interface {
	// Verify returns the fingerprint of the key that made a signature, or an
	// error that names the key it says it is by.
	Verify(signed []byte, signature string) (fingerprint string, err error)
	// Awaits reports whether a fingerprint is trusted whose key is not here,
	// and Learn takes such keys from a text that anyone may have written.
	Awaits() bool
	Learn(text []byte)
}

// A Repository is the destination that one of the two repositories is.
type Repository struct {
	o     Options
	state state.State

	head, tag string // object ids on the remote, "" where there is none
	empty     bool   // the remote has no branch at all
	owner     owner  // of the tag
	edited    bool   // the tag has our lines and not our signature
	known     bool   // a commit of ours was found without a tag
	ground    ground
	ahead     bool      // the ground is further than the tag says
	last      time.Time // the line of the ground, zero if it has none
	alarms    []state.Alarm
	due       string // why something is to be pushed although nothing is new

	adopting bool
	why      string
	full     bool                   // records are compared with the tarballs
	tree     *listing               // what the ground has: see survey
	judged   *index.Tail            // what Wants held an adopted tree against
	unfit    map[index.Release]bool // of those wants
}

// New returns the destination over an opened remote.
func New(o Options) *Repository {
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	return &Repository{o: o, state: state.State{Ledger: state.Ledger{}}}
}

// String names the remote.
func (d *Repository) String() string { return d.o.Repo.String() }

// notify tells people of something in the repository.
func (d *Repository) notify(format string, args ...any) {
	d.o.Notify(fmt.Sprintf("%s: "+format, append([]any{d}, args...)...))
}

// State returns what Load read or Update pushed.
func (d *Repository) State() state.State { return d.state }

// Head returns the commit that the branch is at, in hexadecimal, as Load read or
// Update pushed it; "" if there is no branch.
func (d *Repository) Head() string { return d.head }

// Adopting returns why the whole index is compared with the tree, or "".
func (d *Repository) Adopting() string {
	if !d.adopting {
		return ""
	}
	return d.why
}

// Due returns why Update has something to push although the index says nothing
// new, or "".
func (d *Repository) Due() string { return d.due }

// MayPush asks the remote whether it would take a push, without one.
func (d *Repository) MayPush(ctx context.Context) error { return d.o.Repo.MayPush(ctx) }

// Load reads the newest state of the remote. It is called again when the remote
// moved. It returns what a tag of ours says, for the metadata that must not be
// older; State is the start of the index where that is not to be built on.
//
// ErrTag and ErrKind refuse a remote that a run must not write to.
func (d *Repository) Load(ctx context.Context) (state.State, error) {
	d.reset()
	if err := d.see(ctx); err != nil {
		return state.State{}, err
	}
	tagged, err := d.readTag(ctx)
	if err != nil {
		return state.State{}, err
	}
	read := d.state
	d.alarms = state.Standing(read.Alarms, d.o.Now())
	if err := d.findGround(ctx, tagged); err != nil {
		return state.State{}, err
	}
	if d.why != "" && !d.adopting {
		d.Forget(d.why) // our tag cannot be read
	}
	if d.ground.commit == "" {
		return read, nil
	}
	if d.last, err = d.lineOfGround(ctx); err != nil {
		return state.State{}, err
	}
	return read, d.checkKind(ctx)
}

// reset forgets what an earlier Load found.
func (d *Repository) reset() {
	*d = Repository{o: d.o, full: d.full, state: state.State{Ledger: state.Ledger{}}}
}

// Prepare brings the folder that every update begins with. What goes wrong is for the
// update to meet.
func (d *Repository) Prepare(ctx context.Context) {
	if d.ground.commit != "" && !d.adopting {
		_, _ = d.o.Repo.Find(ctx, d.ground.commit, deprecatedPath) // which lies at the top
	}
}

// see brings the commits and the tag that are there. Mostly all are, which one step
// shows; else the remote is asked what it has.
func (d *Repository) see(ctx context.Context) error {
	branch, tag := d.refs()
	got, err := d.o.Repo.Fetch(ctx, branch, tag)
	if !errors.Is(err, fs.ErrNotExist) {
		d.head, d.tag = got[branch], got[tag]
		return err
	}
	refs, err := d.o.Repo.Refs(ctx)
	if err != nil {
		return err
	}
	d.head, d.tag, d.empty = refs[branch], refs[tag], !hasBranch(refs)
	return d.fetch(ctx)
}

// refs returns the full names of branch and tag.
func (d *Repository) refs() (branch, tag string) {
	return "refs/heads/" + d.o.Branch, "refs/tags/" + d.o.Tag
}

// fetch brings the commits and the tag that were there.
func (d *Repository) fetch(ctx context.Context) error {
	branch, tag := d.refs()
	var wanted []string
	if d.head != "" {
		wanted = append(wanted, branch)
	}
	if d.tag != "" {
		wanted = append(wanted, tag)
	}
	got, err := d.o.Repo.Fetch(ctx, wanted...)
	if err != nil {
		return fmt.Errorf("fetch %q: %w", d, err)
	}
	d.head, d.tag = got[branch], got[tag]
	return nil
}

// hasBranch reports whether a remote has any branch.
func hasBranch(refs map[string]string) bool {
	for ref := range refs {
		if strings.HasPrefix(ref, "refs/heads/") {
			return true
		}
	}
	return false
}

// Forget puts the repository back to the start of the index, keeping its tree
// and history: what it holds is compared with the whole index.
func (d *Repository) Forget(why string) {
	d.state = state.State{Ledger: state.Ledger{}}
	d.adopting, d.why, d.tree = d.ground.commit != "", why, nil
}

// Recompute is Forget that does not take the records for right because what can
// be known of them without the tarballs is: all tarballs are wanted.
func (d *Repository) Recompute(why string) {
	d.Forget(why)
	d.full = true
}

// checkKind makes sure that what has no tag of ours, or one which does not say so
// yet, is of the right repository.
func (d *Repository) checkKind(ctx context.Context) error {
	switch {
	case d.adopting:
	case d.state.Kind == "":
		d.due = "its tag does not name the kind of repository yet"
	default:
		return nil
	}
	return d.list(ctx)
}

// Wants returns the tarballs whose digests the repository lacks.
func (d *Repository) Wants(ctx context.Context, tail *index.Tail) ([]state.Want, error) {
	if d.adopting && d.tree == nil {
		if err := d.list(ctx); err != nil {
			return nil, err
		}
	}
	if !d.o.Hashes {
		return nil, nil
	}
	all := d.state.Wants(tail)
	if !d.adopting {
		return all, nil
	}
	if err := d.bring(ctx, all); err != nil {
		return nil, err
	}
	var wants []state.Want
	var anew few
	d.judged, d.unfit = nil, map[index.Release]bool{}
	for _, w := range all {
		fits, err := d.fits(ctx, tail, w)
		if err != nil {
			return nil, err
		}
		if !fits {
			d.unfit[w.Release] = true
		}
		if !fits && d.listed(w.Release) {
			anew.add(w.Release.JSONPath())
		}
		if !fits || d.full {
			wants = append(wants, w)
		}
	}
	d.judged = tail
	if anew.n > 0 {
		d.notify("%s: it differs from what the index says of the tarball, or is not a record of hashes; rewritten", anew)
	}
	return wants, nil
}

// list reads the names and ids of all files of the ground, and refuses a tree
// that is not what it is given as.
func (d *Repository) list(ctx context.Context) error {
	d.tree = &listing{}
	look := shape{roots: map[string]bool{}}
	for file, err := range d.o.Repo.Tree(ctx, d.ground.commit) {
		if err != nil {
			return fmt.Errorf("list tree: %w", err)
		}
		look.add(file.Path)
		if file.Mode != gitrepo.ModeFile {
			continue
		}
		id, err := readID(file.ID)
		if err != nil {
			return fmt.Errorf("list tree: file %q: %w", file.Path, err)
		}
		d.tree.add(file.Path, id)
	}
	return d.judgeShape(look)
}

// A shape is what a tree looks like from afar.
type shape struct {
	roots           map[string]bool // folders, and whether they are those of packages
	cabals, records int
}

// add takes in a path.
func (s *shape) add(path string) {
	root, _, nested := strings.Cut(path, "/")
	if !nested || strings.HasPrefix(root, ".") {
		return
	}
	r, ok := releaseAt(path)
	switch {
	case ok && path == r.CabalPath():
		s.cabals++
	case ok && path == r.JSONPath():
		s.records++
	default:
		ok = false
	}
	s.roots[root] = s.roots[root] || ok
}

// isData reports whether the tree is one of this data: most folders of its root
// are those of packages, NAME/VERSION/NAME.cabal.
func (s *shape) isData() bool {
	packages := 0
	for _, is := range s.roots {
		if is {
			packages++
		}
	}
	return s.cabals > 0 && 2*packages >= len(s.roots)
}

// judgeShape refuses a tree that is somebody else's, or of the other repository.
func (d *Repository) judgeShape(look shape) error {
	switch {
	case d.o.Adopt:
		return nil
	case d.owner == nobodys && !d.known && !look.isData():
		return fmt.Errorf("adopt branch %q of %q: it has no tag %q, and its folders are not those of packages, NAME/VERSION/NAME.cabal: %w; "+
			"nothing was written. Name another branch or repository; if this is the right one, run once with adopt",
			d.o.Branch, d, d.o.Tag, ErrBranch)
	case d.o.Hashes && look.records == 0 && look.cabals > 0:
		return d.otherKind("its tree has .cabal files and no JSON, like a files repository", "refs/heads/"+d.o.Branch, "refs/tags/"+d.o.Tag)
	case !d.o.Hashes && look.records > 0:
		return d.otherKind("its tree has JSON files of hashes, like a hashes repository", "refs/heads/"+d.o.Branch, "refs/tags/"+d.o.Tag)
	}
	return nil
}
