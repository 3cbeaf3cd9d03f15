package column

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// textTable is a table of rows {a, b, c}: c is one of 10 numbers, b a text of its own, long where c is 9.
func textTable(t testing.TB, rows int) (*Table, query.Schema) {
	t.Helper()
	names := document.NewNames([]string{"a", "b", "c"})
	b := NewBuilder([]uint16{0, 1, 2}, 0, 0)
	piece := b.Piece(0)
	long := strings.Repeat("y", 1000)
	for i := range rows {
		text := fmt.Sprint("text ", i)
		if i%10 == 9 {
			text += long
		}
		raw := must[[]byte](t)(document.NewEncoder(names, document.Limits{}).AppendJSON(nil, fmt.Appendf(nil, `{"a":%d,"b":%q,"c":%d}`, i, text, i%10)))
		piece.Add(int64(i+1), 0, document.Stored(raw, names))
	}
	b.Give(piece, 0)
	return b.Finish(1), query.Schema{Names: names, Columns: func(name string) bool { _, ok := names.Lookup(name); return ok }}
}

func shape(t testing.TB, schema query.Schema, where string) *query.Shape {
	t.Helper()
	limits := query.DefaultLimits
	limits.RegexpCost = 5000
	shape, rest := must[*query.Matcher](t)(query.Compile(where, query.ForDataSource(), query.WithLimits(limits))).Bind(schema).Shape()
	if shape == nil || rest != nil {
		t.Fatalf("%s has no shape, or a rest", where)
	}
	return shape
}

// TestSelectLooksAtFew has a regular expression that costs too much on some values: a condition
// that is cheaper decides first, so they are not tested.
func TestSelectLooksAtFew(t *testing.T) {
	table, schema := textTable(t, 1000)
	for where, want := range map[string]int{
		`{"b":{"$regex":"text"},"c":7}`:                                   100,
		`{"$or":[{"b":{"$regex":"text"}},{"c":{"$lt":20}}]}`:              1000,
		`{"$or":[{"b":{"$regex":"xx"}},{"c":9}]}`:                         100,
		`{"$nor":[{"b":{"$regex":"text"}},{"c":9}]}`:                      0,
		`{"b":{"$regex":"text"},"$or":[{"c":1},{"c":2,"a":{"$lt":500}}]}`: 150,
	} {
		rows, err := table.Select(t.Context(), shape(t, schema, where), nil)
		if err != nil || rows.Count() != want {
			t.Errorf("%s finds %d, %v; want %d", where, rows.Count(), err, want)
		}
	}
	if _, err := table.Select(t.Context(), shape(t, schema, `{"b":{"$regex":"text"}}`), nil); err == nil {
		t.Error("a regular expression that costs too much does not fail")
	}
}

// looked counts how often its error is looked at, and ends after the third time.
type looked struct {
	context.Context
	times atomic.Int64
}

func (l *looked) Err() error {
	if l.times.Add(1) > 3 {
		return context.Canceled
	}
	return nil
}

// TestSelectEnds ends the context of a condition over many values: it stops soon.
func TestSelectEnds(t *testing.T) {
	table, schema := textTable(t, 50_000)
	ctx := &looked{Context: t.Context()}
	if _, err := table.Select(ctx, shape(t, schema, `{"b":{"$like":"%zz%"}}`), nil); !errors.Is(err, context.Canceled) || ctx.times.Load() > 20 {
		t.Errorf("%v, after %d looks", err, ctx.times.Load())
	}
	ctx = &looked{Context: t.Context()}
	or := `{"$or":[` + strings.Repeat(`{"c":{"$lt":0}},`, 500) + `{"c":1}]}`
	if _, err := table.Select(ctx, shape(t, schema, or), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("many conditions end with %v", err)
	}
}

// TestDictionaryIsCleared changes one entry over and over: values that no entry has any more do
// not pile up.
func TestDictionaryIsCleared(t *testing.T) {
	table, schema := textTable(t, 100)
	for i := range 5000 {
		raw := must[[]byte](t)(document.NewEncoder(schema.Names, document.Limits{}).AppendJSON(nil, fmt.Appendf(nil, `{"b":"new %d"}`, i)))
		table = table.Apply(int64(i+2), []Change{{ID: 5, Doc: document.Stored(raw, schema.Names)}})
	}
	if n := table.Column(1).Dict().Len(); n > 1500 {
		t.Errorf("the dictionary has %d values of 100 entries", n)
	}
	rows, err := table.Select(t.Context(), shape(t, schema, `{"b":"new 4999"}`), nil)
	if err != nil || rows.Count() != 1 || !rows.Has(4) {
		t.Errorf("finds %d, %v", rows.Count(), err)
	}
}

// TestSortedAgain writes between two orders: the rows that changed are merged into the order of
// before.
func TestSortedAgain(t *testing.T) {
	table, schema := textTable(t, 1000)
	table.Sorted(1, false)
	raw := must[[]byte](t)(document.NewEncoder(schema.Names, document.Limits{}).AppendJSON(nil, []byte(`{"b":"a first one"}`)))
	next := table.Apply(2, []Change{{ID: 500, Doc: document.Stored(raw, schema.Names)}, {ID: 600, Gone: true}, {ID: 1001, Doc: document.Stored(raw, schema.Names)}})
	if next.columns[1].order.stale[0] == nil {
		t.Error("the order of before is not used")
	}
	list := next.Sorted(1, false)
	if len(list) != 1000 || list[0] != 499 || list[1] != 1000 || list[2] != 0 {
		t.Errorf("%d rows, the first %v", len(list), list[:3])
	}
	if table.Sorted(1, false)[0] != 0 {
		t.Error("the order of before has changed")
	}
	if next.ColumnSize(1) < table.columns[1].size+4*1000 {
		t.Error("the order does not count in the size")
	}
}
