package siftdb

import (
	"slices"
	"testing"

	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// pieceNotes notes what a division has one worker read.
type pieceNotes struct {
	ids    []int64 // of the piece at hand
	pieces map[int][]int64
	most   int // entries after which it stops; 0 for never
}

func (w *pieceNotes) visit(rec *layout.Record, _ query.Verdict) (bool, error) {
	w.ids = append(w.ids, rec.ID)
	return len(w.ids) != w.most, nil
}

func (w *pieceNotes) end(piece int) error {
	w.pieces[piece], w.ids = w.ids, nil
	return nil
}

// begun is a reading that has settled on a state.
func begun(t *testing.T, ds *DataSource) *reading {
	t.Helper()
	rd := ds.read()
	t.Cleanup(rd.close)
	if err := rd.slice(t.Context(), func(storage.Reader) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return rd
}

// TestDivision divides a scan: the pieces are those of ascending ids, each is read once, a worker
// that has enough ends it, and what is written meanwhile has it begun anew.
func TestDivision(t *testing.T) {
	_, list := columnDB(t, 1<<20, 1, 3*pieceRows+500)
	ds := list[0]
	read := func(rd *reading, most int) (pieces [][]int64, done bool) {
		t.Helper()
		var workers []*pieceNotes
		d := division{rd: rd, bare: true}
		done, err := d.read(t.Context(), func() pieceReader {
			w := &pieceNotes{pieces: map[int][]int64{}, most: most}
			workers = append(workers, w)
			return w
		})
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; ; n++ {
			found := false
			for _, w := range workers {
				if ids, ok := w.pieces[n]; ok {
					pieces, found = append(pieces, ids), true
				}
			}
			if !found {
				return pieces, done
			}
		}
	}
	pieces, done := read(begun(t, ds), 0)
	all := slices.Concat(pieces...)
	if !done || len(pieces) < 4 || len(all) != 3*pieceRows+500 || !slices.IsSorted(all) {
		t.Fatalf("%d pieces of %d entries, done %v", len(pieces), len(all), done)
	}
	if pieces, done = read(begun(t, ds), 10); len(pieces) != 0 || !done {
		t.Errorf("who has enough reads %d pieces, done %v", len(pieces), done)
	}
	rd := begun(t, ds)
	if _, err := ds.Insert(t.Context(), M{"n": 3}); err != nil {
		t.Fatal(err)
	}
	if pieces, done = read(rd, 0); done || len(pieces) != 0 {
		t.Errorf("beside a write %d pieces are read, done %v", len(pieces), done)
	}
}
