package column

import (
	"hash/maphash"

	"github.com/siftdb/siftdb/internal/document"
)

// Piece is a part of what a Builder makes a Table of. It is filled by one goroutine.
type Piece struct {
	b       *Builder
	ids     []int64
	placed  []Place // with the rows of the piece
	columns []pieceColumn
	rows    int // that have been added since the last Code
	bytes   int // of their values
	mixed   bool
}

// pieceColumn is a column of a piece.
type pieceColumn struct {
	added values // that have no codes yet
	codes []uint32
}

// values are stored values, one after the other.
type values struct {
	blob   []byte
	ends   []int
	hashes []uint64 // once they are to be turned into codes
}

// hash makes the hashes.
func (v *values) hash() {
	from := 0
	v.hashes = v.hashes[:0]
	for _, to := range v.ends {
		v.hashes, from = append(v.hashes, maphash.Bytes(seed, v.blob[from:to])), to
	}
}

// A batch of values is turned into codes at once, while it is near: so many entries, or bytes.
const (
	batchRows  = 1024
	batchBytes = 256 << 10
)

// Add adds an entry with its order. It reports whether it is time to call Code.
func (p *Piece) Add(id int64, order float64, doc document.Value) (full bool) {
	if order != 0 {
		p.placed = append(p.placed, Place{order, len(p.ids)})
	}
	if n := len(p.ids); n > 0 && p.ids[n-1] > id {
		p.mixed = true
	}
	p.ids = append(p.ids, id)
	for i, part := range p.b.parts {
		raw, v := doc.Column(part.number).Raw(), &p.columns[i].added
		v.blob = append(v.blob, raw...)
		v.ends = append(v.ends, len(v.blob))
		p.bytes += len(raw)
	}
	p.rows++
	return p.rows >= batchRows || p.bytes >= batchBytes
}

// Rows returns how many entries have been added.
func (p *Piece) Rows() int { return len(p.ids) }

// Code turns into codes what has been added.
func (p *Piece) Code() {
	for i, part := range p.b.parts {
		part.code(&p.columns[i], p.b)
	}
	p.rows, p.bytes = 0, 0
}

// code turns the values of a piece into codes. A column that has too many is given up.
func (p *part) code(in *pieceColumn, b *Builder) {
	in.added.hash()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone.Load() {
		ok, d := false, p.c.dict
		d.reserve(p.coded, b.rows, b.room)
		p.coded += len(in.added.ends)
		if in.codes, ok = d.codes(in.codes, &in.added); !ok {
			p.gone.Store(true)
		}
		p.size.Store(int64(d.size()))
	}
	in.added = values{in.added.blob[:0], in.added.ends[:0], in.added.hashes[:0]}
}

// size returns how many bytes the piece takes, once it is given.
func (p *Piece) size() int {
	n := 8*cap(p.ids) + 16*cap(p.placed)
	for i := range p.columns {
		n += 4 * cap(p.columns[i].codes)
	}
	return n
}

func (p *Piece) reset() {
	p.ids, p.placed, p.mixed = p.ids[:0], p.placed[:0], false
	for i := range p.columns {
		p.columns[i].codes = p.columns[i].codes[:0]
	}
}
