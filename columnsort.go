package siftdb

import (
	"context"
	"slices"

	"github.com/siftdb/siftdb/internal/plan"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// sortedByColumns is how many rows columns pass in the time in which an entry is read to be
// sorted.
const sortedByColumns = 500

// columnsSort reports whether columns that are held answer a query with an order sooner than a
// path by index: entries must be read to be sorted, while a column has its order. It asks for no
// columns that are not there.
func (f *finder) columnsSort(ctx context.Context, r storage.Reader, path *plan.Path, order *query.BoundOrder) (bool, error) {
	db := f.ds.db
	if db.wanted() != accessBest || f.joins.required() || !path.AtLeast && int64(path.Rows)*sortedByColumns < f.rd.st.head.Count {
		return false, nil
	}
	set := db.columns.held(f.ds.id)
	if set == nil {
		return false, nil
	}
	n := f.rd.needs()
	if n.filter(f.m.where, order); n.refused() || len(n.order.sort) == 0 {
		return false, nil
	}
	slices.Sort(n.numbers)
	_, why, err := f.rd.tableAt(ctx, r, set, slices.Compact(n.numbers))
	return why == columnsThere, err
}
