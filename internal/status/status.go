// Package status is status.json, the file in which a bucket tells people and
// programs how the mirror is: whether it is fresh, what it holds, what it lacks,
// what expires when, and what happened in the last 90 days. The page, the badge,
// the feed and the metrics are made of it, and the command "status" reads it.
//
// The file is unsigned. No run believes what it says: it only goes on counting
// from it, and begins anew where it cannot be read.
//
// Form: JSON, one object, see docs/formats.md. A reader ignores keys that it does
// not know. Version changes when the meaning of a key does.
package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Key is where a bucket holds the file.
const Key = "status.json"

// Version is the version of the form that is written here.
const Version = 1

// MaxSize bounds the file that is read, in bytes.
const MaxSize = 1 << 20

// The bounds of the lists. What is beyond is counted, not listed.
const (
	MaxDays   = 90
	MaxRecent = 200
	MaxLedger = 200
)

// A Word is the health of a mirror in one word.
type Word string

// The words of health.
const (
	Good Word = "good" // up to date
	Look Word = "look" // up to date, but a person should look
	// Filling says that the last run ended in time, with releases still to come.
	Filling Word = "filling"
	Failed  Word = "failed" // the last run did not bring it up to date
)

// A Status is what status.json holds. A number that is not known is negative; a
// time that is not known is zero.
type Status struct {
	Version int `json:"version"`
	// Health is as the last run found it. A reader adds how long ago that was: a
	// mirror whose runs no longer start cannot write that it is stale.
	Health Word `json:"health"`
	// Sentence says the same to people, in one plain sentence.
	Sentence string `json:"sentence"`
	Tool     string `json:"tool"`     // program and version
	Upstream string `json:"upstream"` // its address, without a password
	// PublicURL is where readers find the mirror; empty if nobody said.
	PublicURL string `json:"public-url"`
	Packages  string `json:"packages"` // the selection; empty for all

	// Checked is when a run compared the mirror with upstream last, to the hour;
	// Changed is when one changed it last.
	Checked time.Time `json:"checked"`
	Changed time.Time `json:"changed"`

	// Nonce is that of the bucket's state of which this tells; empty if it does not
	// tell of all that came up to there.
	Nonce string `json:"nonce"`

	Index Index `json:"index"`
	Run   Run   `json:"run"`
	Holds Holds `json:"holds"`
	// RootKeys are the ids of the root keys that the mirror was verified with, and
	// Threshold, how many of them must have signed. Clients take them from the
	// documentation, and from here only for convenience.
	RootKeys  []string `json:"root-keys"`
	Threshold int      `json:"key-threshold"`

	Repositories []Repository `json:"repositories"`
	Expiries     []Expiry     `json:"expiries"`
	// Pending counts the lines of the ledger, PendingBytes sums the length of their
	// tarballs, and Ledger lists the first of them.
	Pending      int      `json:"owed"`
	PendingBytes int64    `json:"owed-bytes"`
	Ledger       []Record `json:"ledger"`
	Days         []Day    `json:"days"`   // the oldest first, without empty ones
	Recent       []Item   `json:"recent"` // the newest first
}

// An Index says how far into the index the mirror is.
type Index struct {
	Length int64     `json:"length"` // bytes, without the closing zero blocks
	State  time.Time `json:"state"`  // of the last entry, cabal's index-state
	// Upstream is the time of upstream's newest entry as the last run saw it.
	Upstream time.Time `json:"upstream"`
	// Lag is how many seconds after its upload the newest entry was published
	// here; Behind, how long the oldest entry has waited that is still missing.
	Lag    int64 `json:"lag-seconds"`
	Behind int64 `json:"behind-seconds"`
}

// A Run is the last one.
type Run struct {
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	Outcome string    `json:"outcome"` // as the output summary-json has it
	// Error is what went wrong, without what is for the operator alone.
	Error string `json:"error"`
	// URL is of its log on GitHub; empty elsewhere.
	URL string `json:"url"`
}

// Holds says how large the mirror is. The numbers are negative until a run has
// read the whole index.
type Holds struct {
	Packages  int64 `json:"packages"`
	Releases  int64 `json:"releases"`
	Revisions int64 `json:"revisions"` // .cabal files beyond the first of a release
	Bytes     int64 `json:"bytes"`     // of the tarballs
}

// A Repository is a git repository that the same run fills.
type Repository struct {
	Kind        string    `json:"kind"` // "files" or "hashes"
	Address     string    `json:"address"`
	Branch      string    `json:"branch"`
	Tag         string    `json:"tag"`
	Commit      string    `json:"commit"` // in hexadecimal
	State       time.Time `json:"index-state"`
	Fingerprint string    `json:"fingerprint"` // of the signing key
	KeyPage     string    `json:"key-page"`    // shows the public key; empty if that is not known
	Error       string    `json:"error"`
}

// An Expiry is when clients begin to refuse a file or a signature. A zero time
// says never.
type Expiry struct {
	Of   string    `json:"of"`
	When time.Time `json:"when"`
}

// A Record is a release that the mirror could not publish yet.
type Record struct {
	Release string    `json:"release"`
	Reason  string    `json:"reason"` // as the ledger has it
	Since   time.Time `json:"since"`
	Why     string    `json:"why"`
	// Accepted says that the mirror's operator has acknowledged a mismatch: the
	// bytes are not published, and there is nothing more to look at.
	Accepted bool `json:"accepted"`
}

// A Day counts what upstream published on a day, UTC.
type Day struct {
	Day       string `json:"day"` // 2026-11-26
	Releases  int    `json:"releases"`
	Revisions int    `json:"revisions"`
}

// An Item is a release or a revision.
type Item struct {
	Package  string    `json:"package"`
	Version  string    `json:"version"`
	Revision int       `json:"revision"` // 0 for a release
	Time     time.Time `json:"time"`     // of its entry in the index
	Bytes    int64     `json:"bytes"`    // of the tarball; 0 for a revision
}

// Parse reads a status.json. One that is of another version, or whose lists are
// longer than they may be, is refused.
func Parse(raw []byte) (*Status, error) {
	if len(raw) > MaxSize {
		return nil, fmt.Errorf("read %s: more than %d bytes", Key, MaxSize)
	}
	var form struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(raw, &form); err != nil {
		return nil, fmt.Errorf("read %s: %w", Key, err)
	}
	if form.Version != Version {
		return nil, fmt.Errorf("read %s: version %d, and this program reads version %d", Key, form.Version, Version)
	}
	var s Status
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("read %s: %w", Key, err)
	}
	if len(s.Days) > MaxDays || len(s.Recent) > MaxRecent || len(s.Ledger) > MaxLedger {
		return nil, errors.New("read " + Key + ": a list is longer than it may be")
	}
	return &s, nil
}

// JSON returns the file.
func (s *Status) JSON() []byte {
	raw, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		panic("status: facts do not fit into JSON: " + err.Error())
	}
	return append(raw, '\n')
}
