package siftdb

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// keptRecord is an entry that was proposed, as it was read before it is visited.
type keptRecord struct {
	rec   layout.Record // in memory of its own
	entry *Entry        // that was made of it; nil for none
	key   []byte        // its only key of a join, where keyed is keyOne
	group int32         // where keyed is keyGroup
	keyed keyState
	state keptState
}

// keyState is what is known of the keys of an entry that is joined.
type keyState uint8

const (
	keyUnknown keyState = iota // they have to be worked out
	keyNone                    // it has none, or none that is asked for
	keyOne                     // it has one
	keyGroup                   // it has one, of which the group is known
)

type keptState uint8

const (
	keptNone     keptState = iota // nothing is known: it has to be read
	keptRead                      // it has been read, and not been tested
	keptMatch                     // it matches
	keptUnwanted                  // it does not match
	keptGone                      // it is not there
)

// unwanted reports whether it need not be visited.
func (k *keptRecord) unwanted() bool { return k.state >= keptUnwanted }

// aheadWork is what else a core does with the entries that it reads ahead.
type aheadWork struct {
	test func(*layout.Record) keptState // what becomes of one, before it is kept; nil for keptRead
	more func(*keptRecord, *arena)      // with one that is kept; nil for nothing
}

// heldStep is how many bytes one core keeps at most before the others know of them.
const heldStep = 64 << 10

// errFull ends reading ahead when there is no room for more.
var errFull = errors.New("no room for what is read ahead")

// keptBytes is how many bytes of entries are kept at most; tests keep fewer.
var keptBytes = 16 << 20

// mostKept is how many bytes of entries a reading keeps at most: a part of what queries may hold.
func (rd *reading) mostKept() int {
	if most := rd.ds.db.opts.Limits.QueryBytes; most > 0 {
		return min(keptBytes, most/8)
	}
	return keptBytes
}

// keptSize is what one takes beside its bytes.
const keptSize = 168

// keptPool has room for what is read ahead, for those who read next.
var keptPool sync.Pool

// mostPooled is how many records of room are left for others at most.
const mostPooled = 4096

// pooledStep rounds room up, so that it serves those who want a little more.
const pooledStep = 256

// keep takes a copy of a record.
func (k *keptRecord) keep(rec *layout.Record, a *arena) {
	k.rec = layout.Record{ID: rec.ID, Born: rec.Born, Changed: rec.Changed, CreatedAt: rec.CreatedAt, UpdatedAt: rec.UpdatedAt,
		Doc: a.copy(rec.Doc), Sum: rec.Sum}
	if rec.Order != nil {
		k.rec.Order = a.copy(rec.Order)
	}
}

// makeEntry makes the entry, which keeps the document that was read.
func (k *keptRecord) makeEntry(source int64, names *document.Names, a *arena) {
	k.entry = a.entry()
	k.entry.set(source, names, &k.rec, k.rec.Doc)
}

// keptAt returns what was read of the i-th proposal before; nil is nothing.
func (c *proposals) keptAt(i int) *keptRecord {
	if i >= len(c.kept) || c.kept[i].state == keptNone {
		return nil
	}
	return &c.kept[i]
}

// room makes room for as many of the first proposals as may be kept in so many bytes.
func (c *proposals) room(most int) {
	if c.kept != nil {
		return
	}
	n := min(len(c.places), most/keptSize)
	if room, ok := keptPool.Get().(*[]keptRecord); ok && cap(*room) >= n {
		c.kept = (*room)[:n]
		return
	}
	c.kept = make([]keptRecord, n, (n+pooledStep-1)/pooledStep*pooledStep)
}

// leave leaves the room to others. The entries that were made of what was kept do not lie in it.
func (c *proposals) leave() {
	if c == nil || c.kept == nil {
		return
	}
	room := c.kept
	if c.kept = nil; cap(room) <= mostPooled {
		clear(room)
		keptPool.Put(&room)
	}
}

// readAhead reads what was proposed on all cores, as far as there is room for it, and keeps it for
// when it is visited. It is called between slices, by those who are going to visit all of it.
// Whatever fails is left to be read again in its turn. work makes what else each core does; it may
// be nil.
func (rd *reading) readAhead(ctx context.Context, work func() aheadWork) {
	c := rd.chosen
	if c == nil || c.kept != nil || c.next > 0 || !rd.spreadable(len(c.places)) {
		return
	}
	if c.room(rd.mostKept()); len(c.kept) == 0 {
		return
	}
	var held atomic.Int64
	_ = rd.spread(ctx, len(c.kept), func() spreadWork {
		a := &aheadReader{rd: rd, held: &held, most: int64(rd.mostKept()), kept: c.kept, id: func(i int) int64 { return c.places[i].id }}
		if work != nil {
			a.work = work()
		}
		return a.read
	})
}

// proposedAhead reads what indexes propose on all cores, tests it and makes the entries there, for
// those who take all of it at once.
func (f *finder) proposedAhead(ctx context.Context) {
	c := f.rd.chosen
	if !f.eager || c == nil || c.kept != nil || !f.takesAll() {
		return
	}
	id, names, made := f.rd.ds.id, f.rd.st.source.names, f.c.projection == nil && !f.joins.required()
	f.rd.readAhead(ctx, func() aheadWork {
		work := aheadWork{test: f.testAhead()}
		if made {
			work.more = func(k *keptRecord, a *arena) { k.makeEntry(id, names, a) }
		}
		return work
	})
	for i := range c.kept {
		if c.kept[i].state == keptUnwanted {
			f.ran.looked++
		}
	}
}

// testAhead returns the test of what indexes propose, for one core; nil where it matches as it is.
func (f *finder) testAhead() func(*layout.Record) keptState {
	if f.rd.chosen.exact {
		return nil
	}
	m := matching{where: f.m.where} // as it was bound for the reading
	m.bindTo(f.rd.ds.id, f.rd.st.source, f.m.where)
	return func(rec *layout.Record) keptState {
		switch ok, err := m.match(rec); {
		case err != nil: // whoever visits it meets that
			return keptRead
		case !ok:
			return keptUnwanted
		}
		return keptMatch
	}
}

// aheadReader reads entries by their ids on one core.
type aheadReader struct {
	rd    *reading
	id    func(i int) int64
	kept  []keptRecord
	held  *atomic.Int64 // bytes that are kept, by all
	most  int64         // of them
	work  aheadWork
	arena arena
	key   [layout.EntrySize]byte
	rec   layout.Record // at hand
}

// read is the work of spread.
func (a *aheadReader) read(r storage.Reader, _ layout.Head, from, to int) error {
	n := 0
	for i := from; i < to; i++ {
		rec := &a.rec
		key := layout.AppendEntryKey(a.key[:0], a.rd.ds.id, a.id(i))
		found, err := history.StateUnder(r, key, a.rd.st.commit, rec)
		if err != nil {
			return err
		}
		k, state := &a.kept[i], keptRead
		if !found {
			state = keptGone
		} else if a.work.test != nil {
			state = a.work.test(rec)
		}
		if k.state = state; k.unwanted() {
			continue
		}
		if n += keptSize + len(rec.Doc) + len(rec.Order); a.held.Load()+int64(n) > a.most {
			k.state = keptNone
			return errFull
		}
		if n > heldStep {
			a.held.Add(int64(n))
			n = 0
		}
		k.keep(rec, &a.arena)
		if a.work.more != nil {
			a.work.more(k, &a.arena)
			n += len(k.key)
		}
		if k.entry != nil {
			n += entrySize
		}
	}
	a.held.Add(int64(n))
	return nil
}

// keptOf returns what was kept of a record that is visited, nil when it has just been read, or when the
// definition hides something by now: what was made of it then shows that.
func (rd *reading) keptOf(rec *layout.Record) *keptRecord {
	c := rd.chosen
	if c == nil || c.next == 0 || rd.st.source.veil != nil {
		return nil
	}
	if k := c.keptAt(c.next - 1); k != nil && rec == &k.rec {
		return k
	}
	return nil
}

// verdictOf is what is known of an entry that was kept.
func (c *proposals) verdictOf(k *keptRecord, s *scanner) query.Verdict {
	if k.state == keptMatch {
		return query.Yes
	}
	return c.verdict(s, k.rec.ID)
}
