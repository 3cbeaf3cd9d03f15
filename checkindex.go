package siftdb

import (
	"bytes"
	"slices"

	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/internal/sealed"
	"github.com/siftdb/siftdb/query"
)

// checkedIndex is an index that is held against the entries.
type checkedIndex struct {
	*keptIndex
	looker listLooker         // of one that lists entries in blocks
	keys   int64              // that there should be
	counts layout.IndexCounts // of the entries
}

// indexes checks that every entry has its keys in each index, and that there are no others;
// that unique indexes are; and what the head counts. It takes no memory to speak of.
func (c *checker) indexes(src *source) {
	list, ok := c.indexStates(src)
	if !ok {
		return
	}
	c.indexEntries(src, list)
	for _, x := range list {
		if x.state.Phase == layout.IndexBuilding && x.state.Upto == 0 {
			continue // keys that nothing tells of are begun anew
		}
		found := c.indexKeys(src, x)
		if c.err != nil {
			return
		}
		if found != x.keys {
			c.extraKeys(src, x)
		}
		if x.counts != x.state.Counts {
			c.find("counter", layout.Heads, 0, "index %d counts %v, where the head says %v", x.state.Number, x.counts, x.state.Counts)
		}
	}
}

// indexStates returns the indexes that there should be, and looks for what is of none.
func (c *checker) indexStates(src *source) (list []*checkedIndex, ok bool) {
	states, err := layout.DecodeIndexes(c.head.Indexes)
	if c.fault(layout.Heads, 0, err) {
		return nil, false
	}
	pending, err := layout.Indexing(c.r)
	if c.fault(layout.Catalog, 0, err) {
		return nil, false
	}
	for _, s := range states.List {
		if s.Phase != layout.IndexReady && !slices.Contains(pending, c.source) {
			c.find("counter", layout.Catalog, 0, "index %d is not finished, and nothing says so", s.Number)
		}
		if s.Phase == layout.IndexDropped {
			continue
		}
		def := src.index(s.Number)
		if def == nil {
			c.find("index-missing", layout.Catalog, 0, "index %d has no definition", s.Number)
			continue
		}
		k := &keptIndex{state: s, def: def, bound: def.Bind(src.schema())}
		if src.def.Encrypted && s.Cipher == 0 {
			c.find("plain", layout.Index, 0, "the keys of index %d are not hashed", s.Number)
		}
		if k.hasher, err = c.db.indexHasher(c.r, c.source, s.Cipher); c.fault(layout.Index, 0, err) {
			continue
		}
		list = append(list, &checkedIndex{keptIndex: k})
	}
	for _, d := range src.indexes {
		if states.Find(d.number) == nil {
			c.find("index-extra", layout.Catalog, 0, "there is a definition of index %d, which does not exist", d.number)
		}
	}
	c.strayKeys(states)
	return list, true
}

// strayKeys looks for keys of numbers that no index has.
func (c *checker) strayKeys(states layout.Indexes) {
	from, end := layout.Prefix(c.source)
	for c.err == nil {
		cur := sealed.Raw(c.r).Scan(layout.Index, from, end, false)
		key, _, ok := cur.Next()
		if c.err = cur.Err(); !ok || c.err != nil {
			return
		}
		number, _, _, ok := layout.IndexParts(key)
		if !ok {
			c.find("index-extra", layout.Index, 0, "%x is no key of an index", key)
			from = append(bytes.Clone(key), 0)
			continue
		}
		if states.Find(number) == nil && !c.staged {
			c.find("index-extra", layout.Index, 0, "there are keys of index %d, which does not exist", number)
		}
		if _, from = layout.IndexRange(c.source, number); from == nil {
			return
		}
	}
}

// indexEntries looks for the keys of every entry.
func (c *checker) indexEntries(src *source, list []*checkedIndex) {
	if len(list) == 0 || c.err != nil {
		return
	}
	var rec layout.Record
	var set index.KeySet
	var to query.Record
	from, end := layout.EntryRange(c.source, 0)
	if c.staged {
		end = layout.EntryKey(c.source, c.head.NextID)
	}
	err := sealed.Each(c.r, layout.Entries, from, end, func(key, value []byte, err error) bool {
		if err != nil || rec.DecodeEntry(key, value) != nil {
			return true // told already
		}
		if c.toCome(&rec) {
			return true
		}
		fillRecord(&to, &rec, src.names)
		for _, x := range list {
			if x.covers(rec.ID) {
				x.bound.Keys(&set, &to)
				c.hasKeys(x, &set, rec.ID)
			}
		}
		return c.err == nil && len(c.report.Findings) < maxFindings
	})
	c.err = firstError(c.err, err)
}

// covers reports whether the index should hold the keys of an entry.
func (k *keptIndex) covers(id int64) bool {
	return k.state.Phase == layout.IndexReady || id < k.state.Upto
}

func (c *checker) hasKeys(x *checkedIndex, set *index.KeySet, id int64) {
	addCounts(&x.counts, set, 1)
	for i := range set.Len() {
		x.keys++
		found, err := x.holds(c, set.Key(i), id)
		if err != nil {
			c.err = err
			return
		}
		if !found {
			x.keys--
			c.find("index-missing", layout.Index, id, "index %d lacks a key of the entry", x.state.Number)
		}
	}
}

// holds reports whether an index has a key of an entry.
func (x *checkedIndex) holds(c *checker, key []byte, id int64) (bool, error) {
	stored := x.stored(c.source, key, id)
	if x.keptIndex.lists() {
		return x.looker.holds(c.r, stored)
	}
	found, err := c.r.Get(layout.Index, stored)
	return found != nil, err
}

// indexKeys counts the keys of an index, and looks for what is there twice in a unique one.
func (c *checker) indexKeys(src *source, x *checkedIndex) (n int64) {
	var last []byte
	c.eachKey(x, func(stored []byte, id int64) {
		n++
		if !x.def.Unique {
			return
		}
		if len(last) == len(stored) && bytes.Equal(last[:len(last)-8], stored[:len(stored)-8]) {
			_, _, other, _ := layout.IndexParts(last)
			if c.judges(src, x, last, other) && c.judges(src, x, stored, id) {
				c.find("index-unique", layout.Index, id, "unique index %d has entry %d under the same key", x.state.Number, other)
			}
		}
		last = append(last[:0], stored...)
	})
	return n
}

// extraKeys looks for keys that their entries do not have.
func (c *checker) extraKeys(src *source, x *checkedIndex) {
	c.eachKey(x, func(stored []byte, id int64) {
		set, ok := c.keysOf(src, x, id)
		if !ok {
			return
		}
		if !x.covers(id) || !slices.ContainsFunc(x.all(c.source, set, id), func(key []byte) bool { return bytes.Equal(key, stored) }) {
			c.find("index-extra", layout.Index, id, "index %d has a key of the entry that this does not have", x.state.Number)
		}
	})
}

// eachKey visits the keys of an index.
func (c *checker) eachKey(x *checkedIndex, visit func(stored []byte, id int64)) {
	if c.err != nil {
		return
	}
	from, to := layout.IndexRange(c.source, x.state.Number)
	cur := sealed.Raw(c.r).Scan(layout.Index, from, to, false)
	var one, last []byte
	var ids []int64
	for key, value, ok := cur.Next(); ok && c.err == nil && len(c.report.Findings) < maxFindings; key, value, ok = cur.Next() {
		if _, _, _, ok := layout.IndexParts(key); !ok {
			continue // told already
		}
		var err error
		if ids, err = layout.ReadPostings(ids[:0], key, value); c.fault(layout.Index, 0, err) {
			continue
		}
		for _, id := range ids {
			if c.staged && id >= c.head.NextID {
				break
			}
			one = append(one[:0], key...)
			layout.SetIndexID(one, id)
			if bytes.Compare(one, last) <= 0 {
				c.find("index-extra", layout.Index, id, "index %d lists the entry twice under a key, or in no order", x.state.Number)
			}
			visit(one, id)
			one, last = last, one
		}
	}
	c.err = firstError(c.err, cur.Err())
}

// all returns the keys of an entry as they are stored.
func (k *keptIndex) all(source int64, set *index.KeySet, id int64) [][]byte {
	list := make([][]byte, set.Len())
	for i := range list {
		list[i] = k.stored(source, set.Key(i), id)
	}
	return list
}

// keysOf returns the keys of an entry, none for one that does not exist; ok is false for one
// that cannot be read.
func (c *checker) keysOf(src *source, x *checkedIndex, id int64) (set *index.KeySet, ok bool) {
	set = new(index.KeySet)
	key := layout.EntryKey(c.source, id)
	value, err := c.r.Get(layout.Entries, key)
	if err != nil || value == nil {
		return set, err == nil
	}
	var rec layout.Record
	if rec.DecodeEntry(key, value) != nil {
		return nil, false
	}
	var to query.Record
	fillRecord(&to, &rec, src.names)
	x.bound.Keys(set, &to)
	return set, true
}

// judges reports whether uniqueness is judged on a stored key of an entry.
func (c *checker) judges(src *source, x *checkedIndex, stored []byte, id int64) bool {
	set, ok := c.keysOf(src, x, id)
	if !ok {
		return false
	}
	for i, key := range x.all(c.source, set, id) {
		if set.Unique(i) && bytes.Equal(key, stored) {
			return true
		}
	}
	return false
}
