package siftdb

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
)

// WriteOption adds to a write: who made it, under which label, on which condition.
type WriteOption func(*writeOptions) error

type writeOptions struct {
	source    string
	user      []byte
	ifChanged int64
	runHooks  *bool
}

// User is who made a write, as its version tells.
type User struct {
	ID        int64  `json:"id"`
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	// FullName is the first and the last name joined by a space; it is set by
	// siftdb.
	FullName string `json:"fullName"`
}

// ByUser names the user who makes a write. A user without an id is nobody.
func ByUser(u User) WriteOption {
	return func(o *writeOptions) (err error) {
		if o.user = nil; u.ID == 0 {
			return nil
		}
		u.FullName = strings.TrimSpace(u.FirstName + " " + u.LastName)
		o.user, err = json.Marshal(u)
		return err
	}
}

// WithSource gives a write a free label, which its version keeps and hooks can be
// limited to.
func WithSource(label string) WriteOption {
	return func(o *writeOptions) error {
		o.source = label
		return nil
	}
}

// IfChanged makes UpdateEntry or Remove fail with ErrConflict, and change nothing,
// unless the entry was last changed by the given commit, which is what
// Entry.Changed said when it was read. Other writes refuse it with ErrInvalidInput;
// in a Commit the condition is a field of its entries.
func IfChanged(commit int64) WriteOption {
	return func(o *writeOptions) error {
		if commit <= 0 {
			return errs.New(errs.InvalidInput, "a condition on changed needs the id of a commit")
		}
		o.ifChanged = commit
		return nil
	}
}

func makeWriteOptions(options []WriteOption) (writeOptions, error) {
	var o writeOptions
	for _, option := range options {
		if option == nil {
			continue
		}
		if err := option(&o); err != nil {
			return o, err
		}
	}
	return o, nil
}

// writable refuses writes through a handle on an old state.
func (ds *DataSource) writable() error {
	if ds.at.kind != latest {
		return &Error{Code: errs.ReadOnly, DataSourceID: ds.id, Message: "this handle reads an old state of data source " + itoa(ds.id) + " and takes no writes"}
	}
	return nil
}

// maxTries is how often a write is evaluated again when others overtake it.
const maxTries = 3

// writeRows encodes values and runs fn with them as one write. flat drops the
// reserved keys.
func (ds *DataSource) writeRows(ctx context.Context, values []any, flat bool, options []WriteOption, fn func(*sourceTx, *rows) error) (int64, error) {
	if err := ds.writable(); err != nil {
		return 0, err
	}
	encode := ds.db.encode
	if flat {
		encode = ds.db.encodeFlat
	}
	for range maxTries {
		r, err := encode(ds.db.catalog.cached(ds.id), values)
		if err != nil {
			return 0, err
		}
		commit, err := ds.db.write(ctx, options, func(t *tx) error {
			st, err := t.source(ds.id, false)
			if err != nil {
				return err
			}
			return fn(st, r)
		})
		if !errors.Is(err, errStale) {
			return commit, err
		}
		if err := ds.db.reload(ctx, ds.id); err != nil {
			return 0, err
		}
	}
	return 0, ds.overtaken()
}

// reload brings the cached part of a data source up to date.
func (db *DB) reload(ctx context.Context, id int64) error {
	return db.view(ctx, func(r storage.Reader) error {
		_, _, err := db.load(r, id, false)
		return err
	})
}

func (ds *DataSource) overtaken() error {
	return &Error{Code: errs.Conflict, DataSourceID: ds.id, Message: "the write to data source " + itoa(ds.id) + " was overtaken by others " + itoa(maxTries) + " times"}
}

// Insert stores data as a new entry and returns it. Data is an object: a struct, a
// map with string keys, json.RawMessage or []byte of JSON. The keys dataSourceId
// and dataSourceEntryId are reserved and dropped (spec 1.4); every other top-level
// key is a column.
func (ds *DataSource) Insert(ctx context.Context, data any, options ...WriteOption) (*Entry, error) {
	values, err := ds.sending(ctx, security.Request{Operation: security.Insert}, []any{data}, true)
	if err != nil {
		return nil, err
	}
	sent := values[0]
	var entry *Entry
	_, err = ds.insertRows(ctx, values, true, options, func(st *sourceTx, r *rows) ([]layout.Record, error) {
		st.begin("insert")
		recs, err := st.insertAll(r, nil)
		if err == nil {
			entry = ownEntry(st.id, st.src.names, &recs[0])
		}
		return recs, err
	})
	if err != nil {
		return nil, err
	}
	return ds.written(ctx, entry, data, sent), nil
}

// UpdateEntry merges data into an entry and returns it: keys that are sent replace
// those columns whole, a null stores null, and columns that are not sent stay
// (spec 2.2). An update that changes nothing leaves no version. An id that this
// data source does not hold is ErrNotFound.
func (ds *DataSource) UpdateEntry(ctx context.Context, id int64, data any, options ...WriteOption) (*Entry, error) {
	for range maxTries {
		judged, err := ds.updating(ctx, id, data)
		if err != nil {
			return nil, err
		}
		if err := ds.writable(); err != nil {
			return nil, err
		}
		entry, err := ds.updateJudged(ctx, id, judged, options)
		if err == nil {
			return ds.written(ctx, entry, data, judged.values[0]), nil
		}
		if !errors.Is(err, errMoved) {
			return nil, err
		}
		if err := ds.db.reload(ctx, ds.id); err != nil {
			return nil, err
		}
	}
	return nil, ds.overtaken()
}

// updateJudged is UpdateEntry with what the rules made of the data; errMoved when the
// entry is no longer the one that they judged.
func (ds *DataSource) updateJudged(ctx context.Context, id int64, judged judged, options []WriteOption) (*Entry, error) {
	entry, done, err := ds.updateHooked(ctx, id, &judged, options)
	if err != nil || done {
		return entry, err
	}
	_, err = ds.writeRows(ctx, judged.values, true, options, func(st *sourceTx, r *rows) error {
		st.begin("update")
		before, err := st.judged(id, &judged)
		if err != nil {
			return err
		}
		patch, err := st.confirm(r)
		if err != nil {
			return err
		}
		st.meet(patch[0])
		entry, err = st.changeHooked(&before, document.Merge(nil, before.Doc, patch[0]), judged.blind(), judged.counts(), judged.hooks)
		return err
	})
	return entry, err
}

// concerned sets rec to the entry that a single write is about, and checks the
// write's condition on it.
func (st *sourceTx) concerned(id int64, rec *layout.Record) error {
	ok, err := st.get(id, rec)
	if err != nil {
		return err
	}
	if !ok {
		return unknownEntry(st.id, id)
	}
	st.t.tested = true
	return st.checkChanged(rec, st.t.opts.ifChanged)
}

// checkChanged compares the commit that touched an entry last with a condition, 0
// meaning none.
func (st *sourceTx) checkChanged(rec *layout.Record, condition int64) error {
	if condition == 0 || rec.Changed == condition {
		return nil
	}
	return &Error{Code: errs.Conflict, DataSourceID: st.id, EntryID: rec.ID,
		Message: "entry " + itoa(rec.ID) + " of data source " + itoa(st.id) + " was changed since commit " + itoa(condition)}
}

func unknownEntry(source, id int64) error {
	return &Error{Code: errs.NotFound, DataSourceID: source, EntryID: id, Message: "entry " + itoa(id) + " of data source " + itoa(source) + " does not exist"}
}

// change gives an entry new data and a new order, unless both are what they were and
// force is false (spec 8.2). It returns the entry as it is now, and whether it changed.
// counts tells the columns that the limit of keys is about; nil is for all.
func (st *sourceTx) change(before *layout.Record, doc, order []byte, force bool, counts sees) (layout.Record, bool, error) {
	if !force && slices.Equal(doc, before.Doc) && slices.Equal(order, before.Order) {
		return *before, false, nil
	}
	if err := st.crowded(before, doc, counts); err != nil {
		return *before, false, err
	}
	after := *before
	after.Doc, after.Order = doc, order
	after.Changed, after.UpdatedAt = st.t.commit(), st.t.now
	return after, true, st.replace(before, &after)
}

// Remove deletes an entry for good; only a version can bring it back. An id that
// this data source does not hold is ErrNotFound.
func (ds *DataSource) Remove(ctx context.Context, id int64, options ...WriteOption) error {
	if err := ds.writable(); err != nil {
		return err
	}
	for range maxTries {
		changed, err := ds.removing(ctx, id)
		if err != nil {
			return err
		}
		_, err = ds.db.write(ctx, options, func(t *tx) error {
			st, err := t.source(ds.id, false)
			if err != nil {
				return err
			}
			st.begin("delete")
			var before layout.Record
			if err := st.concerned(id, &before); err != nil {
				return err
			}
			if changed != 0 && before.Changed != changed {
				return errStale
			}
			return st.remove(&before)
		})
		if !errors.Is(err, errStale) {
			return err
		}
	}
	return ds.overtaken()
}

// removing asks the rules whether an entry may be deleted, and returns the commit that
// changed it last, so that the write can confirm that it is still the one that they
// judged; 0 where no rules apply.
func (ds *DataSource) removing(ctx context.Context, id int64) (changed int64, err error) {
	if ds.db.as == nil {
		return 0, nil
	}
	e, missing := ds.lookup(ctx, id)
	if missing != nil && (!isMissing(missing) || ds.db.off.has(guardUnknownRemove)) {
		return 0, missing
	}
	if _, _, err := ds.authorize(ctx, byID(security.Delete, id, e)); err != nil || missing != nil {
		return 0, firstError(err, missing)
	}
	return e.Changed, nil
}

// judged is an update of one entry that the rules have let through.
type judged struct {
	values  []any // the data, in a list of one
	sees    sees  // what is seen of the entry
	unseen  names // the columns that are sent and not seen
	changed int64 // the commit that changed the entry last that they and hooks saw; 0 without
	hooks   *hooking
}

// updating asks the rules about an update of one entry.
func (ds *DataSource) updating(ctx context.Context, id int64, data any) (judged, error) {
	if ds.db.as == nil {
		return judged{values: []any{data}}, nil
	}
	e, missing := ds.lookup(ctx, id)
	if missing != nil && (!isMissing(missing) || ds.db.off.has(guardUnknownUpdate)) {
		return judged{}, missing
	}
	req := security.Request{Operation: security.Update, EntryID: id, Stored: []document.Value{dataOf(e)}}
	values, err := ds.sending(ctx, req, []any{data}, true)
	if err := firstError(err, missing); err != nil {
		return judged{}, err
	}
	l, err := ds.looking(ctx)
	if err != nil {
		return judged{}, err
	}
	seen, err := l.at(ctx, e)
	if err != nil {
		return judged{}, err
	}
	if ds.db.off.has(guardBlindUpdate) {
		return judged{values: values, sees: seen, changed: e.Changed}, nil
	}
	unseen, err := seen.unseen(values[0])
	return judged{values: values, sees: seen, unseen: unseen, changed: e.Changed}, err
}

// blind reports whether the update counts as a change in any case.
func (j judged) blind() bool { return len(j.unseen) > 0 }

// counts tells the columns that the limit of keys is about.
func (j judged) counts() sees { return j.sees.or(j.unseen) }

// BulkResult tells what a bulk write did.
type BulkResult struct {
	Version int64   // the version it left; 0 when nothing changed
	IDs     []int64 // the ids of the new entries, in the order of the rows
}

// Append adds each row as a new entry, in one atomic write. Rows are objects as
// for Insert.
func (ds *DataSource) Append(ctx context.Context, data []any, options ...WriteOption) (BulkResult, error) {
	return ds.bulk(ctx, data, bulkWrite{}, options)
}

// ReplaceWith removes every entry and adds the rows as new entries with new ids,
// in one atomic write. Without rows it empties the data source.
func (ds *DataSource) ReplaceWith(ctx context.Context, data []any, options ...WriteOption) (BulkResult, error) {
	return ds.bulk(ctx, data, bulkWrite{replace: true}, options)
}

// bulkWrite says how rows are added.
type bulkWrite struct {
	replace bool     // every other entry goes
	file    bool     // the rows are those of a file
	columns []string // of a file: the list becomes these, or gains them; nil for none
	hooks   *hooking // that do nothing, and must not have changed; nil for a write without
	commit  bool     // the rows are those of a commit, and columns its list
	label   string   // of the commit
}

func (ds *DataSource) bulk(ctx context.Context, data []any, b bulkWrite, options []WriteOption) (BulkResult, error) {
	for range maxTries {
		result, err := ds.bulkOnce(ctx, data, b, options)
		if !errors.Is(err, errMoved) {
			return result, err
		}
		if err := ds.db.reload(ctx, ds.id); err != nil {
			return BulkResult{}, err
		}
	}
	return BulkResult{}, ds.overtaken()
}

// bulkOnce is one try; errMoved when what goes is not what the rules judged, or the hooks
// are others by now.
func (ds *DataSource) bulkOnce(ctx context.Context, data []any, b bulkWrite, options []WriteOption) (BulkResult, error) {
	if err := ds.writing(ctx); err != nil {
		return BulkResult{}, err
	}
	if plain, err := ds.takesRows(ctx, &b, options); err != nil || plain {
		return ds.bulkRows(ctx, data, b, options, err)
	}
	var judged goes
	if b.replace && !ds.db.as.Unrestricted() {
		var err error
		if judged, err = ds.emptying(ctx, nil, nil); err != nil {
			return BulkResult{}, err
		}
	}
	data, err := ds.naming(ctx, b.columns, data)
	if err != nil {
		return BulkResult{}, err
	}
	data, err = ds.sending(ctx, security.Request{Operation: security.Insert, List: true}, data, true)
	if err != nil {
		return BulkResult{}, err
	}
	opts, err := makeWriteOptions(options)
	if err != nil {
		return BulkResult{}, err
	}
	var result BulkResult
	version, err := ds.insertRows(ctx, data, b.runsHooks(opts), options, func(st *sourceTx, r *rows) ([]layout.Record, error) {
		recs, err := st.load(r, b, judged)
		result.IDs = recordIDs(recs)
		return recs, err
	})
	if err != nil {
		return BulkResult{}, err
	}
	result.Version = version
	return result, nil
}
