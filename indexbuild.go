package siftdb

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/internal/sealed"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// An index is built in runs of entries by their ids. The keys of a run are made and sorted on
// snapshots, with nobody held up, and written in one transaction, which makes them anew for
// what was changed meanwhile, and moves IndexState.Upto. Writes keep what lies below that.
const (
	runTouched = 10_000 // entries changed meanwhile, at most
	sweepKeys  = 20_000 // keys of a dropped index that go in one transaction
	runTries   = 3
)

// indexSizes bound a run.
type indexSizes struct {
	run  int64 // bytes of keys, with what they take in memory beside
	rest int   // entries whose keys are made within the transaction

	sorted int64 // entries above which all keys are sorted before any are written
	batch  int   // keys of these that are written in one transaction
}

var defaultIndexSizes = indexSizes{16 << 20, 2000, 20_000, 20_000}

// finishIndexes builds what there is to be built of the indexes of a data source, and removes
// what is left of dropped ones. A unique index that cannot be is dropped; the error is told if
// it has the name.
func (db *DB) finishIndexes(ctx context.Context, id int64, name string) error {
	select {
	case db.indexer.at <- struct{}{}:
		defer func() { <-db.indexer.at }()
	case <-ctx.Done():
		return ctx.Err()
	}
	var conflict error
	for tries, sorts := 0, 0; ; {
		var ready, more bool
		todo, err := db.unfinished(ctx, id)
		if err != nil {
			return err
		}
		state, def := todo.state, todo.def
		switch {
		case state == nil:
			return conflict
		case state.Phase == layout.IndexDropped:
			err = db.sweepIndexes(ctx, id)
		case todo.left:
			err = db.restartIndex(ctx, id, state.Number)
		case todo.large && sorts < runTries:
			sorts++
			ready, more, err = db.sortIndex(ctx, id, *state, def)
		default:
			ready, more, err = db.buildRun(ctx, id, *state, def, tries < runTries)
		}
		switch {
		case errors.Is(err, errMoved):
			tries++
			continue
		case isConflicting(err) && state.Phase == layout.IndexBuilding:
			if def.Name == name {
				conflict = err
			}
			err = db.giveUp(ctx, id, state.Number)
		case err == nil && ready && def.Name == name:
			if more {
				db.indexer.begin(db)
			}
			return nil
		}
		if err != nil {
			return err
		}
		tries = 0
	}
}

func isConflicting(err error) bool {
	return errors.Is(err, ErrConflict) || errors.Is(err, ErrInvalidInput)
}

// indexTask is an index that there is something to do for.
type indexTask struct {
	state *layout.IndexState // nil when there is none
	def   *index.Def         // nil for one that was dropped
	left  bool               // there are keys that nothing tells of
	large bool               // it is to be sorted as a whole
}

// unfinished returns an index that there is something to do for.
func (db *DB) unfinished(ctx context.Context, id int64) (todo indexTask, err error) {
	err = db.view(ctx, func(r storage.Reader) error {
		head, ok, err := layout.ReadHead(r, id)
		if err != nil || !ok || head.Indexes == "" {
			return err
		}
		src, err := db.catalog.refresh(r, id, head)
		if err != nil {
			return err
		}
		states, err := layout.DecodeIndexes(head.Indexes)
		if err != nil {
			return err
		}
		for _, phase := range []layout.IndexPhase{layout.IndexDropped, layout.IndexBuilding} {
			for i := range states.List {
				if s := &states.List[i]; s.Phase == phase {
					todo = indexTask{state: s, def: src.index(s.Number)}
					if phase == layout.IndexBuilding {
						return db.inspect(r, id, head, &todo)
					}
					return nil
				}
			}
		}
		return nil
	})
	return todo, err
}

// inspect looks at what there is of an index that is being built.
func (db *DB) inspect(r storage.Reader, id int64, head layout.Head, todo *indexTask) error {
	if todo.def == nil {
		return lostIndex(id, todo.state.Number)
	}
	if todo.state.Upto > 0 {
		return nil
	}
	_, inMemory := db.engine.(storage.Forker)
	todo.large = !inMemory && head.Count > db.indexer.sizes.sorted
	from, to := layout.IndexRange(id, todo.state.Number)
	c := r.Scan(layout.Index, from, to, false)
	_, _, todo.left = c.Next()
	return c.Err()
}

// giveUp drops an index that cannot be built.
func (db *DB) giveUp(ctx context.Context, id, number int64) error {
	return db.indexWrite(ctx, id, func(st *sourceTx, x *indexing) error {
		if s := x.states.Find(number); s == nil || s.Phase != layout.IndexBuilding {
			return nil
		}
		return st.dropIndex(number)
	})
}

// indexWrite makes a write that concerns the indexes of a data source, which may be in the
// trash, or purged: then there is nothing to do.
func (db *DB) indexWrite(ctx context.Context, id int64, fn func(*sourceTx, *indexing) error) error {
	_, err := db.write(ctx, nil, func(t *tx) error {
		t.ids = true
		st, err := t.source(id, true)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		x, err := st.ownIndexes()
		if err != nil {
			return err
		}
		if err := fn(st, x); err != nil {
			return err
		}
		return st.flush() // so that what a unique index says is known to be about this
	})
	return err
}

// sweepIndexes removes some keys of dropped indexes, and with the last of each its state. Small
// ones go together: staged writes leave several at a time, and may do so again and again.
func (db *DB) sweepIndexes(ctx context.Context, id int64) error {
	return db.indexWrite(ctx, id, func(st *sourceTx, x *indexing) error {
		left := sweepKeys
		for _, s := range slices.Clone(x.states.List) {
			if s.Phase != layout.IndexDropped {
				continue
			}
			if done, err := st.sweepIndex(x, s.Number, &left); err != nil || !done {
				return err
			}
		}
		return nil
	})
}

// sweepIndex is sweepIndexes for one. left is how many keys may go.
func (st *sourceTx) sweepIndex(x *indexing, number int64, left *int) (done bool, err error) {
	from, to := layout.IndexRange(st.id, number)
	c := sealed.Raw(st.t.w).Scan(layout.Index, from, to, false)
	for key, _, ok := c.Next(); ok; key, _, ok = c.Next() {
		if *left--; *left < 0 {
			return false, st.t.w.DeleteRange(layout.Index, from, bytes.Clone(key))
		}
	}
	if err := c.Err(); err != nil {
		return false, err
	}
	x.moved = true
	x.states.List = slices.DeleteFunc(x.states.List, func(s layout.IndexState) bool { return s.Number == number })
	return true, st.t.w.DeleteRange(layout.Index, from, to)
}

// indexRun are the keys of some entries, as they were in some states after commit.
type indexRun struct {
	commit  int64
	from    int64 // the ids are from
	to      int64 // up to, not including
	last    bool  // there were no others
	keys    []keyEvent
	entries []runEntry
}

// runEntry is what an entry adds to the counts of an index.
type runEntry struct {
	id     int64
	counts [len(layout.IndexCounts{})]uint16
}

// buildRun adds a run of entries to an index, and reports whether it is ready then, and
// whether there is more to do. A small run makes no keys outside of the transaction. errMoved
// says that too much has changed meanwhile.
func (db *DB) buildRun(ctx context.Context, id int64, state layout.IndexState, def *index.Def, large bool) (ready, more bool, err error) {
	run := &indexRun{from: state.Upto, to: state.Upto}
	if large {
		claim := db.snapshots.register(db.published.Load())
		defer db.snapshots.release(claim)
		for first, done := true, false; !done; first = false {
			if done, err = db.collect(ctx, id, state, def, run, claim, first); err != nil {
				return false, false, err
			}
		}
		sortKeys(run.keys)
	}
	return db.joinRun(ctx, id, state, run, func(st *sourceTx, k *keptIndex) error { return st.takeRun(k, run) })
}

// joinRun makes a run part of an index, with take, in one transaction.
func (db *DB) joinRun(ctx context.Context, id int64, state layout.IndexState, run *indexRun, take func(*sourceTx, *keptIndex) error) (ready, more bool, err error) {
	err = db.indexWrite(ctx, id, func(st *sourceTx, x *indexing) error {
		i := slices.IndexFunc(x.kept, func(k *keptIndex) bool { return k.state.Number == state.Number })
		if i < 0 || x.kept[i].state.Phase != layout.IndexBuilding || x.kept[i].state.Upto != run.from {
			return errMoved
		}
		k := x.kept[i]
		x.bind(st.src)
		if err := take(st, k); err != nil {
			return err
		}
		err := st.takeRest(k)
		*x.states.Find(k.state.Number) = k.state
		ready, more = k.state.Phase == layout.IndexReady, x.unfinished()
		return err
	})
	return ready, more, err
}

// collect adds the keys of some entries to a run, and returns true when it is complete.
func (db *DB) collect(ctx context.Context, id int64, state layout.IndexState, def *index.Def, run *indexRun, claim *snapshot, first bool) (done bool, err error) {
	err = db.view(ctx, func(r storage.Reader) error {
		head, ok, err := layout.ReadHead(r, id)
		if err != nil || !ok {
			done = true
			return err
		}
		src, err := db.catalog.refresh(r, id, head)
		if err != nil {
			return err
		}
		if first {
			meta, _, err := layout.ReadMeta(r)
			if err != nil {
				return err
			}
			run.commit = meta.Commit
			db.snapshots.move(claim, meta.Commit)
		}
		k := &keptIndex{state: state, def: def, bound: def.Bind(src.schema())}
		if k.hasher, err = db.indexHasher(r, id, state.Cipher); err != nil {
			return err
		}
		done, err = run.fill(r, k, src, id, head.NextID, db.indexer.sizes.run)
		return err
	})
	return done, err
}

// fill adds the keys of entries until the run is full, the budget spent, or there are none.
func (run *indexRun) fill(r storage.Reader, k *keptIndex, src *source, id, end, most int64) (done bool, err error) {
	b := newBudget()
	size := int64(len(run.entries)) * keyWeight
	for _, e := range run.keys {
		size += int64(len(e.key)) + keyWeight
	}
	var rec layout.Record
	var to query.Record
	var set index.KeySet
	var room keyRoom
	c := r.Scan(layout.Entries, layout.EntryKey(id, run.to), layout.EntryKey(id, max(end, run.to)), false)
	for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
		if size > most {
			return true, nil
		}
		if b.spent() {
			return false, nil
		}
		if err := rec.DecodeEntry(key, value); err != nil {
			return false, err
		}
		run.to = rec.ID + 1
		if rec.Changed > run.commit { // touched since, or by a commit to come, which may not come
			continue
		}
		fillRecord(&to, &rec, src.names)
		k.bound.Keys(&set, &to)
		if k.def.Unique && set.Traits()&index.Many != 0 {
			return false, unjudgeable(id, rec.ID, k.def)
		}
		var counts layout.IndexCounts
		addCounts(&counts, &set, 1)
		e := runEntry{id: rec.ID}
		for i, n := range counts {
			e.counts[i] = uint16(n)
		}
		run.entries = append(run.entries, e)
		for i := range set.Len() {
			stored := room.append(k, id, set.Key(i), rec.ID)
			run.keys = append(run.keys, keyEvent{key: stored, come: true, unique: k.def.Unique && set.Unique(i)})
			size += int64(len(stored)) + keyWeight
		}
		size += keyWeight
	}
	run.to, run.last = max(end, run.to), true
	return true, c.Err()
}

// keyRoom is where the keys of a run lie.
type keyRoom []byte

const keyChunk = 4 << 10

// append returns a key as it is stored.
func (m *keyRoom) append(k *keptIndex, source int64, key []byte, id int64) []byte {
	if cap(*m)-len(*m) < layout.IndexKeySize(max(len(key), sealed.HashSize)) {
		*m = make([]byte, 0, max(keyChunk, layout.IndexKeySize(max(len(key), sealed.HashSize))))
	}
	at := len(*m)
	*m = k.appendStored(*m, source, key, id)
	return (*m)[at:len(*m):len(*m)]
}

// keyWeight is what a key takes in memory beside its bytes.
const keyWeight = 64

// takeRun adds a run to an index.
func (st *sourceTx) takeRun(k *keptIndex, run *indexRun) error {
	touched, err := st.touchedWithin(run)
	if err != nil {
		return err
	}
	if st.head.Floor > run.commit && run.to > run.from {
		return errMoved // what was touched is not known any more
	}
	k.state.Upto = run.to
	for _, e := range run.entries {
		if touched[e.id] {
			continue
		}
		for i, n := range e.counts {
			k.state.Counts[i] += int64(n)
		}
	}
	k.events = slices.Grow(k.events, len(run.keys))
	for _, e := range run.keys {
		if _, _, id, _ := layout.IndexParts(e.key); len(touched) == 0 || !touched[id] {
			k.events = append(k.events, e)
		}
	}
	var rec layout.Record
	for id := range touched {
		ok, err := st.get(id, &rec)
		if err != nil {
			return err
		}
		if ok {
			st.indexing.change(k, st.id, nil, &rec)
		}
	}
	return nil
}

// touchedWithin returns the entries of a run that were changed since.
func (st *sourceTx) touchedWithin(run *indexRun) (map[int64]bool, error) {
	touched := make(map[int64]bool)
	if run.to == run.from || st.head.Last <= run.commit {
		return touched, nil
	}
	for v, err := range history.Range(st.t.w, st.id, run.commit+1, 0, false) {
		if err != nil {
			return nil, err
		}
		for _, set := range []history.IDSet{v.Inserted, v.Updated, v.Deleted} {
			for _, ids := range set {
				for id := max(ids.First, run.from); id <= min(ids.Last, run.to-1); id++ {
					touched[id] = true
				}
				if len(touched) > runTouched {
					return nil, errMoved
				}
			}
		}
	}
	return touched, nil
}

// takeRest adds entries to an index, if they are not too many all that are left: then it is
// ready, and takes the place of one of the same name.
func (st *sourceTx) takeRest(k *keptIndex) error {
	var rec layout.Record
	end := max(st.head.NextID, k.state.Upto)
	c := st.t.w.Scan(layout.Entries, layout.EntryKey(st.id, k.state.Upto), layout.EntryKey(st.id, end), false)
	n := 0
	for key, value, ok := c.Next(); ok; key, value, ok = c.Next() {
		if n++; n > st.t.db.indexer.sizes.rest {
			return nil
		}
		if err := rec.DecodeEntry(key, value); err != nil {
			return err
		}
		k.state.Upto = rec.ID + 1
		st.indexing.change(k, st.id, nil, &rec)
	}
	if err := c.Err(); err != nil {
		return err
	}
	k.state.Phase, k.state.Upto = layout.IndexReady, 0
	st.indexing.moved = true
	for _, other := range slices.Clone(st.indexing.kept) {
		if other.def.Name == k.def.Name && other.state.Number < k.state.Number {
			if err := st.dropIndex(other.state.Number); err != nil {
				return err
			}
		}
	}
	return nil
}
