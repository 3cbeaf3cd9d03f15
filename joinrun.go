package siftdb

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// joinRun runs one join: a hash join. The joined entries, or those of them that the
// parents at hand ask for, are gathered into groups by key, and each parent gets
// the groups of its own keys. So the cost grows with the parents plus the joined
// entries.
//
// There are three ways to the joined entries. readAll reads every one into groups,
// once, when parents come in batches or may be dropped. readNoted reads them too
// and keeps those that the parents at hand ask for. readByID gets them one by one,
// where the pair is with the entry field id and few are wanted. narrowByIndex makes
// readNoted look at few where there is an index, and narrowRequired makes readAll.
type joinRun struct {
	*joiner
	c       *compiledJoin
	rd      *reading
	m       matching
	from    joinKeys // of parents
	to      joinKeys // of joined entries
	order   *query.BoundOrder
	project *query.BoundProjection
	sum     *query.BoundPath
	arena   arena

	groups map[string]int32 // by key, their places in list
	list   []joinGroup

	narrowed bool // indexes were asked for joined entries

	columnNames, columnNote string // of columns from which joined entries are read, or why not, for Explain

	indexName string    // of the index by which few joined entries are found, for Explain
	rows      []joinRow // joined entries, in default order
	whole     bool      // every joined entry is in its groups
	asked     bool      // what is read is what parents have asked for, all of whom are wanted

	refs []int32 // the groups of the parents noted, one parent after the other
	ends []int32 // where each parent's end

	shared  []int32 // groups whose entries are built
	fetched []int32 // rows whose entries were read for the parents at hand
	held    int     // bytes held
	noted   int     // of these, for the parents at hand
	given   int     // bytes of entries that are kept to be returned, which do not count as held

	hits []int32 // room for the groups of one joined entry
	key  []byte  // room for one sort key
}

// joinGroup is what one key leads to.
type joinGroup struct {
	rows   []int32 // joined entries; for a value, only those with several keys
	single total   // of the joined entries that have no row
	all    total   // of all joined entries
	built  *Joined // what a parent gets that has this key alone
}

// total is a number of joined entries, and the sum of a column over them.
type total struct {
	count int64
	sum   float64
}

func (t *total) add(u total) {
	t.count += u.count
	t.sum += u.sum
}

// joinRow is one joined entry.
type joinRow struct {
	place  place
	key    []byte // by which the join's order sorts
	entry  *Entry // once it has been read
	wanted bool   // it will be read for the parents at hand
	value  float64
}

// bind resolves the names of both sides.
func (run *joinRun) bind(parent query.Schema) error {
	schema := run.rd.st.source.schema()
	run.from.names = bindNames(run.c.from, parent)
	run.to.names = bindNames(run.c.to, schema)
	run.sum = run.c.sum.Bind(schema)
	if len(run.c.query.order) > 0 {
		run.order = run.c.query.order.Bind(schema)
	}
	if run.c.query.projection != nil {
		run.project = run.c.query.projection.Bind(schema)
	}
	run.groups = make(map[string]int32)
	return run.m.bind(run.rd, run.c.query)
}

func (run *joinRun) names() *document.Names { return run.rd.st.source.names }

func (run *joinRun) stored(rec *layout.Record) document.Value {
	return document.Stored(rec.Doc, run.names())
}

// byID reports whether the joined entries can be got by their ids.
func (run *joinRun) byID() bool { return len(run.to.names) == 1 && run.to.names[0].IsID() }

// group returns the group of a key, which it makes.
func (run *joinRun) group(key []byte) (int32, error) {
	if g, ok := run.groups[string(key)]; ok {
		return g, nil
	}
	g := int32(len(run.list))
	run.groups[string(key)] = g
	run.list = append(run.list, joinGroup{})
	return g, run.hold(len(key) + groupSize)
}

// hold counts bytes that the run keeps.
func (run *joinRun) hold(n int) error {
	run.held += n
	return run.joiner.hold(n)
}

// What a group and a row take, roughly, beside the bytes of their keys.
const (
	groupSize = 128
	rowSize   = 80
)

// note takes down the keys of a parent.
func (run *joinRun) note(rec *query.Record) error {
	var full error
	err := run.from.each(rec, func(key []byte) {
		if run.whole {
			if g, ok := run.groups[string(key)]; ok {
				run.refs = append(run.refs, g)
			}
			return
		}
		g, err := run.group(key)
		full = cmp.Or(full, err)
		run.refs = append(run.refs, g)
	})
	before := 0
	if n := len(run.ends); n > 0 {
		before = int(run.ends[n-1])
	}
	run.ends = append(run.ends, int32(len(run.refs)))
	run.noted += 4 * (1 + len(run.refs) - before)
	return firstError(err, full, run.hold(4*(1+len(run.refs)-before)))
}

// readAll reads every joined entry into groups.
func (run *joinRun) readAll(ctx context.Context) error {
	run.whole = true
	return run.scan(ctx)
}

// readNoted reads the joined entries that the parents noted ask for.
func (run *joinRun) readNoted(ctx context.Context) error {
	few := int64(len(run.groups)) < run.rd.st.count/scanFraction
	if run.byID() && (few || !run.eager) {
		return run.readByID(ctx)
	}
	if err := run.narrowByIndex(ctx); err != nil {
		return err
	}
	return run.scan(ctx) // once: all parents have been noted
}

// byFewIDs reports whether the joined entries of a batch of parents are certainly few,
// and can be got by their ids.
func (run *joinRun) byFewIDs() bool {
	return run.byID() && run.rd.st.count > scanFraction*fullBatch
}

// scanFraction is how many entries a scan passes in the time in which one is got by
// its id.
const scanFraction = 4

// scan reads the joined entries in default order.
func (run *joinRun) scan(ctx context.Context) error {
	if done, err := run.byColumns(ctx); done || err != nil {
		return err
	}
	run.rd.readAhead(ctx)
	for done := false; !done; {
		err := run.rd.slice(ctx, func(r storage.Reader) (err error) {
			if err := run.narrowOnce(r); err != nil {
				return err
			}
			done, err = run.rd.entries(r, run.m.where, func(rec *layout.Record, v query.Verdict) (bool, error) {
				return true, run.child(rec, v)
			})
			return err
		})
		if err != nil {
			return err
		}
	}
	run.sortGroups()
	return nil
}

// readByID gets the joined entries that the parents noted ask for by their ids.
func (run *joinRun) readByID(ctx context.Context) error {
	ids := make([]int64, 0, len(run.groups))
	for key := range run.groups {
		if id := idOf(key); id > 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return run.each(ctx, ids, func(rec *layout.Record) error { return run.child(rec, query.Unsure) })
}

// each gets joined entries by their ids; those that are not there are passed over.
func (run *joinRun) each(ctx context.Context, ids []int64, fn func(*layout.Record) error) error {
	var rec layout.Record
	for len(ids) > 0 {
		err := run.rd.slice(ctx, func(r storage.Reader) error {
			for b := newBudget(); len(ids) > 0 && !b.spent(); ids = ids[1:] {
				ok, err := history.StateAt(r, run.rd.ds.id, ids[0], run.rd.st.commit, &rec)
				if err == nil && ok && run.rd.see(&rec) {
					err = fn(&rec)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// child takes a joined entry into the groups of its keys.
func (run *joinRun) child(rec *layout.Record, v query.Verdict) error {
	run.m.fill(rec)
	if v != query.Yes && !run.m.where.MatchRecord(&run.m.rec) {
		return run.m.rec.Err
	}
	var full error
	run.hits = run.hits[:0]
	err := run.to.each(&run.m.rec, func(key []byte) {
		g, ok := run.groups[string(key)]
		if !ok && run.whole {
			g, full = run.group(key)
			ok = full == nil
		}
		if ok {
			run.hits = append(run.hits, g)
		}
	})
	if err = cmp.Or(err, full); err != nil || len(run.hits) == 0 {
		return err
	}
	row := joinRow{place: place{rec.OrderValue(), rec.ID}}
	switch {
	case run.c.kind == joinEntries:
		err = run.fillRow(&row, rec)
	case run.c.kind == joinSum:
		row.value = run.summand()
		fallthrough
	default:
		if run.tally(run.hits, row.value) {
			return nil
		}
	}
	return cmp.Or(run.add(row, run.hits), err)
}

// tally counts a joined entry in the values of its groups, and reports whether that is all there
// is to it.
func (run *joinRun) tally(hits []int32, value float64) bool {
	one := total{1, value}
	for _, g := range hits {
		run.list[g].all.add(one)
	}
	if len(hits) == 1 {
		run.list[hits[0]].single.add(one)
	}
	return len(hits) == 1
}

// add takes down a joined entry in its groups.
func (run *joinRun) add(row joinRow, hits []int32) error {
	for _, g := range hits {
		run.list[g].rows = append(run.list[g].rows, int32(len(run.rows)))
	}
	run.rows = append(run.rows, row)
	return run.hold(rowSize + len(row.key) + 4*len(hits))
}

// fillRow takes what is kept of a joined entry. All of it is, when it will certainly
// be given to a parent, or probably and there is room.
func (run *joinRun) fillRow(row *joinRow, rec *layout.Record) error {
	if run.order != nil {
		run.key = run.order.AppendKey(run.key[:0], &run.m.rec)
		row.key = run.arena.copy(run.key)
	}
	switch {
	case run.c.query.limit >= 0:
	case !run.whole:
		row.entry = run.copyEntry(rec)
	case !run.eager && run.room(run.joiner.held, rec):
		row.entry = run.copyEntry(rec)
		return run.hold(entrySize + len(rec.Doc))
	case run.eager && run.asked && run.room(run.given, rec):
		row.entry = run.copyEntry(rec)
		run.given += entrySize + len(rec.Doc)
	}
	return nil
}

// room reports whether a joined entry may be kept before it is known who gets it, beside some
// bytes that are held. It never takes so much that the query fails for it.
func (run *joinRun) room(held int, rec *layout.Record) bool {
	most := run.ds.db.opts.Limits.QueryBytes
	return most < 0 || held+entrySize+len(rec.Doc) <= most/4
}

// summand is what the joined entry at hand adds to a sum.
func (run *joinRun) summand() (sum float64) {
	run.sum.Each(run.m.rec.Data, func(v document.Value) bool {
		f, _ := query.Decimal(v)
		sum += f
		return true
	})
	return sum
}

// copyEntry makes an entry of a joined record.
func (run *joinRun) copyEntry(rec *layout.Record) *Entry {
	var doc []byte
	if run.project != nil {
		doc = run.project.AppendTo(nil, run.stored(rec))
	} else {
		doc = run.arena.copy(rec.Doc)
	}
	e := run.arena.entry()
	e.set(run.rd.ds.id, run.names(), rec, doc)
	return e
}

// compare orders two rows as the join does.
func (run *joinRun) compare(a, b int32) int {
	x, y := &run.rows[a], &run.rows[b]
	if run.order == nil {
		return x.place.compare(y.place)
	}
	return cmp.Or(bytes.Compare(x.key, y.key), cmp.Compare(x.place.id, y.place.id))
}

// sortGroups sorts the rows of each group, which stand in default order.
func (run *joinRun) sortGroups() {
	if run.order == nil || run.c.kind != joinEntries {
		return
	}
	for i := range run.list {
		slices.SortFunc(run.list[i].rows, run.compare)
	}
}
