package siftdb

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"unsafe"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// FieldError says which part of an entry does not fit the Go type that it is decoded
// into. Reach it with errors.As.
type FieldError = document.FieldError

// Table reads and writes the entries of a data source as values of a Go type, mostly
// a struct with json tags. The zero Table cannot be used: Of makes one. What is read is decoded by the rules of encoding/json
// straight from the stored form, and what is written is encoded by them. A Table
// holds no resources and is safe for concurrent use.
//
// Reading is strict: an entry that does not fit T is an error with the code
// ErrInvalidInput, which names the entry in EntryID and the field in Path; errors.As
// with a *FieldError tells the types. Columns that T does not have are left alone.
type Table[T any] struct {
	ds      *DataSource
	decoder *document.Decoder
}

// Of returns a data source as a table of values of a type.
func Of[T any](ds *DataSource) *Table[T] {
	return &Table[T]{ds, document.DecoderFor(reflect.TypeFor[T]())}
}

// DataSource returns the data source of the table.
func (t *Table[T]) DataSource() *DataSource { return t.ds }

// Row is an entry and its data as a value of the caller's type. As JSON it is the
// entry as it is stored, whatever Value has become.
type Row[T any] struct {
	*Entry
	Value T
}

// row decodes an entry.
func (t *Table[T]) row(e *Entry) (Row[T], error) {
	r := Row[T]{Entry: e}
	if err := t.decoder.Decode(e.doc, unsafe.Pointer(&r.Value)); err != nil {
		return Row[T]{Entry: e}, e.misfit(err)
	}
	return r, nil
}

// Rows decodes entries that were found elsewhere: by a join, a live query, a feed or a
// cursor. A nil entry gives a zero Row, one without data a zero Value; a nil list stays
// nil.
func (t *Table[T]) Rows(entries []*Entry) ([]Row[T], error) {
	if entries == nil {
		return nil, nil
	}
	rows := make([]Row[T], len(entries))
	for i, e := range entries {
		if rows[i].Entry = e; e == nil || e.doc.Kind() != document.Object {
			continue
		}
		if err := t.decoder.Decode(e.doc, unsafe.Pointer(&rows[i].Value)); err != nil {
			return nil, e.misfit(err)
		}
	}
	return rows, nil
}

// misfit is the error of an entry that cannot be decoded.
func (e *Entry) misfit(cause error) error {
	err := &Error{Code: errs.InvalidInput, DataSourceID: e.DataSourceID, EntryID: e.ID, Err: cause,
		Message: "entry " + itoa(e.ID) + " of data source " + itoa(e.DataSourceID) + " does not fit the value it is decoded into"}
	var field *FieldError
	if errors.As(cause, &field) {
		err.Path = field.Path
	}
	return err
}

// Find returns the rows that a query selects, as DataSource.Find does. Columns that
// Attributes leaves out are as in a zero T.
func (t *Table[T]) Find(ctx context.Context, q Query) ([]Row[T], error) {
	if err := q.noOuter(); err != nil {
		return nil, err
	}
	entries, err := t.ds.Find(ctx, q)
	if err != nil {
		return nil, err
	}
	return t.Rows(entries)
}

// noOuter refuses outer joins, whose entries are no rows of a table.
func (q *Query) noOuter() error {
	for i := range q.Joins {
		if len(q.Joins[i].On) == 0 {
			return errs.At(errs.InvalidQuery, "join."+q.Joins[i].Name, "join %q has no pairs in on: its entries would be no rows of the table", q.Joins[i].Name)
		}
	}
	return nil
}

// FindOne returns the first row that a query selects, nil when there is none.
func (t *Table[T]) FindOne(ctx context.Context, q Query) (*Row[T], error) {
	e, err := t.ds.FindOne(ctx, q)
	if err != nil || e == nil {
		return nil, err
	}
	r, err := t.row(e)
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// FindByID returns a row by the id of its entry, ErrNotFound when there is none.
func (t *Table[T]) FindByID(ctx context.Context, id int64) (Row[T], error) {
	e, err := t.ds.FindByID(ctx, id)
	if err != nil {
		return Row[T]{}, err
	}
	return t.row(e)
}

// Each streams the rows that a query selects, as DataSource.Each does. A row that
// does not fit ends the stream.
func (t *Table[T]) Each(ctx context.Context, q Query) iter.Seq2[Row[T], error] {
	return func(yield func(Row[T], error) bool) {
		if err := q.noOuter(); err != nil {
			yield(Row[T]{}, err)
			return
		}
		for e, err := range t.ds.Each(ctx, q) {
			var r Row[T]
			if err == nil {
				r, err = t.row(e)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// Insert stores a value as a new entry and returns it as it was stored.
func (t *Table[T]) Insert(ctx context.Context, v T, options ...WriteOption) (Row[T], error) {
	e, err := t.ds.Insert(ctx, v, options...)
	if err != nil {
		return Row[T]{}, err
	}
	return t.row(e)
}

// Update merges a value into an entry and returns the row as it is then: each field
// that encoding/json would write replaces that column, and columns that T does not
// have stay. Fields with omitempty or omitzero that are empty are not written, so
// they stay too.
func (t *Table[T]) Update(ctx context.Context, id int64, v T, options ...WriteOption) (Row[T], error) {
	e, err := t.ds.UpdateEntry(ctx, id, v, options...)
	if err != nil {
		return Row[T]{}, err
	}
	return t.row(e)
}

// Remove deletes an entry for good, as DataSource.Remove does.
func (t *Table[T]) Remove(ctx context.Context, id int64, options ...WriteOption) error {
	return t.ds.Remove(ctx, id, options...)
}

// Count returns the number of entries that match, as DataSource.Count does.
func (t *Table[T]) Count(ctx context.Context, q Query) (int64, error) { return t.ds.Count(ctx, q) }

// Append adds each value as a new entry, in one atomic write.
func (t *Table[T]) Append(ctx context.Context, values []T, options ...WriteOption) (BulkResult, error) {
	data := make([]any, len(values))
	for i := range values {
		data[i] = &values[i]
	}
	return t.ds.Append(ctx, data, options...)
}

// TableCommit is a Commit whose entries are values of a type. Its other fields mean
// what they do there.
type TableCommit[T any] struct {
	Entries       []TableEntry[T]
	Append        *bool
	Delete        []int64
	Extend        bool
	Columns       []string
	ReturnEntries bool
	Source        string
}

// TableEntry is one insert or update of a TableCommit, as a CommitEntry is of a
// Commit.
type TableEntry[T any] struct {
	ID        int64 // 0 for an insert
	Value     T
	Order     any
	ClientID  string
	IfChanged int64
}

// TableResult tells what a TableCommit did. Rows are its Entries, decoded.
type TableResult[T any] struct {
	CommitResult
	Rows []Row[T]
}

// Commit applies inserts, updates and deletions in one atomic write, as
// DataSource.Commit does. A result beside an error means that the commit was applied,
// and only its rows are missing.
func (t *Table[T]) Commit(ctx context.Context, c TableCommit[T], options ...WriteOption) (*TableResult[T], error) {
	plain := Commit{Append: c.Append, Delete: c.Delete, Extend: c.Extend, Columns: c.Columns, ReturnEntries: c.ReturnEntries, Source: c.Source}
	if c.Entries != nil {
		plain.Entries = make([]CommitEntry, len(c.Entries))
	}
	for i := range c.Entries {
		e := &c.Entries[i]
		plain.Entries[i] = CommitEntry{ID: e.ID, Data: &e.Value, Order: e.Order, ClientID: e.ClientID, IfChanged: e.IfChanged}
	}
	result, err := t.ds.Commit(ctx, plain, options...)
	if result == nil {
		return nil, err
	}
	typed := &TableResult[T]{CommitResult: *result}
	if err == nil {
		typed.Rows, err = t.Rows(result.Entries)
	}
	return typed, err
}

// TableChanges are Changes with rows. Of rows that left the scope of the subscription
// only the ids are given, and Value is zero.
type TableChanges[T any] struct {
	Version                    int64
	Inserted, Updated, Deleted []Row[T]
}

// Subscribe calls fn with the changes to the data source, as DataSource.Subscribe
// does. An entry that does not fit T ends the subscription; Err tells which.
func (t *Table[T]) Subscribe(ctx context.Context, options SubscribeOptions, fn func(TableChanges[T])) (*Subscription, error) {
	if fn == nil {
		return nil, errNoCallback()
	}
	return t.ds.subscribe(ctx, options, func(c Changes) error {
		typed := TableChanges[T]{Version: c.Version}
		var err error
		for _, list := range []struct {
			from []*Entry
			to   *[]Row[T]
		}{{c.Inserted, &typed.Inserted}, {c.Updated, &typed.Updated}, {c.Deleted, &typed.Deleted}} {
			if *list.to, err = t.Rows(list.from); err != nil {
				return err
			}
		}
		fn(typed)
		return nil
	})
}
