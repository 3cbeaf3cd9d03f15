package siftdb

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"crypto/cipher"
	"encoding/binary"
	"io"
	"maps"
	"slices"

	"github.com/siftdb/siftdb/internal/index"
	"github.com/siftdb/siftdb/internal/layout"
)

// Lists of entries are sorted without their keys: in memory by a map, in the spool as a list and
// its entries. So they take an eighth of what as many keys do, and are compared less often.

// gatheredLists are lists in memory. The zero value is ready.
type gatheredLists struct {
	at  map[string]int // in ids
	ids [][]int64
}

// What lists take in memory: for each entry, with room to grow, and for each list.
const (
	postingWeight = 16
	listWeight    = 128
)

// add lists an entry under its keys, and returns what that takes in memory.
func (g *gatheredLists) add(set *index.KeySet, id int64) (size int64) {
	if g.at == nil {
		g.at = make(map[string]int)
	}
	for i := range set.Len() {
		n, ok := g.at[string(set.Key(i))]
		if !ok {
			n = len(g.ids)
			g.at[string(set.Key(i))] = n
			g.ids = append(g.ids, nil)
			size += listWeight
		}
		g.ids[n] = append(g.ids[n], id)
		size += postingWeight
	}
	return size
}

// spillLists puts the lists in memory into the spool, in order.
func (s *keySorter) spillLists() error {
	p := sortedPart{offset: s.spool.size, number: s.spool.files}
	out := bufio.NewWriterSize(cipher.StreamWriter{S: s.spool.stream(p.number), W: s.spool.f}, 256<<10)
	var b []byte
	for _, key := range slices.Sorted(maps.Keys(s.lists.at)) {
		ids := s.lists.ids[s.lists.at[key]]
		slices.Sort(ids) // they come in default order
		b = append(binary.AppendUvarint(b[:0], uint64(len(key))), key...)
		b = binary.AppendUvarint(b, uint64(len(ids)))
		last := int64(0)
		for _, id := range ids {
			b = binary.AppendUvarint(b, uint64(id-last))
			last = id
		}
		p.size += int64(len(b))
		if _, err := out.Write(b); err != nil {
			return unspooled(err)
		}
	}
	if err := out.Flush(); err != nil {
		return unspooled(err)
	}
	s.spool.files++
	s.spool.size += p.size
	s.parts = append(s.parts, p)
	s.lists, s.size = gatheredLists{}, 0
	return nil
}

// writeLists writes the lists in their order.
func (s *keySorter) writeLists(ctx context.Context) error {
	m, err := s.mergeLists()
	if err != nil {
		return err
	}
	b := &blockBatch{s: s, ctx: ctx}
	for len(m) > 0 {
		first := m[0]
		if !bytes.Equal(first.key, b.key) {
			if err := b.begin(first.key); err != nil {
				return err
			}
		}
		// Parts hold entries one after the other, mostly, so that one gives many in a row.
		for more := true; more; {
			if err := b.add(first.id); err != nil {
				return err
			}
			here := first.rest > 0
			if err := first.advance(); err == io.EOF {
				heap.Pop(&m)
				break
			} else if err != nil {
				return err
			}
			if more = here && m.leads(); !more {
				heap.Fix(&m, 0)
			}
		}
	}
	if err := b.begin(nil); err != nil {
		return err
	}
	return b.write()
}

// blockBatch makes blocks of lists, and writes many of them in one transaction.
type blockBatch struct {
	s    *keySorter
	ctx  context.Context
	key  []byte
	list []byte
	ids  []int64
	full []storedKey
	size int
	room []byte
}

// storedKey is a key with its value.
type storedKey struct{ key, value []byte }

// blockBatchBytes is how many bytes of blocks are written in one transaction.
const blockBatchBytes = 4 << 20

// begin ends a list and begins another.
func (b *blockBatch) begin(key []byte) error {
	if len(b.ids) > 0 {
		b.end(layout.OpenBlock)
	}
	b.key = append(b.key[:0], key...)
	b.list = append(layout.AppendIndexPrefix(b.list[:0], b.s.id, b.s.state.Number), key...)
	return b.flush()
}

// add adds an entry to the list.
func (b *blockBatch) add(id int64) error {
	if n := len(b.ids); n == layout.MaxPostings {
		b.end(b.ids[n-1])
		if err := b.flush(); err != nil {
			return err
		}
	}
	b.ids = append(b.ids, id)
	return nil
}

// end ends a block.
func (b *blockBatch) end(last int64) {
	b.room = appendBlock(b.room[:0], b.list, last, b.ids)
	block := bytes.Clone(b.room)
	n := len(b.list) + 8
	b.full = append(b.full, storedKey{block[:n:n], block[n:]})
	b.size += len(block)
	b.ids = b.ids[:0]
}

// flush writes the blocks that have ended, when they are many.
func (b *blockBatch) flush() error {
	if len(b.full) < b.s.db.indexer.sizes.batch && b.size < blockBatchBytes {
		return nil
	}
	return b.write()
}

// write writes the blocks that have ended.
func (b *blockBatch) write() error {
	if len(b.full) == 0 {
		return nil
	}
	err := b.s.writeBatch(b.ctx, b.full)
	b.full, b.size = b.full[:0], 0
	return err
}

// mergeLists opens the parts of the spool.
func (s *keySorter) mergeLists() (listMerger, error) {
	var m listMerger
	size := max(4<<10, min(64<<10, 16<<20/max(len(s.parts), 1)))
	for _, p := range s.parts {
		in := bufio.NewReaderSize(cipher.StreamReader{S: s.spool.stream(p.number), R: io.NewSectionReader(s.spool.f, p.offset, p.size)}, size)
		src := &listSource{in: in}
		switch err := src.advance(); err {
		case nil:
			m = append(m, src)
		case io.EOF:
		default:
			return nil, err
		}
	}
	heap.Init(&m)
	return m, nil
}

// listSource reads the lists of a part.
type listSource struct {
	in   *bufio.Reader
	key  []byte
	id   int64
	rest uint64 // entries that are left in the list
}

// advance reads the next entry; io.EOF is the end.
func (s *listSource) advance() error {
	if s.rest == 0 {
		n, err := binary.ReadUvarint(s.in)
		if err == io.EOF {
			return err
		}
		if err == nil {
			s.key = slices.Grow(s.key[:0], int(n))[:n]
			_, err = io.ReadFull(s.in, s.key)
		}
		if err == nil {
			s.id = 0
			s.rest, err = binary.ReadUvarint(s.in)
		}
		if err != nil {
			return unspooled(err)
		}
	}
	step, err := binary.ReadUvarint(s.in)
	if err != nil {
		return unspooled(err)
	}
	s.id += int64(step)
	s.rest--
	return nil
}

// listMerger is a heap of parts.
type listMerger []*listSource

// leads reports whether the first part is still the one to go on with.
func (m listMerger) leads() bool {
	return (len(m) < 2 || !m.Less(1, 0)) && (len(m) < 3 || !m.Less(2, 0))
}

func (m listMerger) Len() int { return len(m) }
func (m listMerger) Less(i, j int) bool {
	return cmp.Or(bytes.Compare(m[i].key, m[j].key), cmp.Compare(m[i].id, m[j].id)) < 0
}
func (m listMerger) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *listMerger) Push(x any)   { *m = append(*m, x.(*listSource)) }
func (m *listMerger) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}
