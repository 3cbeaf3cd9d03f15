package siftdb

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/layout"
)

// rows are documents encoded before the transaction, with proposed numbers for
// the column names that the data source did not have then.
type rows struct {
	base     *document.Names
	proposed []string
	docs     [][]byte
}

// whole is what an update makes of the data of an entry, each part of which has been
// held to the limits before. How many keys it may have is for the transaction to say.
type whole struct{ document.Value }

// errStale is returned inside a transaction when the names have grown so far that
// the rows must be encoded again.
var errStale = errors.New("column names have moved")

// encode turns Go values into documents. src is what is known of the data source;
// it may be nil.
func (db *DB) encode(src *source, values []any) (*rows, error) {
	out := &rows{docs: make([][]byte, 0, len(values))}
	if src != nil {
		out.base = src.names
	}
	limits := db.opts.Limits.document()
	wholes := slices.ContainsFunc(values, func(v any) bool { _, ok := v.(whole); return ok })
	if wholes {
		limits.Keys = -1
	}
	enc := document.NewEncoder(out.base, limits)
	var chunk []byte
	for i, v := range values {
		if cap(chunk)-len(chunk) < 1<<10 {
			chunk = make([]byte, 0, min(64<<10, 1<<10*(len(values)-i)))
		}
		start := len(chunk)
		var err error
		switch value := v.(type) {
		case document.Value: // read under other limits
			err = db.opts.Limits.document().Check(value)
		case whole:
			v = value.Value
		default:
			if wholes {
				v, err = document.FromGo(v, db.opts.Limits.document())
			}
		}
		var grown []byte
		if err == nil {
			grown, err = enc.AppendGo(chunk, v)
		}
		if err != nil {
			if len(values) > 1 {
				return nil, rowError(i, err)
			}
			return nil, err
		}
		out.docs = append(out.docs, grown[start:len(grown):len(grown)])
		chunk = grown
	}
	out.proposed = enc.Proposed()
	return out, nil
}

// encodeFlat is encode for flat bodies, in which the keys dataSourceId and
// dataSourceEntryId are reserved and dropped (spec 1.4, Q3).
func (db *DB) encodeFlat(src *source, values []any) (*rows, error) {
	r, err := db.encode(src, values)
	if err != nil {
		return nil, err
	}
	mayHave := func(key string) bool {
		_, ok := r.base.Lookup(key)
		return ok || slices.Contains(r.proposed, key)
	}
	if r.base.Len()+len(r.proposed) < document.MaxNames && !slices.ContainsFunc(reservedKeys, mayHave) {
		return r, nil
	}
	names := r.base.Extend(r.proposed)
	flat := make([]any, len(values))
	for i, doc := range r.docs {
		flat[i] = withoutKeys{document.Stored(doc, names), reservedKeys}
	}
	return db.encode(src, flat)
}

var reservedKeys = []string{"dataSourceId", "dataSourceEntryId"}

// withoutKeys is an object without some of its keys.
type withoutKeys struct {
	document.Value
	keys []string
}

// Len returns the number of keys that are left.
func (o withoutKeys) Len() int {
	n := o.Value.Len()
	for _, key := range o.keys {
		if o.Field(key).Kind() != document.Absent {
			n--
		}
	}
	return n
}

// At returns the i-th key that is left, and its value.
func (o withoutKeys) At(i int) (string, any) {
	for key, v := range o.Fields() {
		if slices.Contains(o.keys, key) {
			continue
		}
		if i == 0 {
			return key, v
		}
		i--
	}
	return "", nil
}

// rowError says which of several rows an error is about.
func rowError(i int, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return &Error{Code: e.Code, Path: e.Path, Message: "row " + itoa(int64(i)) + ": " + e.Message, Err: e.Err}
	}
	return err
}

// confirm returns the documents under the numbers that the transaction gives to
// the proposed names. The rows stay as they are, since the transaction may run
// again.
func (st *sourceTx) confirm(r *rows) ([][]byte, error) {
	if len(r.proposed) == 0 {
		return r.docs, nil
	}
	same := true
	var fresh []string
	to := make([]uint16, len(r.proposed))
	for i, name := range r.proposed {
		number, ok := st.src.names.Lookup(name)
		if !ok {
			n := st.src.names.Len() + len(fresh)
			if n >= document.MaxNames {
				return nil, errStale
			}
			number, fresh = uint16(n), append(fresh, name)
			if err := layout.WriteName(st.t.w, st.id, number, name); err != nil {
				return nil, err
			}
		}
		to[i] = number
		same = same && int(number) == r.base.Len()+i
	}
	if len(fresh) > 0 {
		st.src.names = st.src.names.Extend(fresh)
		st.head.Names = int64(st.src.names.Len())
	}
	if same {
		return r.docs, nil
	}
	docs := make([][]byte, len(r.docs))
	for i, doc := range r.docs {
		docs[i] = document.Remap(nil, doc, r.base.Len(), to)
	}
	return docs, nil
}

// insertAll stores rows as new entries. orders is nil or has one member a row,
// nil for 0.
func (st *sourceTx) insertAll(r *rows, orders [][]byte) ([]layout.Record, error) {
	docs, err := st.confirm(r)
	if err != nil {
		return nil, err
	}
	return st.insertDocs(docs, orders)
}

// insertDocs is insertAll for documents that have been confirmed.
func (st *sourceTx) insertDocs(docs, orders [][]byte) (recs []layout.Record, err error) {
	guid := st.src.def.guidColumn()
	recs = make([]layout.Record, len(docs))
	for i, doc := range docs {
		if guid != "" {
			if doc, err = st.fillGUID(doc, guid); err != nil {
				return nil, err
			}
		}
		st.meet(doc)
		var order []byte
		if orders != nil {
			order = orders[i]
		}
		if recs[i], err = st.insert(doc, order); err != nil {
			return nil, err
		}
	}
	return recs, nil
}

// fillGUID gives a document a random UUID in the column, unless it has a value
// there that is not null or empty (spec 14.5).
func (st *sourceTx) fillGUID(doc []byte, column string) ([]byte, error) {
	v := document.Stored(doc, st.src.names).Field(column)
	switch k := v.Kind(); {
	case k == document.String && v.Len() > 0, k != document.String && k != document.Absent && k != document.Null:
		return doc, nil
	}
	r, err := st.t.db.encode(st.src, []any{map[string]any{column: newUUID()}})
	if err != nil {
		return nil, err
	}
	patch, err := st.confirm(r)
	if err != nil {
		return nil, err
	}
	return document.Merge(nil, doc, patch[0]), nil
}

// newUUID returns a random UUID, version 4, in 36 lower-case characters.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// parseOrder returns the stored form of an order, nil for 0 and for nil. It must
// be a number.
func (db *DB) parseOrder(v any) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	n, err := document.FromGo(v, db.opts.Limits.document())
	if err != nil {
		return nil, err
	}
	if n.Kind() != document.Number {
		return nil, errs.At(errs.InvalidInput, "order", "the order of an entry must be a number")
	}
	if n.Float() == 0 {
		return nil, nil
	}
	return n.Raw(), nil
}
