package gitpack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

// TestEntriesAreFound beside a map, with ids of which many begin alike.
func TestEntriesAreFound(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 3))
	var e entries
	for range 2 {
		want := map[ID]int{}
		for range 6_000 {
			var id ID
			binary.BigEndian.PutUint32(id[:], uint32(random.IntN(3))<<30|uint32(random.IntN(1500)))
			id[19] = byte(random.IntN(3))
			slot, ok := e.find(id)
			if had, held := want[id]; ok != held || ok && slot != had {
				t.Fatalf("found %d, %v, want %d, %v", slot, ok, had, held)
			}
			if !ok {
				want[id] = e.add(id)
			}
		}
		if len(e.list) != len(want) || len(want) < 3_000 {
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

func TestPackHeader(t *testing.T) {
	t.Parallel()
	for size, want := range map[int][]byte{
		0:       {0x10},
		15:      {0x1f},
		16:      {0x90, 0x01},
		2047:    {0x9f, 0x7f},
		2048:    {0x90, 0x80, 0x01},
		1000000: {0x90, 0xa4, 0xe8, 0x03},
	} {
		got, err := packHeader(Object{"commit", make([]byte, size)})
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("size %d: %x, want %x, %v", size, got, want, err)
		}
	}
	if _, err := packHeader(Object{Type: "branch"}); !errors.Is(err, ErrObject) {
		t.Errorf("a wrong type: %v", err)
	}
}
