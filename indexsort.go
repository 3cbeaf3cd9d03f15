package siftdb

import (
	"bufio"
	"bytes"
	"container/heap"
	"context"
	"crypto/cipher"
	"encoding/binary"
	"io"
	"slices"

	"github.com/siftdb/siftdb/internal/history"
	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// An index over many entries is sorted as a whole before any of it is written: keys that come in
// order go to the end of a file's tree, while runs by ids would touch all of it each. The keys
// are those of one state, and lie in an encrypted temporary file meanwhile; they are written in
// many transactions, of which IndexState says nothing, so that no write keeps them. The last one
// brings them to the state of now, and moves Upto. What is left when that does not come about
// is dropped, under its number, and begun anew.

// sortIndex builds an index so, apart from entries that have come since. errMoved says that too
// much has changed meanwhile.
func (db *DB) sortIndex(ctx context.Context, id int64, state layout.IndexState, def *index.Def) (ready, more bool, err error) {
	file, err := newSpool()
	if err != nil { // there is no place for one
		return false, false, errMoved
	}
	s := &keySorter{db: db, id: id, state: state, def: def, spool: file, run: &indexRun{}}
	defer s.spool.close()
	claim := db.snapshots.register(db.published.Load())
	defer db.snapshots.release(claim)
	if err := s.read(ctx, claim); err != nil {
		return false, false, err
	}
	if err := s.write(ctx); err != nil {
		return false, false, err
	}
	return db.joinRun(ctx, id, state, s.run, func(st *sourceTx, k *keptIndex) error { return st.takeSorted(k, s.run, s.counts) })
}

// keySorter sorts the keys of all entries of a data source.
type keySorter struct {
	db      *DB
	id      int64
	state   layout.IndexState
	def     *index.Def
	run     *indexRun     // tells the state that is read, and its ids; its keys are those in memory
	listing bool          // entries are listed in blocks
	lists   gatheredLists // in the place of these keys, of an index that lists entries in blocks
	size    int64         // of these
	counts  layout.IndexCounts

	scan  *scanner
	spool *spool
	parts []sortedPart
}

// sortedPart is a sorted part of the keys in the spool.
type sortedPart struct {
	offset, size int64
	number       uint64
}

// read puts the keys of all entries into the spool.
func (s *keySorter) read(ctx context.Context, claim *snapshot) error {
	for done := false; !done; {
		err := s.db.view(ctx, func(r storage.Reader) (err error) {
			done, err = s.slice(r, claim)
			return err
		})
		if err == nil && (s.size > s.db.indexer.sizes.run || done) {
			err = s.spill()
		}
		if err != nil {
			return firstError(ctx.Err(), err)
		}
	}
	return nil
}

// slice adds the keys of some entries.
func (s *keySorter) slice(r storage.Reader, claim *snapshot) (done bool, err error) {
	head, ok, err := layout.ReadHead(r, s.id)
	if err != nil || !ok {
		return true, err
	}
	src, err := s.db.catalog.refresh(r, s.id, head)
	if err != nil {
		return false, err
	}
	if s.scan == nil {
		meta, _, err := layout.ReadMeta(r)
		if err != nil {
			return false, err
		}
		s.run.commit, s.run.to = meta.Commit, head.NextID
		s.db.snapshots.move(claim, meta.Commit)
		s.scan = newScanner(s.id, meta.Commit)
	}
	if head.Floor > s.run.commit {
		return false, errMoved
	}
	k := &keptIndex{state: s.state, def: s.def, bound: s.def.Bind(src.schema())}
	if k.hasher, err = s.db.indexHasher(r, s.id, s.state.Cipher); err != nil {
		return false, err
	}
	s.listing = k.lists()
	if err := s.scan.catchUp(r, head); err != nil {
		return false, err
	}
	var to query.Record
	var set index.KeySet
	var room keyRoom
	b := newBudget()
	return s.scan.run(r, &b, func(rec *layout.Record, _ query.Verdict) (bool, error) {
		fillRecord(&to, rec, src.names)
		k.bound.Keys(&set, &to)
		if s.def.Unique && set.Traits()&index.Many != 0 {
			return false, unjudgeable(s.id, rec.ID, s.def)
		}
		addCounts(&s.counts, &set, 1)
		if s.listing {
			s.size += s.lists.add(&set, rec.ID)
			return s.size <= s.db.indexer.sizes.run, nil
		}
		for i := range set.Len() {
			stored := room.append(k, s.id, set.Key(i), rec.ID)
			s.run.keys = append(s.run.keys, keyEvent{key: stored, come: true, unique: s.def.Unique && set.Unique(i)})
			s.size += int64(len(stored)) + keyWeight
		}
		return s.size <= s.db.indexer.sizes.run, nil
	})
}

// spill sorts the keys in memory and puts them into the spool.
func (s *keySorter) spill() error {
	if s.lists.at != nil {
		return s.spillLists()
	}
	sortKeys(s.run.keys)
	p := sortedPart{offset: s.spool.size, number: s.spool.files}
	out := bufio.NewWriterSize(cipher.StreamWriter{S: s.spool.stream(p.number), W: s.spool.f}, 256<<10)
	for _, e := range s.run.keys {
		n := uint64(len(e.key)) << 1
		if e.unique {
			n |= 1
		}
		head := binary.AppendUvarint(out.AvailableBuffer(), n)
		p.size += int64(len(head) + len(e.key))
		if _, err := out.Write(head); err != nil {
			return unspooled(err)
		}
		if _, err := out.Write(e.key); err != nil {
			return unspooled(err)
		}
	}
	if err := out.Flush(); err != nil {
		return unspooled(err)
	}
	s.spool.files++
	s.spool.size += p.size
	s.parts = append(s.parts, p)
	clear(s.run.keys)
	s.run.keys, s.size = s.run.keys[:0], 0
	return nil
}

func sortKeys(keys []keyEvent) {
	slices.SortFunc(keys, func(a, b keyEvent) int { return bytes.Compare(a.key, b.key) })
}

// write writes the keys in their order.
func (s *keySorter) write(ctx context.Context) error {
	s.run.keys = nil
	if s.listing {
		return s.writeLists(ctx)
	}
	m, err := s.merge()
	if err != nil {
		return err
	}
	var last keyEvent
	batch := make([]storedKey, 0, s.db.indexer.sizes.batch)
	for {
		e, ok, err := m.next()
		if err != nil {
			return err
		}
		if ok {
			if e.unique {
				if err := s.distinct(last, e); err != nil {
					return err
				}
				last = e
			}
			batch = append(batch, storedKey{e.key, []byte{}})
		}
		if len(batch) == cap(batch) || !ok && len(batch) > 0 {
			if err := s.writeBatch(ctx, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
		if !ok {
			return nil
		}
	}
}

// distinct makes sure that two keys on which uniqueness is judged, with none between them, may
// both be in the index.
func (s *keySorter) distinct(a, b keyEvent) error {
	n := len(b.key) - 8
	if len(a.key) != len(b.key) || !bytes.Equal(a.key[:n], b.key[:n]) {
		return nil
	}
	_, _, one, _ := layout.IndexParts(a.key)
	_, _, other, _ := layout.IndexParts(b.key)
	return sameValue(s.id, s.def, one, other)
}

func (s *keySorter) writeBatch(ctx context.Context, batch []storedKey) error {
	return s.db.indexWrite(ctx, s.id, func(st *sourceTx, x *indexing) error {
		state := x.states.Find(s.state.Number)
		if state == nil || state.Phase != layout.IndexBuilding || state.Upto != 0 {
			return errMoved
		}
		for _, e := range batch {
			if err := st.t.w.Put(layout.Index, e.key, e.value); err != nil {
				return err
			}
		}
		return nil
	})
}

// merge returns the keys of all parts in their order.
func (s *keySorter) merge() (*merger, error) {
	m := &merger{}
	size := max(4<<10, min(64<<10, 16<<20/max(len(s.parts), 1)))
	for _, p := range s.parts {
		in := bufio.NewReaderSize(cipher.StreamReader{S: s.spool.stream(p.number), R: io.NewSectionReader(s.spool.f, p.offset, p.size)}, size)
		src := &mergeSource{in: in}
		ok, err := src.advance()
		if err != nil {
			return nil, err
		}
		if ok {
			m.sources = append(m.sources, src)
		}
	}
	heap.Init(m)
	return m, nil
}

// merger is a heap of sorted parts.
type merger struct{ sources []*mergeSource }

type mergeSource struct {
	in  *bufio.Reader
	now keyEvent
}

// advance reads the next key of a part.
func (s *mergeSource) advance() (ok bool, err error) {
	n, err := binary.ReadUvarint(s.in)
	if err == io.EOF {
		return false, nil
	}
	if err == nil {
		s.now = keyEvent{key: make([]byte, n>>1), come: true, unique: n&1 != 0}
		_, err = io.ReadFull(s.in, s.now.key)
	}
	return err == nil, unspooled(err)
}

func (m *merger) next() (e keyEvent, ok bool, err error) {
	if len(m.sources) == 0 {
		return e, false, nil
	}
	first := m.sources[0]
	e = first.now
	more, err := first.advance()
	if err != nil {
		return e, false, err
	}
	if more {
		heap.Fix(m, 0)
	} else {
		heap.Pop(m)
	}
	return e, true, nil
}

func (m *merger) Len() int { return len(m.sources) }
func (m *merger) Less(i, j int) bool {
	return bytes.Compare(m.sources[i].now.key, m.sources[j].now.key) < 0
}
func (m *merger) Swap(i, j int) { m.sources[i], m.sources[j] = m.sources[j], m.sources[i] }
func (m *merger) Push(x any)    { m.sources = append(m.sources, x.(*mergeSource)) }
func (m *merger) Pop() any {
	last := m.sources[len(m.sources)-1]
	m.sources = m.sources[:len(m.sources)-1]
	return last
}

// takeSorted brings an index that holds the keys of one state to the state of now, as far as
// its ids go.
func (st *sourceTx) takeSorted(k *keptIndex, run *indexRun, counts layout.IndexCounts) error {
	if st.head.Floor > run.commit {
		return errMoved
	}
	touched, err := st.touchedWithin(run)
	if err != nil {
		return err
	}
	k.state.Upto, k.state.Counts = run.to, counts
	for id := range touched {
		var then, now layout.Record
		was, err := history.StateAt(st.t.w, st.id, id, run.commit, &then)
		if err != nil {
			return err
		}
		is, err := st.get(id, &now)
		if err != nil {
			return err
		}
		before, after := &then, &now
		if !was {
			before = nil
		}
		if !is {
			after = nil
		}
		if was || is {
			st.indexing.change(k, st.id, before, after)
		}
	}
	return nil
}

// restartIndex begins an index anew of which there are keys that nothing tells of.
func (db *DB) restartIndex(ctx context.Context, id, number int64) error {
	return db.indexWrite(ctx, id, func(st *sourceTx, x *indexing) error {
		state := x.states.Find(number)
		def := st.src.index(number)
		if state == nil || def == nil || state.Phase != layout.IndexBuilding || state.Upto != 0 {
			return nil
		}
		if err := st.dropIndex(number); err != nil {
			return err
		}
		return st.addIndex(def)
	})
}
