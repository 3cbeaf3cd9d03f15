package siftdb

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/siftdb/siftdb/internal/column"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// columnCache holds columns of data sources in memory, as far as Options.ColumnBytes allows.
// A column is read when a second query asks for it, and brought up to date from the log by
// the queries that follow.
type columnCache struct {
	mu      sync.Mutex
	sources map[int64]*columnSet
	bytes   int   // of all tables
	uses    int64 // of tables, for the order in which they go
	from    int64 // columnsFrom, but for tests
}

// columnSet is what is held of one data source.
type columnSet struct {
	table atomic.Pointer[column.Table]

	updating sync.Mutex // held by whoever makes the next table of the last
	building atomic.Bool

	// Guarded by the cache's lock:
	asked map[uint16]int // how many queries have asked for a column
	bytes int            // of the table
	used  int64
	gone  bool // the data source has been purged
}

// columnsFrom is how many entries a data source must have for its columns to be held.
const columnsFrom = 1000

// of returns what is held of a data source.
func (c *columnCache) of(id int64) *columnSet {
	c.mu.Lock()
	defer c.mu.Unlock()
	set := c.sources[id]
	if set == nil {
		if c.sources == nil {
			c.sources = make(map[int64]*columnSet)
		}
		set = &columnSet{asked: make(map[uint16]int)}
		c.sources[id] = set
	}
	c.uses++
	set.used = c.uses
	return set
}

// ask notes that a query asks for columns, and returns those to be read now, with the ones
// that are held: none when this is the first time.
func (c *columnCache) ask(set *columnSet, numbers []uint16) (build []uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	again := true
	for _, n := range numbers {
		set.asked[n]++
		again = again && set.asked[n] > 1
	}
	if !again {
		return nil
	}
	build = slices.Clone(numbers)
	if t := set.table.Load(); t != nil {
		build = append(build, t.Numbers()...)
	}
	slices.Sort(build)
	return slices.Compact(build)
}

// keep holds a table. Where that is more than the limit, what was used longest ago goes.
func (c *columnCache) keep(set *columnSet, t *column.Table, limit int) {
	size := 0
	if t != nil {
		size = t.Size()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if set.gone {
		return
	}
	if size > limit {
		t, size = nil, 0
		clear(set.asked) // read again in vain otherwise, by every second query
	}
	c.bytes += size - set.bytes
	set.bytes = size
	set.table.Store(t)
	for c.bytes > limit {
		var oldest *columnSet
		for _, s := range c.sources {
			if s != set && s.bytes > 0 && (oldest == nil || s.used < oldest.used) {
				oldest = s
			}
		}
		if oldest == nil {
			return
		}
		c.bytes -= oldest.bytes
		oldest.bytes = 0
		oldest.table.Store(nil)
	}
}

// holds reports whether columns of a data source are held.
func (c *columnCache) holds(id int64, numbers []uint16) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	set := c.sources[id]
	if set == nil {
		return false
	}
	t := set.table.Load()
	return t != nil && !slices.ContainsFunc(numbers, func(n uint16) bool { return !t.Has(n) })
}

// forget drops what is held of a data source.
func (c *columnCache) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if set := c.sources[id]; set != nil {
		c.bytes -= set.bytes
		set.gone = true
		delete(c.sources, id)
	}
}

// tableAt returns the table of a data source as it is in a snapshot, nil when it is not held
// with these columns, or is ahead of the snapshot.
func (db *DB) tableAt(r storage.Reader, set *columnSet, id int64, head layout.Head, names *document.Names, numbers []uint16) (*column.Table, error) {
	t := set.table.Load()
	if t == nil || slices.ContainsFunc(numbers, func(n uint16) bool { return !t.Has(n) }) {
		return nil, nil
	}
	if t.Commit < head.Last {
		set.updating.Lock()
		defer set.updating.Unlock()
		if t = set.table.Load(); t != nil && t.Commit < head.Last {
			next, err := catchUp(r, t, id, head, names)
			if err != nil {
				return nil, err
			}
			db.columns.keep(set, next, db.opts.ColumnBytes)
			t = set.table.Load()
		}
	}
	if t == nil || t.Commit != head.Last || int64(t.Live()) != head.Count ||
		slices.ContainsFunc(numbers, func(n uint16) bool { return !t.Has(n) }) {
		return nil, nil
	}
	return t, nil
}

// catchUp returns a table as it is in a snapshot, nil when it is better read anew.
func catchUp(r storage.Reader, t *column.Table, id int64, head layout.Head, names *document.Names) (*column.Table, error) {
	if head.Floor > t.Commit || head.Ordered > 0 {
		return nil, nil
	}
	var ids []int64
	for v, err := range history.Range(r, id, t.Commit+1, 0, false) {
		if err != nil {
			return nil, err
		}
		for _, set := range []history.IDSet{v.Inserted, v.Updated, v.Deleted} {
			if int64(len(ids))+set.Len() > int64(columnsFrom+t.Rows()/4) {
				return nil, nil
			}
			ids = slices.AppendSeq(ids, set.All())
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	changes := make([]column.Change, len(ids))
	for i, entry := range ids {
		changes[i] = column.Change{ID: entry, Gone: true}
		key := layout.EntryKey(id, entry)
		value, err := r.Get(layout.Entries, key)
		if err != nil {
			return nil, err
		}
		if value == nil {
			continue
		}
		var rec layout.Record
		if err := rec.DecodeEntry(key, value); err != nil {
			return nil, err
		}
		changes[i] = column.Change{ID: entry, Doc: document.Stored(rec.Doc, names)}
	}
	next, ok := t.Apply(head.Last, changes)
	if !ok {
		return nil, nil
	}
	return next, nil
}

// buildTable reads columns of a data source. Somebody else who does so already is not waited
// for.
func (db *DB) buildTable(ctx context.Context, set *columnSet, id int64, numbers []uint16) error {
	if !set.building.CompareAndSwap(false, true) {
		return nil
	}
	defer set.building.Store(false)
	rd := (&DataSource{db: &DB{core: db.core, inner: true}, id: id}).read()
	defer rd.close()
	b := column.NewBuilder(numbers)
	last := int64(-1)
	for done := false; !done; {
		err := rd.slice(ctx, func(r storage.Reader) (err error) {
			if last < 0 {
				last = rd.st.head.Last
			}
			if rd.st.head.Ordered > 0 {
				last, done = -1, true
				return nil
			}
			names := rd.st.source.names
			done, err = rd.entries(r, nil, func(rec *layout.Record, _ query.Verdict) (bool, error) {
				b.Add(rec.ID, document.Stored(rec.Doc, names))
				return true, nil
			})
			return err
		})
		if err != nil {
			return err
		}
	}
	t, ok := b.Finish(last)
	if !ok || last < 0 {
		t = nil
	}
	set.updating.Lock()
	defer set.updating.Unlock()
	db.columns.keep(set, t, db.opts.ColumnBytes)
	return nil
}
