package gitpack

import (
	"fmt"
	"maps"
	"slices"
)

// A Change is a path at which two trees differ. A side that has nothing there has
// no mode and no id.
type Change struct {
	// Path has slashes between its parts, on every system. A tree that was made
	// by hand may have it twice.
	Path string
	// The modes are those of File.
	OldMode, OldID string
	NewMode, NewID string
}

// DiffTrees returns the entries in which two trees differ, in the order of their
// names. A name that comes again, as git never writes it, is another entry.
func DiffTrees(old, new []byte) ([]Change, error) {
	changes := map[string]*Change{}
	for side, raw := range [][]byte{old, new} {
		times := map[string]int{}
		for e, err := range Entries(raw) {
			if err != nil {
				return nil, err
			}
			name := e.Name()
			times[name]++
			key := fmt.Sprintf("%s\x00%d", name, times[name])
			if changes[key] == nil {
				changes[key] = &Change{Path: name}
			}
			if c := changes[key]; side == 0 {
				c.OldMode, c.OldID = e.Mode(), e.ID().String()
			} else {
				c.NewMode, c.NewID = e.Mode(), e.ID().String()
			}
		}
	}
	var differ []Change
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		if c := changes[key]; c.OldMode != c.NewMode || c.OldID != c.NewID {
			differ = append(differ, *c)
		}
	}
	return differ, nil
}
