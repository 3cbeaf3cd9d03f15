// Package query is the where language of siftdb: it compiles a where once and then tests
// documents against it. It is useful alone:
//
//	m, err := query.Compile(query.M{"age": query.M{"$gte": 18}})
//	m.Match(map[string]any{"age": 21.0}) // true
//
// There is one implementation of the semantics, over document.Value, which sees decoded Go
// values and stored bytes alike.
//
// Two dialects are offered. Sift, the default, answers as Fliplet's fork of sift.js does on
// JSON values; Strict answers as sift 17. On top of either, ForDataSource adds what a where on
// a data source may do: addressing entry fields and columns by their whole name, $filters, and
// the extensions of equality and of $like.
//
// All and Any combine compiled wheres, as the filter of a view and the where of a query are.
// WithSession gives the values that start with `session.` in such a filter.
//
// The package also holds the other parts of a query that name columns: ParseOrder for the
// order, ParseAttributes and Projection for the columns returned, and Path for one column.
package query
