package siftdb

import (
	"context"
	"errors"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
)

// findGuarded is FindByID for a principal: rules judge the stored entry, and one that
// does not exist as one without columns (spec 11.6, 11.10).
func (ds *DataSource) findGuarded(ctx context.Context, id int64) (*Entry, error) {
	e, missing := ds.lookup(ctx, id)
	if missing != nil && (!isMissing(missing) || ds.db.off.has(guardUnknown)) {
		return nil, missing
	}
	guarded, grant, err := ds.authorize(ctx, byID(security.Select, id, e))
	if err != nil || missing != nil {
		return nil, firstError(err, missing)
	}
	e = guarded.show(e)
	if ok, err := guarded.meets(ctx, grant, e); err != nil || !ok {
		return nil, firstError(err, unknownEntry(ds.id, id))
	}
	return e, nil
}

// meets reports whether an entry, as the handle shows it, is one of those to which a
// script has limited a select.
func (ds *DataSource) meets(ctx context.Context, grant *security.Grant, e *Entry) (bool, error) {
	if grant == nil || grant.Where.Kind() != document.Object || ds.db.off.has(guardMeets) {
		return true, nil
	}
	if err := usable(grant.Where); err != nil {
		return false, err
	}
	m, err := query.Compile(grant.Where, query.ForDataSource())
	if err != nil {
		return false, err
	}
	src, err := ds.reach(ctx)
	if err != nil {
		return false, err
	}
	var test matching
	test.bindTo(ds.id, ds.veil.over(src), m)
	rec := e.record()
	return test.match(&rec)
}

// seeing returns the handle through which the principal sees an entry: nil when a get by
// id would refuse it.
func (ds *DataSource) seeing(ctx context.Context, e *Entry) (*DataSource, error) {
	guarded, grant, err := ds.authorize(ctx, byID(security.Select, e.ID, e))
	if isDenied(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ok, err := guarded.meets(ctx, grant, guarded.show(e))
	if err != nil || !ok {
		return nil, err
	}
	return guarded, nil
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

// lookup is findByID for what rules judge: an id that no entry can have is missing,
// too.
func (ds *DataSource) lookup(ctx context.Context, id int64) (*Entry, error) {
	if id <= 0 {
		return nil, &Error{Code: errs.NotFound, DataSourceID: ds.id, EntryID: -1, Message: "entry " + itoa(id) + " of data source " + itoa(ds.id) + " does not exist"}
	}
	return ds.findByID(ctx, id)
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
	if ds.veil == nil || e == nil || ds.db.off.has(guardShow) {
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
	values, _, err := ds.grantSending(ctx, req, values, flat)
	return values, err
}

// grantSending is sending, and returns the grant as well; nil where no rules apply.
func (ds *DataSource) grantSending(ctx context.Context, req security.Request, values []any, flat bool) ([]any, *security.Grant, error) {
	if ds.db.as == nil || len(values) == 0 {
		return values, nil, nil
	}
	if _, err := ds.reach(ctx); err != nil || ds.db.as.Admin {
		return values, nil, err
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
			return nil, nil, err
		}
		if flat {
			sent = document.Of(withoutKeys{sent, reservedKeys})
		}
		req.Data[i] = sent
	}
	_, grant, err := ds.authorize(ctx, req)
	if err != nil || grant == nil {
		return values, nil, err
	}
	granted := make([]any, len(grant.Data))
	for i, v := range grant.Data {
		granted[i] = v
	}
	if len(granted) != len(values) {
		return nil, nil, errs.New(errs.Internal, "the rules of data source %d returned %d rows for %d", ds.id, len(granted), len(values))
	}
	return granted, grant, nil
}

// written returns an entry as the principal that wrote it may see it: what a get by id
// would show, and where that is not granted the columns that it sent and the rules let
// through, apart from those that are never sent. What is written is written: an error of
// the rules now is as a refusal.
func (ds *DataSource) written(ctx context.Context, e *Entry, sent, granted any) *Entry {
	if ds.db.as.Unrestricted() || e == nil || ds.db.off.has(guardWritten) {
		return e
	}
	ctx = context.WithoutCancel(ctx)
	if guarded, err := ds.seeing(ctx, e); err == nil && guarded != nil {
		return guarded.show(e)
	}
	theirs, err := document.FromGo(sent, document.Limits{})
	ours, failed := document.FromGo(granted, document.Limits{})
	src, gone := ds.reach(ctx)
	own := *ds
	own.veil = &veil{hides: func(string) bool { return true }}
	if err == nil && failed == nil && gone == nil {
		never := (*security.Policy)(nil).Visible(nil, false).Without(src.def.excluded()...)
		own.veil.hides = func(c string) bool {
			return theirs.Field(c).Kind() == document.Absent || ours.Field(c).Kind() == document.Absent || never.Hides(c)
		}
	}
	return own.show(e)
}

func isDenied(err error) bool {
	e, ok := err.(*Error)
	return ok && (e.Code == errs.Denied || e.Code == errs.Unauthorised)
}

// writing refuses writes by nobody, and to data sources that the principal does not
// see, whatever they do.
func (ds *DataSource) writing(ctx context.Context) error {
	if ds.db.as == nil {
		return nil
	}
	_, err := ds.reach(ctx)
	if err == nil && ds.db.as.IsAnonymous() {
		err = nobody(ds.id)
	}
	return err
}

// restoring asks whether the principal may bring a version back: select, insert,
// update and delete, each granted without limits of columns (spec 9.7). last is the last
// commit that they were asked about, -1 where no rules apply.
func (ds *DataSource) restoring(ctx context.Context, version int64) (last int64, err error) {
	if err := ds.writing(ctx); err != nil || ds.db.as.Unrestricted() {
		return -1, err
	}
	src, err := ds.reach(ctx)
	if err == nil {
		last, err = ds.lastCommit(ctx)
	}
	if err != nil {
		return 0, err
	}
	policy, err := src.policy()
	if err != nil || len(src.def.excluded()) > 0 && !ds.db.off.has(guardRestore) {
		denied := &security.Denied{Operation: security.Select, Reason: "a restore would tell of columns that are never sent"}
		return 0, denied.On(src.id, src.def.Name)
	}
	for _, op := range []security.Operation{security.Select, security.Insert, security.Update, security.Delete} {
		if err := src.hopeless(ds.db, op, true); err != nil {
			return 0, err
		}
	}
	trusted := *ds
	trusted.db, trusted.veil = ds.db.As(nil), nil
	var r security.Restore
	for c, err := range trusted.Diff(ctx, Now, version) {
		switch {
		case err != nil:
			return 0, err
		case c.Created():
			r.Inserts = append(r.Inserts, c.After.doc)
		case c.Deleted():
			r.Deletes = append(r.Deletes, c.Before.doc)
		default:
			r.Updates = append(r.Updates, c.After.doc)
		}
	}
	reader := ds.lookUps(src)
	defer reader.close()
	r.Reader, r.Report = reader, ds.db.reporting(src.id)
	err = policy.DecideRestore(ctx, ds.db.as, r, ds.db.opts.Scripts)
	var denied *security.Denied
	if errors.As(err, &denied) {
		return 0, denied.On(src.id, src.def.Name)
	}
	return last, err
}

// lastCommit returns the last commit that touched the data source.
func (ds *DataSource) lastCommit(ctx context.Context) (last int64, err error) {
	err = ds.db.view(ctx, func(r storage.Reader) error {
		head, _, err := ds.db.load(r, ds.id, false)
		last = head.Last
		return err
	})
	return last, err
}

// naming asks whether a write may name columns: those of the list that no row has are
// asked for as an insert of them. A list without rows is asked for as a whole. It returns
// the rows as far as it has read them, so that they are read once.
func (ds *DataSource) naming(ctx context.Context, columns []string, data []any) ([]any, error) {
	if ds.db.as.Unrestricted() || len(columns) == 0 || ds.db.off.has(guardNaming) {
		return data, nil
	}
	src, err := ds.reach(ctx)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool)
	if len(data) > 0 {
		for _, c := range src.columns {
			known[c] = true
		}
	}
	read := make([]any, len(data))
	for i, row := range data {
		v, err := document.FromGo(row, ds.db.opts.Limits.document())
		if err != nil {
			return nil, rowError(i, err)
		}
		for key := range v.Fields() {
			known[key] = true
		}
		read[i] = v
	}
	row := query.D{}
	for _, c := range columns {
		if !known[c] {
			row = append(row, query.E{Key: c})
		}
	}
	if len(row) > 0 {
		_, _, err = ds.authorize(ctx, security.Request{Operation: security.Insert, Data: []document.Value{document.Of(row)}})
	}
	return read, err
}

// guard asks the rules about a commit: once for each kind of change that occurs, with
// the list of its data (spec 8.2). It returns the data to be stored.
func (p *preparedCommit) guard(ctx context.Context, data []any) ([]any, error) {
	if p.ds.db.as == nil {
		return data, nil
	}
	if err := p.ds.writing(ctx); err != nil || p.ds.db.as.Admin {
		return data, err
	}
	p.add = true
	data, err := p.ds.naming(ctx, p.columns, data)
	if err != nil {
		return nil, err
	}
	for _, op := range []security.Operation{security.Insert, security.Update} {
		if data, err = p.guardMembers(ctx, op, data); err != nil {
			return nil, err
		}
	}
	if err := p.look(ctx, data); err != nil {
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
	granted, grant, err := p.ds.grantSending(ctx, security.Request{Operation: op, List: true}, sent, false)
	if err != nil {
		return nil, err
	}
	if op == security.Update {
		p.grant = grant
	}
	data = slices.Clone(data)
	for n, i := range places {
		data[i] = granted[n]
	}
	return data, nil
}
