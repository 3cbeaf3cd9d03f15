package siftdb

import (
	"bytes"
	"container/heap"
	"context"
	"iter"
	"math"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// match reports whether a record passes, and leaves it in m.rec. The error is that of a
// regular expression that costs too much on it.
func (m *matching) match(rec *layout.Record) (bool, error) {
	m.fill(rec)
	m.rec.Err = nil
	ok := m.where.MatchRecord(&m.rec)
	return ok, m.rec.Err
}

// fill makes a stored record readable for the where language.
func (m *matching) fill(rec *layout.Record) {
	fillRecord(&m.rec, rec, m.names.names)
}

// fillRecord makes a stored record readable; names are those of its data source.
func fillRecord(to *query.Record, rec *layout.Record, names *document.Names) {
	to.Data = document.Stored(rec.Doc, names)
	to.ID, to.CreatedAt, to.UpdatedAt = rec.ID, rec.CreatedAt, rec.UpdatedAt
	if rec.Order != nil {
		to.Order = document.Stored(rec.Order, nil)
	} else {
		to.Order = document.Of(0)
	}
}

// finder runs one select: it reads in slices, and hands entries out between them.
type finder struct {
	ds      *DataSource
	c       *compiled
	rd      *reading
	m       matching
	project *query.BoundProjection
	order   *query.BoundOrder   // nil when there is none
	seen    map[string]struct{} // data that distinct has met
	skip    int                 // matches still to be skipped
	left    int                 // entries still wanted; -1 for all
	total   int64               // matches so far
	count   bool                // total is wanted, so go on when nothing more is
	eager   bool                // the caller wants everything, so slices are large at once
	joins   *joiner             // nil when there are none
	wanted  []string            // columns that a pipeline needs alone, for Explain

	numberOnly bool // no more than the number of matches is wanted, for Explain
	bare       bool // of the entries nothing but the id is wanted
	batch      []*Entry
	weight     int // of the batch, in bytes
	way        way
	ran        ran
	arena      arena
	kept       []keptRecord // room for what is read ahead
	crowded    bool         // there was no room for a whole batch

	// What the where was bound to: names, and revisions of the columns and of the
	// definition.
	names, columns, revision int64
	last                     int64 // the last commit that changed the data source then
}

func (ds *DataSource) finder(ctx context.Context, c *compiled, total bool) *finder {
	ds = ds.in(ctx)
	f := &finder{ds: ds, c: c, rd: ds.read(), skip: c.offset, left: c.limit, count: total, joins: newJoiner(ds, c.joins)}
	if c.distinct {
		f.seen = make(map[string]struct{})
	}
	return f
}

func (f *finder) close() {
	if f.rd.chosen == nil && !f.way.untried {
		f.rd.advise(f.m.where, f.c.order, f.c.limit >= 0 && !f.c.distinct, f.ran.matched)
	}
	f.joins.close()
	f.rd.close()
}

// all yields the entries wanted; an eager finder leaves their joins to whoever
// called it. An error is the last thing it yields.
func (f *finder) all(ctx context.Context) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		if err := f.begin(ctx); err != nil {
			yield(nil, err)
			return
		}
		if len(f.c.order) > 0 {
			f.sorted(ctx)(yield)
		} else {
			f.scanned(ctx)(yield)
		}
	}
}

// stream yields the entries wanted, and then those of the outer joins.
func (f *finder) stream(ctx context.Context) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		for e, err := range f.all(ctx) {
			if !yield(e, err) || err != nil {
				return
			}
		}
		f.joins.appended(ctx)(yield)
	}
}

// begin reads what the joins need before there are entries. Without joins there is
// nothing to do before the first slice.
func (f *finder) begin(ctx context.Context) error {
	if f.joins == nil {
		return nil
	}
	f.joins.eager = f.eager
	if err := f.joins.authorize(ctx); err != nil {
		return err
	}
	if err := f.rd.slice(ctx, f.bind); err != nil {
		return err
	}
	if err := f.narrowRequired(ctx); err != nil {
		return err
	}
	return f.joins.prepare(ctx)
}

// batchSizes: the first entries come soon, later ones in larger slices. Whoever streams
// large entries holds few of them.
const (
	firstBatch = 32
	fullBatch  = 1000
	batchBytes = 4 << 20
)

func (f *finder) firstBatch() int {
	if f.eager {
		return fullBatch
	}
	return firstBatch
}

// bind prepares the finder in the first slice, and notes whether the total is known
// without a scan.
func (f *finder) bind(r storage.Reader) error {
	first := f.m.where == nil
	if err := f.m.bind(f.rd, f.c); err != nil || !first {
		return err
	}
	f.names, f.columns, f.revision = f.rd.st.head.Names, f.rd.st.head.Columns, f.rd.st.head.Revision
	f.last = f.rd.st.head.Last
	if f.c.projection != nil {
		f.project = f.c.projection.Bind(f.rd.st.source.schema())
	}
	if len(f.c.order) > 0 {
		f.order = f.c.order.Bind(f.rd.st.source.schema())
	}
	if f.count && f.m.where.MatchesAll() && !f.rd.sight.filters() && !f.c.distinct && !f.joins.required() {
		f.total, f.count = f.rd.st.count, false
	}
	return f.joins.begin(r, f.rd)
}

// matches reports whether a record is selected. It leaves the record in f.m when
// there are joins.
func (f *finder) matches(rec *layout.Record, v query.Verdict) (bool, error) {
	f.ran.looked++
	if v == query.Yes {
		if f.joins != nil {
			f.m.fill(rec)
		}
	} else if ok, err := f.m.match(rec); !ok {
		return false, err
	}
	f.ran.matched++
	return f.joins.passes(&f.m)
}

// scanned yields entries in default order.
func (f *finder) scanned(ctx context.Context) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		_, _, err := f.byIndex(ctx)
		var plan *columnPlan
		if err == nil && f.rd.chosen == nil {
			plan, err = f.byColumns(ctx)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		if plan != nil && f.selective(plan) {
			f.planned(ctx, plan)(yield)
			return
		}
		if plan != nil {
			f.rd.pick = plan.pick()
			if f.count && plan.exact && f.seen == nil {
				f.total, f.count = int64(plan.count()), false
			}
		}
		f.proposedAhead(ctx)
		size, most := f.firstBatch(), f.wantsMost()
		for done := false; !done; size = fullBatch {
			f.empty()
			err := f.rd.slice(ctx, func(r storage.Reader) (err error) {
				if err := f.bind(r); err != nil {
					return err
				}
				if f.left == 0 && !f.count {
					done = true
					return nil
				}
				done, err = f.rd.entries(r, f.m.where, func(rec *layout.Record, v query.Verdict) (bool, error) {
					ok, err := f.matches(rec, v)
					if ok {
						var own *keptRecord
						if most {
							own = f.rd.keptOf(rec)
						}
						err = f.accept(rec, own)
					}
					return len(f.batch) < size && f.weight < batchBytes && (f.left != 0 || f.count), err
				})
				done = done || f.left == 0 && !f.count
				return err
			})
			if !f.deliver(ctx, err, yield) {
				return
			}
		}
	}
}

// accept takes a match: past the offset and within the limit it joins the batch. own is what was kept
// of it where most of what was kept is wanted: its document becomes the entry's.
func (f *finder) accept(rec *layout.Record, own *keptRecord) error {
	doc := rec.Doc
	copied := own != nil
	if f.project != nil && (f.seen != nil || f.skip == 0 && f.left != 0) {
		doc, copied = f.project.AppendTo(nil, document.Stored(doc, f.rd.st.source.names)), true
	}
	if f.seen != nil && !f.fresh(doc) {
		return nil
	}
	if f.count {
		f.total++
	}
	if f.skip > 0 {
		f.skip--
		return nil
	}
	if f.left == 0 {
		return nil
	}
	if f.left > 0 {
		f.left--
	}
	if !copied {
		doc = f.arena.copy(doc)
	}
	var e *Entry
	if own != nil && own.entry != nil {
		e = own.entry
	} else {
		e = f.arena.entry()
		e.set(f.ds.id, f.rd.st.source.names, rec, doc)
	}
	f.batch, f.weight = append(f.batch, e), f.weight+len(doc)
	return f.joins.note(&f.m)
}

// fresh reports whether distinct has not met these data yet.
func (f *finder) fresh(doc []byte) bool {
	key := document.CanonicalKey(nil, document.Stored(doc, f.rd.st.source.names))
	if _, dup := f.seen[string(key)]; dup {
		return false
	}
	f.seen[string(key)] = struct{}{}
	return true
}

// empty makes room for the next batch. What a heavy one was made of is let go at once.
func (f *finder) empty() {
	if f.weight >= batchBytes {
		clear(f.batch)
		f.arena = arena{}
	}
	f.batch, f.weight = f.batch[:0], 0
}

// deliver hands a batch out and reports whether to go on.
func (f *finder) deliver(ctx context.Context, err error, yield func(*Entry, error) bool) bool {
	if err == nil && !f.eager {
		err = f.joins.fill(ctx, f.batch)
	}
	if err != nil {
		yield(nil, err)
		return false
	}
	for _, e := range f.batch {
		if !yield(e, nil) {
			return false
		}
	}
	return true
}

// sorted gathers the sort keys and ids of all matches, or of the best ones when
// there is a limit, and then fetches entries in that order from the same state.
func (f *finder) sorted(ctx context.Context) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		ids, ok, err := f.byIndex(ctx)
		if err == nil && !ok && f.rd.chosen == nil {
			var plan *columnPlan
			if plan, err = f.byColumns(ctx); err == nil && plan != nil {
				f.planned(ctx, plan)(yield)
				return
			}
		}
		if err == nil && !ok {
			var best *sorter
			if best, err = f.gather(ctx); err == nil {
				ids = best.sorted()
			}
		}
		if err != nil {
			yield(nil, err)
			return
		}
		if f.seen == nil {
			ids = ids[min(f.skip, len(ids)):]
			f.skip = 0
		}
		f.count = f.count && f.seen != nil
		f.ran.gathered()
		f.fetched(ctx, ids, false)(yield)
	}
}

// gather collects the sort keys of the matches.
func (f *finder) gather(ctx context.Context) (*sorter, error) {
	s := &sorter{keep: -1}
	if f.c.limit >= 0 && !f.c.distinct {
		s.keep = saturated(f.c.offset, f.c.limit)
	}
	for done := false; !done; {
		err := f.rd.slice(ctx, func(r storage.Reader) (err error) {
			if err := f.bind(r); err != nil {
				return err
			}
			if s.keep == 0 && !f.count {
				done = true
				return nil
			}
			done, err = f.rd.entries(r, f.m.where, func(rec *layout.Record, v query.Verdict) (bool, error) {
				f.ran.looked++
				ok, err := f.m.match(rec)
				if !ok {
					return err == nil, err
				}
				f.ran.matched++
				ok, err = f.joins.passes(&f.m)
				if ok {
					if f.count && f.seen == nil {
						f.total++
					}
					s.add(f.order, &f.m.rec)
				}
				return true, err
			})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// saturated adds two counts.
func saturated(a, b int) int {
	if a > math.MaxInt-b {
		return math.MaxInt
	}
	return a + b
}

// sorter keeps the entries with the lowest sort keys.
type sorter struct {
	keep  int // how many; -1 for all
	items []sortItem
	key   []byte
	arena arena
}

type sortItem struct {
	key []byte
	id  int64
}

func (a sortItem) compare(b sortItem) int {
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c
	}
	return int(min(max(a.id-b.id, -1), 1))
}

func (s *sorter) add(order *query.BoundOrder, rec *query.Record) {
	s.key = order.AppendKey(s.key[:0], rec)
	item := sortItem{s.key, rec.ID}
	switch {
	case s.keep < 0:
		item.key = s.arena.copy(s.key)
		s.items = append(s.items, item)
	case len(s.items) < s.keep:
		item.key = slices.Clone(s.key)
		heap.Push(s, item)
	case s.keep > 0 && item.compare(s.items[0]) < 0:
		item.key = append(s.items[0].key[:0], s.key...)
		s.items[0] = item
		heap.Fix(s, 0)
	}
}

// sorted returns the ids in order.
func (s *sorter) sorted() []int64 {
	slices.SortFunc(s.items, sortItem.compare)
	ids := make([]int64, len(s.items))
	for i := range s.items {
		ids[i] = s.items[i].id
	}
	return ids
}

// Len, Less, Swap, Push and Pop make a sorter a heap with its highest key on top.
func (s *sorter) Len() int { return len(s.items) }

// Less reports whether item i sorts after item j.
func (s *sorter) Less(i, j int) bool { return s.items[i].compare(s.items[j]) > 0 }

// Swap swaps two items.
func (s *sorter) Swap(i, j int) { s.items[i], s.items[j] = s.items[j], s.items[i] }

// Push appends an item.
func (s *sorter) Push(x any) { s.items = append(s.items, x.(sortItem)) }

// Pop is never called: a sorter only grows or replaces.
func (s *sorter) Pop() any {
	last := s.items[len(s.items)-1]
	s.items = s.items[:len(s.items)-1]
	return last
}

// arena hands out bytes and entries from larger and larger pieces, which saves most
// of the allocations of a large result. A piece lives as long as anything in it.
type arena struct {
	bytes   []byte
	entries []Entry
	handed  int // entries handed out
}

const (
	arenaFirst   = 512
	arenaBytes   = 16 << 10
	arenaEntries = 32
)

// copy returns a copy of b.
func (a *arena) copy(b []byte) []byte {
	if len(b) > arenaBytes/8 {
		return slices.Clone(b)
	}
	if cap(a.bytes)-len(a.bytes) < len(b) {
		a.bytes = make([]byte, 0, max(len(b), min(arenaBytes, max(arenaFirst, 2*cap(a.bytes)))))
	}
	start := len(a.bytes)
	a.bytes = append(a.bytes, b...)
	return a.bytes[start:len(a.bytes):len(a.bytes)]
}

// entry returns an empty entry.
func (a *arena) entry() *Entry {
	if len(a.entries) == 0 {
		a.entries = make([]Entry, min(arenaEntries, a.handed+1))
	}
	e := &a.entries[0]
	a.entries = a.entries[1:]
	a.handed++
	return e
}
