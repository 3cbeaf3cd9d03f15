package query

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// SortKey is one name to sort by.
type SortKey struct {
	Name string
	Desc bool
}

// Order is what entries are sorted by, the first key first. Whoever sorts ends every order
// with the id.
type Order []SortKey

// ParseOrder reads an order: a list of [name, direction] pairs, one such pair, or names, as Go
// values or as JSON text. A string that is neither a JSON list nor a JSON string is one name.
// A direction is ASC or DESC in any case, ASC when absent. nil is no order.
func ParseOrder(v any) (Order, error) {
	switch o := v.(type) {
	case nil:
		return nil, nil
	case Order:
		return o, nil
	case []SortKey:
		return o, nil
	}
	list, err := readOption("order", v)
	if err != nil {
		return nil, err
	}
	switch list.Kind() {
	case document.Null:
		return nil, nil
	case document.String:
		return Order{{Name: strings.Clone(list.Str())}}, nil
	case document.Array:
	default:
		return nil, errs.At(errs.InvalidQuery, "order", "an order must be a list of pairs")
	}
	if key, ok := flatPair(list); ok {
		return Order{key}, nil
	}
	order := make(Order, 0, list.Len())
	for i := range list.Len() {
		key, err := sortKey(list.At(i))
		if err != nil {
			return nil, err
		}
		order = append(order, key)
	}
	return order, nil
}

// readOption gives a query option as a value: JSON text, or a Go value. A string that is not
// JSON stands for itself.
func readOption(name string, v any) (document.Value, error) {
	var out document.Value
	var err error
	switch text := v.(type) {
	case json.RawMessage:
		out, err = document.Parse(text, document.Limits{})
	case []byte:
		out, err = document.Parse(text, document.Limits{})
	case string:
		if trimmed := strings.TrimLeft(text, " \t\r\n"); trimmed == "" || trimmed[0] != '[' && trimmed[0] != '"' {
			return document.Of(text), nil
		}
		out, err = document.Parse([]byte(text), document.Limits{})
	default:
		if r := reflect.ValueOf(v); r.Kind() == reflect.Slice && r.IsNil() {
			return document.Of(nil), nil
		}
		out, err = document.FromGo(v, document.Limits{})
	}
	if err != nil {
		e := errs.Wrap(errs.InvalidQuery, err, "%s cannot be read", name)
		e.Path = name
		return out, e
	}
	return out, nil
}

// direction reads ASC or DESC.
func direction(s string) (desc, ok bool) {
	if strings.EqualFold(s, "DESC") {
		return true, true
	}
	return false, strings.EqualFold(s, "ASC")
}

// flatPair reads ["name", "DESC"], which is one pair and not two names.
func flatPair(list document.Value) (SortKey, bool) {
	if list.Len() != 2 || list.At(0).Kind() != document.String || list.At(1).Kind() != document.String {
		return SortKey{}, false
	}
	desc, ok := direction(list.At(1).Str())
	return SortKey{strings.Clone(list.At(0).Str()), desc}, ok
}

func sortKey(v document.Value) (SortKey, error) {
	if v.Kind() == document.String {
		return SortKey{Name: strings.Clone(v.Str())}, nil
	}
	name := v.At(0)
	if v.Kind() != document.Array || v.Len() > 2 || name.Kind() != document.String {
		return SortKey{}, errs.At(errs.InvalidQuery, "order", "a pair of an order must be a name and a direction")
	}
	key := SortKey{Name: strings.Clone(name.Str())}
	if dir := v.At(1); dir.Kind() > document.Null {
		var ok bool
		if key.Desc, ok = direction(dir.Str()); !ok {
			return SortKey{}, errs.At(errs.InvalidQuery, "order", "the direction of %q must be ASC or DESC", key.Name)
		}
	}
	return key, nil
}

// Bind resolves the names against the columns of a data source. An entry field wins over a
// column of its name; `data.` reaches the column.
func (o Order) Bind(s Schema) *BoundOrder {
	b := &BoundOrder{keys: make([]boundKey, len(o))}
	for i, key := range o {
		b.keys[i] = boundKey{resolveOrder(key.Name, &s), key.Desc}
	}
	return b
}

// BoundOrder is an Order resolved against a data source. It is safe for concurrent use.
type BoundOrder struct{ keys []boundKey }

type boundKey struct {
	target target
	desc   bool
}

// AppendKey appends an entry's sort key: comparing two of them as bytes orders the entries,
// apart from the id, which ends every order and is not part of it. Of a path through an array
// the first value counts.
func (b *BoundOrder) AppendKey(dst []byte, r *Record) []byte {
	for i := range b.keys {
		k := &b.keys[i]
		at := len(dst)
		dst = document.AppendKey(dst, k.target.first(r))
		if k.desc {
			document.InvertKey(dst[at:])
		}
	}
	return dst
}

// Len returns the number of names.
func (b *BoundOrder) Len() int { return len(b.keys) }

// Is reports whether the i-th name leads to what a Name does, and its direction.
func (b *BoundOrder) Is(i int, name *BoundName) (desc, ok bool) {
	return b.keys[i].desc, b.keys[i].target.same(&name.target)
}

// OrderColumn is one name of an order that is a column as a whole. Absent says that no entry has a
// value there.
type OrderColumn struct {
	Number       uint16
	Desc, Absent bool
}

// Columns returns the columns that the entries are sorted by, when the order is by whole columns
// alone; see BoundPath.Column.
func (b *BoundOrder) Columns() (list []OrderColumn, ok bool) {
	for i := range b.keys {
		number, absent, ok := b.keys[i].target.wholeColumn()
		if !ok {
			return nil, false
		}
		list = append(list, OrderColumn{number, b.keys[i].desc, absent})
	}
	return list, true
}
