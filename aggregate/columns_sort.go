package aggregate

import (
	"cmp"
	"slices"
	"sort"
)

// ordering reports whether a $sort looks at columns alone.
func (c *columnar) ordering(o *ordering) bool {
	return !slices.ContainsFunc(o.keys, func(k sortKey) bool { _, ok := c.column(k.path); return !ok })
}

// skip notes how many of the documents that a $sort gives are passed over at once.
func (c *columnar) skip() {
	for len(c.next) > 0 {
		s, ok := c.next[0].(skip)
		if !ok {
			return
		}
		c.skips, c.next = min(c.skips+int(s), 1<<31-1), c.next[1:]
	}
}

// columnSort is a $sort of which the best are wanted: a heap of these whose root is the last
// of them, as sorter has.
type columnSort struct {
	best  int
	path  string
	keys  []*columnKey
	rows  []sortedRow
	codes []uint32 // of all rows, by their slots

	before int   // documents of earlier chunks
	places []int // of the documents of this chunk; nil when none is left out
}

// sortedRow is a document: its place, and where the numbers of its values are.
type sortedRow struct{ at, slot int }

// columnKey is a key of a $sort: of each value of a column what is sorted by.
type columnKey struct {
	sortKey
	at     int
	whole  bool
	floats []float64 // of a whole column
	are    []bool
	seen   []bool // of a way into a column, which values are evaluated
	values []Value
	lists  map[uint32]Value // of a whole column, what stands for lists
	after  []bool           // of the first key: values that are too late for the heap
}

func (f *folder) newSort(s *sorter) *columnSort {
	t := &columnSort{best: s.best, path: s.path}
	for i, k := range s.order.keys {
		key := &columnKey{sortKey: k, at: slices.Index(f.names, k.path[1].name), whole: len(k.path) == 2}
		n := f.cols.Len(key.at)
		switch {
		case key.whole:
			key.floats, key.are = f.cols.Floats(key.at)
		case f.room(s.path, n, valueRoom):
			key.seen, key.values = make([]bool, n), make([]Value, n)
		default:
			return t
		}
		if i == 0 {
			key.after = make([]bool, n)
		}
		t.keys = append(t.keys, key)
	}
	return t
}

// begin begins a chunk of documents.
func (f *folder) begin(n int) {
	if t := f.sort; t != nil {
		t.places = nil
		if len(f.tests) > 0 {
			t.places = make([]int, n)
			for i := range t.places {
				t.places[i] = t.before + i
			}
		}
	}
}

// kept notes that a document of a chunk passes a $match.
func (f *folder) kept(to, from int) {
	if f.sort != nil {
		f.sort.places[to] = f.sort.places[from]
	}
}

// of gives what the documents with a value are sorted by.
func (k *columnKey) of(f *folder, code uint32) Value {
	if k.whole {
		if v := f.cols.Value(k.at, code); v.kind != Array {
			return v
		}
		v, ok := k.lists[code]
		if !ok {
			if k.lists == nil {
				k.lists = make(map[uint32]Value)
			}
			v = k.find(f, code)
			k.lists[code] = v
		}
		return v
	}
	if !k.seen[code] {
		k.seen[code], k.values[code] = true, k.find(f, code)
	}
	return k.values[code]
}

func (k *columnKey) find(f *folder, code uint32) (v Value) {
	f.once(f.document([]int{k.at}, []uint32{code}), func(doc Value) { v = k.sortKey.of(doc) })
	return v
}

// compare compares documents with two values.
func (k *columnKey) compare(f *folder, a, b uint32) int {
	c := 0
	switch {
	case a == b:
	case k.whole && k.are[a] && k.are[b]:
		c = cmp.Compare(k.floats[a], k.floats[b])
	default:
		c = compareSort(k.of(f, a), k.of(f, b))
	}
	if k.desc {
		return -c
	}
	return c
}

// add takes the documents of a chunk that have passed every $match.
func (t *columnSort) add(f *folder, n int, codes [][]uint32) {
	first := codes[t.keys[0].at][:n]
	for i, code := range first {
		full := len(t.rows) == t.best
		if full && t.keys[0].after[code] {
			continue
		}
		if !full {
			t.push(f, i, codes)
			continue
		}
		root := t.rows[0]
		c := t.keys[0].compare(f, code, t.codes[root.slot])
		if t.keys[0].after[code] = c > 0 || c == 0 && len(t.keys) == 1; t.keys[0].after[code] {
			continue
		}
		for k := 1; c == 0 && k < len(t.keys); k++ {
			c = t.keys[k].compare(f, codes[t.keys[k].at][i], t.codes[root.slot+k])
		}
		if c < 0 { // of equal ones the first stay
			t.set(0, root.slot, i, codes)
			t.sink(f)
		}
	}
	next := t.before + n
	if t.places != nil {
		next = t.before + len(t.places)
	}
	t.before = next
}

// push adds a document of a chunk, as long as there are not enough.
func (t *columnSort) push(f *folder, i int, codes [][]uint32) {
	f.e.keep(t.path, 16+4*len(t.keys))
	t.rows = append(t.rows, sortedRow{})
	slot := len(t.codes)
	t.codes = append(t.codes, make([]uint32, len(t.keys))...)
	t.set(len(t.rows)-1, slot, i, codes)
	for at := len(t.rows) - 1; at > 0; {
		up := (at - 1) / 2
		if t.compare(f, t.rows[at], t.rows[up]) <= 0 {
			return
		}
		t.rows[at], t.rows[up] = t.rows[up], t.rows[at]
		at = up
	}
}

func (t *columnSort) set(at, slot, i int, codes [][]uint32) {
	place := t.before + i
	if t.places != nil {
		place = t.places[i]
	}
	t.rows[at] = sortedRow{place, slot}
	for k, key := range t.keys {
		t.codes[slot+k] = codes[key.at][i]
	}
}

func (t *columnSort) compare(f *folder, a, b sortedRow) int {
	for k, key := range t.keys {
		if c := key.compare(f, t.codes[a.slot+k], t.codes[b.slot+k]); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.at, b.at)
}

// sink moves the root of the heap to where it belongs.
func (t *columnSort) sink(f *folder) {
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(t.rows) {
			return
		}
		if child+1 < len(t.rows) && t.compare(f, t.rows[child+1], t.rows[child]) > 0 {
			child++
		}
		if t.compare(f, t.rows[child], t.rows[i]) <= 0 {
			return
		}
		t.rows[i], t.rows[child] = t.rows[child], t.rows[i]
		i = child
	}
}

// sorted gives the best documents, which are read when they are asked for.
func (f *folder) sorted() seq {
	t := f.sort
	sort.Slice(t.rows, func(i, j int) bool { return t.compare(f, t.rows[i], t.rows[j]) < 0 })
	var places []int
	for i := f.skips; i < len(t.rows); i++ {
		places = append(places, t.rows[i].at)
	}
	f.e.run.drop(f.e.kept)
	return each(f.cols.Documents(places), func(v Value) (Value, bool, error) {
		f.e.run.read(v)
		return v, true, nil
	})
}
