package state

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
)

// A Tarball is what is asked of upstream: the tarball of a release with this length
// and digest. Two destinations may want different ones of the same release, since each
// goes by its own ledger.
type Tarball struct {
	Release index.Release
	Target  index.Target
}

// A Want is a tarball that a destination lacks.
type Want struct {
	Tarball
	// Replaced says that the signed index itself replaces an older tarball.
	Replaced bool
	// Retried says that the tarball could not be downloaded before.
	Retried bool
}

// An Outcome is what became of a wanted tarball: its digests, or why there are
// none.
type Outcome struct {
	Digests hashes.Digests
	Err     error
}

// A Rotation picks Most of a ledger's releases for a run to ask for again, the next ones
// with each Number. The zero Rotation picks all.
type Rotation struct {
	Most   int
	Number int64
}

// pick returns the releases that this run asks for.
func (t Rotation) pick(all []index.Release) []index.Release {
	if t.Most == 0 || len(all) <= t.Most {
		return all
	}
	from := int(t.Number % int64(len(all)) * int64(t.Most) % int64(len(all)))
	return slices.Concat(all[from:], all[:from])[:t.Most]
}

// Wants returns the tarballs that a destination of this state lacks: those that
// the index names behind its position, and those of its ledger that the rotation picks.
func (s State) Wants(tail *index.Delta, rotation Rotation) []Want {
	// A first run wants each release of Hackage, so the room is made once.
	wants := make([]Want, 0, len(tail.Order)+len(s.Ledger))
	for _, r := range tail.Order {
		if n := tail.Changes[r]; n.TargetOffset >= s.Position.Length {
			wants = append(wants, Want{Tarball: Tarball{r, n.Target}, Replaced: n.Replaced})
		}
	}
	for _, r := range rotation.pick(s.Ledger.Sorted()) {
		if n := tail.Changes[r]; n != nil && n.TargetOffset >= s.Position.Length {
			continue
		}
		if record := s.Ledger[r]; record.Target != (index.Target{}) {
			wants = append(wants, Want{Tarball: Tarball{r, record.Target}, Replaced: record.Replaced, Retried: true})
		}
	}
	return wants
}

// Why upstream did not give a tarball. Any other error makes the release Failed.
var (
	// ErrMissing says that upstream does not have the file (404); it is also
	// fs.ErrNotExist.
	ErrMissing = fmt.Errorf("upstream does not have it: %w", fs.ErrNotExist)
	// ErrWithdrawn says that upstream had the file and took it away (410, 451).
	ErrWithdrawn = errors.New("upstream has withdrawn it")
	// ErrMismatch says that upstream's bytes are not the signed ones, also when
	// they were requested past all caches.
	ErrMismatch = errors.New("bytes differ from the signed ones")
)

// ReasonOf returns why a release whose tarball could not be downloaded is pending.
func ReasonOf(err error) Reason {
	switch {
	case errors.Is(err, ErrMissing):
		return Missing
	case errors.Is(err, ErrWithdrawn):
		return Withdrawn
	case errors.Is(err, ErrMismatch):
		return Mismatch
	}
	return Failed
}
