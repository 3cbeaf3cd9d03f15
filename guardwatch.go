package siftdb

import (
	"context"
	"errors"
	"slices"

	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
)

// Subscriptions, live queries and feeds last longer than a call, so they ask the rules
// again whenever the definition of the data source has another revision.

// errReruled ends what was read under rules that may not be the rules of now.
var errReruled = errors.New("the definition of the data source has changed")

// reruled reports whether the handle was granted under another definition than that of
// a revision. To trusted code no rules apply.
func (ds *DataSource) reruled(revision int64) bool {
	return ds.ruled != 0 && revision > ds.ruled && !ds.db.off.has(guardRuled)
}

// watch is what a subscription or a live query asks for, as its caller said it.
type watch struct {
	ds *DataSource // the caller's, before any rule was asked
	q  Query
	id int64
}

// watching checks that a principal may follow a data source, and keeps its query for
// when it has to be asked again.
func (ds *DataSource) watching(ctx context.Context, q Query, id int64) (*watch, error) {
	if ds.db.as.IsAnonymous() {
		return nil, nobody(ds.id) // what is not a plain read needs a token (spec 14.2)
	}
	w := &watch{ds: ds.in(ctx), q: q, id: id}
	if ds.db.as == nil {
		return w, nil
	}
	where, err := whereJSON(q.Where)
	if err != nil {
		return nil, err
	}
	if w.q.Where = nil; where != nil {
		w.q.Where = slices.Clone(where)
	}
	w.q.Views, w.q.Attributes, w.q.Order = slices.Clone(q.Views), slices.Clone(q.Attributes), slices.Clone(q.Order)
	return w, nil
}

// scope asks the rules, and makes what they grant.
func (w *watch) scope(ctx context.Context) (*scope, error) {
	q := w.q
	ds, err := w.ds.selecting(ctx, security.Select, &q)
	if err != nil {
		return nil, err
	}
	c, err := q.compileEntries(ds.db.bounded())
	return &scope{ds: ds, c: c, id: w.id}, err
}

// renewed is scope after the definition has changed. While the data source is in the
// trash nothing is asked, and the old scope comes back: it shows nothing then.
func (w *watch) renewed(ctx context.Context, old *scope) (*scope, error) {
	sc, err := w.scope(ctx)
	if errors.Is(err, ErrNotFound) && w.ds.trashed(ctx) {
		return old, nil
	}
	return sc, err
}

// trashed reports whether the data source lies in the trash.
func (ds *DataSource) trashed(ctx context.Context) (is bool) {
	err := ds.db.view(ctx, func(r storage.Reader) error {
		head, _, err := ds.db.load(r, ds.id, true)
		is = head.Trashed
		return err
	})
	return err == nil && is
}

// renew asks the rules again on behalf of a feed.
func (f *feed) renew(ctx context.Context) error {
	ds, err := f.asker.remembering(ctx)
	if errors.Is(err, ErrNotFound) && f.asker.trashed(ctx) {
		return nil
	}
	if err == nil {
		f.ds = ds
	}
	return err
}

// reopen returns the write at hand as the handle of now may see it.
func (f *feed) reopen(r storage.Reader) (*openWrite, error) {
	if f.open.ds == f.ds {
		return f.open, nil
	}
	v, err := history.Read(r, f.ds.id, f.open.info.ID)
	if err == nil && v == nil {
		err = historyLost(f.ds.id)
	}
	if err != nil {
		return nil, err
	}
	open, err := f.ds.openWrite(r, v)
	if err == nil {
		open.ids = f.open.ids
	}
	return open, err
}
