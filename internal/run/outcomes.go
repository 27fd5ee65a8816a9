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
// only their numbers stay in memory.
//
// What goes into the hashes repository is asked for with the target that the
// repository knows. What a bucket wanted by another target is only told of.
type outcomes struct {
	mu      sync.Mutex // repositories ask and add concurrently
	file    *os.File
	records int32                   // in the file
	numbers map[index.Release]int32 // which record
	failed  map[index.Release]failure
	bytes   int64 // of the tarballs that came
}

// A failure is why a tarball did not come.
type failure struct {
	target index.Target
	err    error
}

// newOutcomes makes the file in a folder that goes with the run.
func newOutcomes(dir string) (*outcomes, error) {
	file, err := os.Create(filepath.Join(dir, "digests"))
	if err != nil {
		return nil, fmt.Errorf("make a file for digests: %w", err)
	}
	return &outcomes{file: file, numbers: map[index.Release]int32{}, failed: map[index.Release]failure{}}, nil
}

// digestsSize is the length of one record in bytes.
var digestsSize = int64(binary.Size(hashes.Digests{}))

// add enters what came of some tarballs. What failed before may come later. Of
// two tarballs of one release the one counts that the repository asked for.
func (o *outcomes) add(came map[state.Tarball]state.Outcome, asked func(state.Tarball) bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var records []byte
	first := o.records
	for tarball, outcome := range came {
		release := tarball.Release
		if _, again := o.numbers[release]; again && !asked(tarball) {
			continue
		}
		if outcome.Err != nil {
			delete(o.numbers, release)
			o.failed[release] = failure{tarball.Target, outcome.Err}
			continue
		}
		var err error
		if records, err = binary.Append(records, binary.LittleEndian, outcome.Digests); err != nil {
			return fmt.Errorf("keep digests of %q: %w", release, err)
		}
		delete(o.failed, release)
		o.numbers[release] = o.records
		o.records++
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
	number, came := o.numbers[release]
	failed := o.failed[release].err
	o.mu.Unlock()
	if !came {
		return state.Outcome{Err: failed}, failed != nil, nil
	}
	record := make([]byte, digestsSize)
	if _, err := o.file.ReadAt(record, int64(number)*digestsSize); err != nil {
		return state.Outcome{}, false, fmt.Errorf("read digests of %q again: %w", release, err)
	}
	var outcome state.Outcome
	if _, err := binary.Decode(record, binary.LittleEndian, &outcome.Digests); err != nil {
		return state.Outcome{}, false, fmt.Errorf("read digests of %q again: %w", release, err)
	}
	return outcome, true, nil
}

// asked reports whether this very tarball was asked for.
func (o *outcomes) asked(t state.Tarball) (bool, error) {
	outcome, known, err := o.get(t.Release)
	if err != nil || !known {
		return false, err
	}
	if outcome.Err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.failed[t.Release].target == t.Target, nil
	}
	return outcome.Digests.SHA256 == t.Target.SHA256, nil
}

// came returns how many tarballs came, and their length in bytes.
func (o *outcomes) came() (releases int, bytes int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.numbers), o.bytes
}

// each calls yield for every tarball that came, with its length in bytes. Its
// order means nothing.
func (o *outcomes) each(yield func(release index.Release, size int64)) {
	o.mu.Lock()
	releases := slices.Collect(maps.Keys(o.numbers))
	o.mu.Unlock()
	for _, release := range releases {
		if outcome, _, err := o.get(release); err == nil {
			yield(release, outcome.Digests.Size)
		}
	}
}

// Close closes the file.
func (o *outcomes) Close() error { return o.file.Close() }
