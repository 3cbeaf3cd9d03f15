package siftdb

import (
	"hash/maphash"
	"math/bits"
	"sync/atomic"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/storage"
)

// equalHints remember under which entries a unique index listed texts that were looked up. A hint
// says where to look first, and nothing more: only an entry that has the text in the state that
// is read is an answer, and then the only one, as the index is unique. So nobody has to take
// back a hint when entries change. The zero value is ready for use; it is safe for concurrent use.
type equalHints struct {
	table atomic.Pointer[[]hintSet]
}

// hintSet is where the hints lie for texts of one part of all hashes: a line of the processor's
// cache. A hint is the id of an entry below a part of the hash of the text; 0 is none.
type hintSet [8]atomic.Uint64

const (
	hintIDBits = 40
	hintIDs    = 1<<hintIDBits - 1

	// Of each index there is room for as many hints as there are entries, within these bounds:
	// 1 MiB at most.
	hintsLeast = 64
	hintsMost  = 1 << 17
)

// hintsOf returns hints for each index, those that there are and new ones. What indexes are bound to
// does not matter to them.
func hintsOf(known *boundIndexes, states layout.Indexes) []*equalHints {
	list := make([]*equalHints, len(states.List))
	for i, s := range states.List {
		list[i] = known.hintsFor(s.Number)
	}
	return list
}

func (b *boundIndexes) hintsFor(number int64) *equalHints {
	if b != nil && b.hints != nil {
		for i, s := range b.states.List {
			if s.Number == number {
				return b.hints[i]
			}
		}
	}
	return new(equalHints)
}

var hintSeed = maphash.MakeSeed()

func hintHash(text string) uint64 { return maphash.String(hintSeed, text) }

// find returns the entry that a text was last found in, 0 when that is not remembered.
func (h *equalHints) find(hash uint64) int64 {
	table := h.table.Load()
	if table == nil {
		return 0
	}
	set := &(*table)[hash&uint64(len(*table)-1)]
	for i := range set {
		if hint := set[i].Load(); hint != 0 && hint>>hintIDBits == hash>>hintIDBits {
			return int64(hint & hintIDs)
		}
	}
	return 0
}

// note remembers in which entry of so many a text was found.
func (h *equalHints) note(hash uint64, id, entries int64) {
	if id > hintIDs {
		return
	}
	table := h.table.Load()
	room := min(max(entries, hintsLeast), hintsMost)
	if table == nil || room > 2*int64(len(*table)*len(hintSet{})) {
		made := make([]hintSet, 1<<bits.Len64(uint64(room-1)/uint64(len(hintSet{}))))
		h.table.Store(&made)
		table = &made
	}
	set := &(*table)[hash&uint64(len(*table)-1)]
	at := int(id) % len(set) // when there is no better place
	for i := range set {
		hint := set[i].Load()
		if hint == 0 || hint>>hintIDBits == hash>>hintIDBits {
			at = i
			break
		}
	}
	set[at].Store(hash&^hintIDs | uint64(id))
}

// hint prepares the use of hints for an index, and reports whether there are any for it: it is
// unique, and on a whole column.
func (e *equalRead) hint(known *boundIndexes, i int) bool {
	x := known.bound[i]
	if known.hints == nil || !x.Def().Unique {
		return false
	}
	column, absent, ok := x.Field(0).Column()
	if !ok || absent || !x.Field(0).Whole() {
		return false
	}
	e.hints, e.hash, e.column = known.hints[i], hintHash(e.text), column
	return true
}

// note remembers the entry that was found.
func (e *equalRead) note(head *layout.Head) {
	if e.hints != nil && e.ok && len(e.entries) == 1 {
		e.hints.note(e.hash, e.entries[0].ID, head.Count)
	}
}

// hinted reads the entry that a hint leads to, and reports whether it is the answer. What fails
// is met again where the index leads, if it leads there.
func (e *equalRead) hinted(r storage.Reader, head *layout.Head, src *source) bool {
	id := e.hints.find(e.hash)
	if id == 0 || id >= head.NextID {
		return false
	}
	key := layout.AppendEntryKey(e.entry[:0], e.ds.id, id)
	if ok, err := history.NowUnder(r, key, head.Last, &e.rec); err != nil || !ok {
		return false
	}
	v := document.Stored(e.rec.Doc, src.names).Column(e.column)
	if v.Kind() != document.String || v.Str() != e.text {
		return false
	}
	e.entries, e.ok = append(e.entries, newEntry(e.ds.id, src.names, &e.rec)), true
	return true
}
