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
// The next commit is built on the base: the commit of our tag, or the newest above
// it that we signed. What somebody else committed on top is undone by a commit of
// ours, but for other files that the owner keeps, and told as an alarm. A branch
// of the older tools, whose tag says no position, is adopted: the whole index is
// compared with the tree once, and what differs or came later is committed.
//
// Load reads tag and history (tag.go, base.go, foreign.go). Wants and Update compare
// the tree with the index (tree.go, match.go, records.go), decide about each release
// (plan.go), turn the index into commits (replay.go, committer.go) and push (update.go).
package allcabal

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hackage-mirror/hackage-mirror/internal/gitpack"
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
	// Keys verify what this mirror signed, also with a former key. Without any, in a
	// dry run, no signature is checked.
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
	// Notify is called with one line for people: a warning, or what to do.
	Notify func(string)
	// Now is the clock of committer and tagger.
	Now func() time.Time
}

// Keys are the public keys of this mirror.
type Keys interface {
	// Verify returns the fingerprint of the key that made a signature, or an
	// error that names the key it says it is by.
	Verify(signed []byte, signature string) (fingerprint string, err error)
	// Awaits reports whether a fingerprint is trusted whose key is not known, and
	// Learn adds such keys from a text that anyone may have written.
	Awaits() bool
	Learn(text []byte)
}

// A Repository is the destination that one of the two repositories is.
type Repository struct {
	o     Options
	state state.State
	full  bool // records are compared with the tarballs

	// What Load found.
	head, tag  string // object ids on the remote, "" where there is none
	empty      bool   // the remote has no branch at all
	owner      owner  // of the tag
	unreadable string // why the state in a tag of ours cannot be read
	signedByUs bool   // a commit of ours was found without a tag
	base       base
	pastTag    bool      // the base is a commit above that of the tag
	lastTime   time.Time // in the subject of the base, zero if it has none
	alarms     []state.Alarm
	whyPush    string // why something is to be pushed although nothing is new
	adopting   string // why the whole index is compared with the tree, or ""

	prefetch errgroup.Group // uses Repo, which is for one at a time

	// What Wants and Update found in the base.
	tree       *tree
	compared   *index.Delta           // whose records were compared
	mismatched map[index.Release]bool // of those: the tree has no record of the wanted tarball
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
func (d *Repository) Adopting() string { return d.adopting }

// WhyPush returns why Update has something to push although the index says nothing
// new, or "".
func (d *Repository) WhyPush() string { return d.whyPush }

// MayPush asks the remote whether it would take a push, without one.
func (d *Repository) MayPush(ctx context.Context) error {
	_ = d.prefetch.Wait() // it returns none
	return d.o.Repo.MayPush(ctx)
}

// kind returns which of the two repositories it is meant to be.
func (d *Repository) kind() state.Kind {
	if d.o.Hashes {
		return state.Hashes
	}
	return state.Files
}

// identity is who commits.
func (d *Repository) identity() gitpack.Identity {
	if d.o.Signer == nil {
		return gitpack.Identity{Name: "dry run", Email: "nobody@localhost"}
	}
	return gitpack.SignerIdentity(d.o.Signer)
}
