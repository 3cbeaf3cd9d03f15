package siftdb

import (
	"bufio"
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"iter"
	"slices"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/storage"
)

// stageSizes say when a bulk write takes several transactions.
type stageSizes struct {
	from  int64 // bytes of documents from which it does
	bytes int   // that go into one of them
	rows  int64 // entries that are so many that they are replaced so, whatever takes their place

	members int // of a commit that are held in memory in any case
}

var defaultSizes = stageSizes{from: 16 << 20, bytes: 4 << 20, rows: 1 << 16, members: 4096}

// gathered are the rows of one write, encoded as they come in, with proposed numbers
// for names that the data source does not have. Few of them are kept in memory. Many
// are kept in a spool; in a database that lives in memory they stay there, where they
// are going to be anyway.
type gathered struct {
	db     *DB
	base   *document.Names
	enc    *document.Encoder
	spills bool
	whole  bool // no key is reserved
	held   bool // the rows must be in memory together
	count  int
	size   int64

	docs  [][]byte
	chunk []byte
	doc   []byte // of the row at hand

	spool *spool
	out   *bufio.Writer // into the spool

	proposed []string // of docs, where they were encoded elsewhere
	parts    []*rows  // and their rest: rows of a list that is still being encoded
	rest     *ahead

	known    int  // of the proposals, for reserved
	reserved bool // a document may have a reserved key
}

// gather begins to gather rows. src is what is known of the data source; it may be nil.
func (db *DB) gather(src *source, spills bool) *gathered {
	g := &gathered{db: db, spills: spills, held: !spills, known: -1}
	if _, inMemory := db.engine.(storage.Forker); inMemory {
		g.spills = false
	}
	if src != nil {
		g.base = src.names
	}
	g.enc = g.encoder()
	return g
}

func (g *gathered) encoder() *document.Encoder {
	return document.NewEncoder(g.base, g.db.opts.Limits.document())
}

// add encodes a flat row, without the reserved keys (spec 1.4), and keeps it.
func (g *gathered) add(v any) error {
	if value, ok := v.(document.Value); ok { // read under other limits
		if err := g.db.opts.Limits.document().Check(value); err != nil {
			return err
		}
	}
	before := len(g.enc.Proposed())
	doc, err := g.enc.AppendGo(g.doc[:0], v)
	if err != nil {
		return err
	}
	g.doc = doc
	if !g.whole && g.mayBeReserved() {
		if own := document.Stored(doc, g.enc.Names()); slices.ContainsFunc(reservedKeys, func(key string) bool { return own.Field(key).Kind() != document.Absent }) {
			own = document.Stored(bytes.Clone(doc), own.Names())
			g.enc.Retract(before)
			g.known = -1
			if g.doc, err = g.enc.AppendGo(g.doc[:0], withoutKeys{own, reservedKeys}); err != nil {
				return err
			}
		}
	}
	return g.keep(g.doc)
}

// mayBeReserved reports whether a document of these names may have a reserved key.
func (g *gathered) mayBeReserved() bool {
	proposed := g.enc.Proposed()
	if len(proposed) != g.known {
		g.known = len(proposed)
		g.reserved = g.base.Len()+len(proposed) >= document.MaxNames || slices.ContainsFunc(reservedKeys, func(key string) bool {
			_, ok := g.base.Lookup(key)
			return ok || slices.Contains(proposed, key)
		})
	}
	return g.reserved
}

// keep copies a document to where the rows are.
func (g *gathered) keep(doc []byte) error {
	if g.spool != nil {
		if err := g.write(doc); err != nil {
			return err
		}
		g.count, g.size = g.count+1, g.size+int64(len(doc))
		return nil
	}
	g.count, g.size = g.count+1, g.size+int64(len(doc))
	if g.held {
		if err := g.holdable(); err != nil {
			return err
		}
	}
	if cap(g.chunk)-len(g.chunk) < len(doc) {
		g.chunk = make([]byte, 0, max(len(doc), min(256<<10, 4<<10<<min(g.count, 6))))
	}
	start := len(g.chunk)
	g.chunk = append(g.chunk, doc...)
	g.docs = append(g.docs, g.chunk[start:len(g.chunk):len(g.chunk)])
	if g.weight() <= g.db.sizes.from || !g.spills {
		return nil
	}
	return g.spill()
}

// rowWeight is what a row of no size at all counts for: it takes room of its own in lists
// and in transactions.
const rowWeight = 64

// A row that is in memory as data counts for four times its size, and for heldWeight: the
// lists, the values and the record of it.
const (
	heldWeight = 1200
	heldTimes  = 4
)

// holdable reports whether the rows may be in memory together.
func (g *gathered) holdable() error {
	return g.db.holdable(int64(g.count)*heldWeight + heldTimes*g.size)
}

func (db *DB) holdable(size int64) error {
	if limit := int64(db.opts.Limits.WriteBytes); limit > 0 && size > limit {
		return errs.New(errs.TooLarge, "the rows of the write have to be in memory together, and take more than %d bytes there", limit)
	}
	return nil
}

// weight is what the rows count for where memory is to be bounded.
func (g *gathered) weight() int64 { return g.size + rowWeight*int64(g.count) }

// spill moves the rows into a spool. A system without a place for one keeps them in
// memory.
func (g *gathered) spill() (err error) {
	if g.spool, err = newSpool(); err != nil {
		g.spills, g.spool = false, nil
		return nil
	}
	g.out = bufio.NewWriterSize(cipher.StreamWriter{S: g.spool.stream(0), W: g.spool.f}, 256<<10)
	for _, doc := range g.docs {
		if err := g.write(doc); err != nil {
			return err
		}
	}
	g.docs, g.chunk = nil, nil
	return nil
}

func (g *gathered) write(doc []byte) error {
	_, err := g.out.Write(binary.AppendUvarint(g.out.AvailableBuffer(), uint64(len(doc))))
	if err == nil {
		_, err = g.out.Write(doc)
	}
	return unspooled(err)
}

// unspooled is the error of a spool that takes or gives no more.
func unspooled(err error) error {
	if err == nil {
		return nil
	}
	var path *fs.PathError
	if errors.As(err, &path) { // a caller has no use for where that is
		err = path.Err
	}
	return errs.Wrap(errs.Unavailable, err, "the rows cannot be kept for a while")
}

// reset drops the rows.
func (g *gathered) reset() {
	g.close()
	*g = gathered{db: g.db, base: g.base, enc: g.enc, spills: g.spills, whole: g.whole, held: g.held, known: -1}
	g.enc.Reset(g.base)
}

// close lets go of the spool.
func (g *gathered) close() {
	g.rest.close()
	g.spool.close()
	g.spool, g.rest, g.parts = nil, nil, nil
}

// batch returns some rows as what a transaction takes.
func (g *gathered) batch(docs [][]byte) *rows {
	if g.proposed != nil {
		return &rows{base: g.base, proposed: g.proposed, docs: docs}
	}
	return &rows{base: g.base, proposed: g.enc.Proposed(), docs: docs}
}

// batches yields the rows in their order, about size bytes at a time. A batch is valid
// during its turn. Rows that lie in memory are dropped after it.
func (g *gathered) batches(size int) iter.Seq2[*rows, error] {
	if g.rest != nil {
		return func(yield func(*rows, error) bool) { g.inParts(size, yield) }
	}
	if g.spool != nil {
		return func(yield func(*rows, error) bool) {
			g.spooled(size, func(docs [][]byte, err error) bool { return yield(g.batch(docs), err) })
		}
	}
	return func(yield func(*rows, error) bool) {
		for from := 0; from < len(g.docs); {
			to, n := from, 0
			for to < len(g.docs) && (n < size || to == from) {
				n += rowWeight + len(g.docs[to])
				to++
			}
			if !yield(g.batch(g.docs[from:to:to]), nil) {
				return
			}
			clear(g.docs[from:to])
			from = to
		}
	}
}

// spooled is batches for rows in a spool.
func (g *gathered) spooled(size int, yield func([][]byte, error) bool) {
	if err := g.out.Flush(); err != nil {
		yield(nil, unspooled(err))
		return
	}
	in := bufio.NewReaderSize(cipher.StreamReader{S: g.spool.stream(0), R: io.NewSectionReader(g.spool.f, 0, 1<<62)}, 256<<10)
	var docs [][]byte
	room := make([]byte, 0, size+size/8)
	for n := range g.count {
		length, err := binary.ReadUvarint(in)
		if err == nil && (int(length) > cap(room)-len(room) || len(docs) > size/rowWeight) {
			if len(docs) > 0 && !yield(docs, nil) {
				return
			}
			docs, room = docs[:0], room[:0]
			if int(length) > cap(room) {
				room = make([]byte, 0, length)
			}
		}
		if err == nil {
			start := len(room)
			room = room[:start+int(length)]
			docs = append(docs, room[start:len(room):len(room)])
			_, err = io.ReadFull(in, room[start:])
		}
		if err != nil {
			yield(nil, unspooled(err))
			return
		}
		if n == g.count-1 {
			yield(docs, nil)
		}
	}
}

// values returns all rows in memory, as data.
func (g *gathered) values() ([]any, error) {
	if err := g.holdable(); err != nil {
		return nil, err
	}
	names := g.enc.Names()
	list := make([]any, 0, g.count)
	if g.spool == nil {
		for _, doc := range g.docs {
			list = append(list, document.Stored(doc, names))
		}
		return list, nil
	}
	for r, err := range g.batches(256 << 10) {
		if err != nil {
			return nil, err
		}
		chunk := slices.Concat(r.docs...)
		for _, doc := range r.docs {
			list = append(list, document.Stored(chunk[:len(doc):len(doc)], names))
			chunk = chunk[len(doc):]
		}
	}
	return list, nil
}

// restate encodes rows anew, over other names.
func restate(r *rows, base *document.Names) (*rows, error) {
	names := r.base.Extend(r.proposed)
	enc := document.NewEncoder(base, document.Limits{Depth: -1, Keys: -1, KeyBytes: -1, NumberBytes: -1})
	out := &rows{base: base, docs: make([][]byte, len(r.docs))}
	for i, doc := range r.docs {
		var err error
		if out.docs[i], err = enc.AppendValue(make([]byte, 0, len(doc)), document.Stored(doc, names)); err != nil {
			return nil, err
		}
	}
	out.proposed = enc.Proposed()
	return out, nil
}
