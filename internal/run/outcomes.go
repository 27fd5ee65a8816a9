package run

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/hackage-mirror/hackage-mirror/internal/hashes"
	"github.com/hackage-mirror/hackage-mirror/internal/index"
	"github.com/hackage-mirror/hackage-mirror/internal/state"
)

// outcomes keep what became of the tarballs of a run. A first run has as many as
// Hackage has releases, so the digests go into a file of the run's folder and
// only their places stay in memory.
type outcomes struct {
	mu     sync.Mutex // repositories ask and add side by side
	file   *os.File
	places map[index.Release]int32 // which record of the file
	failed map[index.Release]error
	bytes  int64 // of the tarballs that came
}

// newOutcomes makes the file in a folder that goes with the run.
func newOutcomes(dir string) (*outcomes, error) {
	file, err := os.Create(filepath.Join(dir, "digests"))
	if err != nil {
		return nil, fmt.Errorf("make a file for digests: %w", err)
	}
	return &outcomes{file: file, places: map[index.Release]int32{}, failed: map[index.Release]error{}}, nil
}

// digestsSize is the length of one record in bytes.
var digestsSize = int64(binary.Size(hashes.Digests{}))

// add enters what came of some tarballs. What failed before may come later.
func (o *outcomes) add(came map[index.Release]state.Outcome) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var records []byte
	first := int32(len(o.places))
	for release, outcome := range came {
		if outcome.Err != nil {
			o.failed[release] = outcome.Err
			continue
		}
		if _, again := o.places[release]; again {
			continue // the metadata of a run vouches for one tarball only
		}
		var err error
		if records, err = binary.Append(records, binary.LittleEndian, outcome.Digests); err != nil {
			return fmt.Errorf("keep digests of %q: %w", release, err)
		}
		delete(o.failed, release)
		o.places[release] = int32(len(o.places))
		o.bytes += outcome.Digests.Size
	}
	if _, err := o.file.WriteAt(records, int64(first)*digestsSize); err != nil {
		return fmt.Errorf("keep digests: %w", err)
	}
	return nil
}

// get returns what became of a release's tarball, and whether it was asked for.
func (o *outcomes) get(release index.Release) (state.Outcome, bool, error) {
	o.mu.Lock()
	place, came := o.places[release]
	failed := o.failed[release]
	o.mu.Unlock()
	if !came {
		return state.Outcome{Err: failed}, failed != nil, nil
	}
	record := make([]byte, digestsSize)
	if _, err := o.file.ReadAt(record, int64(place)*digestsSize); err != nil {
		return state.Outcome{}, false, fmt.Errorf("read digests of %q again: %w", release, err)
	}
	var outcome state.Outcome
	if _, err := binary.Decode(record, binary.LittleEndian, &outcome.Digests); err != nil {
		return state.Outcome{}, false, fmt.Errorf("read digests of %q again: %w", release, err)
	}
	return outcome, true, nil
}

// asked reports whether a tarball was asked for.
func (o *outcomes) asked(release index.Release) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, came := o.places[release]
	return came || o.failed[release] != nil
}

// came returns how many tarballs came, and their length in bytes.
func (o *outcomes) came() (releases int, bytes int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.places), o.bytes
}

// each calls yield for every tarball that came, with its length in bytes. Its
// order means nothing.
func (o *outcomes) each(yield func(release index.Release, size int64)) {
	o.mu.Lock()
	releases := slices.Collect(maps.Keys(o.places))
	o.mu.Unlock()
	for _, release := range releases {
		if outcome, _, err := o.get(release); err == nil {
			yield(release, outcome.Digests.Size)
		}
	}
}

// Close closes the file.
func (o *outcomes) Close() error { return o.file.Close() }
