// Package hackage reads a Hackage repository: the signed metadata, the index and
// the tarballs, over HTTP or from a folder in the same layout
//
//	timestamp.json snapshot.json root.json mirrors.json
//	01-index.tar.gz 01-index.tar
//	package/NAME-VERSION.tar.gz
//	packages/deprecated.json
//
// which is that of hackage-security (its Layout/Repo.hs) and, for the last line,
// of hackage-server.
//
// The rule of the room: nothing leaves it that was not checked against what the
// pinned root keys vouch for. timestamp.json names length and SHA-256 of
// snapshot.json, that names those of root.json, mirrors.json and the index, and
// the index those of every tarball. deprecated.json is the one exception; nothing
// signs it, so it is bounded, comes from upstream's own host only, and holds names
// of packages and nothing else.
//
// Files that do not fit together are mostly no attack: Hackage sits behind caches
// that keep each file for a minute of its own, and it publishes while we read.
// So a set that does not fit is read again as a whole with Cache-Control:
// max-age=0, five rounds as hackage-security does it, but with growing waits
// that outlast the caches; then it is named. A file that does not fit its
// signature is fetched once more past the caches. A refusal that time does not
// heal (expired, rolled back, too few signatures) is also tried once past the
// caches and then returned as it is.
//
// The index is most of what there is to read, and only grows. Who remembers how
// long its beginning was, and SHA-256's state behind it, needs no more than the
// rest: IndexFrom asks for that part alone and hashes on to the signed digest.
// Whatever is not as expected, on either side, ends in the whole index.
//
// One unexported interface, source, separates HTTP from folders. It only opens
// files; limits, time-outs, retries and checks lie above it, so both behave alike.
package hackage

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// What a caller of this room may branch on, besides the errors of package state
// (missing, withdrawn, mismatch) and those of package tuf (expired, rollback,
// threshold), which come through.
var (
	// ErrUnchanged says that upstream's timestamp.json is the one seen before.
	ErrUnchanged = errors.New("upstream has not changed")
	// ErrTorn says that upstream's files stayed at odds with each other.
	ErrTorn = errors.New("the files of the repository do not match each other")
	// ErrTooLarge says that a file whose length nothing signs exceeds its limit.
	ErrTooLarge = errors.New("file is larger than allowed")
)

// UserAgent returns the User-Agent header by which operators of an upstream can
// find out who is asking.
func UserAgent(version string) string {
	return "hackage-mirror/" + version + " (+https://github.com/hackage-mirror/hackage-mirror)"
}

// Options says whom to trust and how patient to be. Zero fields have defaults,
// except Pinned: without keys nothing verifies.
type Options struct {
	// Pinned are the root keys that vouch for the repository.
	Pinned tuf.Pinned
	// KnownRoots returns root.json files that were verified before, in any order.
	// It is called at most once for each reading of metadata that has changed.
	// They need not be trustworthy: each counts only if Pinned, or another one
	// that counts, vouches for it. They let keys rotate away from Pinned, and
	// save a request when upstream still has the newest of them.
	KnownRoots func(context.Context) [][]byte
	// UserAgent is sent with every request; see the function of that name.
	UserAgent string
	// User and Password are shown to a server (HTTP Basic) unless User is empty,
	// and go nowhere that it redirects to.
	User     string
	Password []byte
	// Now is the time that expiry is checked against.
	Now func() time.Time
	// AllowExpired accepts metadata whose time is over, for who only looks at it.
	AllowExpired bool
	// Timeout ends an attempt in which no byte arrives for so long: 30 s. An
	// attempt as a whole may take ten times as long, and a second more for each
	// 32 KiB that are expected.
	Timeout time.Duration
	// Attempts is how often one file is asked for before giving up: 6.
	Attempts int
	// FirstWait is the wait before the second attempt: 1 s. It doubles each time
	// up to 30 s, and varies by half. Rounds wait twice as long, tripled each time.
	FirstWait time.Duration
	// Patience bounds the attempts of one file in time, beyond what its transfer
	// may take: 5 min. A server that asks for a longer wait ends them at once.
	Patience time.Duration
	// Rounds is how often a torn set of metadata is read: 5.
	Rounds int
	// Notify, if set, is told before each retry. It may be called by several
	// goroutines at once.
	Notify func(Retry)

	// transport replaces the network in tests.
	transport http.RoundTripper
}

// Retry is a wait before something is tried again.
type Retry struct {
	// What is the address of the file, or of the repository when a whole set is
	// read again. It holds no credentials.
	What string
	// Attempt is the number of the attempt that failed, from 1.
	Attempt int
	// Wait is how long until the next.
	Wait time.Duration
	// Err is why it failed.
	Err error
}

// withDefaults sets the zero fields.
func (o Options) withDefaults() Options {
	o.UserAgent = cmp.Or(o.UserAgent, UserAgent("unreleased"))
	o.Timeout = cmp.Or(max(o.Timeout, 0), 30*time.Second)
	o.Attempts = cmp.Or(max(o.Attempts, 0), 6)
	o.FirstWait = cmp.Or(max(o.FirstWait, 0), time.Second)
	o.Patience = cmp.Or(max(o.Patience, 0), 5*time.Minute)
	o.Rounds = cmp.Or(max(o.Rounds, 0), 5)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Notify == nil {
		o.Notify = func(Retry) {}
	}
	return o
}

// An Upstream is a repository to read from. It may be used by several goroutines
// at once and holds nothing that must be closed.
type Upstream struct {
	src   source
	o     Options
	early atomic.Pointer[func() ([]byte, fetched, error)] // see FetchEarly
}

// Open makes an Upstream of an http or https URL, a file URL or the path of a
// folder. A folder is looked at and must hold root.json; a URL is only parsed.
func Open(address string, o Options) (*Upstream, error) {
	o = o.withDefaults()
	base, folder, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	if base != nil {
		return &Upstream{src: newWeb(base, o), o: o}, nil
	}
	src, err := openFolder(folder)
	if err != nil {
		return nil, err
	}
	return &Upstream{src: src, o: o}, nil
}

// asOf is the time that expiry is checked against: one before every date if
// expired metadata is accepted.
func (u *Upstream) asOf() time.Time {
	if u.o.AllowExpired {
		return time.Time{}
	}
	return u.o.Now()
}

// String returns the address without credentials.
func (u *Upstream) String() string { return u.src.String() }
