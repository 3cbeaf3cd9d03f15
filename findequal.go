package siftdb

import (
	"context"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// The short way to entries by a value: a where that is one text to be equal to, on what an index
// of one field is on, is answered in one transaction, without compiling and planning it. It
// leaves everything else, and whatever it is not sure of, to the long way, errors too; so it can
// only ever say what that says. TestEqualShortAndLong holds the two against each other.

// equalMost is how many entries under one key the short way reads.
const equalMost = 32

// shortEqual returns the name and the text of a query of that kind. Rules and hooks have seen
// the query by then; what a principal asks goes the long way.
func (ds *DataSource) shortEqual(q *Query) (name, text string, ok bool) {
	if ds.db.as != nil || ds.veil != nil || ds.at.kind != latest || ds.db.wanted() != accessBest {
		return "", "", false
	}
	if q.Dialect != query.Sift || q.Type != "" && q.Type != "select" || len(q.Views) > 0 || len(q.Joins) > 0 || q.Aggregate != nil ||
		q.Attributes != nil || q.Distinct || len(q.Order) > 0 || q.Offset != 0 || q.Limit != nil && *q.Limit < 1 {
		return "", "", false
	}
	switch where := q.Where.(type) {
	case M:
		for key, v := range where {
			name = key
			text, ok = v.(string)
		}
		ok = ok && len(where) == 1
	case D:
		if len(where) == 1 {
			name = where[0].Key
			text, ok = where[0].Value.(string)
		}
	}
	return name, text, ok && query.NameOfEquality(name) && utf8.ValidString(text) && utf8.ValidString(name)
}

// findEqual answers a query the short way; ok is false when it is to go the long one.
func (ds *DataSource) findEqual(ctx context.Context, q *Query) (entries []*Entry, ok bool) {
	name, text, ok := ds.shortEqual(q)
	if !ok {
		return nil, false
	}
	most := equalMost
	if q.Limit != nil {
		most = min(most, *q.Limit)
	}
	err := ds.db.view(ctx, func(r storage.Reader) (err error) {
		entries, ok, err = ds.equalIn(r, name, text, most, q.Limit != nil && *q.Limit <= most)
		return err
	})
	return entries, ok && err == nil
}

// equalIn returns the first entries whose field equals a text, at most so many. ok is false when
// they cannot be told, or when there are more and they are not all that is wanted.
func (ds *DataSource) equalIn(r storage.Reader, name, text string, most int, limited bool) (entries []*Entry, ok bool, err error) {
	head, src, err := ds.load(r, false)
	if err != nil || head.Ordered > 0 || head.Indexes == "" { // entries come by their ids
		return nil, false, err
	}
	known, err := ds.db.catalog.boundIndexes(src, head.Indexes)
	if err != nil {
		return nil, false, err
	}
	i := known.equal.find(known, name)
	if i < 0 {
		return nil, false, nil
	}
	s := &known.states.List[i]
	var room [96]byte
	key, ok := known.bound[i].AppendTextKey(room[:0], text, statsOf(s.Counts))
	if !ok {
		return nil, false, nil
	}
	x := readIndex{number: s.Number, source: ds.id, end: head.NextID}
	if x.hasher, err = ds.db.indexHasher(r, ds.id, s.Cipher); err != nil {
		return nil, false, err
	}
	entries = make([]*Entry, 0, 1)
	c := x.equal(r, key)
	for _, id, more := c.Next(); more; _, id, more = c.Next() {
		if len(entries) == most {
			return nil, false, nil // of those that are all wanted
		}
		var rec layout.Record
		if ok, err := history.Now(r, ds.id, id, head.Last, &rec); err != nil || !ok {
			return nil, false, err
		}
		entries = append(entries, newEntry(ds.id, src.names, &rec))
		if limited && len(entries) == most {
			break
		}
	}
	return entries, true, c.Err()
}

// equalNames remembers, for the indexes of a data source, by which one of them a name is looked
// up. It lasts as long as what it was made from: the columns, and the indexes that there are.
type equalNames struct {
	mu    sync.RWMutex
	found map[string]int // its place among the indexes; below 0 for none
}

// equalNamesMost is how many names are remembered for a data source.
const equalNamesMost = 64

// find returns the place of the index by which a text is found that a name equals, below 0 for
// none. What a name means is told by the where language itself, of a where like the one that is
// asked.
func (n *equalNames) find(known *boundIndexes, name string) int {
	n.mu.RLock()
	i, ok := n.found[name]
	full := len(n.found) >= equalNamesMost
	n.mu.RUnlock()
	if ok {
		return i
	}
	if full {
		return -1
	}
	i = known.equalTo(name)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.found == nil {
		n.found = make(map[string]int)
	}
	n.found[strings.Clone(name)] = i
	return i
}

// equalTo is find without a memory.
func (b *boundIndexes) equalTo(name string) int {
	where, err := query.Compile(M{name: "text"}, query.ForDataSource())
	if err != nil {
		return -1
	}
	probe := where.Bind(b.src.schema()).Probe()
	if !probe.EqualsText() {
		return -1
	}
	for i, x := range b.bound {
		if x != nil && len(x.Def().Fields) == 1 && !x.Def().Trigram && !x.Def().IgnoreCase && probe.On(x.Field(0)) {
			return i
		}
	}
	return -1
}
