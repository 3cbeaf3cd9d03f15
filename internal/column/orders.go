package column

import (
	"iter"
	"slices"
	"sort"
)

// SortColumn is one of several columns that rows are sorted by.
type SortColumn struct {
	Number uint16
	Desc   bool
}

// SortedBy yields the rows of all entries, or of those of a set if it is not nil, by the order of
// some columns, the first of which counts first, and then by number. It leaves out the first
// *skip of them, where that is cheap, and takes from *skip what it left out, before it yields
// any. Rows are put in order as far as they are asked for: those that have one value of the first
// column at a time.
func (t *Table) SortedBy(keys []SortColumn, rows Bits, skip *int) iter.Seq[int] {
	list := t.Sorted(keys[0].Number, keys[0].Desc)
	s := &sorted{t: t, list: list}
	for _, k := range keys {
		s.keys = append(s.keys, t.sortedKey(k))
	}
	from := 0
	if rows == nil {
		n := min(max(*skip, 0), len(list))
		if from = n; n < len(list) {
			rank := s.keys[0].rank(list[n])
			from = sort.Search(n, func(i int) bool { return s.keys[0].rank(list[i]) >= rank })
		}
		*skip -= from
	}
	return func(yield func(int) bool) { s.each(from, rows, skip, yield) }
}

// sorted is one use of SortedBy.
type sorted struct {
	t    *Table
	list []uint32 // by the first column
	keys []sortedKey
	run  []uint64 // rows with one value of the first column, the lower half of each
}

// sortedKey ranks rows by a column.
type sortedKey struct {
	c     *Column
	ranks []uint32
	desc  bool
}

func (t *Table) sortedKey(k SortColumn) sortedKey {
	c := t.columns[k.Number]
	return sortedKey{c, c.known.ranked(), k.Desc}
}

func (k *sortedKey) rank(row uint32) uint32 {
	rank := k.ranks[k.c.Code(int(row))]
	if k.desc {
		return ^rank
	}
	return rank
}

func (s *sorted) each(from int, rows Bits, skip *int, yield func(int) bool) {
	for from < len(s.list) {
		rank := s.keys[0].rank(s.list[from])
		s.run = s.run[:0]
		for ; from < len(s.list) && s.keys[0].rank(s.list[from]) == rank; from++ {
			if row := s.list[from]; rows == nil || rows.Has(int(row)) {
				s.run = append(s.run, uint64(row))
			}
		}
		left := max(*skip, 0)
		if left >= len(s.run) {
			*skip -= min(left, len(s.run))
			continue
		}
		*skip -= left
		s.sort(s.run, 1)
		for _, row := range s.run[left:] {
			if !yield(int(uint32(row))) {
				return
			}
		}
	}
}

// sort sorts rows by the keys from the k-th on.
func (s *sorted) sort(run []uint64, k int) {
	if k == len(s.keys) || len(run) < 2 {
		return
	}
	key := &s.keys[k]
	for i, row := range run {
		run[i] = uint64(key.rank(uint32(row)))<<32 | row&(1<<32-1)
	}
	slices.Sort(run)
	for from := 0; from < len(run); {
		to := from + 1
		for to < len(run) && run[to]>>32 == run[from]>>32 {
			to++
		}
		if k+1 < len(s.keys) {
			s.sort(run[from:to], k+1)
		}
		from = to
	}
}
