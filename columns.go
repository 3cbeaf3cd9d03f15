package siftdb

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/siftdb/siftdb/internal/column"
)

// columnCache holds columns of data sources in memory, as far as Options.ColumnBytes allows.
// A column is read when a second query asks for it, and brought up to date from the log by
// the queries that follow. What was used longest ago goes first.
type columnCache struct {
	limit int   // of bytes
	from  int64 // columnsFrom, but for tests

	mu      sync.Mutex
	sources map[int64]*columnSet
	bytes   int   // of all tables, and of what is being read
	uses    int64 // how often columns have been asked for

	work    context.Context // of what is read in the background
	stop    context.CancelFunc
	running sync.WaitGroup
	builds  int // that are running
	closed  bool

	pipelines atomic.Int64 // answered
	orders    atomic.Int64 // by several columns, answered
	joins     atomic.Int64 // of which a side was read
}

// columnSet is what is held of one data source.
type columnSet struct {
	id    int64
	table atomic.Pointer[column.Table] // stored under the cache's lock

	updating sync.Mutex // held by whoever makes the next table of the last

	// Guarded by the cache's lock:
	known    map[uint16]*columnUse
	bytes    int // of the table
	building *columnBuild
	gone     bool // nothing is held any more: the data source has been purged, say
}

// columnUse is what is known of the use of a column.
type columnUse struct {
	before, last int64 // the last two uses, by columnCache.uses
	asked        int   // how often it was asked for since it was held
	wait         int   // how often that must be before it is read; 0 means twice
	served       int   // how often it was used since it has been held
	size         int   // when it was given up, or its reading was; at least
	large        int64 // how many entries there were when it was larger than the limit
}

// column returns what is known of the use of a column.
func (s *columnSet) column(number uint16) *columnUse {
	u := s.known[number]
	if u == nil {
		u = &columnUse{}
		s.known[number] = u
	}
	return u
}

// columnsFrom is how many entries a data source must have for its columns to be held.
const columnsFrom = 1000

// Of a column that does not stay or does not fit, reading is put off more and more.
const (
	columnWait      = 2
	columnWaitLarge = 64
	columnWaitMost  = 1 << 16
	columnSettled   = 64 // uses after which it counts as one that stays
)

func (c *columnCache) open(opts *Options) {
	c.limit, c.from = opts.ColumnBytes, columnsFrom
	c.sources = make(map[int64]*columnSet)
	c.work, c.stop = context.WithCancel(context.Background())
}

// close ends what is read in the background, and waits for it.
func (c *columnCache) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.stop()
	c.running.Wait()
}

// use returns what is held of a data source, for a query that needs some columns.
func (c *columnCache) use(id int64, numbers []uint16) *columnSet {
	c.mu.Lock()
	defer c.mu.Unlock()
	set := c.sources[id]
	if set == nil {
		set = &columnSet{id: id, known: make(map[uint16]*columnUse)}
		c.sources[id] = set
	}
	t := set.table.Load()
	c.uses++
	for _, n := range numbers {
		u := set.column(n)
		if u.before, u.last = u.last, c.uses; t.Has(n) {
			if u.served++; u.served == columnSettled {
				u.wait = 0
			}
		}
	}
	return set
}

// keep holds a table, or none; over the limit, what was used longest ago goes. A newer table
// stays.
func (c *columnCache) keep(set *columnSet, t *column.Table) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := set.table.Load()
	if set.gone || was != nil && t != nil && was.Commit > t.Commit {
		return
	}
	for _, n := range was.Numbers() {
		if !t.Has(n) {
			set.column(n).asked = 0
		}
	}
	c.store(set, t)
	c.evict(0, math.MaxInt64)
}

// store sets the table of a data source, and counts its bytes.
func (c *columnCache) store(set *columnSet, t *column.Table) {
	size := 0
	if t != nil {
		size = t.Size()
		for _, n := range t.Numbers() {
			size += t.ColumnSize(n)
		}
	}
	c.bytes += size - set.bytes
	set.bytes = size
	set.table.Store(t)
}

// measure counts the bytes of a data source again: its columns have been sorted, maybe.
func (c *columnCache) measure(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if set := c.sources[id]; set != nil {
		c.store(set, set.table.Load())
		c.evict(0, math.MaxInt64)
	}
}

// evict makes room for some more bytes, and reports whether there is any. Only columns go that
// were not used since a use; what was used longest ago goes first.
func (c *columnCache) evict(more int, since int64) bool {
	for c.bytes+more > c.limit {
		set, number := c.oldest(since)
		if set == nil {
			return false
		}
		c.drop(set, number)
	}
	return true
}

// fits is evict without doing it.
func (c *columnCache) fits(more int, since int64) bool {
	left := c.bytes + more
	for _, set := range c.sources {
		for _, n := range set.table.Load().Numbers() {
			if set.column(n).last < since {
				left -= set.table.Load().ColumnSize(n)
			}
		}
	}
	return left <= c.limit
}

// oldest finds the column that was used longest ago, before a use.
func (c *columnCache) oldest(since int64) (set *columnSet, number uint16) {
	for _, s := range c.sources {
		for _, n := range s.table.Load().Numbers() {
			if u := s.column(n); u.last < since {
				set, number, since = s, n, u.last
			}
		}
	}
	return set, number
}

// drop gives a column up.
func (c *columnCache) drop(set *columnSet, number uint16) {
	t, u := set.table.Load(), set.column(number)
	u.asked, u.served, u.size = 0, 0, t.BareSize(number)
	u.wait = min(2*max(u.wait, columnWait), columnWaitMost)
	c.store(set, t.Without(number))
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

// held returns what is held of a data source, nil for nothing.
func (c *columnCache) held(id int64) *columnSet {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sources[id]
}

// explain tells why columns are not held, and when they will be.
func (c *columnCache) explain(id int64, numbers []uint16, names string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if set := c.sources[id]; set != nil {
		for _, n := range numbers {
			switch u := set.known[n]; {
			case set.building != nil && slices.Contains(set.building.numbers, n):
				return "the columns " + names + " are being read into memory"
			case u != nil && u.large > 0 && !set.table.Load().Has(n):
				return "columns in memory do not serve: one of " + names + " is larger than Options.ColumnBytes allows"
			case u != nil && u.wait > columnWait && !set.table.Load().Has(n):
				return "columns in memory do not serve: others that are in use leave no room for one of " + names + ", or it is written too often"
			}
		}
	}
	return "the columns " + names + " are read into memory when a second query asks for them"
}
