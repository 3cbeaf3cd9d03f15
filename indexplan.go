package siftdb

import (
	"slices"

	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/internal/plan"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// access says which ways to the entries a test wants; its zero value is what is best.
type access uint8

const (
	accessBest   access = iota
	accessScan          // no index, no ids, no columns
	accessAlways        // an index wherever there is one, however much it proposes
)

// wanted is the access that a test wants.
func (db *DB) wanted() access { return access(db.access.Load()) }

// indexPlan is how indexes answer a query, in one transaction.
type indexPlan struct {
	r       storage.Reader
	indexes []*readIndex
	filter  *plan.Path // to the entries that may match; nil when there is none
	sorted  *plan.Path // to them in the order wanted; nil when there is none
	most    int        // proposals from which a scan is quicker
	dives   []dive
}

// dive is what a dive into some spans of an index found, where that was all there is: whoever
// follows the path need not go there again.
type dive struct {
	index int
	spans []index.Span
	ids   []int64
}

// dived returns what a dive found that went to the end of some spans.
func (p *indexPlan) dived(i int, spans []index.Span) (ids []int64, ok bool) {
	for _, d := range p.dives {
		if d.index == i && len(d.spans) == len(spans) && len(spans) > 0 && &d.spans[0] == &spans[0] {
			return d.ids, true
		}
	}
	return nil, false
}

// scanned is how many entries a scan passes in the time in which one is got by its id.
const scanned = 12

// planIndexes chooses how indexes answer a query; nil when they do not.
func planIndexes(r storage.Reader, indexes []*readIndex, count int64, where *query.Matcher, order *query.BoundOrder, how access) (*indexPlan, error) {
	if how == accessScan {
		return nil, nil
	}
	p := &indexPlan{r: r, indexes: indexes, most: max(int(count)/scanned, fewProposals)}
	if how == accessAlways {
		p.most = int(count) + fewProposals
	}
	list := make([]plan.Index, len(indexes))
	for i, x := range indexes {
		list[i] = plan.Index{Bound: x.bound, Stats: x.stats, Hashed: x.hashed}
	}
	planner := plan.New(list, p)
	probe := where.Probe()
	var err error
	if p.filter, err = planner.Filter(probe); err != nil {
		return nil, err
	}
	if order != nil {
		p.sorted = planner.Sorted(probe, order)
	}
	if p.filter == nil && p.sorted == nil {
		return nil, nil
	}
	return p, nil
}

// fewRows is how many rows are so few that it does not matter how many are wanted.
const fewRows = 1000

// fewProposals is how many proposals are never too many.
const fewProposals = 32

// someProposals are looked at sooner than cut by what may be many.
const someProposals = 256

// Dive counts the keys in some spans of an index, up to most. Entries under one key ascend, so
// that from the last one seen it can be told how many there may be.
func (p *indexPlan) Dive(i int, spans []index.Span, most int) (n int, unknown bool, err error) {
	var ids []int64
	err = p.walk(i, spans, func(id int64) bool {
		ids = append(ids, id)
		return len(ids) <= most
	})
	if n = len(ids); err != nil || n <= most {
		p.dives = append(p.dives, dive{i, spans, ids})
		return n, false, err
	}
	first, last := ids[0], ids[n-1]
	if end := p.indexes[i].end; len(spans) == 1 && spans[0].Whole && last > first {
		return int(float64(n) * float64(end-first) / float64(last-first)), false, nil
	}
	return n, true, nil
}

// walk calls fn with the entry of every key in some spans, until fn returns false.
func (p *indexPlan) walk(i int, spans []index.Span, fn func(id int64) bool) error {
	for _, s := range spans {
		c := p.open(i, s, false)
		for _, id, ok := c.Next(); ok; _, id, ok = c.Next() {
			if !fn(id) {
				return nil
			}
		}
		if err := c.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (p *indexPlan) open(i int, s index.Span, reverse bool) *indexCursor {
	x := p.indexes[i]
	if s.Whole && !reverse {
		return x.equal(p.r, s.Lo)
	}
	return x.scan(p.r, s.Lo, s.Hi, reverse)
}

// ids returns what a path proposes, ascending; ok is false when that is more than most.
func (p *indexPlan) ids(path *plan.Path, most int) (ids []int64, ok bool, err error) {
	switch path.Kind {
	case plan.ByID:
		return path.IDs, len(path.IDs) <= most*scanned/scanFraction, nil
	case plan.Union:
		for _, part := range path.Parts {
			more, ok, err := p.ids(part, most)
			if ids = append(ids, more...); err != nil || !ok || len(ids) > 4*most {
				return nil, false, err
			}
		}
	case plan.Intersect:
		return p.intersection(path, most)
	default:
		full, over := most, false
		if found, ok := p.dived(path.Index, path.Spans); ok {
			ids = slices.Clone(found)
			break
		}
		if len(path.Spans) > most { // each takes as long as an entry
			return nil, false, nil
		}
		err := p.walk(path.Index, path.Spans, func(id int64) bool {
			if ids = append(ids, id); len(ids) > full { // perhaps the same ones again
				ids = sortedIDs(ids)
				full, over = 2*most, len(ids) > most
			}
			return !over
		})
		if err != nil || over {
			return nil, false, err
		}
	}
	ids = sortedIDs(ids)
	return ids, len(ids) <= most, nil
}

// sortedIDs sorts ids and drops those that are there twice.
func sortedIDs(ids []int64) []int64 {
	slices.Sort(ids)
	return slices.Compact(ids)
}

// intersection returns what all parts propose. A part that proposes too much is left out; the
// first one must not.
func (p *indexPlan) intersection(path *plan.Path, most int) (ids []int64, ok bool, err error) {
	for i, part := range path.Parts {
		if i > 0 && (len(ids) <= fewProposals || part.AtLeast && len(ids) <= someProposals) {
			break
		}
		more, fits, err := p.ids(part, 4*most)
		switch {
		case err != nil:
			return nil, false, err
		case !fits && i == 0:
			return nil, false, nil
		case !fits:
		case i == 0:
			ids = more
		default:
			ids = common(ids, more)
		}
	}
	return ids, len(ids) <= most, nil
}

// common returns what two ascending lists have in common, in a.
func common(a, b []int64) []int64 {
	out := a[:0]
	for _, id := range a {
		for len(b) > 0 && b[0] < id {
			b = b[1:]
		}
		if len(b) > 0 && b[0] == id {
			out = append(out, id)
		}
	}
	return out
}

// proposals are the entries that a plan proposes, in default order.
type proposals struct {
	places []place
	exact  bool // those that have not moved match
	listed bool // those that have not moved are there
	next   int
	kept   []keptRecord // of the first places, what was read of them before

	keyedFor *joinRun // the keys that were worked out then are of this one
}

// narrow makes the reading look at what indexes propose instead of all entries, where that is
// quicker. It is called in the first slice, when nothing has been read. first is how many
// matches are wanted, the first ones in default order; below 0 is all.
func (rd *reading) narrow(r storage.Reader, where *query.Matcher, first int) error {
	p, err := rd.plan(r, where, nil)
	if err != nil || p == nil || p.filter == nil {
		return err
	}
	return rd.follow(p, first)
}

// plan chooses how indexes answer a query; nil when they do not.
func (rd *reading) plan(r storage.Reader, where *query.Matcher, order *query.BoundOrder) (*indexPlan, error) {
	how := rd.ds.db.wanted()
	if how == accessScan || order == nil && where.MatchesAll() || rd.scan.at.id >= 0 {
		return nil, nil
	}
	indexes, err := rd.indexes(r)
	if err != nil {
		return nil, err
	}
	p, err := planIndexes(r, indexes, rd.st.head.Count, where, order, how)
	if err != nil || p == nil {
		return nil, err
	}
	// What has moved is tested one by one.
	if err := rd.scan.catchUp(r, rd.st.head); err != nil || len(rd.scan.known) > 4*p.most && how != accessAlways {
		return nil, err
	}
	return p, nil
}

// follow takes what the plan proposes, if that is not too much.
func (rd *reading) follow(p *indexPlan, first int) error {
	exact := p.filter.Exact && !rd.sight.filters()
	if ids, ok, err := rd.firstOf(p, first, exact); ok || err != nil {
		return firstError(err, rd.propose(p.r, ids, exact, true))
	}
	most := p.most
	if first >= 0 && (p.filter.AtLeast || p.filter.Rows > fewRows) && rd.ds.db.wanted() != accessAlways {
		most = min(most, max(1000, 40*first)) // else a scan soon meets enough
	}
	if !p.filter.AtLeast && p.filter.Rows > 2*p.most { // also when it is estimated
		return nil
	}
	ids, ok, err := p.ids(p.filter, most)
	if err != nil || !ok {
		return err
	}
	return rd.propose(p.r, ids, exact, p.filter.Listed())
}

// firstOf returns the first entries under the one key that the path is about; ok is false when
// it is about others.
func (rd *reading) firstOf(p *indexPlan, first int, exact bool) (ids []int64, ok bool, err error) {
	path := p.filter
	if first < 0 || !exact || !rd.scan.exact || rd.scan.ordered || path.Kind != plan.BySpans || len(path.Spans) != 1 || !path.Spans[0].Whole {
		return nil, false, nil
	}
	err = p.walk(path.Index, path.Spans, func(id int64) bool {
		ids = append(ids, id)
		return len(ids) < first
	})
	return ids, err == nil, err
}

// propose makes the reading visit some entries, and those that have moved.
func (rd *reading) propose(r storage.Reader, ids []int64, exact, listed bool) error {
	c := &proposals{exact: exact, listed: listed}
	c.places = make([]place, 0, len(ids)+len(rd.scan.moved))
	for _, id := range ids {
		if _, moved := rd.scan.known[id]; moved {
			continue
		}
		at, ok, err := rd.placeOf(r, id)
		if err != nil {
			return err
		}
		if ok {
			c.places = append(c.places, at)
		}
	}
	c.places = append(c.places, rd.scan.moved...)
	slices.SortFunc(c.places, place.compare)
	rd.chosen = c
	return nil
}

// placeOf returns where an entry stands that has not moved.
func (rd *reading) placeOf(r storage.Reader, id int64) (place, bool, error) {
	if !rd.scan.ordered {
		return place{0, id}, true, nil
	}
	var rec layout.Record
	ok, err := history.StateAt(r, rd.ds.id, id, rd.st.commit, &rec)
	return place{rec.OrderValue(), id}, ok, err
}

// proposed visits what was proposed, as entries does all.
func (rd *reading) proposed(r storage.Reader, visit visitor) (bool, error) {
	c := rd.chosen
	b := newBudget()
	var rec layout.Record
	var key []byte
	for c.next < len(c.places) {
		at := c.next
		id := c.places[at].id
		c.next++
		if k := c.keptAt(at); k != nil {
			more := true
			var err error
			if !k.unwanted() && rd.see(&k.rec) { // the definition may hide more than when it was read
				more, err = visit(&k.rec, c.verdictOf(k, rd.scan))
			}
			if err != nil || !more || b.spent() {
				return false, err
			}
			continue
		}
		key = layout.AppendEntryKey(key[:0], rd.ds.id, id)
		ok, err := history.StateUnder(r, key, rd.st.commit, &rec)
		if err != nil {
			return false, err
		}
		more := true
		if ok && rd.see(&rec) {
			if more, err = visit(&rec, c.verdict(rd.scan, id)); err != nil {
				return false, err
			}
		}
		if !more || b.spent() {
			return false, nil
		}
	}
	return true, nil
}

// verdict is what is known of an entry that was proposed.
func (c *proposals) verdict(s *scanner, id int64) query.Verdict {
	if _, moved := s.known[id]; !c.exact || moved {
		return query.Unsure
	}
	return query.Yes
}

// certain counts the proposals that match without a look, and drops them: all or none.
func (c *proposals) certain(s *scanner) int64 {
	if !c.exact || !c.listed || !s.exact { // else some may have been born later
		return 0
	}
	n := len(c.places)
	c.places = nil
	return int64(n)
}
