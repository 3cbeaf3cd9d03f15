package siftdb

import (
	"context"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/internal/sealed"
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
	e := equalReads.Get().(*equalRead)
	defer e.done()
	e.ds, e.name, e.text, e.most = ds, name, text, equalMost
	if q.Limit != nil {
		e.most = min(e.most, *q.Limit)
		e.limited = *q.Limit <= e.most
	}
	if err := ds.db.view(ctx, e.reading); err != nil || !e.ok {
		return nil, false
	}
	return append([]*Entry{}, e.entries...), true
}

// findOneEqual is findEqual for the first entry, nil when there is none.
func (ds *DataSource) findOneEqual(ctx context.Context, q *Query) (entry *Entry, ok bool) {
	name, text, ok := ds.shortEqual(q)
	if !ok {
		return nil, false
	}
	e := equalReads.Get().(*equalRead)
	defer e.done()
	e.ds, e.name, e.text, e.most, e.limited = ds, name, text, 1, true
	if err := ds.db.view(ctx, e.reading); err != nil || !e.ok {
		return nil, false
	}
	if len(e.entries) > 0 {
		entry = e.entries[0]
	}
	return entry, true
}

// equalReads keeps what answers are made with, for the next ones.
var equalReads = sync.Pool{New: func() any {
	e := new(equalRead)
	e.reading, e.entries = e.read, e.few[:0]
	return e
}}

// done forgets all that was read, and keeps the rest.
func (e *equalRead) done() {
	*e = equalRead{reading: e.reading}
	e.entries = e.few[:0]
	equalReads.Put(e)
}

// equalRead is one answer the short way: the first entries whose field equals a text, at most so
// many.
type equalRead struct {
	ds         *DataSource
	name, text string
	most       int
	limited    bool // no more are wanted

	entries []*Entry
	ok      bool // false when they cannot be told, or when there are more that are wanted

	hints  *equalHints // of the index; nil when there are none for it
	hash   uint64      // of the text, for them
	column uint16      // that the index is on

	reading func(storage.Reader) error // read
	rec     layout.Record
	few     [1]*Entry
	key     [128]byte
	entry   [layout.EntrySize]byte
}

// read makes the answer in one transaction.
func (e *equalRead) read(r storage.Reader) error {
	e.entries, e.ok = e.entries[:0], false
	ds := e.ds
	head, src, err := ds.load(r, false)
	if err != nil || head.Ordered > 0 || head.Indexes == "" { // entries come by their ids
		return err
	}
	known, err := ds.db.catalog.boundIndexes(src, head.Indexes)
	if err != nil {
		return err
	}
	i := known.equal.find(known, e.name)
	if i < 0 {
		return nil
	}
	s := &known.states.List[i]
	prefix := layout.AppendIndexPrefix(e.key[:0], ds.id, s.Number)
	at := len(prefix)
	key, ok := known.bound[i].AppendTextKey(prefix, e.text, statsOf(s.Counts))
	if !ok {
		return nil
	}
	if e.hint(known, i) && e.hinted(r, &head, src) {
		return nil
	}
	if e.limited && e.most == 1 && s.Cipher == 0 {
		if done, err := e.first(r, key, &head, src); done || err != nil {
			return err
		}
	}
	x := readIndex{number: s.Number, source: ds.id, end: head.NextID}
	if x.hasher, err = ds.db.indexHasher(r, ds.id, s.Cipher); err != nil {
		return err
	}
	c := x.equal(r, key[at:])
	for _, id, more := c.Next(); more; _, id, more = c.Next() {
		if len(e.entries) == e.most {
			return nil // of those that are all wanted
		}
		if ok, err := e.add(r, id, &head, src); !ok {
			return err
		}
		if e.limited && len(e.entries) == e.most {
			break
		}
	}
	e.ok = true
	e.note(&head)
	return c.Err()
}

// first reads the first entry under a whole key without a cursor, if there is one; done is false
// when that cannot be told.
func (e *equalRead) first(r storage.Reader, key []byte, head *layout.Head, src *source) (done bool, err error) {
	stored, value, ok, can, err := sealed.Seek(r, layout.Index, key)
	if err != nil || !can || len(value) > 0 {
		return false, err
	}
	if e.ok = true; !ok {
		return true, nil
	}
	_, _, id, ok := layout.IndexParts(stored)
	if e.ok = ok && id < head.NextID; !e.ok {
		return false, nil
	}
	e.ok, err = e.add(r, id, head, src)
	e.note(head)
	return true, err
}

// add reads an entry; false when it is not there.
func (e *equalRead) add(r storage.Reader, id int64, head *layout.Head, src *source) (bool, error) {
	key := layout.AppendEntryKey(e.entry[:0], e.ds.id, id)
	if ok, err := history.NowUnder(r, key, head.Last, &e.rec); err != nil || !ok {
		return false, err
	}
	e.entries = append(e.entries, newEntry(e.ds.id, src.names, &e.rec))
	return true, nil
}

// equalNames remembers, for the indexes of a data source, by which one of them a name is looked
// up. It lasts as long as what it was made from: the columns, and the indexes that there are.
type equalNames struct {
	noting sync.Mutex                     // held by those who change found
	found  atomic.Pointer[map[string]int] // its place among the indexes, below 0 for none; never changed, only replaced
}

// equalNamesMost is how many names are remembered for a data source.
const equalNamesMost = 64

// find returns the place of the index by which a text is found that a name equals, below 0 for
// none. What a name means is told by the where language itself, of a where like the one that is
// asked.
func (n *equalNames) find(known *boundIndexes, name string) int {
	old := n.all()
	if i, ok := old[name]; ok {
		return i
	}
	if len(old) >= equalNamesMost {
		return -1
	}
	i := known.equalTo(name)
	n.noting.Lock()
	defer n.noting.Unlock()
	old = n.all()
	found := make(map[string]int, len(old)+1)
	maps.Copy(found, old)
	found[strings.Clone(name)] = i
	n.found.Store(&found)
	return i
}

func (n *equalNames) all() map[string]int {
	if found := n.found.Load(); found != nil {
		return *found
	}
	return nil
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
