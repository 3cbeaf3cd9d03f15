package siftdb

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/ohler55/ojg/jp"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
)

// Entry is one row of a data source, as one moment saw it. It owns its bytes:
// it outlives the read that returned it, and nothing changes it. Its data are
// decoded only when they are asked for. Entries are safe for concurrent use as
// long as nobody writes their fields.
type Entry struct {
	ID           int64
	DataSourceID int64
	// Order sorts entries before their ids do; 0 unless a commit set it. As JSON it
	// has the digits that it was given.
	Order     float64
	CreatedAt time.Time // UTC, in milliseconds
	UpdatedAt time.Time // UTC, in milliseconds
	// Changed is the commit that touched the entry last, for IfChanged.
	Changed int64
	// Joins is what the query's joins found for this entry, in their order; nil when
	// it had none.
	Joins []Joined

	order []byte         // the stored order; nil for 0
	doc   document.Value // the data, an object
	alone bool           // the data lie in a piece of memory of their own, not among those of others
}

// newEntry copies a record out of the storage.
func newEntry(source int64, names *document.Names, rec *layout.Record) *Entry {
	e := new(Entry)
	e.set(source, names, rec, bytes.Clone(rec.Doc))
	e.alone = true
	return e
}

// ownEntry is newEntry for a record that was made for a write and not read. A large
// document becomes the entry's, as nobody changes it; a small one may lie in a larger
// piece of memory.
func ownEntry(source int64, names *document.Names, rec *layout.Record) *Entry {
	if len(rec.Doc) < 64<<10 {
		return newEntry(source, names, rec)
	}
	e := new(Entry)
	e.set(source, names, rec, rec.Doc)
	return e
}

// set fills an entry from a record whose document has been copied to doc.
func (e *Entry) set(source int64, names *document.Names, rec *layout.Record, doc []byte) {
	*e = Entry{ID: rec.ID, DataSourceID: source, CreatedAt: fromMillis(rec.CreatedAt), UpdatedAt: fromMillis(rec.UpdatedAt),
		Changed: rec.Changed, doc: document.Stored(doc, names)}
	if rec.Order != nil {
		e.order = bytes.Clone(rec.Order)
		e.Order = rec.OrderValue()
	}
}

// orderValue returns the order, with its digits.
func (e *Entry) orderValue() document.Value { return document.Stored(e.order, nil) }

// record returns the entry as a record, which is what wheres are tested on.
func (e *Entry) record() layout.Record {
	return layout.Record{ID: e.ID, Changed: e.Changed, CreatedAt: e.CreatedAt.UnixMilli(), UpdatedAt: e.UpdatedAt.UnixMilli(),
		Order: e.order, Doc: e.doc.Raw()}
}

// Get returns a value of the data: what Lookup returns, nil when it is absent.
func (e *Entry) Get(path string) any {
	v, _ := e.Lookup(path)
	return v
}

// Lookup returns a value of the data and whether it is there. A path that is a
// column name as a whole wins; otherwise it is walked at its dots, numbers
// indexing arrays. Values are nil, bool, string, []any, map[string]any, and
// float64 for numbers, or json.Number where a float64 would have another value.
func (e *Entry) Lookup(path string) (any, bool) {
	v := walk(e.doc, path)
	if v.Kind() == document.Absent {
		return nil, false
	}
	return v.Go(), true
}

// walk finds a path, trying the longest key first at each step.
func walk(v document.Value, path string) document.Value {
	for end := len(path); ; {
		if found := step(v, path[:end]); found.Kind() != document.Absent {
			if end == len(path) {
				return found
			}
			if found = walk(found, path[end+1:]); found.Kind() != document.Absent {
				return found
			}
		}
		if end = strings.LastIndexByte(path[:end], '.'); end < 0 {
			return document.Value{}
		}
	}
}

func step(v document.Value, key string) document.Value {
	if v.Kind() != document.Array {
		return v.Field(key)
	}
	i, err := strconv.Atoi(key)
	if err != nil || i < 0 {
		return document.Value{}
	}
	return v.At(i)
}

// Path returns the values that a JSONPath expression finds in the data, for
// example `$.orders[?(@.total > 10)].id`. Values are as Lookup's. A malformed
// expression is ErrInvalidQuery.
func (e *Entry) Path(expression string) ([]any, error) {
	x, err := jp.ParseString(expression)
	if err != nil {
		return nil, errs.Wrap(errs.InvalidQuery, err, "JSONPath %q cannot be read", expression)
	}
	return x.Get(e.doc.Go()), nil
}

// Map returns the data decoded: a new map that the caller may change. Values are
// as Lookup's. The texts of data of up to 4 KiB lie in one piece of memory, which may
// be that of the entry's data: whoever keeps one of them keeps that.
func (e *Entry) Map() map[string]any {
	if !e.alone {
		m, _ := e.doc.Go().(map[string]any)
		return m
	}
	m, _ := e.doc.GoWithin().(map[string]any)
	return m
}

// Decode stores the data in the value that v points to by the rules of
// json.Unmarshal, straight from the stored form. It stops at the first part that does
// not fit, which the error names in Path; errors.As finds a *FieldError in it.
func (e *Entry) Decode(v any) error {
	if err := document.DecodeTo(e.doc, v); err != nil {
		return e.misfit(err)
	}
	return nil
}

// JSON returns the data as compact JSON text: keys in the order in which they were
// first stored, numbers with the digits they were given.
func (e *Entry) JSON() []byte { return document.AppendJSON(nil, e.doc) }

// MarshalJSON returns the whole entry in the shape of spec 1.4: id, data, order,
// createdAt, updatedAt, deletedAt, dataSourceId, and joins when the query had any.
func (e *Entry) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

// AppendJSON appends what MarshalJSON returns.
func (e *Entry) AppendJSON(dst []byte) []byte {
	if e == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, `{"id":`...)
	dst = strconv.AppendInt(dst, e.ID, 10)
	dst = append(dst, `,"data":`...)
	if e.doc.Kind() == document.Object {
		dst = document.AppendJSON(dst, e.doc)
	} else {
		dst = append(dst, "{}"...)
	}
	dst = append(dst, `,"order":`...)
	if e.order != nil {
		dst = document.Stored(e.order, nil).AppendNumber(dst)
	} else {
		dst = append(dst, '0')
	}
	dst = append(dst, `,"createdAt":"`...)
	dst = e.CreatedAt.UTC().AppendFormat(dst, timeLayout)
	dst = append(dst, `","updatedAt":"`...)
	dst = e.UpdatedAt.UTC().AppendFormat(dst, timeLayout)
	dst = append(dst, `","deletedAt":null,"dataSourceId":`...)
	dst = strconv.AppendInt(dst, e.DataSourceID, 10)
	if len(e.Joins) > 0 {
		dst = append(dst, `,"joins":{`...)
		for i := range e.Joins {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = e.Joins[i].appendJSON(dst)
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}
