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
// A repository whose tag carries no state or is not signed by the mirror's key,
// or whose branch has moved away from its tag, is adopted: the whole index is
// compared with the tree once, and only what differs is committed, with every
// revision behind the tag's position.
package allcabal

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/gitrepo"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/openpgp"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// Subject begins the message of every commit.
const Subject = "Update from Hackage at "

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
	// Signer signs every commit and the tag; its identity is theirs.
	Signer *openpgp.Signer
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
	// Now is the clock of committer and tagger.
	Now func() time.Time
}

// A Repository is the destination that one of the two repositories is.
type Repository struct {
	o     Options
	state state.State

	head, tag string // object ids on the remote, "" where there is none
	empty     bool   // the remote has no branch at all
	last      time.Time
	adopting  bool
	why       string
	since     int64             // where the index goes on behind the history
	listing   *listing          // of an adopted tree
	found     map[string]string // ids by path, of another one: see survey
	judged    *index.Tail       // what Wants held an adopted tree against
	unfit     map[index.Release]bool
}

// New returns the destination over an opened remote.
func New(o Options) *Repository {
	return &Repository{o: o, state: state.State{Ledger: state.Ledger{}}}
}

// String names the remote.
func (d *Repository) String() string { return d.o.Repo.String() }

// State returns what Load read or Update pushed.
func (d *Repository) State() state.State { return d.state }

// Adopting returns why the whole index is compared with the tree, or "".
func (d *Repository) Adopting() string {
	if !d.adopting {
		return ""
	}
	return d.why
}

// Load reads the newest state of the remote. It is called again when the
// remote moved. What it returns is what the tag says, for the metadata that
// must not be older; State is the start of the index where that is not to be
// built on.
func (d *Repository) Load(ctx context.Context) (state.State, error) {
	refs, err := d.o.Repo.Refs(ctx)
	if err != nil {
		return state.State{}, fmt.Errorf("read refs of %q: %w", d, err)
	}
	branch, tag := "refs/heads/"+d.o.Branch, "refs/tags/"+d.o.Tag
	d.head, d.tag = refs[branch], refs[tag]
	d.state, d.adopting, d.last = state.State{Ledger: state.Ledger{}}, false, time.Time{}
	d.listing, d.found, d.judged, d.unfit = nil, nil, nil, nil
	d.since = math.MaxInt64
	d.empty = !hasBranch(refs)
	if d.head == "" {
		return d.state, nil
	}
	wanted := []string{branch}
	if d.tag != "" {
		wanted = append(wanted, tag)
	}
	got, err := d.o.Repo.Fetch(ctx, wanted...)
	if err != nil {
		return state.State{}, fmt.Errorf("fetch %q: %w", d, err)
	}
	d.head, d.tag = got[branch], got[tag]
	commit, err := d.o.Repo.ReadCommit(ctx, d.head)
	if err != nil {
		return state.State{}, fmt.Errorf("read branch %q of %q: %w", d.o.Branch, d, err)
	}
	d.last = commit.AuthorWhen
	read, err := d.readTag(ctx, refs[tag+"^{}"] != "")
	if err != nil {
		d.Forget(err.Error())
	}
	return read, nil
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

// readTag takes the state out of the tag. Its errors say why the repository is
// to be adopted; a state that comes with one is still true of what was seen.
func (d *Repository) readTag(ctx context.Context, annotated bool) (state.State, error) {
	if d.tag == "" || !annotated {
		return state.State{}, fmt.Errorf("it has no annotated tag %q", d.o.Tag)
	}
	tag, err := d.o.Repo.ReadTag(ctx, d.tag)
	if err != nil {
		return state.State{}, err
	}
	read, err := state.ParseMessage(tag.Message)
	if err != nil {
		return state.State{}, err
	}
	d.state = read
	// A ledger from which a line was taken looks like any other; only the
	// signature tells.
	if err := d.o.Signer.Verify(tag.Signed, tag.Signature); err != nil {
		return state.State{}, fmt.Errorf("tag %q is not one that key %s signed: %w", d.o.Tag, d.o.Signer.Fingerprint(), err)
	}
	if tag.Object != d.head {
		return read, fmt.Errorf("tag %q is not at the head of branch %q", d.o.Tag, d.o.Branch)
	}
	return read, nil
}

// Forget puts the repository back to the start of the index, keeping its tree
// and history: what it holds is compared with the whole index. The position it
// had still says which revisions the history lacks.
func (d *Repository) Forget(why string) {
	if length := d.state.Position.Length; length > 0 {
		d.since = length
	}
	d.state = state.State{Ledger: state.Ledger{}}
	d.adopting, d.why = d.head != "", why
}

// Wants returns the tarballs whose digests the repository lacks.
func (d *Repository) Wants(ctx context.Context, tail *index.Tail) ([]state.Want, error) {
	if d.adopting {
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
	d.judged, d.unfit = nil, map[index.Release]bool{}
	for _, w := range all {
		fits, err := d.fits(ctx, w)
		if err != nil {
			return nil, err
		}
		if !fits {
			wants = append(wants, w)
			d.unfit[w.Release] = true
		}
	}
	d.judged = tail
	return wants, nil
}

// list reads the names and ids of all plain files of the tree that is adopted.
func (d *Repository) list(ctx context.Context) error {
	d.listing = &listing{}
	for file, err := range d.o.Repo.Tree(ctx, d.head) {
		if err != nil {
			return fmt.Errorf("list tree of %q: %w", d, err)
		}
		if file.Mode != gitrepo.ModeFile {
			continue
		}
		id, err := hex.DecodeString(file.ID)
		if err != nil || len(id) != len(blobID{}) {
			return fmt.Errorf("list tree of %q: file %q has id %q: %w", d, file.Path, file.ID, errors.ErrUnsupported)
		}
		d.listing.add(file.Path, blobID(id))
	}
	return nil
}
