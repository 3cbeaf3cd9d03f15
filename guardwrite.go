package siftdb

import (
	"context"
	"errors"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/security"
)

// findGuarded is FindByID for a principal: rules judge the stored entry, and one that
// does not exist as one without columns (spec 11.6, 11.10).
func (ds *DataSource) findGuarded(ctx context.Context, id int64) (*Entry, error) {
	e, missing := ds.findByID(ctx, id)
	if missing != nil && !isMissing(missing) {
		return nil, missing
	}
	guarded, grant, err := ds.authorize(ctx, byID(security.Select, id, e))
	if err != nil || missing != nil {
		return nil, firstError(err, missing)
	}
	e = guarded.show(e)
	if grant != nil && grant.Where.Kind() == document.Object { // a script asks for more
		m, err := query.Compile(grant.Where, query.ForDataSource())
		if err != nil {
			return nil, err
		}
		src, err := ds.reach(ctx)
		if err != nil {
			return nil, err
		}
		var test matching
		test.bindTo(ds.id, guarded.veil.over(src), m)
		if rec := e.record(); !test.match(&rec) {
			return nil, unknownEntry(ds.id, id)
		}
	}
	return e, nil
}

// byID is a request that concerns one entry; nil is one that does not exist.
func byID(op security.Operation, id int64, e *Entry) security.Request {
	return security.Request{Operation: op, ByID: true, EntryID: id, Stored: []document.Value{dataOf(e)}}
}

// dataOf returns the data of an entry, an empty object for none.
func dataOf(e *Entry) document.Value {
	if e == nil {
		return document.Of(query.D{})
	}
	return e.doc
}

func isMissing(err error) bool {
	e, ok := err.(*Error)
	return ok && e.Code == errs.NotFound && e.EntryID != 0
}

func firstError(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// show returns an entry without what is hidden from the handle.
func (ds *DataSource) show(e *Entry) *Entry {
	if ds.veil == nil || e == nil {
		return e
	}
	shown := *e
	shown.doc = document.Stored(ds.veil.lift(e.doc.Names(), e.doc.Raw()), e.doc.Names())
	return &shown
}

// sending asks the rules about data that is to be inserted, or to be updated with, as
// it is sent. It returns what is to be stored, which a rule may have changed. Flat
// data lose the reserved keys first.
func (ds *DataSource) sending(ctx context.Context, req security.Request, values []any, flat bool) ([]any, error) {
	if ds.db.as == nil || len(values) == 0 {
		return values, nil
	}
	if _, err := ds.reach(ctx); err != nil || ds.db.as.Admin {
		return values, err
	}
	req.Data = make([]document.Value, len(values))
	for i, v := range values {
		sent, err := document.FromGo(v, ds.db.opts.Limits.document())
		if err == nil && sent.Kind() != document.Object {
			err = errs.New(errs.InvalidInput, "data must be an object")
		}
		if err != nil {
			if len(values) > 1 {
				err = rowError(i, err)
			}
			return nil, err
		}
		if flat {
			sent = document.Of(withoutKeys{sent, reservedKeys})
		}
		req.Data[i] = sent
	}
	_, grant, err := ds.authorize(ctx, req)
	if err != nil || grant == nil {
		return values, err
	}
	granted := make([]any, len(grant.Data))
	for i, v := range grant.Data {
		granted[i] = v
	}
	if len(granted) != len(values) {
		return nil, errs.New(errs.Internal, "the rules of data source %d returned %d rows for %d", ds.id, len(granted), len(values))
	}
	return granted, nil
}

// written returns an entry as the principal that wrote it may see it: what a get by id
// would show, and where that is not granted the columns that it sent.
func (ds *DataSource) written(ctx context.Context, e *Entry, sent any) (*Entry, error) {
	if ds.db.as.Unrestricted() || e == nil {
		return e, nil
	}
	guarded, _, err := ds.authorize(ctx, byID(security.Select, e.ID, e))
	if err == nil {
		return guarded.show(e), nil
	}
	if !isDenied(err) {
		return nil, err
	}
	data, err := document.FromGo(sent, document.Limits{})
	if err != nil {
		return nil, err
	}
	own := *ds
	own.veil = &veil{hides: func(c string) bool { return data.Field(c).Kind() == document.Absent }}
	return own.show(e), nil
}

func isDenied(err error) bool {
	e, ok := err.(*Error)
	return ok && (e.Code == errs.Denied || e.Code == errs.Unauthorised)
}

// blind reports whether a principal may not read a column that it sends: a write of it
// counts as a change in any case, so that nobody can guess what is stored (spec 8.2).
func (ds *DataSource) blind(ctx context.Context, values []any) (func(i int) bool, error) {
	no := func(int) bool { return false }
	if ds.db.as.Unrestricted() {
		return no, nil
	}
	src, err := ds.reach(ctx)
	if err != nil {
		return no, err
	}
	shown, err := src.shownTo(ds.db.as)
	if err != nil {
		return no, err
	}
	list := make([]bool, len(values))
	for i, v := range values {
		data, err := document.FromGo(v, document.Limits{})
		if err != nil {
			return no, err
		}
		for key := range data.Fields() {
			list[i] = list[i] || shown.hides(key)
		}
	}
	return func(i int) bool { return i < len(list) && list[i] }, nil
}

// restoring asks whether the principal may bring a version back: select, insert,
// update and delete, each granted without limits of columns (spec 9.7).
func (ds *DataSource) restoring(ctx context.Context, version int64) error {
	if ds.db.as == nil {
		return nil
	}
	src, err := ds.reach(ctx)
	if err != nil || ds.db.as.Admin {
		return err
	}
	policy, err := src.policy()
	if err != nil || len(src.def.excluded()) > 0 {
		denied := &security.Denied{Operation: security.Select, Reason: "a restore would tell of columns that are never sent"}
		return denied.On(src.id, src.def.Name)
	}
	trusted := *ds
	trusted.db, trusted.veil = ds.db.As(nil), nil
	var r security.Restore
	for c, err := range trusted.Diff(ctx, Now, version) {
		switch {
		case err != nil:
			return err
		case c.Created():
			r.Inserts = append(r.Inserts, c.After.doc)
		case c.Deleted():
			r.Deletes = append(r.Deletes, c.Before.doc)
		default:
			r.Updates = append(r.Updates, c.After.doc)
		}
	}
	err = policy.DecideRestore(ctx, ds.db.as, r, ds.db.opts.Scripts)
	var denied *security.Denied
	if errors.As(err, &denied) {
		return denied.On(src.id, src.def.Name)
	}
	return err
}

// leaving asks whether entries may be deleted.
func (ds *DataSource) leaving(ctx context.Context, entries []*Entry) error {
	if ds.db.as.Unrestricted() || len(entries) == 0 {
		return nil
	}
	req := security.Request{Operation: security.Delete, ByID: true, List: true}
	for _, e := range entries {
		req.Stored = append(req.Stored, e.doc)
	}
	_, _, err := ds.authorize(ctx, req)
	return err
}

// guard asks the rules about a commit: once for each kind of change that occurs, with
// the list of its data (spec 8.2). It returns the data to be stored.
func (p *preparedCommit) guard(ctx context.Context, data []any) ([]any, error) {
	if p.ds.db.as == nil {
		return data, nil
	}
	if _, err := p.ds.reach(ctx); err != nil || p.ds.db.as.Admin {
		return data, err
	}
	p.add = true
	var err error
	for _, op := range []security.Operation{security.Insert, security.Update} {
		if data, err = p.guardMembers(ctx, op, data); err != nil {
			return nil, err
		}
	}
	if p.blind, err = p.ds.blind(ctx, data); err != nil {
		return nil, err
	}
	return data, p.guardDeletions(ctx)
}

// guardMembers asks the rules about the inserts, or the updates, of a commit.
func (p *preparedCommit) guardMembers(ctx context.Context, op security.Operation, data []any) ([]any, error) {
	var places []int
	var sent []any
	for i, e := range p.commit.Entries {
		if (e.ID == 0) == (op == security.Insert) {
			places, sent = append(places, i), append(sent, data[i])
		}
	}
	granted, err := p.ds.sending(ctx, security.Request{Operation: op, List: true}, sent, false)
	if err != nil {
		return nil, err
	}
	data = slices.Clone(data)
	for n, i := range places {
		data[i] = granted[n]
	}
	return data, nil
}

// guardDeletions asks the rules about what the commit deletes.
func (p *preparedCommit) guardDeletions(ctx context.Context) error {
	if p.append && len(p.commit.Delete) == 0 {
		return nil
	}
	all, last, err := p.ds.snapshotAll(ctx)
	if err != nil {
		return err
	}
	kept := make(map[int64]bool)
	for _, e := range p.commit.Entries {
		kept[e.ID] = true
	}
	goes := slices.DeleteFunc(all, func(e *Entry) bool {
		return !slices.Contains(p.commit.Delete, e.ID) && (p.append || kept[e.ID])
	})
	p.last = last
	return p.ds.leaving(ctx, goes)
}

// snapshotAll reads every entry as it is stored, and the last commit that is in it.
func (ds *DataSource) snapshotAll(ctx context.Context) (entries []*Entry, last int64, err error) {
	c, err := (&Query{}).compile()
	if err != nil {
		return nil, 0, err
	}
	f := ds.finder(ctx, c, false)
	defer f.close()
	f.eager = true
	for e, err := range f.all(ctx) {
		if err != nil {
			return nil, 0, err
		}
		entries = append(entries, e)
	}
	return entries, f.last, nil
}
