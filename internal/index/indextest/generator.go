// Package indextest makes random documents and wheres for tests that hold indexes against the
// where language.
package indextest

import (
	"math/rand/v2"
	"strings"
)

// Generator makes random documents and wheres that often have to do with each other. They are
// mostly about the columns a and b.
type Generator struct{ *rand.Rand }

// New returns a Generator that makes the same of the same seed.
func New(seed uint64) Generator { return Generator{rand.New(rand.NewPCG(seed, 1))} }

// Pick returns one of a list.
func Pick[T any](g Generator, list ...T) T { return list[g.IntN(len(list))] }

// Scalar makes a value that is no array and no object.
func (g Generator) Scalar() any {
	return Pick[any](g, nil, true, false, 0, 1, 5, -1, 1.5, 100000, 1e21, int64(1577923200000),
		"", "5", "5.0", " 5 ", "1e5", "0x10", "0x5", "-1", "1", "0", "true", "null", "v5", "$1,234.50", "5 km/h", "Infinity",
		"abc", "ABC", "aBc", "abcdef", "istanbul", "İstanbul", "ISTANBUL", "i̇stanbul", "σς", "ΣΣ", "ſtraße", "STRASSE", "Kelvin", "kelvin",
		"2020-01-02", "2020-01-02 10:00", "2020.01.02", "17:30", "a,b", "5,abc", "[object Object]", "a\x00b", strings.Repeat("long ", 130), strings.Repeat("long ", 130)+"er")
}

// Value makes a value; depth bounds how far it nests.
func (g Generator) Value(depth int) any {
	switch n := g.IntN(10); {
	case n < 6 || depth <= 0:
		return g.Scalar()
	case n < 9:
		list := make([]any, g.IntN(4))
		for i := range list {
			list[i] = g.Value(depth - 1)
		}
		return list
	}
	return g.object(depth - 1)
}

func (g Generator) object(depth int) map[string]any {
	o := map[string]any{}
	for range g.IntN(3) {
		o[Pick(g, "a", "b", "0", "1")] = g.Value(depth)
	}
	return o
}

// Document makes the data of an entry.
func (g Generator) Document() map[string]any {
	o := g.object(3)
	if g.IntN(4) == 0 {
		o[Pick(g, "a.b", "id", "order", "createdAt")] = g.Value(2)
	}
	return o
}

// Path makes a key of a where.
func (g Generator) Path() string {
	return Pick(g, "a", "a", "a", "b", "a.b", "a.b", "a.0", "a.0.b", "b.a.b", "data.a", "data.a.b", "id", "order", "createdAt", "data.id", "a.1")
}

// Where makes a where on a data source; depth bounds how far it nests.
func (g Generator) Where(depth int) map[string]any {
	w := map[string]any{}
	for range 1 + g.IntN(2) {
		switch n := g.IntN(12); {
		case n == 0 && depth > 0:
			w[Pick(g, "$and", "$or", "$nor")] = []any{g.Where(depth - 1), g.Where(depth - 1)}
		case n == 1 && depth > 0:
			w["$not"] = g.Where(depth - 1)
		case n == 2 && depth > 0:
			w["data"] = g.Where(depth - 1)
		case n < 5:
			w["$filters"] = []any{g.filter()}
		default:
			w[g.Path()] = g.operand(depth)
		}
	}
	return w
}

// operand makes an operand: a value, operators, or a partial match.
func (g Generator) operand(depth int) any {
	switch n := g.IntN(10); {
	case n < 2:
		return g.Value(2)
	case n == 2 && depth > 0:
		return map[string]any{Pick(g, "a", "b", "0", "b.a"): g.operand(depth - 1)}
	}
	o := map[string]any{}
	for range 1 + g.IntN(2) {
		switch op := Pick(g, "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$in", "$nin", "$all", "$size", "$and", "$or", "$nor", "$not",
			"$exists", "$type", "$mod", "$regex", "$like", "$iLike", "$elemMatch", "$match"); op {
		case "$in", "$nin", "$all":
			list := make([]any, g.IntN(4))
			for i := range list {
				if list[i] = g.Value(1); depth > 0 && g.IntN(6) == 0 {
					list[i] = g.operand(depth - 1)
				}
			}
			o[op] = list
		case "$and", "$or", "$nor":
			o[op] = []any{g.operand(depth - 1), g.operand(depth - 1)}
			if depth <= 0 {
				o[op] = []any{g.Scalar()}
			}
		case "$not", "$elemMatch":
			if o[op] = g.Scalar(); depth > 0 {
				o[op] = g.operand(depth - 1)
			}
		case "$exists":
			o[op] = g.IntN(2) == 0
		case "$type":
			o[op] = Pick(g, "string", "number", "boolean", "array", "object")
		case "$mod":
			o[op] = []any{Pick(g, 1, 2, 5), Pick(g, 0, 1)}
		case "$size":
			o[op] = g.IntN(4)
		case "$regex":
			o[op] = Pick(g, "abc", "^a", "ab+c", "(abc|istan)", "stan", "a.c", "kel(vin)?", "straß", "5", "(?:abc){1,2}")
			if g.IntN(2) == 0 {
				o["$options"] = "i"
			}
		case "$like", "$iLike":
			o[op] = g.pattern()
		default:
			o[op] = g.Value(1)
		}
	}
	return o
}

func (g Generator) pattern() any {
	if g.IntN(4) == 0 {
		return g.Scalar()
	}
	return Pick(g, "abc%", "%abc", "a%c", "ist%", "İst%", "i̇st%", "IST%", "%stan%", "sTr%e", "K%", "1%", "t%", "inf%", "abc", "stan", "ong lon", "[%", "σ%", "%ς", "5,%")
}

func (g Generator) filter() map[string]any {
	f := map[string]any{"column": Pick(g, "a", "b", "a.b", "a.0"), "value": g.Value(1)}
	f["condition"] = Pick(g, "==", "==", "!=", ">", ">=", "<", "<=", "contains", "notcontain", "regex", "empty", "notempty", "between", "oneof",
		"dateis", "datebefore", "dateafter", "datebetween")
	switch f["condition"] {
	case "contains", "regex":
		f["value"] = Pick[any](g, "abc", "stan", "İst", "5", 5, true, "a,b", "ong lon", "kel")
	case "between":
		f["value"] = map[string]any{"from": Pick[any](g, nil, 0, "1"), "to": Pick[any](g, nil, 5, "5.0")}
	case "dateis", "datebefore", "dateafter":
		f["value"] = Pick(g, "2020-01-02", "2020-01-02 10:00", "17:30")
	case "datebetween":
		f["from"], f["to"] = "2020-01-01", "2020-12-31"
		delete(f, "value")
	}
	return f
}
