package query

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
)

// Bounds are ranges of keys. A value that passes a condition has a key in one of them: that of
// the value itself or of one that an array holds, or that of a number which a text reads as.
type Bounds struct {
	// All says that the condition does not tell: any value may pass.
	All bool
	// Values are ranges of document.AppendKey.
	Values []Range
	// Loose and Ordered are ranges of the keys of numbers: those that LooseNumber and
	// OrderedNumber see in a text.
	Loose, Ordered []Range
	// Exact says that a value that is no array and has a key in a range passes.
	Exact bool
}

// Range is the keys from Lo on and below Hi. Lo and Hi may be beginnings of keys.
type Range struct {
	Lo, Hi []byte
	Point  bool // it holds one key, Lo
}

// The beginnings of keys of each kind, which document.AppendKey fixes.
var (
	fromNumber, toNumberEnd = []byte{0x10}, []byte{0x11}
	fromString, toStringEnd = []byte{0x20}, []byte{0x21}
	fromObject, toObjectEnd = []byte{0x30}, []byte{0x31}
	fromArray, toArrayEnd   = []byte{0x40}, []byte{0x41}
	fromBool, toBoolEnd     = []byte{0x50}, []byte{0x52}

	textEnd = []byte{0x00, 0x01} // of the folded text in the key of a string
)

// Point returns the range of one key.
func Point(key []byte) Range { return Range{key, Successor(key), true} }

// Successor returns the first key after all that begin with key; nil when there is none.
func Successor(key []byte) []byte {
	next := bytes.Clone(key)
	for i := len(next) - 1; i >= 0; i-- {
		if next[i]++; next[i] != 0 {
			return next[:i+1]
		}
	}
	return nil
}

func pointOf(v any) Range { return Point(document.AppendKey(nil, document.Of(v))) }

func pointOfNumber(f float64) Range { return Point(document.AppendNumberKey(nil, f)) }

func pointOfText(s string) Range { return Point(document.AppendStringKey(nil, s)) }

// Values returns the bounds of a ProbePath. multi says that the path may lead to several
// values, or to an array.
func (p *Probe) Values(multi bool) Bounds {
	b := boundsOf(p.node, multi)
	b.merge()
	return b
}

// HasNull reports whether null and absent are within the bounds.
func (b *Bounds) HasNull() bool {
	null := []byte{0x60}
	return b.All || slices.ContainsFunc(b.Values, func(r Range) bool {
		return bytes.Compare(r.Lo, null) <= 0 && (r.Hi == nil || bytes.Compare(null, r.Hi) < 0)
	})
}

// Points reports whether every range is one key.
func (b *Bounds) Points() bool {
	for _, list := range [][]Range{b.Values, b.Loose, b.Ordered} {
		for _, r := range list {
			if !r.Point {
				return false
			}
		}
	}
	return !b.All
}

// Len returns the number of ranges.
func (b *Bounds) Len() int { return len(b.Values) + len(b.Loose) + len(b.Ordered) }

// merge sorts the ranges and joins those that meet.
func (b *Bounds) merge() {
	for _, list := range []*[]Range{&b.Values, &b.Loose, &b.Ordered} {
		*list = mergeRanges(*list)
	}
}

func mergeRanges(list []Range) []Range {
	slices.SortFunc(list, func(x, y Range) int { return bytes.Compare(x.Lo, y.Lo) })
	out := list[:0]
	for _, r := range list {
		if n := len(out); n > 0 && (out[n-1].Hi == nil || bytes.Compare(r.Lo, out[n-1].Hi) < 0) {
			last := &out[n-1]
			if last.Hi != nil && (r.Hi == nil || bytes.Compare(r.Hi, last.Hi) > 0) {
				last.Hi, last.Point = r.Hi, false
			}
			continue
		}
		out = append(out, r)
	}
	return out
}

// add takes in what other bounds allow.
func (b *Bounds) add(o Bounds) {
	b.All = b.All || o.All
	b.Exact = b.Exact && o.Exact
	b.Values = append(b.Values, o.Values...)
	b.Loose = append(b.Loose, o.Loose...)
	b.Ordered = append(b.Ordered, o.Ordered...)
}

// Cost orders bounds by how many values are likely to be within them, the fewest first.
func (b *Bounds) Cost() int {
	switch {
	case b.All:
		return 1 << 30
	case b.Points():
		return b.Len()
	}
	cost := 1000
	for _, r := range b.Values {
		if len(r.Lo) == 1 && len(r.Hi) == 1 { // a whole kind
			cost += 1000
		}
	}
	return cost
}

// boundsOf returns the bounds of a node on one value.
func boundsOf(n node, multi bool) Bounds {
	switch n := n.(type) {
	case *eq:
		return n.bounds()
	case *order:
		return n.bounds()
	case *in:
		return n.bounds(multi)
	case *and:
		return boundsOfAll(n, multi)
	case *or:
		b := Bounds{Exact: true}
		for _, m := range n.nodes {
			b.add(boundsOf(m, multi))
		}
		return b
	case *elemMatch:
		b := boundsOf(n.node, true)
		b.Exact = false
		return b
	case *exists:
		if !n.want {
			return Bounds{Values: []Range{pointOf(nil)}}
		}
	case *ofType:
		return n.bounds()
	case *regex:
		return Bounds{Values: []Range{{fromString, toStringEnd, false}}}
	case *like:
		return n.bounds()
	case never:
		return Bounds{}
	}
	return boundsOfFilter(n)
}

// boundsOfFilter is boundsOf for the conditions of $filters.
func boundsOfFilter(n node) Bounds {
	switch n := n.(type) {
	case *filterEqual:
		return n.bounds()
	case *filterOrder:
		return n.bounds()
	case *filterBetween:
		return n.bounds()
	case *filterDate:
		return Bounds{Values: []Range{{fromString, toStringEnd, false}}}
	case *filterEmpty:
		if !n.not {
			return Bounds{Exact: true, Values: []Range{pointOf(nil), pointOf(""), pointOf([]any{}), pointOf(D{})}}
		}
	}
	return Bounds{All: true}
}

// boundsOfAll returns the bounds of one of several nodes, all of which must hold; of what
// orders one value, of all of them.
func boundsOfAll(n *and, multi bool) Bounds {
	best := Bounds{All: true}
	var ordered *Bounds
	for _, m := range n.nodes {
		b := boundsOf(m, multi)
		if _, ok := m.(*order); ok && !multi {
			if ordered != nil {
				b.intersect(ordered)
			}
			ordered = &b
		}
		if b.Cost() <= best.Cost() { // what was cut comes later
			best = b
		}
	}
	best.Exact = best.Exact && (len(n.nodes) == 1 || ordered != nil && onlyOrders(n.nodes))
	return best
}

func onlyOrders(nodes []node) bool {
	return !slices.ContainsFunc(nodes, func(n node) bool { _, ok := n.(*order); return !ok })
}

// intersect cuts the bounds of what orders to those of another that does.
func (b *Bounds) intersect(o *Bounds) {
	b.Values = intersectRanges(b.Values, o.Values)
	b.Ordered = intersectRanges(b.Ordered, o.Ordered)
}

// intersectRanges cuts two lists of at most one range.
func intersectRanges(a, b []Range) []Range {
	if len(a) == 0 || len(b) == 0 {
		return nil
	}
	r := a[0]
	if bytes.Compare(b[0].Lo, r.Lo) > 0 {
		r.Lo = b[0].Lo
	}
	if bytes.Compare(b[0].Hi, r.Hi) < 0 { // numbers end somewhere: Hi is never nil
		r.Hi = b[0].Hi
	}
	if bytes.Compare(r.Lo, r.Hi) >= 0 {
		return nil
	}
	return []Range{r}
}

// number adds a number that is looked for, and the boolean that it equals.
func (b *Bounds) number(f float64) {
	b.Values = append(b.Values, pointOfNumber(f))
	if f == 0 || f == 1 {
		b.Values = append(b.Values, pointOf(f == 1))
	}
}

func (n *eq) bounds() Bounds {
	b := Bounds{Exact: true}
	switch n.kind {
	case isNull:
		b.Values = []Range{pointOf(nil)}
	case isNumber:
		b.number(n.num)
		b.Loose = []Range{pointOfNumber(n.num)}
	case isText:
		b.Values = []Range{pointOfText(n.text)}
		if n.numOK {
			b.number(n.num)
		}
	case isEmpty:
		b.Values = []Range{pointOf([]any{})}
	}
	if n.deep {
		b.Values = append(b.Values, Point(document.AppendKey(nil, n.operand)))
	}
	return b
}

func (n *order) bounds() Bounds {
	b := Bounds{Exact: true}
	if !n.ok {
		return b
	}
	r := rangeOf(n.relation, n.num)
	b.Values, b.Ordered = []Range{r}, []Range{r}
	return b
}

// rangeOf returns the range of the numbers that stand in a relation to one.
func rangeOf(rel relation, f float64) Range {
	key := document.AppendNumberKey(nil, f)
	switch rel {
	case greaterThan:
		return Range{Successor(key), toNumberEnd, false}
	case greaterOrEqual:
		return Range{key, toNumberEnd, false}
	case lessThan:
		return Range{fromNumber, key, false}
	}
	return Range{fromNumber, Successor(key), false}
}

func (n *in) bounds(multi bool) Bounds {
	b := Bounds{Exact: len(n.nodes) == 0 && n.nullText == n.null}
	for _, text := range n.texts.list {
		b.Values = append(b.Values, pointOfText(text))
	}
	for _, f := range n.digits.list {
		b.number(f)
	}
	for _, f := range n.numbers.list {
		b.Loose = append(b.Loose, pointOfNumber(f))
	}
	if n.null || n.nullText {
		b.Values = append(b.Values, pointOf(nil))
	}
	for _, m := range n.nodes {
		b.add(boundsOf(m, multi))
	}
	return b
}

func (n *ofType) bounds() Bounds {
	ranges := map[document.Kind]Range{
		document.Number: {fromNumber, toNumberEnd, false},
		document.String: {fromString, toStringEnd, false},
		document.Object: {fromObject, toObjectEnd, false},
		document.Array:  {fromArray, toArrayEnd, false},
		document.Bool:   {fromBool, toBoolEnd, false},
	}
	r, ok := ranges[n.kind]
	if !ok {
		return Bounds{All: true}
	}
	return Bounds{Values: []Range{r}, Exact: true}
}

// bounds are those of a pattern that begins with a text.
func (n *like) bounds() Bounds {
	if !n.isWhole || !n.present || n.whole.pieces[0] == "" {
		return Bounds{All: true}
	}
	b := Bounds{}
	first := n.whole.pieces[0]
	for i := 0; n.whole.fold && i < len(first) && len(b.Values) < 5; i++ {
		if first[i] != 'i' {
			continue
		}
		if len(b.Values) == 4 {
			first = first[:i]
			break
		}
		b.Values = append(b.Values, textsFrom(first[:i]+"İ")) // which $iLike sees as two letters
	}
	if first == "" {
		return Bounds{All: true}
	}
	b.Values = append(b.Values, textsFrom(first))
	// Texts of numbers and booleans begin with these.
	switch c := first[0]; {
	case isDigit(c), c == '-', c|0x20 == 'i':
		b.Values = append(b.Values, Range{fromNumber, toNumberEnd, false})
	case c|0x20 == 't', c|0x20 == 'f':
		b.Values = append(b.Values, Range{fromBool, toBoolEnd, false})
	}
	return b
}

// textsFrom is the range of the texts that begin with one, whatever their case.
func textsFrom(prefix string) Range {
	lo := foldedBeginning(prefix)
	return Range{lo, Successor(lo), false}
}

// foldedBeginning is what the keys of texts begin with that begin with one.
func foldedBeginning(prefix string) []byte {
	key := document.AppendStringKey(nil, prefix)
	return key[:bytes.Index(key, textEnd)] // a zero byte of the text is followed by another byte
}

// textsLike is the range of the texts that are one, whatever their case.
func textsLike(s string) Range {
	lo := append(foldedBeginning(s), textEnd...)
	return Range{lo, Successor(lo), false}
}

func (n *filterEqual) bounds() Bounds {
	switch {
	case n.not:
		return Bounds{All: true}
	case n.never:
		return Bounds{}
	}
	b := Bounds{Values: []Range{textsLike(n.text)}}
	if strings.Contains(n.text, "i\u0307") { // İ may be meant
		b.Values[0] = Range{fromString, toStringEnd, false}
	}
	if f, ok := numberWithText(n.text); ok {
		b.Values = append(b.Values, pointOfNumber(f))
	}
	if n.text == "true" || n.text == "false" {
		b.Values = append(b.Values, pointOf(n.text == "true"))
	}
	if n.text == "" || strings.Contains(n.text, ",") {
		b.Values = append(b.Values, Range{fromArray, toArrayEnd, false})
	}
	if n.text == lower(objectText) { // of an array that holds one
		b.Values = append(b.Values, Range{fromObject, toObjectEnd, false})
	}
	return b
}

// numberWithText returns the number whose text is s in lower case.
func numberWithText(s string) (f float64, ok bool) {
	switch s {
	case "infinity":
		s = "Infinity"
	case "-infinity":
		s = "-Infinity"
	}
	if f, ok = toNumber(s); !ok {
		return 0, false
	}
	return f, string(appendNumber(nil, f)) == s
}

func (n *filterOrder) bounds() Bounds {
	b := Bounds{}
	if n.isNum {
		r := rangeOf(n.relation, n.num)
		b.Values, b.Loose = []Range{r}, []Range{r}
	}
	if n.isText {
		b.Values = append(b.Values, Range{fromString, toStringEnd, false})
	}
	return b
}

func (n *filterBetween) bounds() Bounds {
	r := Range{fromNumber, toNumberEnd, false}
	if n.hasFrom {
		r.Lo = document.AppendNumberKey(nil, n.from)
	}
	if n.hasTo {
		r.Hi = Successor(document.AppendNumberKey(nil, n.to))
	}
	if cmp.Compare(string(r.Lo), string(r.Hi)) >= 0 {
		return Bounds{}
	}
	return Bounds{Values: []Range{r}, Loose: []Range{r}}
}
