package siftdb_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/memory"
)

// counted is a store that counts its updates.
type counted struct {
	storage.Storage
	n atomic.Int64
}

func (s *counted) Update(ctx context.Context, fn func(storage.Writer) error) error {
	s.n.Add(1)
	return s.Storage.Update(ctx, fn)
}

// TestDroppedIndexesGoTogether sweeps what many staged writes have left of indexes: in few
// writes, else writes that go on leave more than is swept, and nobody comes to build an index.
func TestDroppedIndexesGoTogether(t *testing.T) {
	store := &counted{Storage: memory.New()}
	db := must[*siftdb.DB](t)(siftdb.OpenStorage(ctx, store, nil))
	checked(t, db)
	ds := table(t, db, "t", plainRows(50)...)
	create(t, ds, indexOn("i"), indexOn("k"))
	siftdb.StageAt(db, 200, 300, 10)
	release := siftdb.HoldIndexer(db)
	for range 10 {
		must[siftdb.BulkResult](t)(ds.ReplaceWith(ctx, raws(plainRows(50)...)))
	}
	before := store.n.Load()
	release()
	if err := siftdb.FinishIndexes(ctx, ds); err != nil {
		t.Fatal(err)
	}
	if n := store.n.Load() - before; n < 1 || n > 3 {
		t.Errorf("20 dropped indexes are swept in %d writes", n)
	}
	holds(t, ds, "i. 50 50", "k. 50 50")
}
