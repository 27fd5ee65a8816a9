// Package report tells people and programs what a run did. It is given the
// facts as a Run and renders them: as lines of text, as JSON, and for GitHub's
// runner as outputs, annotations and a job summary in Markdown.
//
// Nothing that is told is trusted. Names of packages, addresses and above all
// the texts of errors hold what upstream, a bucket or a git host wrote, so each
// form escapes every value for what reads it:
//
//   - a log, where GitHub's runner takes a line that starts with "::", or holds
//     "##[" anywhere, as a command of ours: see Line;
//   - a file of outputs, where a line could end a value and begin another
//     output: the end of a value is marked by random text that it does not hold;
//   - Markdown, where GitHub renders HTML, links, mentions and tables: every
//     character that could mean anything is written as an entity;
//   - JSON, which may stand in a log as well.
//
// The runner's limits are kept whatever happened: 1 MiB for a job summary, ten
// annotations of a kind. What is too much is counted, not listed.
//
// The rules are those of https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
// and of the runner itself, https://github.com/actions/runner, which reads
// commands from standard error as well. All commands go there, in the one stream
// with the lines of the log, so that groups hold what they should and standard
// output carries results only.
package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/status"
)

// An Outcome says how a run ended.
type Outcome string

// The outcomes of a run.
const (
	Done        Outcome = "done"
	Degraded    Outcome = "degraded"    // all is done, but something needs a person
	Failed      Outcome = "failed"      // of at least one destination
	Interrupted Outcome = "interrupted" // by a signal
)

// A Run is what there is to tell of one run. All of it may be missing in a run
// that failed.
type Run struct {
	Tool     string // program and version
	Upstream string // its address
	Packages string // the patterns that were taken; empty for all
	Verbose  bool   // name each release of a dry run
	DryRun   bool   // then New and the like are what would be done
	Outcome  Outcome
	Error    string // what went wrong; may have several lines
	Aborted  bool   // Error ended the whole run, not only the part of a destination
	Began    time.Time
	Took     time.Duration

	// Index is the farthest position of the index that a destination is at.
	Index     index.Position
	New       []Release       // tarballs that came
	Revised   []index.Release // have a changed .cabal file; unknown in a first run
	Revisions int             // changed .cabal files that came
	Bytes     int64           // of the tarballs
	Left      int             // tarballs that are still to come, because the run ended before
	Skipped   index.Skipped
	// Deprecations are what changed in upstream's list of deprecated packages.
	Deprecations []Deprecation
	// Holds is how large the mirror is; nil while nobody knows.
	Holds *status.Holds

	// Where readers find the mirror, and what they check it by; each may be empty.
	PublicURL, Tag, Fingerprint string

	Destinations []Destination
	Phases       []Phase
	Ledger       []Record
	Repaired     []string // what somebody else had written to a destination, and what to do about it
	Restored     []string // what a full comparison found missing from a destination
	Expiries     []Expiry
	Messages     []Message // what was said meanwhile that a person should know
}

// A Release is one that came.
type Release struct {
	index.Release
	Time time.Time // of its entry in the index; zero if that was not read
	Size int64     // of the tarball, in bytes
}

// A Deprecation is a change of the list of deprecated packages.
type Deprecation struct {
	Package string   `json:"package"`
	Instead []string `json:"in-favour-of"` // the packages that its maintainers name in its place
	Ended   bool     `json:"ended"`        // it is no longer deprecated
}

// A Destination is what became of one.
type Destination struct {
	Kind string // as the option's name
	Name string // as the option's value; an address or a path
	Err  string // why it was not brought up to date

	At       index.Position
	Was      index.Position // before a comparison with the whole index, that is due
	Changed  bool           // something was written to it
	Tarballs int
	// Revisions counts changed .cabal files that were put into a bucket.
	Revisions int
	Bytes     int64  // put into a bucket
	Read      int    // objects of a bucket that were read back, if that was asked for
	ReadBytes int64  // of them
	Commits   int    // pushed to a repository
	Commit    string // the new head; empty if nothing was pushed
	Files     int    // in these commits
	Pending   int    // lines of its ledger
	Took      time.Duration

	// Adopting is why a repository was compared with the whole index, or in a
	// dry run would be.
	Adopting string
	// Entries is in a dry run how many entries of the index are new to it.
	Entries int
}

// A Phase is a part of the run. Some go on concurrently.
type Phase struct {
	Name  string // of the program's own words
	Begin time.Duration
	End   time.Duration // both since the run began
}

// A Record is a line of the ledgers.
type Record struct {
	index.Release
	Reason state.Reason
	Since  time.Time

	// Why and Do say of a mismatch what differs, and what a person can do.
	Why, Do string
	// Paste is the command or option that Do ends with, if it does.
	Paste string
	// Accepted says that a person has acknowledged the mismatch.
	Accepted bool
}

// Advice returns what becomes of the release, and what to do about it.
func (r Record) Advice() string {
	if r.Paste != "" {
		return r.Do + ": " + r.Paste
	}
	return cmp.Or(r.Do, Advice(r.Reason))
}

// An Expiry is the day when clients begin to refuse a file or a signature.
type Expiry struct {
	Of   string
	When time.Time
	// Soon says that it is time to do something about it, and Do what.
	Soon bool
	Do   string
	// Look says that this run is one that a person is to hear of it by.
	Look bool
}

// A Level says how much a message matters; they are named as GitHub's.
type Level string

// The levels.
const (
	Notice  Level = "notice"
	Warning Level = "warning"
	Error   Level = "error"
)

// A Message is something that was said.
type Message struct {
	Level Level  `json:"level"`
	Text  string `json:"text"`
}

// Join adds a later run to what there is to tell: what came adds up, and of how things
// stand the later word counts.
func (r *Run) Join(later *Run) {
	since := later.Began.Sub(r.Began)
	for _, p := range later.Phases {
		r.Phases = append(r.Phases, Phase{Name: p.Name, Begin: since + p.Begin, End: since + p.End})
	}
	r.Took = since + later.Took
	r.New = append(r.New, later.New...)
	r.Revised = append(r.Revised, later.Revised...)
	r.Revisions += later.Revisions
	r.Bytes += later.Bytes
	r.Deprecations = append(r.Deprecations, later.Deprecations...)
	r.Repaired = append(r.Repaired, later.Repaired...)
	r.Restored = append(r.Restored, later.Restored...)
	r.Holds = cmp.Or(later.Holds, r.Holds)
	r.Index, r.Left, r.Skipped = later.Index, later.Left, later.Skipped
	r.Ledger, r.Expiries, r.Aborted = later.Ledger, later.Expiries, later.Aborted
	// A run that was ended early may not have come to all of them.
	for i, d := range later.Destinations[:min(len(later.Destinations), len(r.Destinations))] {
		r.Destinations[i] = r.Destinations[i].joined(d)
	}
}

// joined is Join for a destination.
func (d Destination) joined(later Destination) Destination {
	later.Changed = later.Changed || d.Changed
	later.Tarballs += d.Tarballs
	later.Revisions += d.Revisions
	later.Bytes += d.Bytes
	later.Commits += d.Commits
	later.Entries += d.Entries
	later.Took += d.Took
	later.Commit = cmp.Or(later.Commit, d.Commit)
	return later
}

// Changed reports whether anything was written anywhere.
func (r *Run) Changed() bool {
	return slices.ContainsFunc(r.Destinations, func(d Destination) bool { return d.Changed })
}

// Pending returns how many releases may still come: those that the run did not
// get to, and those of the ledger but the withdrawn ones.
func (r *Run) Pending() int {
	n := r.Left
	for _, record := range r.Ledger {
		if record.Reason != state.Withdrawn {
			n++
		}
	}
	return n
}

// Advice returns what becomes of a release that the ledger has for a reason, and what
// to do about it.
func Advice(reason state.Reason) string {
	switch reason {
	case state.Missing:
		return "not available upstream yet; every run tries again"
	case state.Withdrawn:
		return "upstream has withdrawn it; nothing to do"
	case state.Mismatch:
		return "the bytes are not the signed ones, here or upstream; a person has to look"
	case state.Unsigned:
		return "the index has no package.json for it yet; every run looks again"
	case state.Failed:
		return "the download failed; every run tries again"
	}
	return "every run tries again"
}

// reasons are in the order in which they matter.
func reasons() []state.Reason {
	return []state.Reason{state.Mismatch, state.Failed, state.Missing, state.Unsigned, state.Withdrawn}
}

// Count returns how many releases the ledger has for a reason.
func (r *Run) Count(reason state.Reason) int {
	n := 0
	for _, record := range r.Ledger {
		if record.Reason == reason {
			n++
		}
	}
	return n
}

// indexState is the time of the index as cabal writes it, "none" before any.
func (r *Run) indexState() string { return stamp(r.Index, "none") }

// stamp is a position's time, or a word for the start of the index.
func stamp(p index.Position, none string) string {
	if p.IsZero() {
		return none
	}
	return p.Time.UTC().Format(time.RFC3339)
}
