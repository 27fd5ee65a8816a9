package hackage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/hackage-mirror/hackage-mirror/internal/state"
	"github.com/hackage-mirror/hackage-mirror/internal/tuf"
)

// The metadata files.
const (
	rootFile      = "root.json"
	timestampFile = "timestamp.json"
	snapshotFile  = "snapshot.json"
	mirrorsFile   = "mirrors.json"
)

// Metadata is a set of verified files that fit together.
type Metadata struct {
	Root      *tuf.Root
	Timestamp *tuf.Timestamp
	Snapshot  *tuf.Snapshot
	Mirrors   *tuf.Mirrors
	// ETag is that of timestamp.json, or empty.
	ETag string
}

// Seen returns what to remember of the set.
func (m *Metadata) Seen() state.Seen {
	digest, index := sha256.Sum256(m.Timestamp.Raw()), m.Snapshot.IndexTarGz().SHA256
	seen := state.Seen{
		Root:      m.Root.Version(),
		Timestamp: m.Timestamp.Version(),
		Snapshot:  m.Snapshot.Version(),
		Mirrors:   m.Mirrors.Version(),
		Digest:    hex.EncodeToString(digest[:]),
		Index:     hex.EncodeToString(index[:]),

		RootExpires: m.Root.Expires(), MirrorsExpires: m.Mirrors.Expires(),
	}
	if validETag(m.ETag) {
		seen.ETag = m.ETag
	}
	for _, expires := range []time.Time{
		m.Root.Expires(), m.Timestamp.Expires(), m.Snapshot.Expires(), m.Mirrors.Expires(),
	} {
		if !expires.IsZero() && (seen.Expires.IsZero() || expires.Before(seen.Expires)) {
			seen.Expires = expires
		}
	}
	return seen
}

// Metadata reads and verifies the metadata. It returns ErrUnchanged, after one
// small request, if timestamp.json is the one that seen names and nothing has
// expired since. Other errors are those of package tuf (ErrExpired, ErrRollback,
// ErrThreshold, ...), ErrTorn, and what keeps a file from being read.
func (u *Upstream) Metadata(ctx context.Context, seen state.Seen) (*Metadata, error) {
	if err := u.o.Pinned.Check(); err != nil {
		return nil, err
	}
	known := sync.OnceValue(func() []*tuf.Root { return u.known(ctx) })
	last := ""
	m, round, err := inRounds(ctx, u, func(round int) (*Metadata, error) {
		return u.round(ctx, known, seen, round > 1)
	}, func(round int, err error) bool {
		var r *refusal
		same := err.Error() == last
		if last = err.Error(); same && isForeign(err) {
			return false
		}
		return errors.As(err, &r) && (r.torn || round == 1 && !r.final) || turnedAway(round, err)
	})
	var r *refusal
	switch {
	case err == nil:
		return m, nil
	case errors.Is(err, ErrUnchanged):
		return nil, ErrUnchanged
	case errors.As(err, &r) && r.torn:
		return nil, fmt.Errorf("%w after %d rounds: %w; upstream, or a cache in front of it, mixes files of different times; try again later",
			ErrTorn, round, r)
	case errors.Is(err, state.ErrMissing):
		return nil, fmt.Errorf("%w (check that this is the address of a Hackage repository)", err)
	}
	return nil, err
}

// inRounds calls try until it succeeds or another round has no point, and returns
// the number of rounds. The waits between them grow and outlast caches.
func inRounds[T any](ctx context.Context, u *Upstream, try func(round int) (T, error), again func(round int, err error) bool) (T, int, error) {
	round := 0
	got, err := backoff.Retry(ctx, func() (T, error) {
		round++
		got, err := try(round)
		if err != nil && !again(round, err) {
			err = backoff.Permanent(err)
		}
		return got, err
	},
		backoff.WithBackOff(&backoff.ExponentialBackOff{
			InitialInterval: 2 * u.o.FirstWait, RandomizationFactor: 0.1, Multiplier: 3, MaxInterval: 2 * max(maxWait, u.o.FirstWait),
		}),
		backoff.WithMaxTries(uint(max(2, u.o.Rounds))),
		backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, wait time.Duration) {
			u.o.Notify(Retry{What: u.String(), Attempt: round, Wait: wait, Err: err})
		}),
	)
	return got, round, err
}

// A denial is an answer after which asking for the file at once has no point. It
// may be that of one edge of a CDN, which another one does not give.
type denial struct{ err error }

func (d *denial) Error() string { return d.err.Error() }

func (d *denial) Unwrap() error { return d.err }

// denialRounds is how often what a run cannot do without is asked for in spite of
// a denial.
const denialRounds = 3

// turnedAway reports whether a denial may be asked about once more.
func turnedAway(round int, err error) bool {
	var d *denial
	return errors.As(err, &d) && round < denialRounds
}

// A refusal is a file that was read but not accepted.
type refusal struct {
	err error
	// torn says that files of different times would explain it.
	torn bool
	// final says that no cache explains it: another copy would be the same.
	final bool
}

func (r *refusal) Error() string { return r.err.Error() }

func (r *refusal) Unwrap() error { return r.err }

// refuse makes a refusal that says which file was compared with which. A wrong
// length or digest means another edition of the file than its signer saw; a
// signature by keys that a root does not name may mean another root. One by a key
// that it names does not become right with another.
func refuse(file, against string, err error) error {
	torn := isMismatch(err) || isForeign(err)
	return &refusal{err: fmt.Errorf("%s does not match %s: %w", file, against, err), torn: torn}
}

// isForeign reports whether a file is signed by other keys than the root names. A
// root of another time would explain it, but not twice in the same way.
func isForeign(err error) bool {
	return errors.Is(err, tuf.ErrUnknownKey) || errors.Is(err, tuf.ErrThreshold)
}

// round reads the set once. A fresh round goes past all caches and takes no
// answer for unchanged on the server's word.
func (u *Upstream) round(ctx context.Context, knownRoots func() []*tuf.Root, seen state.Seen, fresh bool) (*Metadata, error) {
	raw, etag, err := u.timestamp(ctx, seen, fresh)
	if err != nil {
		return nil, err
	}
	v := verification{u: u, seen: seen, fresh: fresh, now: u.asOf(), etag: etag}
	if !fresh {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		v.early = map[string]func() ([]byte, error){snapshotFile: u.askOnce(ctx, snapshotFile), mirrorsFile: u.askOnce(ctx, mirrorsFile)}
	}
	known := knownRoots()
	// A root that is known already saves asking for it: the snapshot tells
	// whether upstream has another one.
	if root := current(known, seen, v.now); root != nil {
		m, err := v.under(ctx, root, raw)
		var r *refusal
		if err == nil || !errors.As(err, &r) || !r.torn {
			return m, err
		}
	}
	root, err := v.root(ctx, known)
	if err != nil {
		return nil, err
	}
	return v.under(ctx, root, raw)
}

// FetchEarly asks for timestamp.json while the caller does not know yet what was seen. The
// next call of Metadata takes this answer, whatever it is, for its first one.
func (u *Upstream) FetchEarly(ctx context.Context) {
	raw, got, err := u.fetchBytes(ctx, request{key: timestampFile, limit: tuf.MaxTimestamp})
	answer := func() ([]byte, fetched, error) { return raw, got, err }
	u.early.Store(&answer)
}

// maxEarly bounds what is asked for before a signed length is known.
const maxEarly = 64 << 10

// askOnce asks for a file while what signs it is not here yet, and once only. What
// does not come is then asked for in the usual way; the only error is a denial.
func (u *Upstream) askOnce(ctx context.Context, key string) func() ([]byte, error) {
	var content bytes.Buffer
	var denied *denial
	done := make(chan struct{})
	go func() { // ended by its context
		defer close(done)
		_, err := u.attempt(ctx, request{key: key, limit: maxEarly}, func() io.Writer { return &content })
		errors.As(err, &denied)
	}()
	return func() ([]byte, error) {
		if <-done; denied != nil {
			return nil, fmt.Errorf("fetch %s: %w", u.src.name(key), denied)
		}
		return content.Bytes(), nil
	}
}

// timestamp fetches timestamp.json, or returns ErrUnchanged.
func (u *Upstream) timestamp(ctx context.Context, seen state.Seen, fresh bool) ([]byte, string, error) {
	r := request{key: timestampFile, limit: tuf.MaxTimestamp, fresh: fresh}
	if !fresh && seen.Digest != "" {
		r.etag = seen.ETag
	}
	ask := func() ([]byte, fetched, error) { return u.fetchBytes(ctx, r) }
	if early := u.early.Swap(nil); early != nil && !fresh {
		ask = *early
	}
	raw, got, err := ask()
	if errors.Is(err, ErrTooLarge) {
		return nil, "", &refusal{err: err}
	}
	if err != nil {
		return nil, "", err
	}
	digest := sha256.Sum256(raw)
	if !got.current && hex.EncodeToString(digest[:]) != seen.Digest {
		return raw, got.etag, nil
	}
	if !seen.Expires.IsZero() && u.asOf().After(seen.Expires) {
		return nil, "", &refusal{err: fmt.Errorf("%s has not changed, and what it signs expired at %s; "+
			"upstream must renew it: %w", u.src.name(timestampFile), seen.Expires.UTC().Format(time.RFC3339), tuf.ErrExpired)}
	}
	return nil, "", ErrUnchanged
}
