package siftdb

import (
	"math"
	"slices"

	"github.com/siftdb/siftdb/internal/layout"
)

// copy returns what a write has come to with indexes, for its next transaction.
func (x *indexing) copy() *indexing {
	if x == nil {
		return nil
	}
	other := &indexing{states: x.states, names: x.names, anew: x.anew, moved: x.moved}
	other.states.List = slices.Clone(x.states.List)
	for _, k := range x.kept {
		own := *k
		own.events = slices.Clone(k.events)
		other.kept = append(other.kept, &own)
	}
	return other
}

// renewIndexes has a bulk write that replaces all entries in several transactions fill its
// indexes from the beginning, under new numbers, which nobody knows before the last one.
func (st *sourceTx) renewIndexes() error {
	x, err := st.indexes()
	if err != nil || x == nil {
		return err
	}
	old := x.kept
	x.kept, x.anew = nil, true
	for _, k := range old {
		if slices.ContainsFunc(old, func(o *keptIndex) bool {
			return o.def.Name == k.def.Name && o.state.Number > k.state.Number
		}) {
			continue
		}
		fresh, err := st.newIndex(k.def)
		if err != nil {
			return err
		}
		fresh.state.Upto = math.MaxInt64
	}
	return nil
}

// swapIndexes makes the indexes that renewIndexes began those of the data source.
func (st *sourceTx) swapIndexes() error {
	x := st.indexing
	if x == nil || !x.anew {
		return nil
	}
	fresh := make(map[int64]bool)
	for _, k := range x.kept {
		fresh[k.state.Number] = true
		k.state.Phase, k.state.Upto = layout.IndexReady, 0
	}
	for _, s := range slices.Clone(x.states.List) {
		if !fresh[s.Number] && s.Phase != layout.IndexDropped {
			if err := st.dropIndex(s.Number); err != nil {
				return err
			}
		}
	}
	for _, k := range x.kept {
		if err := st.defineIndex(newIndexDef(k.state.Number, k.def)); err != nil {
			return err
		}
	}
	st.t.indexes = true
	return nil
}
