package siftdb

import (
	"context"
	"errors"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/security"
)

// deleteQuery removes what a select would return. Nothing is deleted by omission:
// it needs a where, even an empty one (spec 4.6).
func (ds *DataSource) deleteQuery(ctx context.Context, q Query, options []WriteOption) (*Result, error) {
	if err := ds.writable(); err != nil {
		return nil, err
	}
	for range maxTries {
		result, err := ds.deleteOnce(ctx, q, options)
		if !errors.Is(err, errMoved) {
			return result, err
		}
	}
	return nil, ds.overtaken()
}

// deleteOnce is one try; errMoved when what the where selects is not what a script
// judged.
func (ds *DataSource) deleteOnce(ctx context.Context, q Query, options []WriteOption) (*Result, error) {
	ds, seen, err := ds.deleting(ctx, &q)
	if err != nil {
		return nil, err
	}
	c, err := q.compileDelete(ds.db.bounded())
	if err != nil {
		return nil, err
	}
	var n int64
	session := ds.in(ctx).session
	version, err := ds.db.write(ctx, options, func(t *tx) error {
		st, err := t.source(ds.id, false)
		if err != nil {
			return err
		}
		st.begin("query")
		ids, err := st.selectIDs(c, session, ds.selects())
		if err != nil {
			return err
		}
		n = int64(len(ids))
		var rec layout.Record
		for _, id := range ids {
			if ok, err := st.get(id, &rec); err != nil || !ok {
				return errors.Join(err, errs.New(errs.Corrupt, "entry %d of data source %d is gone", id, ds.id))
			}
			if err := seen.confirm(st, &rec); err != nil {
				return err
			}
			if err := st.remove(&rec); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Result{DeletedCount: &n, Version: version, dataSource: ds.id}, nil
}

// seenEntries are the entries that a script was asked about, with the commits that
// changed them last, and the last commit that it saw; nil where no script was asked.
type seenEntries struct {
	last    int64
	changed goes
}

// confirm makes sure that the script was asked about an entry as it is.
func (s *seenEntries) confirm(st *sourceTx, rec *layout.Record) error {
	if s == nil || s.changed.confirm(rec.ID, rec.Changed) == nil {
		return nil
	}
	if st.found.Last != s.last {
		return errMoved
	}
	denied := &security.Denied{Operation: security.Delete, Reason: "what the rules let be read of the entries makes the where select others than they were asked about"}
	return denied.On(st.id, st.src.def.Name)
}

// deleting is selecting for a delete query. A rule with a script sees what is stored of
// all that matches: what the where selects once hooks have run on it, since that is what
// goes. The where that the rules see is the one that was sent.
func (ds *DataSource) deleting(ctx context.Context, q *Query) (guarded *DataSource, seen *seenEntries, err error) {
	if err := ds.writing(ctx); err != nil {
		return nil, nil, err
	}
	scripts := false
	if !ds.db.as.Unrestricted() {
		src, err := ds.reach(ctx)
		if err == nil {
			err = src.hopeless(ds.db, security.Delete, false)
		}
		if err != nil {
			return nil, nil, err
		}
		policy, err := src.policy()
		if err != nil {
			return nil, nil, err
		}
		scripts = policy.Scripts()
	}
	if !scripts {
		guarded, err = ds.selecting(ctx, security.Delete, q)
		return guarded, nil, err
	}
	return ds.deletingSeen(ctx, q)
}

// deletingSeen is deleting where a script may be asked.
func (ds *DataSource) deletingSeen(ctx context.Context, q *Query) (*DataSource, *seenEntries, error) {
	where, err := boundedWhere(q.Where)
	if err != nil {
		return nil, nil, err
	}
	if _, err := q.compileDelete(ds.db.bounded()); err != nil {
		return nil, nil, err
	}
	hooked, err := ds.beforeQuery(ctx, q.Where)
	if err != nil {
		return nil, nil, err
	}
	if hooked != nil {
		q.Where = hooked
	}
	c, err := q.compileDelete(ds.db.bounded())
	if err != nil {
		return nil, nil, err
	}
	seen := &seenEntries{changed: make(goes)}
	req := security.Request{Operation: security.Delete, Where: where, List: true}
	f := ds.finder(ctx, c, false)
	defer f.close()
	f.eager = true
	for e, err := range f.all(ctx) {
		if err != nil {
			return nil, nil, err
		}
		req.Stored = append(req.Stored, dataOf(e))
		seen.changed[e.ID] = e.Changed
	}
	seen.last = f.last
	guarded, _, err := ds.authorize(ctx, req)
	return guarded, seen, err
}
