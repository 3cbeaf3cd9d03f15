package aggregate

import "slices"

// folder runs the beginning of a pipeline over columns. Whatever it meets that the pipeline
// would fail on ends it: the documents tell what is wrong, and with which.
type folder struct {
	*columnar
	cols Columns
	e    *env

	tests  []*columnTest // one for each $match
	sort   *columnSort   // of a $sort
	groups []*group      // some of a $bucket may be nil
	ids    *columnIDs
	folds  []*columnFold
	n      int // documents that pass
	noted  int // bytes of what is noted for the values of the columns
}

// valueRoom is how many bytes what is evaluated once for each value of a column takes for one.
const valueRoom = 64

// room asks for some bytes for each of n values of a column, and reports whether they may be held.
// A pipeline may look at one column in very many ways.
func (f *folder) room(path string, n, size int) bool {
	if f.e.err == nil {
		f.noted += n * size
		f.e.keep(path, n*size)
	}
	return f.e.err == nil
}

// run folds all documents, and gives what comes out; ok is false when that cannot be told.
func (f *folder) run() (out seq, ok bool) {
	for _, m := range f.matches {
		f.tests = append(f.tests, f.test(m.m))
	}
	g := f.grouping()
	if g != nil {
		for i, a := range g.accs {
			f.folds = append(f.folds, f.newFold(a, i))
		}
	}
	if s, ok := f.fold.(*sorter); ok {
		f.sort = f.newSort(s)
	}
	if f.e.err != nil {
		return nil, false
	}
	room := make([][]uint32, len(f.names))
	var of []uint32
	for n, codes := range f.cols.Chunks() {
		f.e.run.owns, f.e.run.credit = true, f.e.run.credit+stepsPerDocument*n
		if f.e.run.step(n) != nil {
			return nil, false
		}
		f.begin(n)
		for _, t := range f.tests {
			if n, codes = f.keep(t, n, codes, room); f.e.run.step(n) != nil {
				return nil, false
			}
		}
		f.n += n
		if f.sort != nil {
			f.sort.add(f, n, codes)
		}
		if g != nil {
			of = f.ids.of(f, of[:0], n, codes)
			for _, fold := range f.folds {
				fold.add(f, of, codes)
			}
		}
		if f.e.err != nil {
			return nil, false
		}
	}
	if f.sort != nil {
		return f.sorted(), true
	}
	for _, fold := range f.folds {
		fold.finish(f.groups)
	}
	f.tests, f.ids, f.folds = nil, nil, nil // the stages that follow have the memory of it
	f.e.keep("pipeline", -f.noted)
	return counted(f.e, f.results(f.e.kept)), true
}

// grouping prepares the groups of the stage; nil for $count.
func (f *folder) grouping() *grouping {
	switch s := f.fold.(type) {
	case *groupStage:
		f.ids = f.newIDs(s)
		return &s.grouping
	case *bucket:
		f.groups = make([]*group, len(s.boundaries))
		f.ids = f.newBuckets(s)
		return &s.grouping
	}
	return nil
}

// results gives what was folded, and gives back the memory that it held.
func (f *folder) results(held int) seq {
	return func(yield func(Value, error) bool) {
		defer func() { f.e.run.drop(held) }()
		switch s := f.fold.(type) {
		case *groupStage:
			s.results(f.e, f.groups, yield)
		case *bucket:
			s.results(f.e, f.groups, yield)
		case countStage:
			if f.n > 0 {
				yield(s.result(f.n), nil)
			}
		}
	}
}

// document makes a document of some columns, as far as an expression sees one.
func (f *folder) document(columns []int, codes []uint32) Value {
	data := newObject(len(columns))
	for i, c := range columns {
		if v := f.cols.Value(c, codes[i]); v.kind != Missing {
			data.add(f.names[c], v)
		}
	}
	o := newObject(1)
	o.add("data", objectOf(data))
	return objectOf(o)
}

// once evaluates something on a document that stands for many. Where their work is limited, it
// must be as little as is not counted.
func (f *folder) once(doc Value, fn func(Value)) {
	before := f.e.run.work
	f.e.on(doc)
	fn(doc)
	if f.e.run.work != before && f.e.run.limits.Work > 0 {
		f.e.fail("pipeline", "the work on each document counts")
	}
}

// columnTest is a condition on columns, in a tree whose leaves look at one column each.
type columnTest struct {
	m      matcher
	column int
	passes []uint8 // of a leaf, by the numbers of values: 0 unknown, 1 no, 2 yes
	parts  []*columnTest
	all    bool // parts: all must pass, not any
	not    bool
}

func (f *folder) test(m matcher) *columnTest {
	if at, one := f.columnOf(m); one {
		if !f.room("pipeline", f.cols.Len(at), 1) {
			return nil
		}
		return &columnTest{m: m, column: at, passes: make([]uint8, f.cols.Len(at))}
	}
	t := &columnTest{}
	var parts []matcher
	switch m := m.(type) {
	case allOf:
		parts, t.all = m, true
	case anyOf:
		parts = m
	case negation:
		parts, t.not = []matcher{m.m}, true
	}
	for _, x := range parts {
		t.parts = append(t.parts, f.test(x))
	}
	return t
}

// columnOf returns the one column that a condition looks at.
func (f *folder) columnOf(m matcher) (at int, one bool) {
	c := &columnar{}
	if c.matcher(m); len(c.names) != 1 {
		return 0, false
	}
	return slices.Index(f.names, c.names[0]), true
}

// passes tests a document of a chunk.
func (t *columnTest) passesAt(f *folder, codes [][]uint32, i int) bool {
	if t.m != nil {
		code := codes[t.column][i]
		if t.passes[code] == 0 {
			f.once(f.document([]int{t.column}, []uint32{code}), func(doc Value) {
				t.passes[code] = 1
				if t.m.match(f.e, doc) {
					t.passes[code] = 2
				}
			})
		}
		return t.passes[code] == 2
	}
	for _, part := range t.parts {
		if part.passesAt(f, codes, i) != t.all {
			return t.all == t.not
		}
	}
	return t.all != t.not
}

// keep leaves the documents of a chunk that pass.
func (f *folder) keep(t *columnTest, n int, codes, room [][]uint32) (int, [][]uint32) {
	for c := range room {
		room[c] = slices.Grow(room[c][:0], n)[:n]
	}
	kept := 0
	for i := range n {
		if t.passesAt(f, codes, i) {
			for c := range room {
				room[c][kept] = codes[c][i]
			}
			f.kept(kept, i)
			kept++
		}
	}
	out := make([][]uint32, len(room))
	for c := range room {
		out[c] = room[c][:kept]
	}
	return kept, out
}

// columnIDs finds the group of each document.
type columnIDs struct {
	columns []int
	sizes   []int    // how many values these have
	known   []uint32 // groups from 1 on, by the numbers of the values; 0 is unknown
	find    func(doc Value) int
}

// newIDs groups by an expression of columns.
func (f *folder) newIDs(s *groupStage) *columnIDs {
	groups := map[string]int{}
	var key []byte
	return f.idsOf(s.id, func(doc Value) int {
		id := s.id.eval(f.e)
		if id.kind == Missing {
			id = null
		}
		key = appendKey(key[:0], id)
		at, ok := groups[string(key)]
		if !ok {
			at = len(f.groups)
			f.e.keep(s.path, len(key)+32)
			f.groups = append(f.groups, s.begin(f.e, f.e.run.detach(id), doc))
			groups[string(key)] = at
		}
		return at
	})
}

// newBuckets groups by the boundaries of $bucket.
func (f *folder) newBuckets(s *bucket) *columnIDs {
	return f.idsOf(s.by, func(doc Value) int {
		i, id := s.find(f.e, s.by.eval(f.e))
		if f.groups[i] == nil {
			f.groups[i] = s.begin(f.e, id, doc)
		}
		return i
	})
}

// mostIDs is how many combinations of values several columns may have.
const mostIDs = 1 << 20

func (f *folder) idsOf(x expr, find func(Value) int) *columnIDs {
	c := &columnar{}
	c.expr(x)
	ids := &columnIDs{find: find}
	size := 1
	for _, name := range c.names {
		at := slices.Index(f.names, name)
		ids.columns, ids.sizes = append(ids.columns, at), append(ids.sizes, f.cols.Len(at))
		if len(c.names) > 1 && f.cols.Len(at) > mostIDs/size {
			f.e.fail("pipeline", "there may be too many groups")
			return ids
		}
		size *= f.cols.Len(at)
	}
	ids.known = make([]uint32, size)
	return ids
}

// of appends the groups of the documents of a chunk.
func (ids *columnIDs) of(f *folder, of []uint32, n int, codes [][]uint32) []uint32 {
	if f.e.err != nil {
		return of
	}
	if len(ids.columns) == 1 {
		for _, code := range codes[ids.columns[0]][:n] {
			g := ids.known[code]
			if g == 0 {
				g = ids.add(f, int(code), []uint32{code})
			}
			of = append(of, g-1)
		}
		return of
	}
	tuple := make([]uint32, len(ids.columns))
	for i := range n {
		at := 0
		for k, c := range ids.columns {
			tuple[k] = codes[c][i]
			at = at*ids.sizes[k] + int(tuple[k])
		}
		g := ids.known[at]
		if g == 0 {
			g = ids.add(f, at, tuple)
		}
		of = append(of, g-1)
	}
	return of
}

func (ids *columnIDs) add(f *folder, at int, tuple []uint32) (group uint32) {
	f.once(f.document(ids.columns, tuple), func(doc Value) { group = uint32(ids.find(doc)) + 1 })
	ids.known[at] = group
	return group
}
