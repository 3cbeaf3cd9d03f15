package siftdb_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// joins makes a few joins with the data source "other".
func (w *columnTwins) joins() string {
	pick := func(list ...string) string { return list[w.rnd.IntN(len(list))] }
	var list []string
	for i := range 1 + w.rnd.IntN(2) {
		names := []string{"a", "b", "c", "data.a", "a.b", "a.b.er", "nowhere"}
		on := fmt.Sprintf("%q:%q", pick(names...), pick(names...))
		if w.rnd.IntN(6) == 0 {
			on = pick(`"id":"c"`, `"c":"id"`, `"a":"a","c":"c"`)
		}
		parts := []string{`"dataSourceName":"other"`, `"on":{` + on + `}`}
		if w.rnd.IntN(2) == 0 {
			parts = append(parts, `"required":true`)
		}
		if w.rnd.IntN(2) == 0 {
			parts = append(parts, `"where":`+w.where(1))
		}
		switch w.rnd.IntN(6) {
		case 0:
			parts = append(parts, `"has":true`)
		case 1:
			parts = append(parts, `"count":true`)
		case 2:
			parts = append(parts, `"sum":"`+pick("c", "b", "a", "a.b.er")+`"`)
		default:
			if w.rnd.IntN(2) == 0 {
				parts = append(parts, fmt.Sprintf(`"limit":%d`, w.rnd.IntN(4)))
			}
			if w.rnd.IntN(2) == 0 {
				parts = append(parts, pick(`"order":["c","DESC"]`, `"order":[["a","ASC"],["c","DESC"]]`, `"order":["nowhere","DESC"]`, `"order":["createdAt","ASC"]`))
			}
		}
		list = append(list, fmt.Sprintf(`"j%d":{%s}`, i, strings.Join(parts, ",")))
	}
	return "{" + strings.Join(list, ",") + "}"
}

// joined is all that a query with joins gives, as text.
func joined(ds *siftdb.DataSource, q siftdb.Query) []string {
	out := []string{}
	result, err := ds.Query(ctx, q)
	if err != nil {
		return []string{"error " + err.Error()}
	}
	for _, e := range result.Entries {
		out = append(out, string(e.JSON()))
	}
	if result.Pagination != nil {
		out = append(out, fmt.Sprint("total ", result.Pagination.Total))
	}
	first := 0
	for e, err := range ds.Each(ctx, q) {
		if first++; err != nil || first > 40 {
			break
		}
		out = append(out, "each "+string(e.JSON()))
	}
	return out
}

// TestJoinsAgree asks random queries with joins of both twins, as trusted code and as somebody
// from whom a column is hidden on both sides, while they are written to.
func TestJoinsAgree(t *testing.T) {
	runs, steps := 4, 60
	if text := os.Getenv("SIFTDB_COLUMN_QUERIES"); text != "" {
		steps, _ = strconv.Atoi(text)
	}
	var sides atomic.Int64
	t.Cleanup(func() {
		if n := sides.Load(); n < int64(runs*steps/10) {
			t.Errorf("of %d queries with joins %d sides were read from columns", runs*steps, n)
		}
	})
	base := uint64(time.Now().UnixNano())
	for run := range runs {
		seed := base + uint64(run)
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			w := newColumnTwins(t, seed, []int{0, 0, 0, 60 << 10}[run], siftdb.Limits{QueryBytes: []int{0, 0, 20_000, 0}[run]})
			defer func() { sides.Add(siftdb.JoinsByColumns(w.columns)) }()
			other := w.other("other")
			for _, twins := range []*columnTwins{w, other} {
				rows := []any{}
				for range 60 + w.rnd.IntN(200) {
					rows = append(rows, w.row())
				}
				twins.both(func(ds *siftdb.DataSource) error { _, err := ds.Append(ctx, rows); return err })
			}
			bob := &security.Principal{TokenID: 1}
			for range steps {
				if w.rnd.IntN(5) == 0 {
					[]*columnTwins{w, other}[w.rnd.IntN(2)].write(run == 1 && w.rnd.IntN(4) == 0)
				}
				q := w.query()
				q.Distinct = false
				joins := w.joins()
				q.Joins = must[siftdb.Query](t)(siftdb.ParseQuery([]byte(`{"join":` + joins + `}`))).Joins
				one, two := w.columns, w.scanned
				if w.rnd.IntN(4) == 0 {
					one, two = one.As(bob), two.As(bob)
				}
				if w.rnd.IntN(6) == 0 {
					list := must[[]siftdb.Version](t)(w.columns.Versions(ctx, siftdb.Page{}))
					at := list[w.rnd.IntN(min(len(list), 12))].ID
					one, two = one.At(at), two.At(at)
				}
				got, want := joined(one, q), joined(two, q)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("joins %s where %s order %v offset %d limit %v (-scan +columns):\n%s", joins, q.Where, q.Order, q.Offset, q.Limit, diff)
				}
			}
		})
	}
}

// other makes another data source beside each of the twins.
func (w *columnTwins) other(name string) *columnTwins {
	w.t.Helper()
	twins := *w
	spec := siftdb.DataSourceSpec{Name: name, AccessRules: json.RawMessage(`[{"type":["select"],"allow":"all","exclude":["c"]}]`)}
	twins.columns = must[*siftdb.DataSource](w.t)(w.dbs[0].Create(ctx, spec))
	twins.scanned = must[*siftdb.DataSource](w.t)(w.dbs[1].Create(ctx, spec))
	return &twins
}
