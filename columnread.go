package siftdb

import (
	"context"

	"github.com/siftdb/siftdb/internal/column"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/layout"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/storage"
)

// dividedBuild is how many entries make the reading of columns worth dividing over the cores.
const dividedBuild = 2 * pieceRows

// readColumns reads the columns of a build; nil when none of them fits. All cores read, unless
// somebody writes meanwhile or there are few entries.
func (db *DB) readColumns(ctx context.Context, b *columnBuild) (*column.Table, error) {
	rd := (&DataSource{db: &DB{core: db.core, inner: true}, id: b.set.id}).read()
	defer rd.close()
	last, divided := int64(0), false
	err := rd.slice(ctx, func(storage.Reader) error {
		last, divided = rd.st.head.Last, rd.divisibleById(dividedBuild)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var builder *column.Builder
	if divided {
		builder = db.newBuilder(b)
		d := division{rd: rd, bare: true}
		if divided, err = d.read(ctx, func() pieceReader { return db.columnReader(ctx, b, builder) }); err != nil {
			return nil, err
		}
	}
	if !divided {
		builder = db.newBuilder(b)
		if err := db.columnReader(ctx, b, builder).readAll(rd); err != nil {
			return nil, err
		}
	}
	if !db.columns.grow(b, builder, 0) {
		return nil, nil
	}
	return builder.Finish(last), nil
}

// reservedBytes is how much memory is taken beforehand for columns that are read. Of large ones it would
// be much at a time beside what has been made of others; they grow as they are read.
const reservedBytes = 8 << 20

// newBuilder returns a builder for what a build has not read yet.
func (db *DB) newBuilder(b *columnBuild) *column.Builder {
	b.rows = 0
	return column.NewBuilder(b.numbers, int(b.count), min(db.columns.limit/4, reservedBytes))
}

// columnReader gives pieces of columns to a builder.
type columnReader struct {
	ctx     context.Context
	columns *columnCache
	build   *columnBuild
	builder *column.Builder
	piece   *column.Piece // nil before it has an entry
	rows    int64         // of it that have not been noted
}

func (db *DB) columnReader(ctx context.Context, b *columnBuild, builder *column.Builder) *columnReader {
	return &columnReader{ctx: ctx, columns: &db.columns, build: b, builder: builder}
}

// begin takes a piece to be filled, if there is none.
func (w *columnReader) begin() {
	if w.piece == nil {
		w.piece = w.builder.Piece(int(min(pieceRows, w.build.count)))
	}
}

func (w *columnReader) visit(rec *layout.Record, _ query.Verdict) (more bool, err error) {
	w.begin()
	w.rows++
	if !w.piece.Add(rec.ID, rec.OrderValue(), document.Stored(rec.Doc, nil)) {
		return true, nil
	}
	w.piece.Code()
	more = w.columns.grow(w.build, w.builder, w.rows)
	w.rows = 0
	return more, w.ctx.Err()
}

// end gives the piece to the builder.
func (w *columnReader) end(place int) error {
	w.begin()
	w.builder.Give(w.piece, place)
	w.piece = nil
	w.columns.grow(w.build, w.builder, w.rows)
	w.rows = 0
	return w.ctx.Err()
}

// readAll reads all entries in default order.
func (w *columnReader) readAll(rd *reading) error {
	place := 0
	visit := func(rec *layout.Record, v query.Verdict) (bool, error) {
		more, err := w.visit(rec, v)
		if err == nil && w.piece.Rows() == pieceRows {
			err = w.end(place)
			place++
		}
		return more, err
	}
	for done := false; !done; {
		err := rd.slice(w.ctx, func(r storage.Reader) (err error) {
			done, err = rd.entries(r, nil, visit)
			return err
		})
		if err != nil {
			return err
		}
		done = done || len(w.builder.Numbers()) == 0
	}
	return w.end(place)
}

// grow makes room for what has been read, some rows more. Columns for which there is none are
// dropped, the largest first; it reports whether any is left.
func (c *columnCache) grow(b *columnBuild, builder *column.Builder, rows int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.rows += rows
	for {
		size := builder.Size()
		if c.evict(size-b.bytes, b.since) {
			c.bytes += size - b.bytes
			b.bytes = size
			return len(builder.Numbers()) > 0
		}
		largest, most := uint16(0), -1
		for _, n := range builder.Numbers() {
			if size := builder.ColumnSize(n); size > most {
				largest, most = n, size
			}
		}
		if most < 0 {
			return false
		}
		builder.Drop(largest)
		u := b.set.column(largest)
		u.size = min(int(float64(most)*float64(max(b.count, b.rows))/float64(max(b.rows, 1))), c.limit) // once it is complete
		u.wait = min(2*max(u.wait, columnWait), columnWaitMost)
		if size > c.limit {
			u.large, u.wait = b.count, max(u.wait, columnWaitLarge)
		}
	}
}
