package siftdb

import (
	"bytes"
	"math"
	"slices"

	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/internal/sealed"
	"github.com/siftdb/siftdb/storage"
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
		if err := st.defineIndex(indexDef{k.state.Number, k.def}); err != nil {
			return err
		}
	}
	st.t.indexes = true
	return nil
}

// sweepKeysOf removes some keys from indexes that a bulk write has left behind: of entries
// whose ids were not given out, and of numbers that were not. It returns the key to go on
// from, nil at the end.
func sweepKeysOf(w storage.Writer, id int64, head layout.Head, from []byte) (next []byte, err error) {
	states, err := layout.DecodeIndexes(head.Indexes)
	if err != nil {
		return nil, err
	}
	counts := make(map[int64]bool)
	for _, s := range states.List {
		counts[s.Number] = true
	}
	n, looked := 0, 0
	lo, hi := layout.Prefix(id)
	if from != nil {
		lo = from
	}
	c := sealed.Raw(w).Scan(layout.Index, lo, hi, false)
	for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
		if looked++; looked > lookedAtOnce || n == sweptAtOnce {
			return bytes.Clone(key), nil
		}
		number, _, entry, _ := layout.IndexParts(key)
		if entry < head.NextID && counts[number] {
			continue
		}
		if len(value) > 0 && counts[number] {
			if kept, err := sweepBlock(w, key, value, head.NextID); err != nil {
				return nil, err
			} else if kept {
				continue
			}
		}
		n++
		if err := w.Delete(layout.Index, key); err != nil {
			return nil, err
		}
	}
	return nil, c.Err()
}

// sweepBlock takes the entries from an id on out of a block of an index. It reports whether the
// key stays as it is; else others hold what is left. A damaged block stays, for Check to find.
func sweepBlock(w storage.Writer, key, value []byte, end int64) (kept bool, err error) {
	ids, err := layout.ReadPostings(nil, key, value)
	if err != nil {
		return true, nil
	}
	n, _ := slices.BinarySearch(ids, end)
	if n == len(ids) {
		return true, nil
	}
	if n == 0 {
		return false, nil
	}
	l := listWriter{w: w}
	return false, l.put(bytes.Clone(listOf(key)), ids[n-1], ids[:n])
}
