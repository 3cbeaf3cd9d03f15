package siftdb_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// The model of joins is spec 6 done with nested loops, over rows that were read one
// write after the other without a join.

// joinTRow is an entry of the model.
type joinTRow struct {
	id, source int64
	order      float64
	keys       []string
	raw        map[string]string
	data       map[string]any
	cached     map[string][]string // match keys by name
}

// joinTRows reads a table as it is now.
func joinTRows(t testing.TB, ds *siftdb.DataSource) []*joinTRow {
	t.Helper()
	rows := []*joinTRow{}
	for _, e := range all(t, ds) {
		r := &joinTRow{id: e.ID, source: e.DataSourceID, order: e.Order, raw: map[string]string{}, cached: map[string][]string{}}
		dec := json.NewDecoder(bytes.NewReader(e.JSON()))
		must[json.Token](t)(dec.Token())
		for dec.More() {
			key := must[json.Token](t)(dec.Token()).(string)
			var raw json.RawMessage
			if err := dec.Decode(&raw); err != nil {
				t.Fatal(err)
			}
			r.keys, r.raw[key] = append(r.keys, key), string(raw)
		}
		if err := json.Unmarshal(e.JSON(), &r.data); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	return rows
}

// json is the row's data, of the given columns only if there are any.
func (r *joinTRow) json(attributes []string) string {
	parts := []string{}
	for _, k := range r.keys {
		if attributes == nil || slices.Contains(attributes, k) {
			parts = append(parts, strconv.Quote(k)+":"+r.raw[k])
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// walk is 3.1(7) and (8).
func joinTWalk(v any, path []string) []any {
	if len(path) == 0 {
		return []any{v}
	}
	switch v := v.(type) {
	case map[string]any:
		return joinTWalk(v[path[0]], path[1:])
	case []any:
		if i, err := strconv.Atoi(path[0]); err == nil {
			if i >= len(v) {
				return nil
			}
			return joinTWalk(v[i], path[1:])
		}
		var out []any
		for _, item := range v {
			out = append(out, joinTWalk(item, path)...)
		}
		return out
	}
	return nil
}

// matchKeys is what a name of on leads to, as texts (3.5, 6.2).
func (r *joinTRow) matchKeys(name string) []string {
	if keys, ok := r.cached[name]; ok {
		return keys
	}
	var found []any
	switch column := strings.TrimPrefix(name, "data."); {
	case name == "id":
		found = []any{float64(r.id)}
	case name == "order":
		found = []any{r.order}
	case name == "dataSourceId":
		found = []any{float64(r.source)}
	case column == "dotted.name":
		found = []any{r.data[column]}
	default:
		found = joinTWalk(r.data, strings.Split(column, "."))
	}
	keys := []string{}
	for _, v := range found {
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, v := range list {
			switch v := v.(type) {
			case bool:
				keys = append(keys, fmt.Sprint("b", v))
			case float64:
				keys = append(keys, "t"+strconv.FormatFloat(v+0, 'f', -1, 64))
			case string:
				if v != "" {
					keys = append(keys, "t"+v)
				}
			}
		}
	}
	r.cached[name] = keys
	return keys
}

func joinTMatch(parent, child *joinTRow, on siftdb.On) bool {
	for a, b := range on {
		if !slices.ContainsFunc(parent.matchKeys(a), func(k string) bool { return slices.Contains(child.matchKeys(b), k) }) {
			return false
		}
	}
	return true
}

// joinTWheres are the filters that the model knows; w is an integer in every row.
var joinTWheres = map[string]func(*joinTRow) bool{
	`{}`:                        func(*joinTRow) bool { return true },
	`{"w":{"$gte":2}}`:          func(r *joinTRow) bool { return r.data["w"].(float64) >= 2 },
	`{"data.w":1}`:              func(r *joinTRow) bool { return r.data["w"] == 1.0 },
	`{"w":{"$in":[0,3,4]}}`:     func(r *joinTRow) bool { return slices.Contains([]any{0.0, 3.0, 4.0}, r.data["w"]) },
	`{"order":{"$lt":0.5}}`:     func(r *joinTRow) bool { return r.order < 0.5 },
	`{"w":{"$gt":99}}`:          func(*joinTRow) bool { return false },
	`{"$or":[{"w":0},{"w":4}]}`: func(r *joinTRow) bool { return r.data["w"] == 0.0 || r.data["w"] == 4.0 },
}

// joinTViews are those of every table, of a session whose W is 2.
var joinTViews = map[string]func(*joinTRow) bool{
	"low": func(r *joinTRow) bool { return r.data["w"].(float64) < 2 }, "mine": func(r *joinTRow) bool { return r.data["w"] == 2.0 }, "none": func(*joinTRow) bool { return false },
}

const joinTDefinition = `{"views":[{"name":"low","filter":{"w":{"$lt":2}}},{"name":"mine","filter":{"w":"session.W"}},{"name":"none","filter":{"w":"session.Nothing"}}]}`

func joinTSelect(rows []*joinTRow, where any, views []string, order siftdb.Order) []*joinTRow {
	out := []*joinTRow{}
	for _, r := range rows {
		ok := where == nil || joinTWheres[where.(string)](r)
		if len(views) > 0 {
			ok = ok && slices.ContainsFunc(views, func(v string) bool { return joinTViews[v](r) })
		}
		if ok {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b *joinTRow) int {
		if len(order) == 0 {
			return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.id, b.id))
		}
		for _, key := range order {
			c := 0
			switch key.Name {
			case "id":
				c = cmp.Compare(a.id, b.id)
			case "order":
				c = cmp.Compare(a.order, b.order)
			default: // w and s, numbers and lower-case texts
				x, y := a.data[strings.TrimPrefix(key.Name, "data.")], b.data[strings.TrimPrefix(key.Name, "data.")]
				if c = cmp.Compare(joinTClass(x), joinTClass(y)); c == 0 {
					c = joinTCompare(x, y)
				}
			}
			if key.Desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return cmp.Compare(a.id, b.id)
	})
	return out
}

func joinTClass(v any) int {
	switch v.(type) {
	case float64:
		return 0
	case string:
		return 1
	}
	return 2 // null and absent
}

func joinTCompare(x, y any) int {
	if f, ok := x.(float64); ok {
		return cmp.Compare(f, y.(float64))
	}
	if s, ok := x.(string); ok {
		return cmp.Compare(s, y.(string))
	}
	return 0
}

func joinTCut(rows []*joinTRow, offset int, limit *int) []*joinTRow {
	rows = rows[min(offset, len(rows)):]
	if limit != nil {
		rows = rows[:min(*limit, len(rows))]
	}
	return rows
}

// joinTModel answers a query. tables holds every table under its name.
func joinTModel(tables map[string][]*joinTRow, name string, q siftdb.Query) (answer []string, total int) {
	sel := joinTSelect(tables[name], q.Where, q.Views, q.Order)
	matches := make([]map[*joinTRow][]*joinTRow, len(q.Joins))
	for i, j := range q.Joins {
		if len(j.On) == 0 {
			continue
		}
		matches[i] = map[*joinTRow][]*joinTRow{}
		kids := joinTSelect(tables[j.DataSourceName], j.Where, j.Views, j.Order)
		for _, p := range sel {
			for _, k := range kids {
				if joinTMatch(p, k, j.On) {
					matches[i][p] = append(matches[i][p], k)
				}
			}
		}
		if j.Required {
			sel = slices.DeleteFunc(sel, func(p *joinTRow) bool { return len(matches[i][p]) == 0 })
		}
	}
	if q.Distinct {
		seen := map[string]bool{}
		sel = slices.DeleteFunc(sel, func(p *joinTRow) bool {
			some := maps.Clone(p.data)
			maps.DeleteFunc(some, func(key string, _ any) bool { return !slices.Contains(q.Attributes, key) })
			text := fmt.Sprintf("%#v", some) // keys sorted, kinds told apart
			dup := seen[text]
			seen[text] = true
			return dup
		})
	}
	total = len(sel)
	show := func(r *joinTRow, attributes []string) string {
		return fmt.Sprint(r.source, "/", r.id, r.json(attributes), r.order)
	}
	for _, p := range joinTCut(sel, q.Offset, q.Limit) {
		text := show(p, q.Attributes)
		for i, j := range q.Joins {
			if len(j.On) == 0 {
				continue
			}
			text += " " + j.Name + ":"
			found, sum := matches[i][p], 0.0
			for _, k := range found {
				switch v := k.data[strings.TrimPrefix(j.Sum, "data.")].(type) {
				case float64:
					sum += v
				case string:
					f, _ := strconv.ParseFloat(v, 64)
					sum += f
				}
			}
			switch {
			case j.Has:
				text += fmt.Sprint(len(found) > 0)
			case j.Count:
				text += fmt.Sprint(len(found))
			case j.Sum != "":
				text += fmt.Sprint(sum)
			default:
				for _, k := range joinTCut(found, 0, j.Limit) {
					text += "[" + show(k, j.Attributes) + "]"
				}
			}
		}
		answer = append(answer, text)
	}
	for _, j := range q.Joins {
		if len(j.On) == 0 {
			for _, k := range joinTCut(joinTSelect(tables[j.DataSourceName], j.Where, j.Views, j.Order), 0, j.Limit) {
				answer = append(answer, show(k, j.Attributes))
			}
		}
	}
	return answer, total
}

// joinTAnswer renders entries as joinTModel does.
func joinTAnswer(entries []*siftdb.Entry) (out []string) {
	show := func(e *siftdb.Entry) string { return fmt.Sprint(e.DataSourceID, "/", e.ID, string(e.JSON()), e.Order) }
	for _, e := range entries {
		text := show(e)
		for _, j := range e.Joins {
			text += " " + j.Name + ":"
			if j.Value != nil {
				text += fmt.Sprint(j.Value)
			}
			for _, k := range j.Entries {
				text += "[" + show(k) + "]"
			}
		}
		out = append(out, text)
	}
	return out
}

// joinTWorld is a database with its model.
type joinTWorld struct {
	t       testing.TB
	rng     *rand.Rand
	db      *siftdb.DB
	clock   *handClock
	sources map[string]*siftdb.DataSource
	now     map[string][]*joinTRow
	states  []joinTState
}

// joinTState is how the tables were after a write.
type joinTState struct {
	at     time.Time
	tables map[string][]*joinTRow
}

var joinTNames = []string{"p", "q", "r"}

func joinTOpen(t *testing.T, engine string, seed uint64, options *siftdb.Options) *joinTWorld {
	w := &joinTWorld{t: t, rng: rand.New(rand.NewPCG(seed, 6)), clock: newClock(), sources: map[string]*siftdb.DataSource{}, now: map[string][]*joinTRow{}}
	options.Now = w.clock.read
	if engine == "memory" {
		w.db = memoryDB(t, options)
	} else {
		w.db = fileDB(t, filepath.Join(t.TempDir(), "joins.db"), options)
	}
	for _, name := range joinTNames {
		ds := must[*siftdb.DataSource](t)(w.db.Create(ctx, siftdb.DataSourceSpec{Name: name, Definition: json.RawMessage(joinTDefinition)}))
		must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"w": 0, "dotted.name": 1})) // a column from now on
		w.sources[name] = ds.WithSession(&security.Session{Values: map[string]any{"W": 2}})
		w.now[name] = joinTRows(t, ds)
	}
	return w
}

var joinTValues = []string{`1`, `2`, `3`, `"1"`, `"2"`, `2.0`, `1.50`, `"1.5"`, `"x"`, `"X"`, `"y"`, `""`, `null`, `true`, `false`, `"true"`, `{}`, `{"x":1}`, `[]`, `[1,"x"]`, `["y",2,2,null,""]`, `[true,[1]]`, `-1`, `0`}

// value is a random value; ids of entries are among them.
func (w *joinTWorld) value() string {
	if w.rng.IntN(5) > 0 {
		return joinTValues[w.rng.IntN(len(joinTValues))]
	}
	rows := w.now[joinTNames[w.rng.IntN(3)]]
	if len(rows) == 0 {
		return `99999`
	}
	id := rows[w.rng.IntN(len(rows))].id
	return []string{fmt.Sprint(id), fmt.Sprintf(`"%d"`, id), fmt.Sprintf(`[%d,%d,"0%d"]`, id, rows[0].id, id)}[w.rng.IntN(3)]
}

func (w *joinTWorld) row() json.RawMessage {
	text := fmt.Sprintf(`{"w":%d`, w.rng.IntN(5))
	for _, key := range []string{`"a":%s`, `"b":%s`, `"n":{"x":%s}`, `"l":[{"k":%s},{"k":7},8]`, `"dotted.name":%s`, `"id":%s`} {
		if w.rng.IntN(3) > 0 {
			text += "," + fmt.Sprintf(key, w.value())
		}
	}
	for _, key := range []string{"s", "t"} {
		if w.rng.IntN(4) > 0 {
			text += fmt.Sprintf(`,%q:%s`, key, []string{`1`, `2.50`, `"3"`, `"a"`, `"b"`, `null`, `-4`}[w.rng.IntN(7)])
		}
	}
	return json.RawMessage(text + "}")
}

// write changes a table in one write.
func (w *joinTWorld) write(most int) {
	w.clock.move(time.Millisecond)
	name := joinTNames[w.rng.IntN(3)]
	ds, rows := w.sources[name], w.now[name]
	var err error
	switch op := w.rng.IntN(10); {
	case op < 4 || len(rows) < 3:
		c := siftdb.Commit{Append: new(true)}
		for range 1 + w.rng.IntN(most) {
			e := siftdb.CommitEntry{Data: w.row()}
			if w.rng.IntN(3) == 0 {
				e.Order = float64(w.rng.IntN(7)-3) / 2
			}
			c.Entries = append(c.Entries, e)
		}
		_, err = ds.Commit(ctx, c)
	case op < 7:
		_, err = ds.UpdateEntry(ctx, rows[w.rng.IntN(len(rows))].id, w.row())
	case op < 9:
		err = ds.Remove(ctx, rows[w.rng.IntN(len(rows))].id)
	default:
		_, err = ds.UpdateWhere(ctx, `{"w":1}`, siftdb.Patch{Set: siftdb.M{"a": json.RawMessage(w.value()), "w": w.rng.IntN(3)}})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.record(name)
}

// record reads the tables that were written, and keeps the state.
func (w *joinTWorld) record(names ...string) {
	for _, name := range names {
		w.now[name] = joinTRows(w.t, w.sources[name])
	}
	w.states = append(w.states, joinTState{w.clock.read(), maps.Clone(w.now)})
}

func joinTPick[T any](rng *rand.Rand, list ...T) T { return list[rng.IntN(len(list))] }

func (w *joinTWorld) where() any {
	if w.rng.IntN(2) == 0 {
		return nil
	}
	return joinTPick(w.rng, slices.Sorted(maps.Keys(joinTWheres))...)
}

func (w *joinTWorld) options() (views, attributes []string, order siftdb.Order, limit *int) {
	if w.rng.IntN(5) == 0 {
		views = joinTPick(w.rng, []string{"low"}, []string{"mine"}, []string{"none"}, []string{"low", "mine"}, []string{"mine", "none", "mine"})
	}
	if w.rng.IntN(3) == 0 {
		attributes = joinTPick(w.rng, []string{}, []string{"w"}, []string{"a", "dotted.name"}, []string{"w", "s"})
	}
	if w.rng.IntN(2) == 0 {
		order = joinTPick(w.rng, siftdb.Order{siftdb.Desc("id")}, siftdb.Order{siftdb.Asc("w"), siftdb.Desc("data.s")}, siftdb.Order{siftdb.Desc("s")}, siftdb.Order{siftdb.Desc("order")})
	}
	if w.rng.IntN(2) == 0 {
		limit = new(w.rng.IntN(6))
	}
	return
}

func (w *joinTWorld) query() siftdb.Query {
	q := siftdb.Query{Where: w.where()}
	q.Views, q.Attributes, q.Order, q.Limit = w.options()
	if q.Limit != nil {
		*q.Limit *= w.rng.IntN(20)
	}
	q.Distinct = w.rng.IntN(5) == 0 && q.Attributes != nil
	q.Offset = w.rng.IntN(3) * w.rng.IntN(3)
	names := []string{"a", "data.b", "n.x", "data.n.x", "l.k", "l.0.k", "l", "dotted.name", "id", "data.id", "id", "order", "dataSourceId", "missing", "w"}
	for i := range 1 + w.rng.IntN(3) {
		j := siftdb.Join{Name: fmt.Sprint("J", 9-i), DataSourceName: joinTPick(w.rng, joinTNames...), On: siftdb.On{}, Where: w.where(), Required: w.rng.IntN(4) == 0}
		j.Views, j.Attributes, j.Order, j.Limit = w.options()
		for range joinTPick(w.rng, 0, 1, 1, 1, 1, 1, 2, 2, 3) {
			j.On[joinTPick(w.rng, names...)] = joinTPick(w.rng, names...)
		}
		if len(j.On) > 0 {
			j.Has, j.Count = w.rng.IntN(6) == 0, w.rng.IntN(5) == 0
			if w.rng.IntN(4) == 0 {
				j.Sum = joinTPick(w.rng, "s", "data.t", "w")
			}
		}
		q.Joins = append(q.Joins, j)
	}
	return q
}

// compare holds a query against the model.
func (w *joinTWorld) compare(what string, ds *siftdb.DataSource, q siftdb.Query, want []string, total int) {
	w.t.Helper()
	same := func(way string, got []string) {
		w.t.Helper()
		if diff := gocmp.Diff(want, got); diff != "" {
			w.t.Fatalf("%s, %s, %s (-model +siftdb):\n%s", what, way, asJSON(w.t, q), diff)
		}
	}
	same("Find", joinTAnswer(must[[]*siftdb.Entry](w.t)(ds.Find(ctx, q))))
	q.IncludePagination = true
	r := must[*siftdb.Result](w.t)(ds.Query(ctx, q))
	if same("Query", joinTAnswer(r.Entries)); r.Pagination.Total != int64(total) {
		w.t.Fatalf("%s: total %d, want %d: %s", what, r.Pagination.Total, total, asJSON(w.t, q))
	}
	same("Each", joinTAnswer(joinTStream(w.t, ds, q, func() {})))
}

func joinTStream(t testing.TB, ds *siftdb.DataSource, q siftdb.Query, between func()) (out []*siftdb.Entry) {
	t.Helper()
	for e, err := range ds.Each(ctx, q) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
		between()
	}
	return out
}

// joinTSeeds runs a test on both engines, with new seeds each time; SIFTDB_SEED
// repeats one.
func joinTSeeds(t *testing.T, runs int, test func(t *testing.T, engine string, seed uint64)) {
	first := rand.Uint64() >> 16
	if text := os.Getenv("SIFTDB_SEED"); text != "" {
		var err error
		if first, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
		runs = 1
	}
	if testing.Short() {
		runs = 1
	}
	for _, engine := range []string{"memory", "bolt"} {
		for run := range runs {
			t.Run(fmt.Sprintf("%s/seed=%d", engine, first+uint64(run)), func(t *testing.T) { test(t, engine, first+uint64(run)) })
		}
	}
}

// TestJoinModel asks random queries with joins after random writes: of now, of old
// states, and streamed while the tables change.
func TestJoinModel(t *testing.T) {
	for kind, options := range map[string]siftdb.Options{"versions": {}, "times": {}, "retention": {Retention: siftdb.Retention{Versions: 2}}} {
		t.Run(kind, func(t *testing.T) {
			joinTSeeds(t, 2, func(t *testing.T, engine string, seed uint64) {
				w := joinTOpen(t, engine, seed, &options)
				w.record()
				for step := range 60 {
					w.write(20)
					name := joinTPick(w.rng, joinTNames...)
					ds, what := w.sources[name], fmt.Sprint("step ", step, " of ", name)
					for range 3 {
						q := w.query()
						want, total := joinTModel(w.now, name, q)
						w.compare(what, ds, q, want, total)
					}
					switch kind {
					case "versions":
						w.compareVersion(what, name)
					case "times":
						state, q := joinTPick(w.rng, w.states...), w.query()
						want, total := joinTModel(state.tables, name, q)
						w.compare(what+" at a time", ds.AtTime(state.at), q, want, total)
					}
					q, n := w.query(), 0
					want, _ := joinTModel(w.now, name, q)
					got := joinTStream(t, ds, q, func() {
						if n++; n%33 == 1 {
							w.write(3)
						}
					})
					if diff := gocmp.Diff(want, joinTAnswer(got)); diff != "" {
						t.Fatalf("%s, streamed under writes, %s (-model +siftdb):\n%s", what, asJSON(t, q), diff)
					}
				}
			})
		})
	}
}

// compareVersion reads what a version holds.
func (w *joinTWorld) compareVersion(what, name string) {
	w.t.Helper()
	ds, q, state := w.sources[name], w.query(), w.states[0]
	v := joinTPick(w.rng, versionsOf(w.t, ds)...)
	if !v.CreatedAt.After(state.at) {
		return // from before the first state
	}
	for _, s := range w.states {
		if s.at.Before(v.CreatedAt) {
			state = s
		}
	}
	want, total := joinTModel(state.tables, name, q)
	w.compare(what+" at a version", ds.At(v.ID), q, want, total)
}
