// Package state is what a destination says of itself: how far into the index
// it is, which signed metadata it has seen, and which releases are pending.
//
// Nothing else is kept anywhere between runs, so the same facts have two
// written forms. A bucket carries them as the JSON file hackage-mirror.json; a
// git repository carries them as "Key: value" lines in the message of its
// signed tag. Both come from one list of fields, in lines.go, and a value that
// cannot be read back exactly is refused rather than guessed.
//
// A state that somebody edited can make a run slower or make it stop, but not
// deceive it: the position is proven against the signed digest of the index
// before anything is built on it, and the digests of a release are never taken
// from here.
package state

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/midstate"
)

// A State is what one destination carries from run to run. The zero State is
// that of an empty destination.
type State struct {
	// Position is how far into the index the destination is.
	Position index.Position
	// Seen names the newest metadata the destination was built from; a run
	// refuses anything older.
	Seen Seen
	// Packages is the selection of packages, as the option spells it. A
	// destination made under another selection cannot trust its position.
	Packages string
	// Ledger lists what is pending.
	Ledger Ledger

	// Kind and Branch say of which repository a tag is and where its data
	// stands; the first versions wrote neither. Alarms are those that stand,
	// the oldest first. A bucket has none of the three.
	Kind   Kind
	Branch string
	Alarms []Alarm

	// Held says of what index a bucket has the files, and Legacy, the time of
	// the newest entry of which its 00-index.tar.gz was made. A repository has
	// neither, and a tag does not carry them.
	Held   Held
	Legacy time.Time
	// Pointers names the versions, by the store's ETags, of the files that readers
	// of a bucket begin with, as they were put last.
	Pointers map[string]string
	// Nonce names the run that wrote the state of a bucket last, or is writing to it.
	// It makes each state differ from all before, so that a run which reads back its
	// own knows that no other run wrote after it.
	Nonce string
	// Notified is the word of health that notify-url was told last, which is told of each
	// change of it; "" for none.
	Notified string
	// Announced is what status.json and the other files for people said of a bucket
	// when they were put last. In hackage-mirror.json its key is Told.
	Announced Announcement
}

// An Announcement is what the files of a bucket that are for people and probes
// (status.json, index.html, the badges, the feed) say of the mirror. Where that is no
// longer so, they are to be put anew. The zero Announcement says that there are none.
type Announcement struct {
	// When is the time of the run that put them.
	When time.Time
	// Health is the word of health in them; "" says that status.json itself is to be
	// read, for it may have been put again since.
	Health string
	// At is how far into the index they say the bucket is; it may be further.
	At index.Position
}

// IsOf reports whether the files are there and of a bucket that is at p.
func (a Announcement) IsOf(p index.Position) bool {
	return !a.When.IsZero() && a.At.Prefix == p.Prefix
}

// A Kind tells the two repositories apart.
type Kind string

// The kinds, as a tag spells them.
const (
	Files  Kind = "files"  // all-cabal-files
	Hashes Kind = "hashes" // all-cabal-hashes
)

// An Alarm says that somebody else had committed to the branch of a repository.
type Alarm struct {
	// Commit is the first that is not ours, in hexadecimal.
	Commit string
	// Since is when it was found.
	Since time.Time
}

// maxAlarms bounds how many alarms a tag carries.
const maxAlarms = 10

// Raise returns the alarms with one more, unless one names the same commit. Of too
// many the oldest stay, and the newest.
func Raise(alarms []Alarm, more Alarm) []Alarm {
	if slices.ContainsFunc(alarms, func(a Alarm) bool { return a.Commit == more.Commit }) {
		return alarms
	}
	if len(alarms) >= maxAlarms {
		alarms = alarms[:maxAlarms-1]
	}
	return append(slices.Clone(alarms), more)
}

// Standing returns the alarms that are not older than AlarmStands.
func Standing(alarms []Alarm, now time.Time) []Alarm {
	return slices.DeleteFunc(slices.Clone(alarms), func(a Alarm) bool { return now.Sub(a.Since) > AlarmStands })
}

// AlarmStands is for how long each run reports an alarm, unless somebody acknowledges it.
const AlarmStands = 7 * 24 * time.Hour

// Held is what a bucket's index files begin with, as they were published last.
// The next are built on them. A zero Prefix means that it is not known, so the
// file is to be put whole; every file in place may be newer, if a run was
// stopped, but begins with what is said here.
type Held struct{ Tar, Gz FilePrefix }

// A FilePrefix is the beginning of a file in a bucket.
type FilePrefix struct {
	midstate.Prefix
	// CRC64 is its CRC-64/NVME, by which some stores prove a file that grows; 0
	// if it is not known.
	CRC64 uint64
}

// ErrForm is wrapped by every refusal to read a state.
var ErrForm = errors.New("not a state that this version can read")

// Equal reports whether two states say the same of the releases of an index:
// position, selection and ledger. The metadata seen is left aside, because it
// is signed anew each day although nothing else changes, and so is what a bucket
// holds of the index.
func (s State) Equal(other State) bool {
	return s.Position == other.Position && s.Packages == other.Packages &&
		maps.Equal(s.Ledger, other.Ledger)
}

// A Reason says why a release is pending.
type Reason string

// The reasons of the ledger.
const (
	Missing   Reason = "missing"   // upstream answers 404, or has no .cabal file for it yet
	Withdrawn Reason = "withdrawn" // upstream answers 410 or 451, or 404 for a long time
	Mismatch  Reason = "mismatch"  // the bytes differ from the signed ones
	Unsigned  Reason = "unsigned"  // the index has no package.json for it
	Failed    Reason = "failed"    // the network, or a server that does not answer
)

// longMissing is how long a tarball may be missing before it counts as
// withdrawn. Uploads reach every edge of Hackage's CDN within hours.
const longMissing = 30 * 24 * time.Hour

// A Record is one line of the ledger: why a release is pending, and all that a later
// run needs to put it without reading the index from its start.
type Record struct {
	Reason Reason
	// Since is when the release became pending.
	Since time.Time
	// Cabal is where the index holds the release's newest .cabal file, and
	// CabalSHA256 that file's digest. The zero Span means that there is none.
	Cabal       index.Span
	CabalSHA256 [32]byte
	// Revisions counts the release's .cabal entries up to that one. 0 says
	// that it is not known: older versions did not count.
	Revisions int64
	// Target is the signed length and digest of the tarball. The zero Target
	// means that the index has no package.json.
	Target index.Target
	// Replaced says that the tarball is one that replaces an older one.
	Replaced bool
}

// A Ledger lists the releases that are pending in a destination.
type Ledger map[index.Release]Record

// Sorted returns the releases of the ledger in order.
func (l Ledger) Sorted() []index.Release {
	return slices.SortedFunc(maps.Keys(l), index.Release.Compare)
}

// Count returns how many releases are pending for a reason.
func (l Ledger) Count(reason Reason) int {
	n := 0
	for _, p := range l {
		if p.Reason == reason {
			n++
		}
	}
	return n
}

// Add adds a release. One that is in the ledger already keeps its Since, so
// that a run which finds nothing better leaves the ledger as it was; a release
// that is missing for long becomes withdrawn.
func (l Ledger) Add(r index.Release, p Record, now time.Time) {
	p.Since = now.UTC().Truncate(time.Second)
	if before, ok := l[r]; ok {
		p.Since = before.Since
	}
	if p.Reason == Missing && p.Target != (index.Target{}) && now.Sub(p.Since) > longMissing {
		p.Reason = Withdrawn
	}
	l[r] = p
}
