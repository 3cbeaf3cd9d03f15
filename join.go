package siftdb

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
)

// Join reads entries of another data source beside those of a query (spec 6), in
// the same snapshot. What it finds stands in Entry.Joins, under its Name.
//
// Two entries belong together when every pair of On matches: both values, turned
// into text, are equal, so the number 1 and the text "1" match; booleans match only
// booleans; of an array any element may match; null, absent, the empty text and
// objects match nothing.
type Join struct {
	// Name is what the result is called. It must not be empty, and every join of a
	// query needs its own.
	Name string
	// DataSourceID names the joined data source; DataSourceName does where it is 0.
	// Of several data sources of one name the one with the lowest id is taken.
	DataSourceID   int64
	DataSourceName string
	// On pairs names of the query's data source with names of the joined one:
	// columns or paths, with or without "data.", or the entry fields. Without pairs
	// the join is an outer one: its entries are appended to those of the query.
	On On
	// Required drops entries without a match. That happens before order, offset,
	// limit and the total of the pagination.
	Required bool
	// Has, Count and Sum ask for a value instead of the joined entries: whether there
	// is a match, how many there are, or the sum of a column over them, in which
	// numbers and texts that read wholly as numbers count. Of several the first in
	// this order counts. Limit, Order and Attributes do not change them.
	Has   bool
	Count bool
	Sum   string
	// Where, Views, Attributes and Order are those of a query of the joined data
	// source.
	Where      any
	Views      []string
	Attributes []string
	Order      Order
	// Limit is how many entries each entry of the query gets at most, after Order;
	// nil means no limit.
	Limit *int
}

// On pairs names of a query's data source with names of the joined one.
type On map[string]string

// joinKind is what a join puts into an entry.
type joinKind int

const (
	joinEntries joinKind = iota
	joinHas
	joinCount
	joinSum
)

// compiledJoin is a join that has been checked.
type compiledJoin struct {
	*Join
	kind  joinKind
	from  []query.Name // of the query's data source
	to    []query.Name // of the joined one, pair by pair
	sum   query.Path
	query *compiled   // of the joined data source; its limit is for each parent
	guard *DataSource // of a principal: through what the joined data source is read
}

// outer reports whether the join appends entries instead of adding to them.
func (j *compiledJoin) outer() bool { return len(j.from) == 0 }

// compileJoins checks the joins of a query.
func (q *Query) compileJoins(bounded bool) ([]*compiledJoin, error) {
	var list []*compiledJoin
	for i := range q.Joins {
		j := &q.Joins[i]
		for _, other := range q.Joins[:i] {
			if other.Name == j.Name {
				return nil, errs.At(errs.InvalidQuery, "join", "two joins are called %q", j.Name)
			}
		}
		c, err := j.compile(q.Dialect, bounded)
		if err != nil {
			return nil, j.fault(err)
		}
		list = append(list, c)
	}
	return list, nil
}

// fault says in which join an error lies.
func (j *Join) fault(err error) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	named := *e
	named.Message = "join " + strconv.Quote(j.Name) + ": " + e.Message
	if named.Path = "join"; j.Name != "" {
		named.Path += "." + j.Name
	}
	if e.Path != "" {
		named.Path += "." + e.Path
	}
	return &named
}

func (j *Join) compile(dialect query.Dialect, bounded bool) (*compiledJoin, error) {
	c := &compiledJoin{Join: j, kind: j.kind()}
	switch {
	case strings.TrimSpace(j.Name) == "":
		return nil, errs.New(errs.InvalidQuery, "a join needs a name")
	case j.DataSourceID < 0:
		return nil, errs.At(errs.InvalidQuery, "dataSourceId", "a data source id cannot be negative")
	case j.DataSourceID == 0 && j.DataSourceName == "":
		return nil, errs.New(errs.InvalidQuery, "a join needs a dataSourceId or a dataSourceName")
	case len(j.On) == 0 && c.kind != joinEntries:
		return nil, errs.At(errs.InvalidQuery, "on", "has, count and sum need the pairs of on")
	}
	for _, name := range slices.Sorted(maps.Keys(j.On)) {
		if name == "" || j.On[name] == "" {
			return nil, errs.At(errs.InvalidQuery, "on", "a pair of on lacks a name")
		}
		c.from = append(c.from, query.ParseName(name))
		c.to = append(c.to, query.ParseName(j.On[name]))
	}
	c.sum = query.ParsePath(strings.TrimPrefix(j.Sum, "data."))
	q := Query{Where: j.Where, Views: j.Views, Attributes: j.Attributes, Order: j.Order, Limit: j.Limit, Dialect: dialect}
	if c.kind != joinEntries { // these do not change a value
		q.Attributes, q.Order, q.Limit = nil, nil, nil
	}
	var err error
	c.query, err = q.compile(bounded)
	return c, err
}

// kind is what the join asks for.
func (j *Join) kind() joinKind {
	switch {
	case j.Has:
		return joinHas
	case j.Count:
		return joinCount
	case j.Sum != "":
		return joinSum
	}
	return joinEntries
}

// Joined is what one join found for an entry.
type Joined struct {
	// Name is the join's.
	Name string
	// Entries are the joined entries, in the join's order; empty when nothing
	// matches, nil for a join that asks for a value. Entries that several parents
	// share are the same ones, so nobody may change them.
	Entries []*Entry
	// Value is a bool for Has, an int64 for Count and a float64 for Sum; nil for a
	// join that asks for entries.
	Value any

	size int // of the entries, in memory, roughly
}

// Joined returns the entries that the join of a name found for this one; nil when
// there is no such join.
func (e *Entry) Joined(name string) []*Entry {
	if j := e.join(name); j != nil {
		return j.Entries
	}
	return nil
}

// JoinValue returns the value that the join of a name found for this entry: a bool
// for Has, an int64 for Count, a float64 for Sum; nil when there is no such join.
func (e *Entry) JoinValue(name string) any {
	if j := e.join(name); j != nil {
		return j.Value
	}
	return nil
}

func (e *Entry) join(name string) *Joined {
	for i := range e.Joins {
		if e.Joins[i].Name == name {
			return &e.Joins[i]
		}
	}
	return nil
}

// appendJSON appends the join's name and what it found, as a member of "joins".
func (j *Joined) appendJSON(dst []byte) []byte {
	dst = append(document.AppendJSON(dst, document.Of(j.Name)), ':')
	if j.Value != nil {
		return document.AppendJSON(dst, document.Of(finite(j.Value)))
	}
	dst = append(dst, '[')
	for i, e := range j.Entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = e.AppendJSON(dst)
	}
	return append(dst, ']')
}

// finite returns a value as it is, but null for a number that JSON cannot carry.
func finite(v any) any {
	if f, ok := v.(float64); ok && (math.IsInf(f, 0) || math.IsNaN(f)) {
		return nil
	}
	return v
}
