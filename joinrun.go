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
	gives   bool    // nearly all joined entries that are read will be given to parents
	given   int     // bytes of entries that are kept to be returned, which do not count as held

	known *knownParents // nil when nothing is remembered of the parents
	met   []int32       // the groups of one parent
	metBy int64         // its id, until it has been noted; 0 when they may change

	hits []int32 // room for the groups of one joined entry
	ones []int32 // room for lists of one row
	key  []byte  // room for one sort key
}

// joinGroup is what one key leads to.
type joinGroup struct {
	rows   []int32 // joined entries; for a value, only those with several keys
	single total   // of the joined entries that have no row
	all    total   // of all joined entries
	built  *Joined // what a parent gets that has this key alone
	there  bool    // some joined entry has the key; else only parents have it
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
	size   int    // of that, in memory, roughly
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
	err := run.m.bind(run.rd, run.c.query)
	run.gives = err == nil && len(run.to.names) == 1 && run.m.where.MatchesAll()
	return err
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
	run.list = append(run.list, joinGroup{there: run.whole})
	return g, run.hold(len(key) + groupSize)
}

// expected is how many parents or joined entries room is made for at once.
const expected = 2048

// expect makes room for the groups of some parents.
func (run *joinRun) expect(parents int) {
	if n := min(parents, expected); len(run.groups) == 0 {
		run.groups = make(map[string]int32, n)
		run.list = slices.Grow(run.list, n)
		run.refs, run.ends = slices.Grow(run.refs, n), slices.Grow(run.ends, n)
	}
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
	before := len(run.refs)
	var full, err error
	switch {
	case !run.whole:
		err = run.from.each(rec, func(key []byte) {
			g, err := run.group(key)
			full = cmp.Or(full, err)
			run.refs = append(run.refs, g)
		})
	case run.metBy != rec.ID:
		err = run.meet(rec)
		fallthrough
	default:
		run.refs = append(run.refs, run.met...)
		run.metBy = 0
	}
	return firstError(err, full, run.noteEnd(before))
}

// noteEnd ends the groups of a parent, which begin at a place in refs.
func (run *joinRun) noteEnd(from int) error {
	size := 4 * (1 + len(run.refs) - from)
	run.ends = append(run.ends, int32(len(run.refs)))
	run.noted += size
	return run.hold(size)
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
	run.rd.readAhead(ctx, run.groupsAhead())
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
	run.hits = run.hits[:0]
	if err := run.hit(rec); err != nil || len(run.hits) == 0 {
		return err
	}
	var err error
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

// hit finds the groups of a joined entry. Where every one is read, and it is not known which keys
// are asked for, it makes them.
func (run *joinRun) hit(rec *layout.Record) error {
	if k := run.rd.keptOf(rec); k != nil && k.keyed != keyUnknown && run.fixed() {
		if k.keyed == keyGroup {
			run.list[k.group].there = true
			run.hits = append(run.hits, k.group)
		}
		return nil
	}
	var full error
	err := run.to.each(&run.m.rec, func(key []byte) {
		g, ok := run.groups[string(key)]
		if !ok && run.whole && run.known == nil {
			g, full = run.group(key)
			ok = full == nil
		}
		if ok {
			run.list[g].there = true
			run.hits = append(run.hits, g)
		}
	})
	return cmp.Or(err, full)
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
		group := &run.list[g]
		if group.rows == nil {
			group.rows = run.oneRow()
		}
		group.rows = append(group.rows, int32(len(run.rows)))
	}
	if run.rows == nil && run.rd.chosen != nil {
		run.rows = make([]joinRow, 0, min(len(run.rd.chosen.places), expected))
	}
	run.rows = append(run.rows, row)
	return run.hold(rowSize + len(row.key) + 4*len(hits))
}

// oneRow returns room for one row.
func (run *joinRun) oneRow() []int32 {
	if len(run.ones) == 0 {
		run.ones = make([]int32, min(64, 1+len(run.rows)))
	}
	room := run.ones[:0:1]
	run.ones = run.ones[1:]
	return room
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
		run.copyEntry(row, rec)
	case !run.eager && run.room(run.joiner.held, rec):
		run.copyEntry(row, rec)
		return run.hold(entrySize + len(rec.Doc))
	case run.eager && run.asked && run.room(run.given, rec):
		run.copyEntry(row, rec)
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

// copyEntry makes an entry of a joined record, if it has not been made.
func (run *joinRun) copyEntry(row *joinRow, rec *layout.Record) {
	k := run.rd.keptOf(rec)
	var doc []byte
	switch {
	case k != nil && k.entry != nil:
		row.entry, row.size = k.entry, entrySize+len(rec.Doc)
		return
	case run.project != nil:
		doc = run.project.AppendTo(nil, run.stored(rec))
	case k != nil && run.gives:
		doc = rec.Doc
	default:
		doc = run.arena.copy(rec.Doc)
	}
	row.entry, row.size = run.arena.entry(), entrySize+len(doc)
	row.entry.set(run.rd.ds.id, run.names(), rec, doc)
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
