package siftdb

import (
	"context"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// resealIndexes builds the indexes of a data source anew whose keys are not stored as its
// values are stored from now on, and removes the former keys. Until a new one is ready the
// former one is kept, so that what is unique stays so.
func (db *DB) resealIndexes(ctx context.Context, id int64) error {
	err := db.indexWrite(ctx, id, func(st *sourceTx, x *indexing) error {
		keys, _, err := layout.ReadKeys(st.t.w, id)
		if err != nil {
			return err
		}
		for _, k := range x.kept[:len(x.kept):len(x.kept)] {
			if k.state.Cipher == keys.Target || x.hasNewer(k) {
				continue
			}
			if err := st.addIndex(k.def); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = db.finishIndexes(ctx, id, "")
	}
	if err != nil {
		return err
	}
	return db.view(ctx, func(r storage.Reader) error {
		keys, _, err := layout.ReadKeys(r, id)
		if err != nil {
			return err
		}
		return sealedWith(r, id, keys.Target)
	})
}

// sealedWith makes sure that no index needs another key than one.
func sealedWith(r storage.Reader, id int64, target byte) error {
	head, _, err := layout.ReadHead(r, id)
	if err != nil {
		return err
	}
	states, err := layout.DecodeIndexes(head.Indexes)
	if err != nil {
		return err
	}
	for _, s := range states.List {
		if s.Phase != layout.IndexDropped && s.Cipher != target {
			return errs.New(errs.Internal, "index %d of data source %d has keys made with key %d, and not with key %d", s.Number, id, s.Cipher, target)
		}
	}
	return nil
}
