package siftdb

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/internal/layout"
)

// A look at every key of an index costs less than a look-up of each new one where there are
// this many keys, and new ones among them one in so many.
const (
	walkFrom = 64
	walkOf   = 32
)

// judge makes sure that keys which have come, in order, are those of one entry each.
func (st *sourceTx) judge(k *keptIndex, come []keyEvent) error {
	if len(come) >= walkFrom && k.keys() <= walkOf*int64(len(come)) {
		return st.judgeAll(k, come)
	}
	for _, e := range come {
		if !e.unique {
			continue
		}
		if other, err := st.otherHolder(k, e.key); err != nil || other != 0 {
			return firstError(err, st.conflict(k, e.key, other))
		}
	}
	return nil
}

// keys returns how many keys an index has.
func (k *keptIndex) keys() int64 { return statsOf(k.state.Counts).Keys }

// judgeAll is judge by one walk over all keys.
func (st *sourceTx) judgeAll(k *keptIndex, come []keyEvent) error {
	judged := func(stored []byte) bool {
		i, ok := slices.BinarySearchFunc(come, stored, func(e keyEvent, key []byte) int { return bytes.Compare(e.key, key) })
		return ok && come[i].unique
	}
	from, _ := layout.IndexHolders(come[0].key)
	_, to := layout.IndexHolders(come[len(come)-1].key)
	var last []byte
	c := st.t.w.Scan(layout.Index, from, to, false)
	for key, _, ok := c.Next(); ok; key, _, ok = c.Next() {
		if len(last) == len(key) && bytes.Equal(last[:len(last)-8], key[:len(key)-8]) && (judged(key) || judged(last)) {
			own := key // what else has the key?
			if !judged(own) {
				own = last
			}
			if other, err := st.otherHolder(k, own); err != nil || other != 0 {
				return firstError(err, st.conflict(k, own, other))
			}
		}
		last = append(last[:0], key...)
	}
	return c.Err()
}

// otherHolder returns another entry for which a unique index judges the same key as one that
// is stored; 0 when there is none.
func (st *sourceTx) otherHolder(k *keptIndex, stored []byte) (int64, error) {
	from, to := layout.IndexHolders(stored)
	c := st.t.w.Scan(layout.Index, from, to, false)
	for key, _, ok := c.Next(); ok; key, _, ok = c.Next() {
		if bytes.Equal(key, stored) {
			continue
		}
		_, _, id, _ := layout.IndexParts(key)
		if judged, err := st.judges(k, key, id); err != nil || judged {
			return id, err
		}
	}
	return 0, c.Err()
}

// judges reports whether uniqueness is judged on a stored key of an entry.
func (st *sourceTx) judges(k *keptIndex, stored []byte, id int64) (bool, error) {
	x, state := st.indexing, (*sourceTx).get
	if x.state != nil {
		state = x.state
	}
	var rec layout.Record
	if ok, err := state(st, id, &rec); err != nil || !ok {
		return false, err
	}
	x.bind(st.src)
	x.keys(k, &x.before, &rec)
	for i := range x.before.Len() {
		if x.before.Unique(i) && bytes.Equal(k.stored(st.id, x.before.Key(i), id), stored) {
			return true, nil
		}
	}
	return false, nil
}

// conflict is the error of a write that a unique index refuses. It tells no value. Whoever
// may not see everything is not told which index it is: its columns may be hidden.
func (st *sourceTx) conflict(k *keptIndex, stored []byte, other int64) error {
	source, def := st.id, k.def
	_, _, own, _ := layout.IndexParts(stored)
	if st.t.ids {
		return sameValue(source, def, own, other)
	}
	if !st.t.db.as.Unrestricted() {
		return &Error{Code: errs.Conflict, DataSourceID: source, Message: "another entry of data source " + itoa(source) + " has a value that may be there once only"}
	}
	return &Error{Code: errs.Conflict, DataSourceID: source, Path: fieldNames(def),
		Message: "unique index " + quoted(def.Name) + " of data source " + itoa(source) + ": another entry has the same value in " + fieldNames(def)}
}

// sameValue is the error of a unique index that cannot be made.
func sameValue(source int64, def *index.Def, one, other int64) error {
	return &Error{Code: errs.Conflict, DataSourceID: source, EntryID: min(one, other), Path: fieldNames(def),
		Message: "unique index " + quoted(def.Name) + " of data source " + itoa(source) + ": entries " + itoa(min(one, other)) + " and " + itoa(max(one, other)) + " have the same value in " + fieldNames(def)}
}

func quoted(name string) string { return strconv.Quote(name) }

// unjudgeable is the error for an entry that has more values than an index keeps.
func unjudgeable(source, id int64, def *index.Def) error {
	return &Error{Code: errs.InvalidInput, DataSourceID: source, EntryID: id,
		Message: "entry " + itoa(id) + " of data source " + itoa(source) + " has more values than a unique index can judge"}
}

// fieldNames lists the fields of an index.
func fieldNames(def *index.Def) string {
	names := make([]string, len(def.Fields))
	for i, f := range def.Fields {
		names[i] = f.Name
	}
	return strings.Join(names, ", ")
}
