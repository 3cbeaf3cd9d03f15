package siftdb

import (
	"context"
	"iter"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
)

// M is an unordered JSON object, for where clauses and data.
type M = query.M

// D is an ordered JSON object, for where clauses and data.
type D = query.D

// E is one member of a D.
type E = query.E

// Order is a list of columns to sort by. Every order ends with the id, ascending.
type Order = query.Order

// SortKey is one column of an Order: its name is a column, a path ("data.a.b") or
// one of the entry fields id, order, createdAt, updatedAt, deletedAt and
// dataSourceId (spec 4.2).
type SortKey = query.SortKey

// Asc sorts by a column, ascending: numbers, then strings without regard to case,
// then objects, arrays, booleans, and at last null and absent.
func Asc(name string) SortKey { return SortKey{Name: name} }

// Desc sorts by a column, descending: null and absent come first.
func Desc(name string) SortKey { return SortKey{Name: name, Desc: true} }

// Query says which entries are wanted, and how. The zero value wants all of them
// in default order: by order, then by id.
type Query struct {
	// Type is "select", the default, or "delete", for DataSource.Query only.
	Type string
	// Where filters entries (spec 3): a query.M, a query.D, or JSON text as string,
	// []byte or json.RawMessage. Nil matches everything.
	Where any
	// Views name filters that the data source's definition holds (spec 7): an entry
	// passes when it passes any of them, and the Where. Values of the caller's
	// session in a filter come from WithSession.
	Views []string
	// Joins read entries of other data sources beside these (spec 6).
	Joins []Join
	// Aggregate is a pipeline, as aggregate.Compile takes it, over the entries that
	// Where, Views and Joins select, for DataSource.Query, which then returns
	// documents. Order and Attributes do not matter, and Offset and Limit are for its
	// output.
	Aggregate any
	// Attributes are the columns that data carries: names, or paths such as
	// "data.address.city". Nil means all, an empty slice none (spec 4.1).
	Attributes []string
	// Distinct drops entries whose data, after Attributes, equal those of an
	// earlier one, before Offset and Limit.
	Distinct bool
	// Order sorts the entries.
	Order Order
	// Limit is how many entries are returned at most; nil means no limit. Write
	// new(25).
	Limit *int
	// Offset is how many entries are skipped first.
	Offset int
	// IncludePagination asks DataSource.Query for the number of all matches.
	IncludePagination bool
	// CountOnly asks DataSource.Query for the number of matches alone. The where is
	// then held to the operators of spec 4.5, as it is for Count with StrictCount.
	CountOnly   bool
	StrictCount bool
	// Dialect of the where: query.Sift, the default, or query.Strict.
	Dialect query.Dialect
}

// bounded reports whether the wheres and pipelines that come in have limits: those of
// principals.
func (db *DB) bounded() bool { return db.as != nil }

// Find returns the entries that the query selects. On a snapshot: what others
// write meanwhile is not seen. No match is an empty slice, not an error.
func (ds *DataSource) Find(ctx context.Context, q Query) ([]*Entry, error) {
	ds, err := ds.selecting(ctx, security.Select, &q)
	if err != nil {
		return nil, err
	}
	if entries, ok := ds.findEqual(ctx, &q); ok {
		return entries, nil
	}
	return ds.findSelected(ctx, &q)
}

// findSelected is Find after rules and hooks have seen the query, the long way.
func (ds *DataSource) findSelected(ctx context.Context, q *Query) ([]*Entry, error) {
	c, err := q.compileEntries(ds.db.bounded())
	if err != nil {
		return nil, err
	}
	entries, _, err := ds.collect(ctx, c, false)
	return entries, err
}

// collect gathers all that a query selects, and the number of all matches if
// total is true.
func (ds *DataSource) collect(ctx context.Context, c *compiled, total bool) ([]*Entry, int64, error) {
	entries := []*Entry{}
	f := ds.finder(ctx, c, total)
	defer f.close()
	f.eager = true
	for e, err := range f.all(ctx) {
		if err != nil {
			return nil, 0, err
		}
		entries = append(entries, e)
	}
	if err := f.joins.fill(ctx, entries); err != nil {
		return nil, 0, err
	}
	for e, err := range f.joins.appended(ctx) {
		if err != nil {
			return nil, 0, err
		}
		entries = append(entries, e)
	}
	return entries, f.total, nil
}

// FindOne returns the first entry that Find returns with a limit of 1, nil when there
// is none. Where an outer join appends entries, that may be one of those.
func (ds *DataSource) FindOne(ctx context.Context, q Query) (*Entry, error) {
	ds, err := ds.selecting(ctx, security.Select, &q)
	if err != nil {
		return nil, err
	}
	if entry, ok := ds.findOneEqual(ctx, &q); ok {
		return entry, nil
	}
	if q.Limit == nil || *q.Limit > 1 {
		q.Limit = new(1)
	}
	entries, err := ds.findSelected(ctx, &q)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	return entries[0], nil
}

// FindByID returns an entry by its id, ErrNotFound when this data source does not
// hold it. Rules judge the stored entry (spec 11.6).
func (ds *DataSource) FindByID(ctx context.Context, id int64) (*Entry, error) {
	if ds.db.as != nil {
		return ds.findGuarded(ctx, id)
	}
	return ds.findByID(ctx, id)
}

// findByID is FindByID for trusted code.
func (ds *DataSource) findByID(ctx context.Context, id int64) (*Entry, error) {
	var entry *Entry
	err := ds.db.view(ctx, func(r storage.Reader) error {
		src, commit, err := ds.forGet(r)
		if err != nil {
			return err
		}
		var rec layout.Record
		var ok bool
		if ds.at.kind == latest {
			ok, err = history.Now(r, ds.id, max(id, 0), commit, &rec)
		} else {
			ok, err = history.StateAt(r, ds.id, max(id, 0), commit, &rec)
		}
		if err != nil {
			return err
		}
		if !ok {
			return unknownEntry(ds.id, id)
		}
		src.lift(&rec)
		entry = newEntry(ds.id, src.names, &rec)
		return nil
	})
	return entry, err
}

// forGet is stateAt for a look-up by id, which needs little of it.
func (ds *DataSource) forGet(r storage.Reader) (*source, int64, error) {
	if ds.at.kind == latest {
		head, src, err := ds.load(r, false)
		return src, head.Last, err
	}
	st, err := ds.stateAt(r)
	if err != nil {
		return nil, 0, err
	}
	if st.head.Floor > st.commit {
		return nil, 0, snapshotGone(ds.id)
	}
	return st.source, st.commit, nil
}

// Each streams the entries that the query selects, all of one snapshot. No
// transaction is open while the loop's body runs, so it may take its time and may
// write. An error ends the stream; so does the context. Entries are the caller's
// to keep.
func (ds *DataSource) Each(ctx context.Context, q Query) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		q := q
		ds, err := ds.selecting(ctx, security.Select, &q)
		if err != nil {
			yield(nil, err)
			return
		}
		c, err := q.compileEntries(ds.db.bounded())
		if err != nil {
			yield(nil, err)
			return
		}
		f := ds.finder(ctx, c, false)
		defer f.close()
		f.stream(ctx)(yield)
	}
}

// Count returns the number of entries that match the query's where. Order, Limit,
// Offset and Attributes do not matter; Distinct is refused.
func (ds *DataSource) Count(ctx context.Context, q Query) (int64, error) {
	ds, err := ds.selecting(ctx, security.Count, &q)
	if err != nil {
		return 0, err
	}
	c, err := q.compileCount(ds.db.bounded())
	if err != nil {
		return 0, err
	}
	rd := ds.in(ctx).read()
	defer rd.close()
	var n int64
	m := matching{}
	if n, err = rd.countByIndex(ctx, &m, c); err != nil {
		return 0, err
	}
	if rd.chosen == nil {
		plan, err := rd.columns(ctx, func(storage.Reader) (*matching, *query.BoundOrder, error) {
			return &m, nil, m.bind(rd, c)
		})
		if err != nil {
			return 0, err
		}
		if plan != nil {
			if plan.exact {
				return int64(plan.count()), nil
			}
			rd.pick, rd.undivided = plan.pick(), true
		}
	}
	for done := false; !done; {
		err := rd.slice(ctx, func(r storage.Reader) (err error) {
			if err := m.bind(rd, c); err != nil {
				return err
			}
			if m.where.MatchesAll() && !rd.sight.filters() {
				n, done = rd.st.count, true
				return nil
			}
			if rd.divisible() {
				return nil
			}
			done, err = rd.entries(r, m.where, func(rec *layout.Record, v query.Verdict) (bool, error) {
				ok, err := v == query.Yes, error(nil)
				if !ok {
					ok, err = m.match(rec)
				}
				if ok {
					n++
				}
				return err == nil, err
			})
			return err
		})
		if err == nil && !done && rd.divisible() {
			n, done, err = rd.countParallel(ctx, m.where)
		}
		if err != nil {
			return 0, err
		}
	}
	rd.advise(m.where, nil, false, n)
	return n, nil
}

// compiled is a query that has been checked.
type compiled struct {
	where      *query.Matcher
	views      []string
	joins      []*compiledJoin
	order      Order
	projection *query.Projection // nil for all columns
	distinct   bool
	limit      int // -1 for none
	offset     int
}

// compileSelect checks a query that selects entries.
func (q *Query) compileSelect(bounded bool) (*compiled, error) {
	if q.Type != "" && q.Type != "select" {
		return nil, errs.At(errs.InvalidQuery, "type", "a query of type %q is for DataSource.Query", q.Type)
	}
	return q.compile(bounded)
}

// compileEntries checks a query that returns the entries that it selects.
func (q *Query) compileEntries(bounded bool) (*compiled, error) {
	if q.Aggregate != nil {
		return nil, errs.At(errs.InvalidQuery, "aggregate", "a query with aggregate returns documents: it is for DataSource.Query and DataSource.Aggregate")
	}
	return q.compileSelect(bounded)
}

func (q *Query) compileCount(bounded bool) (*compiled, error) {
	for _, option := range []struct {
		key string
		set bool
	}{{"distinct", q.Distinct}, {"join", len(q.Joins) > 0}, {"aggregate", q.Aggregate != nil}} {
		if option.set {
			return nil, errs.At(errs.InvalidQuery, option.key, "a query with %s cannot be counted; includePagination gives a select's total", option.key)
		}
	}
	var more []query.Option
	if q.StrictCount {
		more = append(more, query.Countable())
	}
	where, err := q.compileWhere(bounded, more...)
	if err != nil {
		return nil, err
	}
	return &compiled{where: where, views: q.Views, limit: -1}, nil
}

func (q *Query) compileWhere(bounded bool, more ...query.Option) (*query.Matcher, error) {
	if bounded {
		more = append(more, query.WithLimits(query.DefaultLimits))
	}
	return query.Compile(q.Where, append(more, query.ForDataSource(), query.WithDialect(q.Dialect))...)
}

func (q *Query) compile(bounded bool) (*compiled, error) {
	c := &compiled{views: q.Views, order: q.Order, distinct: q.Distinct, limit: -1, offset: q.Offset}
	var err error
	if c.where, err = q.compileWhere(bounded); err != nil {
		return nil, err
	}
	if q.Limit != nil {
		if c.limit = *q.Limit; c.limit < 0 {
			return nil, errs.At(errs.InvalidQuery, "limit", "limit %d is negative", c.limit)
		}
	}
	if c.offset < 0 {
		return nil, errs.At(errs.InvalidQuery, "offset", "offset %d is negative", c.offset)
	}
	if q.Attributes != nil {
		c.projection = query.NewProjection(q.Attributes)
	}
	c.joins, err = q.compileJoins(bounded)
	return c, err
}

// matching tests records against a where.
type matching struct {
	where *query.Matcher
	names *source
	rec   query.Record

	required *joiner // whose required joins columns judge, too
}

// bind resolves the names of the where and the views against the columns of the
// data source, once for a reading.
func (m *matching) bind(rd *reading, c *compiled) error {
	where := c.where
	if m.where == nil {
		var err error
		if rd.sight, where, err = newSight(rd.st.source, c, rd.ds.session); err != nil {
			return err
		}
	}
	m.bindTo(rd.ds.id, rd.st.source, where)
	return nil
}

func (m *matching) bindTo(id int64, src *source, where *query.Matcher) {
	if m.where == nil {
		m.where = where.Bind(src.schema())
	}
	m.names = src
	m.rec.DataSourceID = id
}
