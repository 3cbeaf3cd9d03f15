package index

import (
	"math/rand/v2"
	"strings"
)

// generator makes random documents and wheres that often have to do with each other.
type generator struct{ *rand.Rand }

func pick[T any](g generator, list ...T) T { return list[g.IntN(len(list))] }

func (g generator) scalar() any {
	return pick[any](g, nil, true, false, 0, 1, 5, -1, 1.5, 100000, 1e21, 1577923200000,
		"", "5", "5.0", " 5 ", "1e5", "0x10", "0x5", "-1", "1", "0", "true", "null", "v5", "$1,234.50", "5 km/h", "Infinity",
		"abc", "ABC", "aBc", "abcdef", "istanbul", "İstanbul", "ISTANBUL", "i̇stanbul", "σς", "ΣΣ", "ſtraße", "STRASSE", "Kelvin", "kelvin",
		"2020-01-02", "2020-01-02 10:00", "2020.01.02", "17:30", "a,b", "5,abc", "[object Object]", "a\x00b", strings.Repeat("long ", 130), strings.Repeat("long ", 130)+"er")
}

func (g generator) value(depth int) any {
	switch n := g.IntN(10); {
	case n < 6 || depth <= 0:
		return g.scalar()
	case n < 9:
		list := make([]any, g.IntN(4))
		for i := range list {
			list[i] = g.value(depth - 1)
		}
		return list
	}
	return g.object(depth - 1)
}

func (g generator) object(depth int) map[string]any {
	o := map[string]any{}
	for range g.IntN(3) {
		o[pick(g, "a", "b", "0", "1")] = g.value(depth)
	}
	return o
}

func (g generator) document() map[string]any {
	o := g.object(3)
	if g.IntN(4) == 0 {
		o[pick(g, "a.b", "id", "order", "createdAt")] = g.value(2)
	}
	return o
}

func (g generator) path() string {
	return pick(g, "a", "a", "a", "b", "a.b", "a.b", "a.0", "a.0.b", "b.a.b", "data.a", "data.a.b", "id", "order", "createdAt", "data.id", "a.1")
}

// where makes a where on a data source.
func (g generator) where(depth int) map[string]any {
	w := map[string]any{}
	for range 1 + g.IntN(2) {
		switch n := g.IntN(12); {
		case n == 0 && depth > 0:
			w[pick(g, "$and", "$or", "$nor")] = []any{g.where(depth - 1), g.where(depth - 1)}
		case n == 1 && depth > 0:
			w["$not"] = g.where(depth - 1)
		case n == 2 && depth > 0:
			w["data"] = g.where(depth - 1)
		case n < 5:
			w["$filters"] = []any{g.filter()}
		default:
			w[g.path()] = g.operand(depth)
		}
	}
	return w
}

// operand makes an operand: a value, operators, or a partial match.
func (g generator) operand(depth int) any {
	switch n := g.IntN(10); {
	case n < 2:
		return g.value(2)
	case n == 2 && depth > 0:
		return map[string]any{pick(g, "a", "b", "0", "b.a"): g.operand(depth - 1)}
	}
	o := map[string]any{}
	for range 1 + g.IntN(2) {
		switch op := pick(g, "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$in", "$nin", "$all", "$size", "$and", "$or", "$nor", "$not",
			"$exists", "$type", "$mod", "$regex", "$like", "$iLike", "$elemMatch", "$match"); op {
		case "$in", "$nin", "$all":
			list := make([]any, g.IntN(4))
			for i := range list {
				if list[i] = g.value(1); depth > 0 && g.IntN(6) == 0 {
					list[i] = g.operand(depth - 1)
				}
			}
			o[op] = list
		case "$and", "$or", "$nor":
			o[op] = []any{g.operand(depth - 1), g.operand(depth - 1)}
			if depth <= 0 {
				o[op] = []any{g.scalar()}
			}
		case "$not", "$elemMatch":
			if o[op] = g.scalar(); depth > 0 {
				o[op] = g.operand(depth - 1)
			}
		case "$exists":
			o[op] = g.IntN(2) == 0
		case "$type":
			o[op] = pick(g, "string", "number", "boolean", "array", "object")
		case "$mod":
			o[op] = []any{pick(g, 1, 2, 5), pick(g, 0, 1)}
		case "$size":
			o[op] = g.IntN(4)
		case "$regex":
			o[op] = pick(g, "abc", "^a", "ab+c", "(abc|istan)", "stan", "a.c", "kel(vin)?", "straß", "5", "(?:abc){1,2}")
			if g.IntN(2) == 0 {
				o["$options"] = "i"
			}
		case "$like", "$iLike":
			o[op] = g.pattern()
		default:
			o[op] = g.value(1)
		}
	}
	return o
}

func (g generator) pattern() any {
	if g.IntN(4) == 0 {
		return g.scalar()
	}
	return pick(g, "abc%", "%abc", "a%c", "ist%", "İst%", "i̇st%", "IST%", "%stan%", "sTr%e", "K%", "1%", "t%", "inf%", "abc", "stan", "ong lon", "[%", "σ%", "%ς", "5,%")
}

func (g generator) filter() map[string]any {
	f := map[string]any{"column": pick(g, "a", "b", "a.b", "a.0"), "value": g.value(1)}
	f["condition"] = pick(g, "==", "==", "!=", ">", ">=", "<", "<=", "contains", "notcontain", "regex", "empty", "notempty", "between", "oneof",
		"dateis", "datebefore", "dateafter", "datebetween")
	switch f["condition"] {
	case "contains", "regex":
		f["value"] = pick[any](g, "abc", "stan", "İst", "5", 5, true, "a,b", "ong lon", "kel")
	case "between":
		f["value"] = map[string]any{"from": pick[any](g, nil, 0, "1"), "to": pick[any](g, nil, 5, "5.0")}
	case "dateis", "datebefore", "dateafter":
		f["value"] = pick(g, "2020-01-02", "2020-01-02 10:00", "17:30")
	case "datebetween":
		f["from"], f["to"] = "2020-01-01", "2020-12-31"
		delete(f, "value")
	}
	return f
}
