package query

import "github.com/siftdb/siftdb/internal/document"

// Name is a name outside a where, such as one side of a join's pair: `data.X` or `X` is a
// column, or a path into one, and id, order, createdAt, updatedAt, deletedAt and dataSourceId
// are the entry fields, which win over columns of the same name.
type Name struct{ name string }

// ParseName reads a name. Every text is one.
func ParseName(name string) Name { return Name{name} }

// String returns the name as it was given.
func (n Name) String() string { return n.name }

// Bind resolves the name against the columns of a data source.
func (n Name) Bind(s Schema) *BoundName { return &BoundName{resolveOrder(n.name, &s)} }

// BoundName is a Name resolved against a data source. It is safe for concurrent use.
type BoundName struct{ target target }

// IsID reports whether the name is the entry field id.
func (b *BoundName) IsID() bool { return b.target.kind == toID }

// Each calls fn with every value that the name leads to in an entry, until fn returns false. A
// path that passes through an array leads to several values, or to none when the array is
// empty. A value that is not there is given as absent.
func (b *BoundName) Each(r *Record, fn func(document.Value) bool) {
	t := &b.target
	switch {
	case t.kind == toWhole:
		fn(r.Data)
	case t.kind != toColumn:
		fn(r.field(t.kind))
	case r.Data.Kind() != document.Object:
		fn(document.Value{})
	default:
		each(t.column(r.Data), t.path[1:], fn)
	}
}

// Column returns the column that the name leads to, or into; absent says that no entry has a value
// there. ok is false where the name is no column, or may stand in the documents by name.
func (b *BoundName) Column() (number uint16, absent, ok bool) {
	t := &b.target
	if t.kind != toColumn || !t.numbered && t.names.Len() >= document.MaxNames {
		return 0, false, false
	}
	return t.number, !t.numbered, true
}

// Whole reports whether the name leads to a whole column, not into one.
func (b *BoundName) Whole() bool { return b.target.kind == toColumn && len(b.target.path) == 1 }

// One returns the only value that the name leads to, absent where there is none; ok is false where
// it takes Each to tell.
func (b *BoundName) One(r *Record) (v document.Value, ok bool) {
	if !b.Whole() || r.Data.Kind() != document.Object {
		return v, false
	}
	return b.target.column(r.Data), true
}

// EachIn is Each for an entry that has a value in the Column of the name.
func (b *BoundName) EachIn(v document.Value, fn func(document.Value) bool) {
	each(v, b.target.path[1:], fn)
}

// AppendMatchKey appends the form in which a join compares a scalar: two scalars are equal
// after both are turned into text, but booleans equal only booleans (spec 6.2). ok is false for
// what matches nothing: null, absent, the empty string, arrays and objects.
func AppendMatchKey(dst []byte, v document.Value) (key []byte, ok bool) {
	switch v.Kind() {
	case document.Bool:
		if v.Bool() {
			return append(dst, 'b', '1'), true
		}
		return append(dst, 'b', '0'), true
	case document.Number:
		return appendNumber(append(dst, 't'), v.Float()), true
	case document.String:
		if s := v.Str(); s != "" {
			return append(append(dst, 't'), s...), true
		}
	}
	return dst, false
}

// Decimal returns the number that a value is, or that a text reads as from end to end, blanks
// around it aside.
func Decimal(v document.Value) (f float64, ok bool) { return decimalOf(v) }

// MatchText returns the text that a key of AppendMatchKey stands for; ok is false for the key of a
// boolean. A number has the key of its text, too: AppendTextKey takes no text of a number.
func MatchText(key string) (text string, ok bool) {
	if len(key) == 0 || key[0] != 't' {
		return "", false
	}
	return key[1:], true
}

// MatchBounds returns bounds of the scalars that have a key of AppendMatchKey.
func MatchBounds(key string) Bounds {
	b := Bounds{Exact: true}
	if len(key) == 0 {
		return b
	}
	text := key[1:]
	if key[0] == 'b' {
		b.Values = []Range{pointOf(text == "1")}
		return b
	}
	b.Values = []Range{pointOfText(text)}
	if f, ok := toNumber(text); ok && string(appendNumber(nil, f)) == text {
		b.Values = append(b.Values, pointOfNumber(f))
	}
	b.merge()
	return b
}

// Same reports whether two names lead to the same.
func (b *BoundName) Same(o *BoundName) bool { return b.target.same(&o.target) }
