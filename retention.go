package siftdb

import (
	"time"

	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
)

// retainAtOnce bounds how many versions one write drops.
const retainAtOnce = 256

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
	limit := min(st.t.db.published.Load(), st.t.db.snapshots.oldest(time.UnixMilli(st.t.now).Add(-st.t.db.opts.SnapshotAge)))
	var drop []*history.Version
	columns := st.head.Columns
	for v, err := range history.Range(st.t.w, st.id, 0, 0, false) {
		if err != nil {
			return err
		}
		kept := int(st.head.Seq-st.head.FirstSeq) + 1 - len(drop)
		tooMany := keep.Versions > 0 && kept > keep.Versions || keep.Versions == -1
		if columns = v.Columns; v.ID > limit || !tooMany && v.Time >= oldestTime || len(drop) == retainAtOnce {
			break
		}
		drop, columns = append(drop, v), st.head.Columns
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
