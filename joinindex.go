package siftdb

import (
	"context"
	"encoding/binary"

	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// narrowByIndex looks the joined entries up that the parents noted ask for, when there is an
// index on the name that they are joined by and they are few: then nothing else is read.
func (run *joinRun) narrowByIndex(ctx context.Context) error {
	if run.rd.ds.db.wanted() == accessScan || run.rd.chosen != nil || run.rd.scan.at.id >= 0 {
		return nil
	}
	return run.rd.slice(ctx, func(r storage.Reader) error {
		indexes, err := run.rd.indexes(r)
		if err != nil {
			return err
		}
		p := &indexPlan{r: r, indexes: indexes, most: max(int(run.rd.st.head.Count)/scanned, fewProposals)}
		i := run.joinIndex(indexes)
		if i < 0 || len(run.groups) > p.most {
			return nil
		}
		if err := run.rd.scan.catchUp(r, run.rd.st.head); err != nil || len(run.rd.scan.known) > 4*p.most {
			return err
		}
		ids, ok, err := run.lookUp(p, i)
		if err != nil || !ok {
			return err
		}
		return run.rd.propose(r, ids, false, true)
	})
}

// narrowRequired lets required joins read few entries: where indexes propose few of the parents,
// the keys of these are noted, and looked up in an index on what the joined entries are joined
// by. Whatever else is joined by other keys no parent asks for.
func (f *finder) narrowRequired(ctx context.Context) error {
	for _, run := range f.joins.runs {
		if !run.c.Required {
			continue
		}
		i, _, err := run.indexed(ctx)
		if err != nil {
			return run.c.fault(err)
		}
		if i < 0 {
			continue
		}
		if _, _, err := f.byIndex(ctx); err != nil || f.rd.chosen == nil {
			return err
		}
		noted, err := f.noteProposed(ctx, run)
		if err == nil && noted {
			err = run.narrowByIndex(ctx)
		}
		if err != nil {
			return run.c.fault(err)
		}
		run.forget()
	}
	return nil
}

// indexed returns the index by which joined entries can be looked up, with its name; -1 when
// there is none.
func (run *joinRun) indexed(ctx context.Context) (i int, name string, err error) {
	err = run.rd.slice(ctx, func(r storage.Reader) error {
		indexes, err := run.rd.indexes(r)
		if err != nil {
			return err
		}
		if i = run.joinIndex(indexes); i >= 0 {
			name = indexes[i].def.Name
		}
		return nil
	})
	return i, name, err
}

// noteProposed takes down the keys of the parents that indexes propose, and that match. It
// reports false where one of them cannot be tested: whoever reads them in earnest tells why.
func (f *finder) noteProposed(ctx context.Context, run *joinRun) (ok bool, err error) {
	places := f.rd.chosen.places
	var rec layout.Record
	for ok = true; ok && len(places) > 0; {
		err := f.rd.slice(ctx, func(r storage.Reader) error {
			for b := newBudget(); ok && len(places) > 0 && !b.spent(); places = places[1:] {
				found, err := history.StateAt(r, f.rd.ds.id, places[0].id, f.rd.st.commit, &rec)
				if err != nil {
					return err
				}
				if !found || !f.rd.see(&rec) {
					continue
				}
				match, err := f.m.match(&rec)
				if match && err == nil {
					err = run.note(&f.m.rec)
				}
				ok = err == nil
			}
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	return ok, nil
}

// joinIndex returns the index on the first name that entries are joined by, -1 when there is
// none.
func (run *joinRun) joinIndex(indexes []*readIndex) int {
	for i, x := range indexes {
		if !x.def.Trigram && !x.def.IgnoreCase && (!x.hashed || len(x.def.Fields) == 1) && x.bound.Field(0).Same(run.to.names[0]) {
			return i
		}
	}
	return -1
}

// lookUp returns the entries that an index lists under the keys of the parents noted; ok is
// false when they are too many.
func (run *joinRun) lookUp(p *indexPlan, i int) (ids []int64, ok bool, err error) {
	x := p.indexes[i]
	take := func(id int64) bool {
		ids = append(ids, id)
		return len(ids) <= 2*p.most
	}
	for key := range run.groups {
		l, found := x.bound.Lookup([]query.Bounds{query.MatchBounds(firstPart(key))}, x.stats)
		if !found {
			return nil, false, nil
		}
		if err := p.walk(i, l.Spans, take); err != nil || len(ids) > 2*p.most {
			return nil, false, err
		}
	}
	if x.stats.Many > 0 {
		err = p.walk(i, []index.Span{index.OverflowSpan()}, take)
	}
	ids = sortedIDs(ids)
	return ids, err == nil && len(ids) <= p.most, err
}

// firstPart returns the first pair's key in the key of a group.
func firstPart(key string) []byte {
	size, n := binary.Uvarint([]byte(key[:min(len(key), binary.MaxVarintLen64)]))
	return []byte(key[n:][:size])
}
