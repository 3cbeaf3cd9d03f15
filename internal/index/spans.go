package index

import (
	"bytes"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// Span is a range of keys: from Lo on and below Hi. Whole says that it is the one key Lo.
type Span struct {
	Lo, Hi []byte
	Whole  bool
}

func wholeSpan(key []byte) Span { return Span{key, query.Successor(key), true} }

// Lookup is what an index is asked for some conditions.
type Lookup struct {
	// Spans hold a key of every entry that meets the conditions.
	Spans []Span
	// Used is how many of the conditions had a part in it: those on the first fields.
	Used int
	// Equal is how many of these name single values.
	Equal int
	// Prefix is how much of their keys is the same when Single: the family, and Equal fields.
	Prefix int
	// Exact says that every entry with a key in a span meets the conditions that were used.
	Exact bool
	// Single says that the spans are one, of the family Values, and that an entry has one key
	// in it.
	Single bool
}

// maxSpans is how many spans the conditions on several fields may make.
const maxSpans = 4096

// Whole returns the look-up of all entries that have keys; ok is false when some may have none.
func (b *Bound) Whole(stats Stats) (l Lookup, ok bool) {
	l = Lookup{Exact: true, Single: singleValued(stats), Prefix: 1, Spans: []Span{{Lo: []byte{Values}, Hi: []byte{Values + 1}}}}
	if stats.Many > 0 {
		l.Spans = append(l.Spans, overflowSpan)
	}
	return l, !b.def.Sparse && !b.def.Trigram
}

var overflowSpan = wholeSpan([]byte{Overflow})

func singleValued(s Stats) bool { return s.Multi == 0 && s.Cut == 0 && s.Many == 0 }

// Lookup turns the bounds of conditions on the first fields, one for each, into spans. Of an
// index that ignores case they are Probe.Folded, else Probe.Values. ok is false when the index
// cannot serve.
func (b *Bound) Lookup(conditions []query.Bounds, stats Stats) (l Lookup, ok bool) {
	if b.def.Trigram || len(conditions) == 0 || conditions[0].All {
		return l, false
	}
	l = Lookup{Exact: true}
	prefixes := [][]byte{{Values}}
	present := false // some condition leaves null out
	for i := range conditions {
		c := &conditions[i]
		numbers := len(c.Loose)+len(c.Ordered) > 0
		if c.All || i > 0 && numbers && stats.Mixed > 0 || i > 0 && len(prefixes)*len(c.Values) > maxSpans {
			break
		}
		l.Used++
		l.Exact = l.Exact && c.Exact
		present = present || !c.HasNull()
		l.Prefix = len(prefixes[0])
		if !pointsOnly(c) {
			l.spans(prefixes, c.Values, b.def.Fields[i].Desc)
			prefixes = nil
			break
		}
		l.Equal++
		if prefixes = extend(prefixes, c.Values, b.def.Fields[i].Desc); len(prefixes) == 0 {
			break
		}
		l.Prefix = len(prefixes[0])
	}
	for _, p := range prefixes {
		l.Spans = append(l.Spans, Span{p, query.Successor(p), l.Used == len(b.fields)})
	}
	l.Single = len(l.Spans) == 1 && singleValued(stats)
	if stats.Numbers > 0 {
		l.numbers(&conditions[0])
	}
	if stats.Many > 0 {
		l.Spans = append(l.Spans, overflowSpan)
	}
	l.Exact = l.Exact && singleValued(stats)
	l.cut()
	return l, !b.def.Sparse || present
}

// pointsOnly reports whether the values in the bounds are single ones.
func pointsOnly(c *query.Bounds) bool {
	for _, r := range c.Values {
		if !r.Point {
			return false
		}
	}
	return true
}

// spans adds the ranges of a field behind each of the prefixes.
func (l *Lookup) spans(prefixes [][]byte, ranges []query.Range, desc bool) {
	for _, p := range prefixes {
		for _, r := range ranges {
			if desc {
				r = inverse(r)
			}
			s := Span{Lo: join(p, r.Lo), Hi: query.Successor(p)}
			if r.Hi != nil {
				s.Hi = join(p, r.Hi)
			}
			l.Spans = append(l.Spans, s)
		}
	}
}

// extend returns every prefix with every point behind it.
func extend(prefixes [][]byte, points []query.Range, desc bool) [][]byte {
	longer := make([][]byte, 0, len(prefixes)*len(points))
	for _, p := range prefixes {
		for _, r := range points {
			key := join(p, r.Lo)
			if desc {
				document.InvertKey(key[len(p):])
			}
			longer = append(longer, key)
		}
	}
	return longer
}

func join(a, b []byte) []byte { return append(append(make([]byte, 0, len(a)+len(b)), a...), b...) }

// inverse returns the range of the inverted keys of a range.
func inverse(r query.Range) query.Range {
	flipped := func(key []byte) []byte {
		key = bytes.Clone(key)
		document.InvertKey(key)
		return query.Successor(key)
	}
	out := query.Range{Hi: flipped(r.Lo)}
	if r.Hi != nil {
		out.Lo = flipped(r.Hi)
	}
	return out
}

// numbers adds the spans of the numbers in texts of the first field.
func (l *Lookup) numbers(c *query.Bounds) {
	if len(c.Loose)+len(c.Ordered) == 0 {
		return
	}
	l.Single = false
	l.Exact = l.Exact && l.Used == 1
	add := func(family byte, ranges []query.Range) {
		for _, r := range ranges {
			l.Spans = append(l.Spans, Span{join([]byte{family}, r.Lo), join([]byte{family}, r.Hi), r.Point})
		}
	}
	add(Numbers, c.Loose)
	add(Numbers, c.Ordered)
	add(Loose, c.Loose)
	add(Ordered, c.Ordered)
}

// cut shortens keys as those of entries are, and the ends of ranges to what is kept of keys.
func (l *Lookup) cut() {
	for i := range l.Spans {
		s := &l.Spans[i]
		if s.Whole {
			if len(s.Lo) > MaxKeyBytes {
				*s = wholeSpan(cutKey(s.Lo))
			}
			continue
		}
		if len(s.Lo) > CutBytes {
			s.Lo, l.Exact, l.Single = s.Lo[:CutBytes], false, false
		}
		if len(s.Hi) > CutBytes {
			s.Hi, l.Exact, l.Single = query.Successor(s.Hi[:CutBytes]), false, false
		}
	}
}

// GramSpans returns, for texts as Probe.Grams gives them, the spans of their trigrams: an entry
// that holds all texts has a key in each. Entries of the overflow come beside them.
func GramSpans(texts []string) []Span {
	var spans []Span
	seen := make(map[string]bool)
	for _, text := range texts {
		EachGram([]byte(text), func(gram []byte) bool {
			if !seen[string(gram)] {
				seen[string(gram)] = true
				spans = append(spans, wholeSpan(join([]byte{Grams}, gram)))
			}
			return true
		})
	}
	return spans
}

// AllWhole reports whether every span is one key.
func (l *Lookup) AllWhole() bool {
	return !slices.ContainsFunc(l.Spans, func(s Span) bool { return !s.Whole })
}

// OverflowSpan returns the span of the entries that have too many keys.
func OverflowSpan() Span { return overflowSpan }

// Sorts reports whether the entries of a look-up that is Single come in the order wanted, ties
// by id aside, or in the reverse of it.
func (b *Bound) Sorts(l Lookup, order *query.BoundOrder) (reverse, ok bool) {
	if !l.Single || b.def.IgnoreCase || order.Len() == 0 {
		return false, false
	}
	// A range may lie on the first field of the order; what comes before it is fixed.
	rest := b.fields[l.Equal:]
	if len(rest) != order.Len() {
		return false, false
	}
	for i, name := range rest {
		desc, is := order.Is(i, name)
		flipped := desc != b.def.Fields[l.Equal+i].Desc
		if !is || i > 0 && flipped != reverse {
			return false, false
		}
		reverse = flipped
	}
	return reverse, true
}

// AppendTextKey appends the one key under which an index of one field lists every entry whose
// field equals a text, in the Sift dialect, and no other entry: that of the one span that Lookup
// makes of such a condition. ok is false when there is no such key.
func (b *Bound) AppendTextKey(dst []byte, s string, stats Stats) (key []byte, ok bool) {
	if len(b.fields) != 1 || b.def.Trigram || b.def.IgnoreCase || !singleValued(stats) {
		return dst, false
	}
	at := len(dst) + 1
	if key, ok = query.AppendTextKey(append(dst, Values), s); !ok || len(key)-at >= MaxKeyBytes {
		return dst, false
	}
	if b.def.Fields[0].Desc {
		document.InvertKey(key[at:])
	}
	return key, true
}
