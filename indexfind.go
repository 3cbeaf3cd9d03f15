package siftdb

import (
	"bytes"
	"context"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// byIndex lets indexes say where the entries are, when they can. For a query with an order it
// may return the ids of all that is wanted, in order; ok is then true.
func (f *finder) byIndex(ctx context.Context) (ids []int64, ok bool, err error) {
	if f.rd.chosen != nil || len(f.c.order) == 0 && f.c.where.MatchesAll() && len(f.c.views) == 0 {
		return nil, false, nil
	}
	defer f.ran.proposed(f)
	err = f.rd.slice(ctx, func(r storage.Reader) error {
		if err := f.bind(r); err != nil {
			return err
		}
		p, err := f.rd.plan(r, f.m.where, f.order)
		if err != nil || p == nil {
			return err
		}
		f.way.plan = p
		if f.way.sorted = f.servesOrder(p); f.way.sorted && f.way.untried {
			return nil
		}
		if f.way.sorted {
			if ids, ok, err = f.inOrder(p, f.order); ok || err != nil {
				return err
			}
			f.way.sorted = false
		}
		if p.filter == nil {
			return nil
		}
		first := -1
		if f.order == nil {
			first = f.first()
		} else if better, err := f.columnsSort(ctx, r, p.filter, f.order); err != nil || better {
			p.filter = nil
			return err
		}
		return f.rd.follow(p, first)
	})
	return ids, ok, err
}

// way is how a finder comes to its entries.
type way struct {
	plan    *indexPlan // nil when indexes have no part in it
	sorted  bool       // an index is read in the order wanted
	untried bool       // it is only to be told
}

// first returns how many matches are wanted, of the first ones; -1 for all.
func (f *finder) first() int {
	if f.c.limit < 0 || f.count || f.seen != nil || f.joins.required() {
		return -1
	}
	return saturated(f.c.offset, f.c.limit)
}

// servesOrder reports whether reading an index in the order wanted is the better way.
func (f *finder) servesOrder(p *indexPlan) bool {
	first := f.first()
	switch {
	case p.sorted == nil || first <= 0:
		return false
	case p.filter == nil || f.ds.db.wanted() == accessAlways:
		return first <= p.most
	case p.sorted.Exact:
		return first <= p.most && (p.filter.AtLeast || first < p.filter.Rows)
	}
	return (p.filter.AtLeast || p.filter.Rows > p.most) && first <= p.most
}

// inOrder reads an index in the order wanted until there are enough matches, and merges what
// has moved. ok is false when too many entries had to be looked at.
func (f *finder) inOrder(p *indexPlan, order *query.BoundOrder) (ids []int64, ok bool, err error) {
	s := &sorter{keep: -1}
	exact := p.sorted.Exact && !f.rd.sight.filters() && f.rd.scan.exact // else some were born later
	first := f.first()
	var last []byte
	looked := 0
	c := p.open(p.sorted.Index, p.sorted.Spans[0], p.sorted.Reverse)
	for key, id, more := c.Next(); more; key, id, more = c.Next() {
		key = key[p.sorted.Prefix:]
		if len(s.items) >= first && !(p.sorted.Reverse && bytes.Equal(key, last)) { // ties come by id
			break
		}
		if _, moved := f.rd.scan.known[id]; moved {
			continue
		}
		if !exact {
			if looked++; looked > p.most {
				return nil, false, nil
			}
			if found, err := f.look(p.r, id); err != nil {
				return nil, false, err
			} else if !found {
				continue
			}
		}
		last = append(last[:0], key...)
		s.items = append(s.items, sortItem{s.arena.copy(key), id})
	}
	if err := c.Err(); err != nil {
		return nil, false, err
	}
	if p.sorted.Reverse {
		for i := range s.items {
			document.InvertKey(s.items[i].key)
		}
	}
	for _, at := range f.rd.scan.moved {
		found, err := f.look(p.r, at.id)
		if err != nil {
			return nil, false, err
		}
		if found {
			s.add(order, &f.m.rec)
		}
	}
	f.ran.proposals = int64(len(s.items))
	ids = s.sorted()
	ids = ids[:min(first, len(ids))]
	if exact {
		f.ran.looked, f.ran.matched = int64(len(ids)), int64(len(ids))
	}
	return ids, true, nil
}

// look reads an entry into f.m and reports whether it matches.
func (f *finder) look(r storage.Reader, id int64) (bool, error) {
	var rec layout.Record
	ok, err := history.StateAt(r, f.ds.id, id, f.rd.st.commit, &rec)
	if err != nil || !ok || !f.rd.see(&rec) {
		return false, err
	}
	f.ran.looked++
	ok, err = f.m.match(&rec)
	if ok {
		f.ran.matched++
	}
	return ok, err
}

// countByIndex counts what indexes say matches, and leaves the reading to look at the rest,
// which may be nothing.
func (rd *reading) countByIndex(ctx context.Context, m *matching, c *compiled) (n int64, err error) {
	if c.where.MatchesAll() && len(c.views) == 0 {
		return 0, nil
	}
	err = rd.slice(ctx, func(r storage.Reader) error {
		if err := m.bind(rd, c); err != nil {
			return err
		}
		p, err := rd.plan(r, m.where, nil)
		if err != nil || p == nil || p.filter == nil {
			return err
		}
		if p.filter.Exact && p.filter.Listed() && !rd.sight.filters() { // no entry is read
			p.most = max(p.most, int(rd.st.head.Count/2))
		}
		if err := rd.follow(p, -1); err == nil && rd.chosen != nil {
			n = rd.chosen.certain(rd.scan)
		}
		return err
	})
	return n, err
}

// selectByIndex returns the ids of the entries that indexes propose in a write transaction;
// ok is false when they do not serve.
func (st *sourceTx) selectByIndex(src *source, where *query.Matcher) (ids []int64, ok bool, err error) {
	db := st.t.db
	if where.MatchesAll() || db.wanted() == accessScan || st.changed() {
		return nil, false, nil
	}
	rd := &reading{ds: &DataSource{db: db, id: st.id}, st: &state{head: st.head, source: src}}
	indexes, err := rd.indexes(st.t.w)
	if err != nil {
		return nil, false, err
	}
	p, err := planIndexes(st.t.w, indexes, st.head.Count, where, nil, db.wanted())
	if err != nil || p == nil || p.filter == nil {
		return nil, false, err
	}
	ids, ok, err = p.ids(p.filter, p.most)
	return slices.Clone(ids), ok, err
}
