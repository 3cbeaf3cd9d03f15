package column

import (
	"fmt"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
)

// numbered is a document with the column 0.
func numbered(t testing.TB, value string) document.Value {
	t.Helper()
	names := document.NewNames([]string{"a"})
	return document.Stored(must[[]byte](t)(document.NewEncoder(names, document.Limits{}).AppendJSON(nil, []byte(`{"a":`+value+`}`))), names)
}

// TestPiecesInAnyOrder gives pieces to a builder from the last to the first, of entries that do not
// ascend and have orders: the table has them by their ids.
func TestPiecesInAnyOrder(t *testing.T) {
	b := NewBuilder([]uint16{0, 1}, 0, 0)
	const pieces, rows = 4, 3000
	for place := pieces - 1; place >= 0; place-- {
		piece := b.Piece(rows)
		for i := range rows {
			id := int64(i*pieces + place)
			if piece.Add(id, float64(id%2*id), numbered(t, fmt.Sprint(id%1700))) {
				piece.Code()
			}
		}
		if piece.Rows() != rows {
			t.Fatalf("a piece has %d entries", piece.Rows())
		}
		b.Give(piece, place)
		if place > 0 && b.Size() < (pieces-place)*rows*12 {
			t.Errorf("%d bytes are counted of pieces that wait for another one", b.Size())
		}
	}
	if b.Drop(1); len(b.Numbers()) != 1 || b.ColumnSize(1) != 0 || b.ColumnSize(0) == 0 {
		t.Error("a column that was dropped is there")
	}
	table := b.Finish(7)
	if table.Rows() != pieces*rows || table.Live() != pieces*rows || table.Has(1) || len(table.Placed()) != pieces*rows/2 {
		t.Fatalf("%d rows, %d with an order", table.Rows(), len(table.Placed()))
	}
	for row := range table.Rows() {
		c := table.Column(0)
		if v := c.Dict().Value(c.Code(row)); table.ID(row) != int64(row) || v.Float() != float64(row%1700) {
			t.Fatalf("row %d is entry %d with %v", row, table.ID(row), v.Float())
		}
	}
	for i, q := range table.Placed() {
		if q.Row != 2*i+1 || q.Order != float64(q.Row) {
			t.Fatalf("place %d is that of row %d, order %v", i, q.Row, q.Order)
		}
	}
}

// TestReserved has memory taken beforehand for values of which nearly all differ, once, and none
// where they do not or where it would be too much.
func TestReserved(t *testing.T) {
	build := func(room, values int) (table *Table, grown int) {
		b := NewBuilder([]uint16{0}, 20_000, room)
		piece := b.Piece(0)
		size := 0
		for i := range 20_000 {
			if piece.Add(int64(i), 0, numbered(t, fmt.Sprint(float64(i%values)+0.25))) {
				if piece.Code(); b.Size() != size {
					size = b.Size()
					grown++
				}
			}
		}
		b.Give(piece, 0)
		return b.Finish(1), grown
	}
	if table, grown := build(1<<20, 20_000); grown > 3 || table.Column(0).Dict().Len() != 20_001 {
		t.Errorf("values that differ take more memory %d times", grown)
	}
	if _, grown := build(1<<10, 20_000); grown < 6 {
		t.Errorf("with little room they do so %d times", grown)
	}
	if table, _ := build(1<<20, 3); table.ColumnSize(0) > 8*20_000 {
		t.Errorf("three values take %d bytes", table.ColumnSize(0))
	}
}
