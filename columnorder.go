package siftdb

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
	"sort"

	"github.com/siftdb/siftdb/internal/column"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// all yields the entries that a plan finds, in the order wanted. Where that is cheap it leaves
// out the first *skip of them, and sets *skip to what it did not leave out.
func (p *columnPlan) all(skip *int) iter.Seq[int64] {
	if len(p.sort) == 0 {
		rows, others := p.placed()
		return merged(p.byRow(rows), others, func(id int64, a apart) bool { return a.place.compare(place{0, id}) < 0 })
	}
	if len(p.sort) > 1 && len(p.apart) == 0 {
		return p.byRow(p.table.SortedBy(p.sort, p.rows, skip))
	}
	list := p.sorted()
	if p.rows == nil {
		n := min(*skip, len(list))
		list, *skip = list[n:], *skip-n
	}
	if len(p.apart) == 0 {
		return p.byRow(func(yield func(int) bool) {
			for _, row := range list {
				if (p.rows == nil || p.rows.Has(int(row))) && !yield(int(row)) {
					return
				}
			}
		})
	}
	slices.SortFunc(p.apart, func(a, b apart) int {
		if c := bytes.Compare(a.key, b.key); c != 0 {
			return c
		}
		return cmp.Compare(a.id, b.id)
	})
	return p.mergedByKey(list)
}

// sorted returns the rows of all entries in the order wanted.
func (p *columnPlan) sorted() []uint32 {
	if len(p.sort) == 1 {
		return p.table.Sorted(p.sort[0].Number, p.sort[0].Desc)
	}
	list := make([]uint32, 0, p.table.Live())
	for row := range p.table.SortedBy(p.sort, nil, new(int)) {
		list = append(list, uint32(row))
	}
	return list
}

// appendSortKey appends the sort key of a row, as query.BoundOrder does that of its entry.
func appendSortKey(dst []byte, t *column.Table, keys []query.OrderColumn, row int) []byte {
	for _, k := range keys {
		if !k.Absent {
			dst = t.SortKey(dst, k.Number, row, k.Desc)
			continue
		}
		at := len(dst)
		if dst = document.AppendKey(dst, document.Value{}); k.Desc {
			document.InvertKey(dst[at:])
		}
	}
	return dst
}

// byRow turns rows into ids.
func (p *columnPlan) byRow(rows iter.Seq[int]) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for row := range rows {
			if !yield(p.table.ID(row)) {
				return
			}
		}
	}
}

// placed returns the rows that match by ascending id, and apart from them those of entries
// with an order of their own, where that counts, and the moved entries that match, in order.
func (p *columnPlan) placed() (iter.Seq[int], []apart) {
	rows := p.rows
	if rows == nil {
		rows = p.table.All()
	}
	list := slices.Clone(p.apart)
	for i := range list {
		if p.byID {
			list[i].order = 0
		}
	}
	if placed := p.table.Placed(); len(placed) > 0 && !p.byID {
		rows = slices.Clone(rows)
		for _, q := range placed {
			if rows.Has(q.Row) {
				rows.Clear(q.Row)
				list = append(list, apart{place: place{q.Order, p.table.ID(q.Row)}})
			}
		}
	}
	slices.SortFunc(list, func(a, b apart) int { return a.place.compare(b.place) })
	return func(yield func(int) bool) { rows.Each(0, yield) }, list
}

// merged yields ids with those of a sorted list among them.
func merged(ids iter.Seq[int64], list []apart, before func(int64, apart) bool) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for id := range ids {
			for ; len(list) > 0 && before(id, list[0]); list = list[1:] {
				if !yield(list[0].id) {
					return
				}
			}
			if !yield(id) {
				return
			}
		}
		for _, a := range list {
			if !yield(a.id) {
				return
			}
		}
	}
}

// mergedByKey merges the moved entries that match into the rows that match, which are among
// those of a sorted list.
func (p *columnPlan) mergedByKey(list []uint32) iter.Seq[int64] {
	where := make([]int, len(p.apart)) // of the row that comes next
	var key []byte
	for i, a := range p.apart {
		where[i] = sort.Search(len(list), func(n int) bool {
			key = appendSortKey(key[:0], p.table, p.keys, int(list[n]))
			c := bytes.Compare(key, a.key)
			return c > 0 || c == 0 && p.table.ID(int(list[n])) > a.id
		})
	}
	return func(yield func(int64) bool) {
		next := 0
		for i := 0; i <= len(list); i++ {
			for ; next < len(where) && where[next] == i; next++ {
				if !yield(p.apart[next].id) {
					return
				}
			}
			if i < len(list) && p.rows.Has(int(list[i])) && !yield(p.table.ID(int(list[i]))) {
				return
			}
		}
	}
}

// eachFirst calls fn with entries in default order, among which each value of a column is with
// the first entry that has it. What fn gets of a moved entry counts for nothing.
func (p *columnPlan) eachFirst(number uint16, fn func(id int64, v document.Value)) {
	list := slices.Clone(p.apart)
	var without column.Bits
	leave := func(row int) {
		if without == nil {
			without = column.NewBits(p.table.Rows())
		}
		without.Set(row)
	}
	for _, id := range p.moved {
		if row, ok := p.table.Row(id); ok {
			leave(row)
		}
	}
	for _, q := range p.table.Placed() {
		if !without.Has(q.Row) {
			leave(q.Row)
			list = append(list, apart{place: place{q.Order, p.table.ID(q.Row)}})
		}
	}
	slices.SortFunc(list, func(a, b apart) int { return a.place.compare(b.place) })
	give := func(id int64) {
		v := document.Value{}
		if row, ok := p.table.Row(id); ok {
			c := p.table.Column(number)
			v = c.Dict().Value(c.Code(row))
		}
		fn(id, v)
	}
	for row, v := range p.table.Distinct(number, without) {
		id := p.table.ID(row)
		for ; len(list) > 0 && list[0].compare(place{0, id}) < 0; list = list[1:] {
			give(list[0].id)
		}
		fn(id, v)
	}
	for _, a := range list {
		give(a.id)
	}
}
