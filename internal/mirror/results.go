package mirror

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/hackage-mirror/hackage-mirror/internal/bucket"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// A lock guards the fields that stand with it.
type lock struct{ mu sync.Mutex }

// locked calls do while nobody else is at them.
func (l *lock) locked(do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do()
}

// results are what came of a run so far. The lock guards all of it.
type results struct {
	lock
	stats    Stats
	err      error                   // the first that is not of one release
	rejected map[index.Release]error // tarballs that the bucket did not accept
	refusal  error                   // the first of an object that the store does not accept
	refusals int                     // how many
	alarms   []string                // other foreign bytes, repaired
	missing  []index.Release         // found by comparing
	unsigned []index.Release         // releases that came without a package.json
	firsts   map[index.Release]int   // see FirstRevision
}

// Stats counts what a run put into a bucket, and did not find there.
type Stats struct {
	Tarballs  int
	Revisions int // changed .cabal files; the first of a release is none
	Bytes     int64
	// Read and ReadBytes count what was read of the bucket.
	Read      int
	ReadBytes int64
}

// count adds to the statistics.
func (r *results) count(tarballs, revisions int, size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Tarballs += tarballs
	r.stats.Revisions += revisions
	r.stats.Bytes += size
}

// fail keeps the first error that is not of one release; nil is none. Nothing more is
// put into the bucket in this run; its state stays, so the next run goes on from it.
func (r *results) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

// Err returns the error that made the bucket lag in this run, if any.
func (r *results) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Refused returns why the bucket did not accept the tarball of a release in this run:
// bucket.ErrDiffers if it holds other bytes than the signed ones. It is nil for
// one that it accepted, or was not given.
func (r *results) Refused(release index.Release) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rejected[release]
}

// unlessRefused returns an error, unless it is of an object that the store does not
// accept, whatever becomes of the others. That is counted, and keeps nothing else from
// being published.
func (r *results) unlessRefused(err error) error {
	if !errors.Is(err, bucket.ErrRefused) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refusals++; r.refusals == 1 {
		r.refusal = err
	}
	return nil
}

// Incomplete returns the error of a bucket that accepted all but some objects, which
// its store refuses.
func (r *results) Incomplete() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refusals == 0 {
		return nil
	}
	return fmt.Errorf("everything else is done, but the store refuses %d of the objects, the first: %w; "+
		"find out why, then run once with --full", r.refusals, r.refusal)
}

// alarm keeps what a person should know of although it was repaired.
func (r *results) alarm(text string) {
	r.locked(func() { r.alarms = append(r.alarms, text) })
}

// Alarms returns what the bucket held of somebody else's and holds no more.
func (r *results) Alarms() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.alarms)
}

// Missing returns the releases whose tarballs came into a bucket that was compared.
func (r *results) Missing() []index.Release {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.missing)
}

// FirstRevision returns the number of the first revision of a release behind the
// position where the run began, if the run put it there.
func (r *results) FirstRevision(release index.Release) (int, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	number, known := r.firsts[release]
	return number, known
}
