package index

import (
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// part is the key of one value of one field, in the scratch of a KeySet.
type part struct {
	from, to int
	kind     partKind
	family   byte
}

// partKind says what a part stands for.
type partKind uint8

const (
	nothing  partKind = iota // null, absent, or a path that leads nowhere
	scalar                   // a value that uniqueness is judged by
	compound                 // an array, an object, or something deep in an array
)

// Keys fills dst with the keys of an entry.
func (b *Bound) Keys(dst *KeySet, rec *query.Record) {
	dst.reset()
	if b.def.Trigram {
		b.grams(dst, rec)
		return
	}
	for len(dst.parts) < len(b.fields) {
		dst.parts = append(dst.parts, nil)
	}
	total := 1
	for i, name := range b.fields {
		c := collector{set: dst, first: i == 0, fold: b.def.IgnoreCase, parts: dst.parts[i][:0]}
		c.field(name, rec)
		if dst.parts[i] = c.parts; c.full {
			dst.overflow()
			return
		}
		if b.fields[i] != nil && b.def.Fields[i].Desc {
			for _, p := range c.parts {
				if p.family == Values {
					document.InvertKey(dst.scratch[p.from:p.to])
				}
			}
		}
		if total *= len(c.parts); total > MaxKeys*(MaxFields+3) {
			dst.overflow()
			return
		}
	}
	b.combine(dst)
	dst.finish(MaxKeys)
}

// combine makes keys of the parts of the fields: every combination of values, and the numbers of
// the first field alone.
func (b *Bound) combine(dst *KeySet) {
	var chosen [MaxFields]part
	for _, p := range dst.parts[0] {
		if p.family != Values {
			from := len(dst.arena)
			dst.arena = append(append(dst.arena, p.family), dst.scratch[p.from:p.to]...)
			dst.end(from, false)
			continue
		}
		chosen[0] = p
		b.combineFrom(dst, 1, &chosen)
	}
}

func (b *Bound) combineFrom(dst *KeySet, i int, chosen *[MaxFields]part) {
	if i < len(b.fields) {
		for _, p := range dst.parts[i] {
			chosen[i] = p
			b.combineFrom(dst, i+1, chosen)
		}
		return
	}
	unique, empty := true, true
	for _, p := range chosen[:i] {
		unique = unique && p.kind == scalar
		empty = empty && p.kind == nothing
	}
	if empty && b.def.Sparse {
		return
	}
	from := len(dst.arena)
	dst.arena = append(dst.arena, Values)
	for _, p := range chosen[:i] {
		dst.arena = append(dst.arena, dst.scratch[p.from:p.to]...)
	}
	dst.end(from, unique)
}

// collector gathers the parts of one field.
type collector struct {
	set   *KeySet
	first bool // the field is the first one, whose texts have number keys
	fold  bool
	parts []part
	full  bool
}

func (c *collector) field(name *query.BoundName, rec *query.Record) {
	count := 0
	name.Each(rec, func(v document.Value) bool {
		count++
		c.value(v, 0)
		return !c.full
	})
	if count != 1 {
		c.set.traits |= Multi
	}
	if count == 0 {
		c.value(document.Value{}, 0)
	}
}

// value adds the parts of a value that lies depth arrays deep.
func (c *collector) value(v document.Value, depth int) {
	if len(c.parts) > MaxKeys {
		c.full = true
		return
	}
	switch v.Kind() {
	case document.Absent, document.Null:
		c.add(v, nothing)
	case document.Array:
		c.set.traits |= Multi
		c.array(v, depth)
	case document.Object:
		c.add(v, compound)
	default:
		kind := scalar
		if depth > 1 {
			kind = compound
		}
		if c.fold {
			c.foldedText(v, kind)
			return
		}
		c.add(v, kind)
		if v.Kind() == document.String {
			c.numbers(v.Str(), true)
		}
	}
}

// array adds the parts of an array and of what is in it. An empty one, and one in another,
// count as their text, too.
func (c *collector) array(v document.Value, depth int) {
	switch {
	case c.fold:
		c.foldedText(v, compound)
	default:
		c.add(v, compound)
		if depth > 0 || v.Len() == 0 {
			c.set.text = query.AppendText(c.set.text[:0], v)
			text := string(c.set.text)
			c.add(document.Of(text), compound)
			c.numbers(text, false)
		}
	}
	for item := range v.Items() {
		if c.value(item, depth+1); c.full {
			return
		}
	}
}

func (c *collector) add(v document.Value, kind partKind) {
	from := len(c.set.scratch)
	c.set.scratch = document.AppendKey(c.set.scratch, v)
	c.parts = append(c.parts, part{from, len(c.set.scratch), kind, Values})
}

func (c *collector) foldedText(v document.Value, kind partKind) {
	c.set.text = query.AppendText(c.set.text[:0], v)
	c.set.folded = query.AppendFolded(c.set.folded[:0], c.set.text)
	c.add(document.Of(string(c.set.folded)), kind)
}

// numbers adds the numbers that comparisons see in a text; ordered says whether < sees it as a
// text at all.
func (c *collector) numbers(s string, ordered bool) {
	loose, isLoose := query.LooseNumber(s)
	after, isOrdered := 0.0, false
	if ordered {
		after, isOrdered = query.OrderedNumber(s)
	}
	switch {
	case !isLoose && !isOrdered:
	case !c.first:
		c.set.traits |= Mixed
	case isLoose && isOrdered && loose == after:
		c.number(loose, Numbers)
	default:
		if isLoose {
			c.number(loose, Loose)
		}
		if isOrdered {
			c.number(after, Ordered)
		}
	}
}

func (c *collector) number(f float64, family byte) {
	from := len(c.set.scratch)
	c.set.scratch = document.AppendNumberKey(c.set.scratch, f)
	c.parts = append(c.parts, part{from, len(c.set.scratch), compound, family})
}

// grams fills dst with the trigrams of an entry.
func (b *Bound) grams(dst *KeySet, rec *query.Record) {
	b.fields[0].Each(rec, func(v document.Value) bool {
		if v.Kind() <= document.Null || v.Kind() == document.Object {
			return true
		}
		dst.text = query.AppendText(dst.text[:0], v)
		dst.folded = query.AppendFolded(dst.folded[:0], dst.text)
		return EachGram(dst.folded, func(gram []byte) bool {
			from := len(dst.arena)
			dst.arena = append(append(dst.arena, Grams), gram...)
			dst.end(from, false)
			if len(dst.keys) > 4*MaxGrams { // mostly the same ones again
				dst.finish(MaxGrams)
				dst.compact()
			}
			return dst.traits&Many == 0
		})
	})
	if dst.traits&Many != 0 {
		return
	}
	if dst.finish(MaxGrams); len(dst.keys) > 0 {
		dst.traits |= Multi // grams are in no order of the entries
	}
}

// compact drops from the arena what is no key any more.
func (k *KeySet) compact() {
	k.scratch = k.scratch[:0]
	for i, ref := range k.keys {
		from := len(k.scratch)
		k.scratch = append(k.scratch, k.arena[ref.from:ref.to]...)
		k.keys[i].from, k.keys[i].to = from, len(k.scratch)
	}
	k.arena, k.scratch = k.scratch, k.arena
}

// EachGram calls fn with every run of three code points in a folded text, as often as they are
// there, until fn returns false. It returns what fn returned last.
func EachGram(folded []byte, fn func(gram []byte) bool) bool {
	var at [3]int // where the last code points begin
	n := 0
	for i := 0; i < len(folded); {
		_, size := utf8.DecodeRune(folded[i:])
		at[0], at[1], at[2] = at[1], at[2], i
		i += size
		if n++; n >= 3 && !fn(folded[at[0]:i]) {
			return false
		}
	}
	return true
}
