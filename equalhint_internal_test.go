package siftdb

import (
	"math/rand/v2"
	"testing"
)

// TestHintsAreBounded: hints take no more than 1 MiB for an index, however many entries there are,
// grow with those, and lead where something was noted for that hash, or nowhere.
func TestHintsAreBounded(t *testing.T) {
	var h equalHints
	g := rand.New(rand.NewPCG(1, 1))
	if h.find(g.Uint64()) != 0 {
		t.Error("nothing was noted")
	}
	noted := make(map[uint64]int64)
	for _, entries := range []int64{1, 64, 65, 1000, 100_000, 1 << 30} {
		for range 50_000 {
			hash, id := g.Uint64(), 1+g.Int64N(entries)
			h.note(hash, id, entries)
			if noted[hash] = id; h.find(hash) != id {
				t.Fatalf("%x was not noted", hash)
			}
		}
		found := 0
		for hash, id := range noted {
			if other := h.find(hash); other == id {
				found++
			} else if other != 0 && other>>hintIDBits != 0 {
				t.Fatalf("%x leads to %d", hash, other)
			}
		}
		room := len(*h.table.Load()) * len(hintSet{})
		t.Logf("%d entries: room for %d, %d are remembered", entries, room, found)
		if most := int(min(max(2*entries, hintsLeast), hintsMost)); room > most {
			t.Errorf("%d entries: room for %d", entries, room)
		}
		if entries >= hintsMost && found < hintsMost/2 {
			t.Errorf("only %d are remembered", found)
		}
	}
	if room := len(*h.table.Load()) * len(hintSet{}) * 8; room != 1<<20 {
		t.Errorf("hints take %d bytes", room)
	}
	h.note(7, hintIDs+1, 10)
	if id := h.find(7); id > hintIDs {
		t.Errorf("an id that has no room led to %d", id)
	}
}
