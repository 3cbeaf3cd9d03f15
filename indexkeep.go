package siftdb

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/internal/sealed"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// indexing is what one write does to the indexes of a data source. What add, replace and
// remove make of the keys is gathered, and written by writeIndexes when all is known: so
// keys that go and come again are not touched, and unique indexes judge what is left.
type indexing struct {
	states layout.Indexes
	kept   []*keptIndex    // those that are not dropped, by number
	names  *document.Names // that the fields are resolved against
	// anew says that the numbers are new ones: what is removed was never in.
	anew bool
	// moved says that some are in another phase than before.
	moved bool
	// state tells how an entry is when the write ends; nil where it is stored so already.
	state func(st *sourceTx, id int64, rec *layout.Record) (bool, error)

	rec           query.Record
	before, after index.KeySet
}

// keptIndex is an index that a write keeps.
type keptIndex struct {
	state  layout.IndexState
	def    *index.Def
	known  *resolvedFields // by the writes before
	bound  *index.Bound
	hasher *sealed.Hasher // nil when keys are stored as they are
	was    *source        // whose columns its fields were found to lead to
	events []keyEvent
	err    error // an entry that cannot be judged
}

// keyEvent is a key that comes or goes.
type keyEvent struct {
	key    []byte // as stored
	come   bool
	unique bool
	at     uint32 // where it was before they were sorted
}

// indexes returns what the write does to indexes, nil when there are none.
func (st *sourceTx) indexes() (*indexing, error) {
	if st.indexing != nil || st.head.Indexes == "" {
		return st.indexing, nil
	}
	states, err := layout.DecodeIndexes(st.head.Indexes)
	if err != nil {
		return nil, err
	}
	x := &indexing{states: states}
	for _, state := range states.List {
		if state.Phase == layout.IndexDropped {
			continue
		}
		d := st.src.indexDef(state.Number)
		if d.def == nil {
			return nil, lostIndex(st.id, state.Number)
		}
		k := &keptIndex{state: state, def: d.def, known: d.resolved, was: st.was}
		if k.hasher, err = st.t.db.indexHasher(st.t.w, st.id, state.Cipher); err != nil {
			return nil, err
		}
		x.kept = append(x.kept, k)
	}
	st.indexing = x
	return x, nil
}

func lostIndex(source, number int64) error {
	return errs.New(errs.Corrupt, "index %d of data source %d has lost its definition", number, source)
}

// indexHasher returns what the keys of an index are hashed with, nil when they are not.
func (db *DB) indexHasher(r storage.Reader, source int64, cipher byte) (*sealed.Hasher, error) {
	if cipher == 0 {
		return nil, nil
	}
	return db.ring.Hasher(r, source, cipher)
}

// bind makes sure that the fields of the indexes are resolved against the names of now.
func (x *indexing) bind(src *source) {
	for _, k := range x.kept {
		if k.bound == nil || x.names != src.names {
			k.bound = k.known.bind(k.def, src)
		}
	}
	x.names = src.names
}

// reindex notes what the change of an entry does to the keys in indexes; nil is one that
// does not exist.
func (st *sourceTx) reindex(before, after *layout.Record) error {
	x, err := st.indexes()
	if err != nil || x == nil || x.anew && after == nil {
		return err
	}
	x.bind(st.src)
	for _, k := range x.kept {
		x.change(k, st.id, before, after)
	}
	return nil
}

// change is reindex for one index.
func (x *indexing) change(k *keptIndex, source int64, before, after *layout.Record) {
	rec := after
	if rec == nil {
		rec = before
	}
	if k.state.Phase == layout.IndexBuilding && rec.ID >= k.state.Upto {
		return // it comes to that later
	}
	if before != nil && after != nil && !x.anew && k.settled() &&
		k.bound.Untouched(document.Stored(before.Doc, x.names), document.Stored(after.Doc, x.names)) {
		return
	}
	old, now := &x.before, &x.after
	x.keys(k, old, before)
	x.keys(k, now, after)
	k.count(old, -1)
	k.count(now, 1)
	if k.def.Unique && now.Traits()&index.Many != 0 && k.err == nil {
		k.err = unjudgeable(source, rec.ID, k.def)
	}
	for i, j := 0, 0; i < old.Len() || j < now.Len(); {
		c := 0
		switch {
		case j == now.Len():
			c = -1
		case i == old.Len():
			c = 1
		default:
			c = bytes.Compare(old.Key(i), now.Key(j))
		}
		switch {
		case c < 0:
			k.events = append(k.events, keyEvent{key: k.stored(source, old.Key(i), rec.ID)})
		case c > 0:
			k.events = append(k.events, keyEvent{key: k.stored(source, now.Key(j), rec.ID), come: true, unique: k.def.Unique && now.Unique(j)})
		case k.def.Unique && old.Unique(i) != now.Unique(j): // the key stays, and what it stands for does not
			k.events = append(k.events, keyEvent{key: k.stored(source, old.Key(i), rec.ID)})
			k.events = append(k.events, keyEvent{key: k.stored(source, now.Key(j), rec.ID), come: true, unique: now.Unique(j)})
		}
		if c <= 0 {
			i++
		}
		if c >= 0 {
			j++
		}
	}
}

// settled reports whether what the index holds of an entry needs no look when it stays as it is:
// a unique one may hold entries that cannot be judged, and a write of such says so.
func (k *keptIndex) settled() bool { return !k.def.Unique || statsOf(k.state.Counts).Many == 0 }

// keys fills a set with the keys of an entry; of none for nil.
func (x *indexing) keys(k *keptIndex, set *index.KeySet, rec *layout.Record) {
	if rec == nil {
		*set = index.KeySet{}
		return
	}
	fillRecord(&x.rec, rec, x.names)
	k.bound.Keys(set, &x.rec)
}

func (k *keptIndex) count(set *index.KeySet, sign int64) { addCounts(&k.state.Counts, set, sign) }

// addCounts adds the keys of an entry to what is counted of an index.
func addCounts(c *layout.IndexCounts, set *index.KeySet, sign int64) {
	stats := statsOf(*c)
	stats.Add(set, sign)
	*c = layout.IndexCounts{stats.Entries, stats.Keys, stats.Numbers, stats.Multi, stats.Cut, stats.Mixed, stats.Many}
}

// statsOf returns what is counted of an index.
func statsOf(c layout.IndexCounts) index.Stats {
	return index.Stats{Entries: c[0], Keys: c[1], Numbers: c[2], Multi: c[3], Cut: c[4], Mixed: c[5], Many: c[6]}
}

// stored returns a key as it is stored.
func (k *keptIndex) stored(source int64, key []byte, id int64) []byte {
	return k.appendStored(make([]byte, 0, layout.IndexKeySize(len(key))), source, key, id)
}

func (k *keptIndex) appendStored(dst []byte, source int64, key []byte, id int64) []byte {
	if k.hasher == nil {
		return layout.AppendIndexKey(dst, source, k.state.Number, key, id)
	}
	var room [sealed.HashSize]byte
	return layout.AppendIndexKey(dst, source, k.state.Number, k.hasher.Append(room[:0], k.state.Number, key), id)
}

// writeIndexes writes what has been gathered of keys, and what is known of the indexes into
// the head.
func (st *sourceTx) writeIndexes() error {
	x := st.indexing
	if st.head.Indexes == "" && x == nil {
		return nil
	}
	if !st.t.staged { // what becomes of definitions counts with the head, which the last one writes
		if err := st.confirmFields(); err != nil {
			return err
		}
	}
	if x = st.indexing; x == nil {
		return nil
	}
	for _, k := range x.kept {
		if k.err != nil {
			return k.err
		}
		if err := st.writeKeys(k); err != nil {
			return err
		}
		k.events = nil
		*x.states.Find(k.state.Number) = k.state
	}
	st.head.Indexes = x.states.Encode()
	if !x.moved {
		return nil
	}
	if x.unfinished() {
		return st.t.w.Put(layout.Catalog, layout.IndexingKey(st.id), []byte{})
	}
	return st.t.w.Delete(layout.Catalog, layout.IndexingKey(st.id))
}

// unfinished reports whether there is something left to do for the indexes.
func (x *indexing) unfinished() bool {
	return slices.ContainsFunc(x.states.List, func(s layout.IndexState) bool { return s.Phase != layout.IndexReady })
}

// writeKeys writes the keys of one index: those that go before those that come, so that a
// unique index judges what is left in the end.
func (st *sourceTx) writeKeys(k *keptIndex) error {
	if k.lists() {
		return st.writeLists(k)
	}
	w := st.t.w
	k.settle()
	come := make([]keyEvent, 0, len(k.events))
	for _, e := range k.events {
		if e.come {
			come = append(come, e)
			continue
		}
		if err := w.Delete(layout.Index, e.key); err != nil {
			return err
		}
	}
	for _, e := range come {
		if err := w.Put(layout.Index, e.key, []byte{}); err != nil {
			return err
		}
	}
	if k.def.Unique {
		return st.judge(k, come)
	}
	return nil
}

// settle puts the events in order of their keys and leaves one of each key that comes out as
// another than it was.
func (k *keptIndex) settle() {
	if len(k.events) > 1 {
		for i := range k.events { // a stable sort takes much longer
			k.events[i].at = uint32(i)
		}
		slices.SortFunc(k.events, func(a, b keyEvent) int {
			if c := bytes.Compare(a.key, b.key); c != 0 {
				return c
			}
			return cmp.Compare(a.at, b.at)
		})
	}
	kept := k.events[:0]
	for i := 0; i < len(k.events); {
		j, net := i, 0
		for ; j < len(k.events) && bytes.Equal(k.events[j].key, k.events[i].key); j++ {
			if net--; k.events[j].come {
				net += 2
			}
		}
		last := k.events[j-1]
		if i = j; net != 0 || last.unique {
			last.come = net >= 0
			kept = append(kept, last)
		}
	}
	k.events = kept
}
