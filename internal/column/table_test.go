package column

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// model is a data source done naively: documents by id.
type model struct {
	names *document.Names
	docs  map[int64]document.Value
	last  int64
}

var words = []string{`"red"`, `"Green"`, `"blue"`, `"5"`, `""`, `null`, `true`, `1.10`, `1.1`, `12345678901234567890`, `[1,"x",{"k":2}]`, `[]`,
	`{"deep":{"er":[7]}}`, `"héllo ✓"`, `"2024-03-01"`, `-3`, `"10"`, `10`}

func (m *model) doc(t testing.TB, rnd *rand.Rand) document.Value {
	t.Helper()
	text := "{"
	for i, name := range []string{"a", "b", "c"} {
		if rnd.IntN(4) > 0 {
			if text != "{" {
				text += ","
			}
			value := words[rnd.IntN(len(words))]
			if i == 2 {
				value = fmt.Sprint(rnd.IntN(5000))
			}
			text += fmt.Sprintf("%q:%s", name, value)
		}
	}
	raw, err := document.NewEncoder(m.names, document.Limits{}).AppendJSON(nil, []byte(text+"}"))
	if err != nil {
		t.Fatal(err)
	}
	return document.Stored(raw, m.names)
}

func (m *model) ids() []int64 {
	ids := []int64{}
	for id := range m.docs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (m *model) build(commit int64) *Table {
	b := NewBuilder([]uint16{0, 1, 2}, 0, 0)
	var wg sync.WaitGroup
	place := 0
	for ids := range slices.Chunk(m.ids(), 700) {
		at := place
		wg.Go(func() {
			piece := b.Piece(0)
			for _, id := range ids {
				piece.Add(id, 0, m.docs[id])
			}
			b.Give(piece, at)
		})
		place++
	}
	wg.Wait()
	return b.Finish(commit)
}

var wheres = []string{
	`{"a":"red"}`, `{"a":5}`, `{"a":null}`, `{"a":{"$exists":false}}`, `{"c":{"$gte":100,"$lt":2000}}`, `{"a":{"$ne":"red"},"b":{"$in":["blue",1.1,null]}}`,
	`{"$or":[{"a":"red"},{"b":true},{"c":{"$lt":50}}]}`, `{"$nor":[{"a":{"$like":"%e%"}},{"b":{"$gt":3}}]}`, `{"$not":{"a":{"$iLike":"g"}}}`,
	`{"a.deep.er":7}`, `{"a.1":"x"}`, `{"b":{"$elemMatch":{"k":2}}}`, `{"a":{"$regex":"^[rb]"}}`, `{"a":{"$size":3}}`, `{"unknown":null}`, `{"unknown":1}`,
	`{"data":{"a":"red","b":{"$exists":true}}}`, `{"$and":[{"a":{"$type":"string"}},{"$or":[{"c":{"$mod":[7,3]}},{"c":{"$exists":false}}]}]}`,
	`{"$filters":[{"column":"a","condition":"contains","value":"E"},{"column":"c","condition":">","value":"100"}]}`, `{}`,
}

// check holds a table against the model: every where, and every order.
func (m *model) check(t *testing.T, table *Table, what string) {
	t.Helper()
	schema := query.Schema{Names: m.names, Columns: func(name string) bool { _, ok := m.names.Lookup(name); return ok }}
	ids := m.ids()
	if table.Live() != len(ids) {
		t.Fatalf("%s: %d entries, want %d", what, table.Live(), len(ids))
	}
	for _, where := range wheres {
		bound := must[*query.Matcher](t)(query.Compile(where, query.ForDataSource())).Bind(schema)
		shape, rest := bound.Shape()
		if where == `{}` {
			if shape != nil || rest == nil {
				t.Fatal("an empty where has a shape")
			}
			continue
		}
		if shape == nil || rest != nil {
			t.Fatalf("%s has no shape, or a rest", where)
		}
		rows, err := table.Select(t.Context(), shape, nil)
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		got, want := []int64{}, []int64{}
		rows.Each(0, func(row int) bool { got = append(got, table.ID(row)); return true })
		for _, id := range ids {
			if bound.MatchRecord(&query.Record{Data: m.docs[id], ID: id}) {
				want = append(want, id)
			}
		}
		if !slices.Equal(got, want) || rows.Count() != len(want) {
			t.Fatalf("%s: %s finds %v, want %v", what, where, got, want)
		}
	}
	m.checkStrict(t, table, schema, what)
	for number, name := range []string{"a", "b", "c"} {
		for _, desc := range []bool{false, true} {
			order := query.Order{{Name: name, Desc: desc}}.Bind(schema)
			key := func(id int64) []byte { return order.AppendKey(nil, &query.Record{Data: m.docs[id], ID: id}) }
			want := slices.Clone(ids)
			slices.SortStableFunc(want, func(a, b int64) int { return bytes.Compare(key(a), key(b)) })
			got := []int64{}
			for _, row := range table.Sorted(uint16(number), desc) {
				if !table.dead.Has(int(row)) {
					got = append(got, table.ID(int(row)))
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s: by %s, descending %v: %v, want %v", what, name, desc, got, want)
			}
		}
	}
}

var strictWheres = []string{
	`{"a":"red"}`, `{"a":5}`, `{"a":null}`, `{"a":{"$exists":false}}`, `{"a":{"$exists":true}}`, `{"c":{"$gte":100,"$lt":2000}}`, `{"a":{"$ne":"red"},"b":{"$in":["blue",1.1,null]}}`,
	`{"$or":[{"a":"red"},{"b":true},{"c":{"$lt":50}}]}`, `{"$nor":[{"a":"blue"},{"b":{"$gt":3}}]}`, `{"a":{"$not":{"$eq":"red"}}}`, `{"b":{"$nin":[1.1,"x"]}}`,
	`{"a.deep.er":7}`, `{"a.1":"x"}`, `{"a.length":3}`, `{"a.0.k":null}`, `{"b":{"$elemMatch":{"k":2}}}`, `{"a":{"$regex":"^[rb]"}}`, `{"a":{"$size":3}}`, `{"unknown":null}`, `{"unknown":1}`,
	`{"a":{"$all":[1,"x"]}}`, `{"a":{"$type":"string"}}`, `{"a":{"deep":{"er":7}}}`, `{"a":[1,"x",{"k":2}]}`, `{"$and":[{"a":{"$ne":null}},{"$or":[{"c":{"$mod":[7,3]}},{"c":{"$exists":false}}]}]}`,
	`{"a":{"$in":[]}}`, `{"$filters":[{"column":"a","condition":"contains","value":"E"},{"column":"c","condition":">","value":"100"}]}`,
}

// checkStrict holds wheres of the Strict dialect against the model.
func (m *model) checkStrict(t *testing.T, table *Table, schema query.Schema, what string) {
	t.Helper()
	for _, where := range strictWheres {
		compiled, err := query.Compile(where, query.ForDataSource(), query.WithDialect(query.Strict))
		if err != nil {
			t.Fatal(where, err)
		}
		bound := compiled.Bind(schema)
		shape, rest := bound.Shape()
		if shape == nil || rest != nil {
			t.Fatalf("%s has no shape, or a rest", where)
		}
		rows, err := table.Select(t.Context(), shape, nil)
		if err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		got, want := []int64{}, []int64{}
		rows.Each(0, func(row int) bool { got = append(got, table.ID(row)); return true })
		for _, id := range m.ids() {
			if bound.MatchRecord(&query.Record{Data: m.docs[id], ID: id}) {
				want = append(want, id)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s: %s, strictly, finds %v, want %v", what, where, got, want)
		}
	}
}

// checkOrders holds orders by several columns against the model, of all entries and of some, from
// some place on.
func (m *model) checkOrders(t *testing.T, table *Table, rnd *rand.Rand, what string) {
	t.Helper()
	schema := query.Schema{Names: m.names, Columns: func(name string) bool { _, ok := m.names.Lookup(name); return ok }}
	for range 6 {
		order, keys := query.Order{}, []SortColumn{}
		for _, number := range rnd.Perm(3)[:2+rnd.IntN(2)] {
			desc := rnd.IntN(2) == 0
			order = append(order, query.SortKey{Name: []string{"a", "b", "c"}[number], Desc: desc})
			keys = append(keys, SortColumn{uint16(number), desc})
		}
		bound := order.Bind(schema)
		rows := table.All()
		for row := range table.Rows() {
			if rnd.IntN(3) == 0 {
				rows.Clear(row)
			}
		}
		if rnd.IntN(2) == 0 {
			rows = nil
		}
		want := []int64{}
		for _, id := range m.ids() {
			if row, _ := table.Row(id); rows == nil || rows.Has(row) {
				want = append(want, id)
			}
		}
		key := func(id int64) []byte { return bound.AppendKey(nil, &query.Record{Data: m.docs[id], ID: id}) }
		slices.SortStableFunc(want, func(a, b int64) int { return bytes.Compare(key(a), key(b)) })
		skip := rnd.IntN(len(want) + 2)
		want = want[min(skip, len(want)):]
		got := []int64{}
		for row := range table.SortedBy(keys, rows, &skip) {
			if skip--; skip < 0 {
				got = append(got, table.ID(row))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s: by %v: %v, want %v", what, order, got, want)
		}
	}
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestModel makes random changes, brings a table up to date, and checks it, and at the end the
// tables of before too: nothing in them may have changed.
func TestModel(t *testing.T) {
	for seed := range uint64(4) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		m := &model{names: document.NewNames([]string{"a", "b", "c"}), docs: make(map[int64]document.Value)}
		for range []int{30, 700, 4096, 4100}[seed] {
			m.last += 1 + int64(rnd.IntN(2))
			m.docs[m.last] = m.doc(t, rnd)
		}
		table := m.build(1)
		m.check(t, table, "built")
		m.checkOrders(t, table, rnd, "built")
		type old struct {
			table *Table
			dump  string
		}
		var olds []old
		for step := range []int{16, 12, 3, 3}[seed] {
			olds = append(olds, old{table, dump(table)})
			var changes []Change
			touched := map[int64]bool{}
			for range 1 + rnd.IntN(60) {
				ids := m.ids()
				switch id := ids[rnd.IntN(len(ids))]; rnd.IntN(5) {
				case 0:
					if len(ids) > 10 {
						delete(m.docs, id)
						touched[id] = true
					}
				case 1, 2:
					m.docs[id] = m.doc(t, rnd)
					touched[id] = true
				case 3:
					m.last++
					m.docs[m.last] = m.doc(t, rnd)
					touched[m.last] = true
				case 4: // one that was deleted is back
					if back := 1 + rnd.Int64N(m.last); step%3 == 0 && (seed > 0 || step%9 == 0) {
						m.docs[back] = m.doc(t, rnd)
						touched[back] = true
					}
				}
			}
			for id := range touched {
				doc, there := m.docs[id]
				changes = append(changes, Change{ID: id, Gone: !there, Doc: doc})
			}
			slices.SortFunc(changes, func(a, b Change) int { return int(a.ID - b.ID) })
			table = table.Apply(int64(step+2), changes)
			m.check(t, table, fmt.Sprintf("seed %d step %d", seed, step))
			m.checkOrders(t, table, rnd, fmt.Sprintf("seed %d step %d", seed, step))
		}
		for i, o := range olds {
			if dump(o.table) != o.dump {
				t.Errorf("table %d has changed", i)
			}
		}
	}
}

// dump is everything that a table knows.
func dump(t *Table) string {
	var b bytes.Buffer
	for row, id := range t.ids {
		fmt.Fprint(&b, id, t.dead.Has(row))
		for _, number := range t.Numbers() {
			c := t.Column(number)
			b.Write(document.AppendJSON(nil, c.Dict().Value(c.Code(row))))
		}
	}
	for row := range t.SortedBy([]SortColumn{{0, false}, {1, true}, {2, false}}, nil, new(int)) {
		fmt.Fprint(&b, " ", row)
	}
	return b.String()
}
