package siftdb

import (
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
)

// One write drops no more versions than this, nor, but for a single large one, more
// images.
const (
	versionsAtOnce = 256
	imagesAtOnce   = 4096
)

// retain drops the oldest versions that the retention does not keep and no open
// read needs.
func (st *sourceTx) retain() error {
	keep := st.t.db.opts.Retention
	if keep.Versions == 0 && keep.Age == 0 {
		return nil
	}
	oldestTime := int64(-1)
	if keep.Age > 0 {
		oldestTime = st.t.now - keep.Age.Milliseconds()
	}
	// What is durable now is visible to every read that registers from here on.
	limit := min(st.t.db.published.Load(), st.t.db.snapshots.oldest(st.t.db.opts.SnapshotAge))
	var drop []*history.Version
	var images int64
	columns := st.head.Columns // of the oldest version that stays
	for v, err := range history.Range(st.t.w, st.id, 0, 0, false) {
		if err != nil {
			return err
		}
		kept := int(st.head.Seq-st.head.FirstSeq) + 1 - len(drop)
		tooMany := keep.Versions > 0 && kept > keep.Versions || keep.Versions == -1
		images += v.Updated.Len() + v.Deleted.Len()
		enough := len(drop) > 0 && (len(drop) == versionsAtOnce || images > imagesAtOnce)
		if v.ID > limit || !tooMany && v.Time >= oldestTime || enough {
			columns = v.Columns
			break
		}
		drop = append(drop, v)
	}
	for _, v := range drop {
		if err := history.Drop(st.t.w, st.id, v); err != nil {
			return err
		}
		st.head.Floor, st.head.FloorTime, st.head.FirstSeq = v.ID, v.Time, v.Seq+1
	}
	if len(drop) == 0 {
		return nil
	}
	return st.t.w.DeleteRange(layout.Catalog, layout.ColumnsKey(st.id, 0), layout.ColumnsKey(st.id, uint32(columns)))
}
