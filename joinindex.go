package siftdb

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"

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
		run.asked = run.rd.chosen != nil && f.c.limit < 0 && f.c.offset == 0 && !f.c.distinct
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

// noteProposed takes down the keys of the parents that indexes propose, and that match, and keeps
// these for those who visit them next. It reports false where one of them cannot be tested:
// whoever reads them in earnest tells why.
func (f *finder) noteProposed(ctx context.Context, run *joinRun) (ok bool, err error) {
	c := f.rd.chosen
	keep := keptRecords{list: make([]*layout.Record, 0, len(c.places))}
	at := 0
	for ok = true; ok && at < len(c.places); {
		err := f.rd.slice(ctx, func(r storage.Reader) error {
			for b := newBudget(); ok && at < len(c.places) && !b.spent(); at++ {
				rec, err := f.matchingAt(r, at)
				if rec != nil && err == nil {
					err = run.note(&f.m.rec)
				}
				ok = err == nil
				keep.add(rec)
			}
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	if ok && c.kept == nil {
		c.kept = keep.list
	}
	return ok, nil
}

// matchingAt reads one of the proposed entries into f.m, nil when it is not there or does not
// match.
func (f *finder) matchingAt(r storage.Reader, at int) (*layout.Record, error) {
	c := f.rd.chosen
	if at < len(c.kept) && c.kept[at] != nil {
		if c.kept[at] == unwanted {
			return nil, nil
		}
		f.m.fill(c.kept[at])
		return c.kept[at], nil
	}
	var rec layout.Record
	found, err := history.StateAt(r, f.rd.ds.id, c.places[at].id, f.rd.st.commit, &rec)
	if err != nil || !found || !f.rd.see(&rec) {
		return nil, err
	}
	if match, err := f.m.match(&rec); !match {
		return nil, err
	}
	return &rec, nil
}

// keptRecords keeps entries that are read once more, as they were seen then.
type keptRecords struct {
	list  []*layout.Record
	arena arena
	held  int
}

// keptBytes is how many bytes of entries are kept at most; tests keep fewer.
var keptBytes = 4 << 20

// unwanted stands for an entry that does not match.
var unwanted = new(layout.Record)

// add keeps the next entry, nil is one that does not match. When there is no room it keeps none.
func (k *keptRecords) add(rec *layout.Record) {
	const itself = 128
	switch {
	case rec == nil:
		k.list = append(k.list, unwanted)
	case k.held+itself+len(rec.Doc)+len(rec.Order) > keptBytes:
		k.list = append(k.list, nil)
	default:
		k.held += itself + len(rec.Doc) + len(rec.Order)
		own := &layout.Record{ID: rec.ID, Born: rec.Born, Changed: rec.Changed, CreatedAt: rec.CreatedAt, UpdatedAt: rec.UpdatedAt,
			Doc: k.arena.copy(rec.Doc), Sum: rec.Sum}
		if rec.Order != nil {
			own.Order = k.arena.copy(rec.Order)
		}
		k.list = append(k.list, own)
	}
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
// false when they are too many. Keys that follow each other lie on the same pages.
func (run *joinRun) lookUp(p *indexPlan, i int) (ids []int64, ok bool, err error) {
	x := p.indexes[i]
	take := func(id int64) bool {
		ids = append(ids, id)
		return len(ids) <= 2*p.most
	}
	one := make([]index.Span, 1)
	for _, part := range run.firstParts() {
		spans := one
		if text, ok := query.MatchText(part); !ok || !x.textSpan(&one[0], text) {
			l, found := x.bound.Lookup([]query.Bounds{query.MatchBounds(part)}, x.stats)
			if !found {
				return nil, false, nil
			}
			spans = l.Spans
		}
		if err := p.walk(i, spans, take); err != nil || len(ids) > 2*p.most {
			return nil, false, err
		}
	}
	if x.stats.Many > 0 {
		err = p.walk(i, []index.Span{index.OverflowSpan()}, take)
	}
	ids = sortedIDs(ids)
	return ids, err == nil && len(ids) <= p.most, err
}

// textSpan makes a span that of the entries that equal a text, in the memory of the one that was
// there; false means that Lookup has to.
func (x *readIndex) textSpan(s *index.Span, text string) bool {
	key, ok := x.bound.AppendTextKey(s.Lo[:0], text, x.stats)
	if !ok {
		return false
	}
	s.Lo, s.Whole = key, true
	return true
}

// firstParts returns the first pairs' keys in the keys of all groups, each once and in order.
func (run *joinRun) firstParts() [][]byte {
	parts := make([][]byte, 0, len(run.groups))
	for key := range run.groups {
		parts = append(parts, firstPart(key))
	}
	slices.SortFunc(parts, bytes.Compare)
	return slices.CompactFunc(parts, bytes.Equal)
}

// firstPart returns the first pair's key in the key of a group.
func firstPart(key string) []byte {
	size, n := binary.Uvarint([]byte(key[:min(len(key), binary.MaxVarintLen64)]))
	return []byte(key[n:][:size])
}
