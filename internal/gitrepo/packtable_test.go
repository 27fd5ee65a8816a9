package gitrepo

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// TestEntriesAreFound beside a map, with ids of which many begin alike.
func TestEntriesAreFound(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 3))
	var e entries
	for range 2 {
		want := map[oid]int{}
		for range 20_000 {
			var id oid
			binary.BigEndian.PutUint32(id[:], uint32(random.IntN(3))<<30|uint32(random.IntN(5000)))
			id[19] = byte(random.IntN(3))
			slot, ok := e.find(id)
			if had, held := want[id]; ok != held || ok && slot != had {
				t.Fatalf("found %d, %v, want %d, %v", slot, ok, had, held)
			}
			if !ok {
				want[id] = e.add(id)
			}
		}
		if len(e.list) != len(want) || len(want) < 10_000 {
			t.Fatalf("%d entries, want %d", len(e.list), len(want))
		}
		for id, slot := range want {
			if e.list[slot].id != id {
				t.Fatalf("slot %d holds %x", slot, e.list[slot].id)
			}
		}
		e.clear()
	}
}
