package siftdb

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/security"
)

// compileDelete checks a delete query: nothing is deleted by omission (spec 4.6).
func (q *Query) compileDelete(bounded bool) (*compiled, error) {
	for key, set := range map[string]bool{"countOnly": q.CountOnly, "includePagination": q.IncludePagination, "distinct": q.Distinct,
		"join": len(q.Joins) > 0, "aggregate": q.Aggregate != nil} {
		if set {
			return nil, errs.At(errs.InvalidQuery, key, "%s cannot be combined with type delete", key)
		}
	}
	if isNil(q.Where) && len(q.Views) == 0 {
		return nil, errs.At(errs.InvalidQuery, "where", "a delete query needs a where or a view; an empty where deletes all entries")
	}
	return q.compile(bounded)
}

// isNil reports whether a where is missing: nil, or a nil map, slice or pointer.
func isNil(where any) bool {
	switch v := reflect.ValueOf(where); v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Map, reflect.Slice, reflect.Pointer:
		return v.IsNil()
	}
	return false
}

// selectIDs returns the ids that a select would return, in its order, of the state
// that the transaction sees.
func (st *sourceTx) selectIDs(c *compiled, session *security.Session, v *veil) ([]int64, error) {
	var ids []int64
	var m matching
	src := v.over(st.src)
	seen, where, err := newSight(src, c, session)
	if err != nil {
		return nil, err
	}
	m.bindTo(st.id, src, where)
	s := &sorter{keep: -1}
	order := c.order.Bind(src.schema())
	err = st.visit(src, m.where, func(rec *layout.Record, _ query.Verdict) (bool, error) {
		if !seen.see(rec) {
			return true, nil
		}
		ok, err := m.match(rec)
		switch {
		case !ok:
		case len(c.order) > 0:
			s.add(order, &m.rec)
		default:
			ids = append(ids, rec.ID)
		}
		return err == nil, err
	})
	if err != nil {
		return nil, err
	}
	if len(c.order) > 0 {
		ids = s.sorted()
	}
	ids = ids[min(c.offset, len(ids)):]
	if c.limit >= 0 {
		ids = ids[:min(c.limit, len(ids))]
	}
	return ids, nil
}

// visit visits the entries in default order, those that a where certainly leaves out not
// always.
func (st *sourceTx) visit(src *source, where *query.Matcher, visit visitor) error {
	ids, ok, err := st.selectByIndex(src, where)
	if err != nil {
		return err
	}
	if !ok {
		scan := newScanner(st.id, latestState)
		scan.ordered = st.head.Ordered > 0
		_, err = scan.run(st.t.w, nil, visit)
		return err
	}
	places := make([]place, 0, len(ids))
	var rec layout.Record
	for _, id := range ids {
		ok, err := st.get(id, &rec)
		if err != nil {
			return err
		}
		if ok && id < st.head.NextID {
			places = append(places, place{rec.OrderValue(), id})
		}
	}
	slices.SortFunc(places, place.compare)
	for _, at := range places {
		if _, err := st.get(at.id, &rec); err != nil {
			return err
		}
		if more, err := visit(&rec, query.Unsure); err != nil || !more {
			return err
		}
	}
	return nil
}

// Patch says how UpdateWhere changes an entry.
type Patch struct {
	// Set is an object, as for Insert, whose keys replace those columns whole.
	Set any
	// Unset names columns that are removed.
	Unset []string
	// Func computes an object that is merged as Set is; nil leaves the entry alone.
	// It is called outside any transaction, and again if the entry was changed
	// meanwhile. Set and Unset are applied before what it returns.
	Func func(*Entry) (any, error)
}

// UpdateWhere changes every entry that matches, in one atomic write, and returns
// how many it changed. A nil where matches nothing by omission: it is refused,
// while an empty one matches everything. With Patch.Func the write is evaluated on
// a snapshot and applied only if neither the set of matches nor any of them has
// changed since; after three vain tries it is ErrConflict.
func (ds *DataSource) UpdateWhere(ctx context.Context, where any, patch Patch, options ...WriteOption) (int64, error) {
	if err := ds.writable(); err != nil {
		return 0, err
	}
	if err := ds.managing(ctx, "update by a where"); err != nil {
		return 0, err
	}
	if isNil(where) {
		return 0, errs.At(errs.InvalidQuery, "where", "UpdateWhere needs a where; an empty one changes all entries")
	}
	q := Query{Where: where}
	c, err := q.compile(ds.db.bounded())
	if err != nil {
		return 0, err
	}
	if patch.Set == nil {
		patch.Set = struct{}{}
	}
	u := &updateWhere{ds: ds, c: c, patch: patch, options: options}
	for range maxTries {
		n, err := u.try(ctx)
		if !errors.Is(err, errStale) {
			return n, err
		}
		if err := ds.db.reload(ctx, ds.id); err != nil {
			return 0, err
		}
	}
	return 0, ds.overtaken()
}

// updateWhere is one UpdateWhere.
type updateWhere struct {
	ds      *DataSource
	c       *compiled
	patch   Patch
	options []WriteOption
}

// evaluated is what Patch.Func said about the entries of a snapshot.
type evaluated struct {
	commit  int64           // the snapshot
	names   int64           // interned columns then
	columns int64           // the revision of the list of columns then
	changed map[int64]int64 // of every match: the commit that touched it last; foresee does not tell it
	ids     []int64         // of the entries to change
	patches []any           // for each of them
}

// try evaluates and writes once; errStale means that it must be tried again.
func (u *updateWhere) try(ctx context.Context) (n int64, err error) {
	var eval *evaluated
	values := []any{u.patch.Set}
	if u.patch.Func == nil {
		eval, err = u.foresee(ctx)
	} else if eval, err = u.evaluate(ctx); err == nil {
		values = append(values, eval.patches...)
	}
	if err != nil {
		return 0, err
	}
	r, err := u.ds.db.encodeFlat(u.ds.db.catalog.cached(u.ds.id), values)
	if err != nil {
		return 0, err
	}
	_, err = u.ds.db.write(ctx, u.options, func(t *tx) error {
		n = 0
		st, err := t.source(u.ds.id, false)
		if err != nil {
			return err
		}
		st.begin("update")
		ids, err := u.concerned(st, eval)
		if err != nil || len(ids) == 0 {
			return err // and leave the names of the patch alone
		}
		// Only now: a new column would change what the where means.
		docs, err := st.confirm(r)
		if err != nil {
			return err
		}
		n, err = u.apply(st, ids, docs[0], docs[1:])
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// concerned returns the entries to change: every match, or what was evaluated, if
// that still stands.
func (u *updateWhere) concerned(st *sourceTx, eval *evaluated) ([]int64, error) {
	if u.patch.Func != nil {
		return eval.ids, u.confirm(st, eval)
	}
	if eval != nil && st.head.Names == eval.names && st.head.Columns == eval.columns {
		if err := u.confirm(st, eval); !errors.Is(err, errStale) {
			return eval.ids, err
		}
	}
	return st.selectIDs(u.c, nil, nil) // others have written meanwhile
}

// apply changes the entries, each by the set and, if there are any, its own patch.
func (u *updateWhere) apply(st *sourceTx, ids []int64, set []byte, patches [][]byte) (int64, error) {
	var n int64
	st.meet(set)
	for i, id := range ids {
		var own []byte
		if len(patches) > 0 {
			own = patches[i]
			st.meet(own)
		}
		changed, err := u.change(st, id, set, own)
		if err != nil {
			return 0, err
		}
		if changed {
			n++
		}
	}
	return n, nil
}

// change applies the parts of the patch to one entry.
func (u *updateWhere) change(st *sourceTx, id int64, set, more []byte) (bool, error) {
	var before layout.Record
	ok, err := st.get(id, &before)
	if err != nil || !ok {
		return false, err
	}
	doc := before.Doc // which nothing below writes to
	if len(u.patch.Unset) > 0 {
		doc = document.Select(nil, doc, func(col uint16, inline string) bool {
			if inline == "" {
				inline = st.src.names.Name(col)
			}
			for _, name := range u.patch.Unset {
				if name == inline {
					return false
				}
			}
			return true
		})
	}
	doc = document.Merge(nil, doc, set)
	if more != nil {
		doc = document.Merge(nil, doc, more)
	}
	_, changed, err := st.change(&before, doc, before.Order, false, nil)
	return changed, err
}

// foreseen is how many matches of a where are looked for outside the transaction.
const foreseen = 1 << 16

// foresee finds the matches on a snapshot, where that holds up nobody and every way to find
// entries is open. It returns nil when there are too many to remember, or when the snapshot is
// gone.
func (u *updateWhere) foresee(ctx context.Context) (*evaluated, error) {
	eval := &evaluated{changed: make(map[int64]int64)}
	f := u.ds.finder(ctx, u.c, false)
	f.bare = true
	defer f.close()
	for e, err := range f.all(ctx) {
		switch {
		case errors.Is(err, ErrSnapshotGone):
			return nil, nil
		case err != nil:
			return nil, err
		case len(eval.ids) == foreseen:
			return nil, nil
		}
		eval.changed[e.ID] = 0
		eval.ids = append(eval.ids, e.ID)
	}
	eval.commit, eval.names, eval.columns = f.rd.st.commit, f.names, f.columns
	return eval, nil
}

// evaluate calls the patch function for every match of a snapshot.
func (u *updateWhere) evaluate(ctx context.Context) (*evaluated, error) {
	eval := &evaluated{changed: make(map[int64]int64)}
	f := u.ds.finder(ctx, u.c, false)
	defer f.close()
	for e, err := range f.all(ctx) {
		if err != nil {
			return nil, err
		}
		if len(eval.changed) == 0 {
			eval.names, eval.columns = f.names, f.columns
		}
		eval.changed[e.ID] = e.Changed
		patch, err := u.patch.Func(e)
		if err != nil {
			return nil, err
		}
		if patch != nil {
			eval.ids = append(eval.ids, e.ID)
			eval.patches = append(eval.patches, patch)
		}
	}
	eval.commit = f.rd.st.commit
	return eval, nil
}

// confirm makes sure that what was evaluated still stands: that the same entries
// match, and none of them has changed.
func (u *updateWhere) confirm(st *sourceTx, eval *evaluated) error {
	switch {
	case st.head.Names != eval.names || st.head.Columns != eval.columns:
		return u.confirmAll(st, eval) // a new column may change what the where means
	case st.head.Last <= eval.commit:
		return nil
	case st.head.Floor > eval.commit:
		return errStale
	}
	// Only entries touched since the snapshot can have changed anything.
	var m matching
	m.bindTo(st.id, st.src, u.c.where)
	var rec layout.Record
	for v, err := range history.Range(st.t.w, st.id, eval.commit+1, 0, false) {
		if err != nil {
			return err
		}
		for _, set := range []history.IDSet{v.Inserted, v.Updated, v.Deleted} {
			for id := range set.All() {
				if _, was := eval.changed[id]; was {
					return errStale
				}
				ok, err := st.get(id, &rec)
				if err != nil {
					return err
				}
				if ok {
					ok, err = m.match(&rec)
				}
				if err != nil {
					return err
				}
				if ok {
					return errStale
				}
			}
		}
	}
	return nil
}

// confirmAll is confirm by a look at every match.
func (u *updateWhere) confirmAll(st *sourceTx, eval *evaluated) error {
	ids, err := st.selectIDs(u.c, nil, nil)
	if err != nil {
		return err
	}
	if len(ids) != len(eval.changed) {
		return errStale
	}
	var rec layout.Record
	for _, id := range ids {
		changed, was := eval.changed[id]
		ok, err := st.get(id, &rec)
		if err != nil {
			return err
		}
		if !ok || !was || rec.Changed != changed {
			return errStale
		}
	}
	return nil
}
