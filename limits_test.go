package siftdb_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/security"
)

// TestLimitsOfPrincipals asks for what would take too long or too much: a principal, an admin
// too, is refused, on every way on which a where or a pipeline comes in. Trusted code is not,
// where it can be served at all.
func TestLimitsOfPrincipals(t *testing.T) {
	db := memoryDB(t, nil)
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t",
		AccessRules: []byte(`[{"type":["select","delete","count"],"allow":"all"}]`)}))
	rows := []any{siftdb.M{"text": strings.Repeat("a", 200_000)}}
	for i := range 400 {
		rows = append(rows, siftdb.M{"n": 1, "i": i})
	}
	must[siftdb.BulkResult](t)(ds.Append(ctx, rows))
	nested := strings.Repeat(`{"$and":[`, 30) + `{"n":1}` + strings.Repeat(`]}`, 30)
	numbers := strings.Repeat(`1,`, 100_000) + `1`
	wheres := map[string]string{
		"a costly pattern":   `{"text":{"$regex":"(a{1,30}){1,30}b"}}`,
		"a long pattern":     fmt.Sprintf(`{"text":{"$regex":%q}}`, strings.Repeat("ab", 600)),
		"a filter's pattern": `{"$filters":[{"column":"text","condition":"regex","value":"(a{1,30}){1,30}b"}]}`,
		"many values":        `{"n":{"$in":[` + numbers + `]}}`,
		"many conditions":    `{"$or":[` + strings.Repeat(`{"n":1},`, 10_000) + `{"n":1}]}`,
		"deep":               nested,
	}
	refused := func(err error) bool {
		return errors.Is(err, siftdb.ErrInvalidQuery) || errors.Is(err, siftdb.ErrTooLarge)
	}
	for _, p := range []*security.Principal{{TokenID: 1}, {TokenID: 2, Admin: true}} {
		own := ds.As(p)
		for what, where := range wheres {
			q := siftdb.Query{Where: where}
			for way, ask := range map[string]func() error{
				"find": func() error { _, err := own.Find(ctx, q); return err },
				"ordered": func() error {
					_, err := own.Find(ctx, siftdb.Query{Where: where, Order: siftdb.Order{siftdb.Asc("i")}})
					return err
				},
				"count": func() error { _, err := own.Count(ctx, q); return err },
				"each": func() error {
					for _, err := range own.Each(ctx, q) {
						if err != nil {
							return err
						}
					}
					return nil
				},
				"delete": func() error { _, err := own.Query(ctx, siftdb.Query{Type: "delete", Where: where}); return err },
				"join": func() error {
					_, err := own.Find(ctx, siftdb.Query{Joins: []siftdb.Join{{Name: "j", DataSourceID: ds.ID(), On: siftdb.On{"n": "n"}, Where: where, Limit: new(1)}}})
					return err
				},
				"live": func() error {
					for _, err := range own.Live(ctx, q) {
						return err
					}
					return nil
				},
				"pipeline": func() error {
					_, err := own.Aggregate(ctx, `[{"$match":{"n":1}},{"$limit":1}]`, q)
					return err
				},
			} {
				if err := ask(); !refused(err) {
					t.Errorf("%s, %s, admin %v: %v", what, way, p.Admin, err)
				}
			}
		}
		for what, pipeline := range map[string]string{
			"many stages":      `[` + strings.Repeat(`{"$match":{}},`, 60) + `{"$count":"n"}]`,
			"a product":        `[{"$lookup":{"from":"t","pipeline":[{"$lookup":{"from":"t","pipeline":[],"as":"b"}}],"as":"a"}}]`,
			"many operands":    `[{"$project":{"a":{"$add":[` + numbers + `]}}}]`,
			"a costly pattern": `[{"$match":{"$expr":{"$regexMatch":{"input":{"$ifNull":["$data.text",""]},"regex":"(a{1,30}){1,30}b"}}}}]`,
		} {
			if _, err := own.Aggregate(ctx, pipeline, siftdb.Query{}); !refused(err) {
				t.Errorf("%s, admin %v: %v", what, p.Admin, err)
			}
		}
	}
	if n := must[int64](t)(ds.Count(ctx, siftdb.Query{})); n != 401 {
		t.Errorf("%d entries are left", n)
	}
	for what, where := range wheres {
		if what == "a costly pattern" || what == "a filter's pattern" || what == "deep" {
			continue // the former take their time, the latter is refused to all
		}
		if _, err := ds.Find(ctx, siftdb.Query{Where: where}); err != nil {
			t.Errorf("%s, by trusted code: %v", what, err)
		}
	}
	// Each stage stands on the stack of the next, whoever asks.
	if _, err := ds.Aggregate(ctx, `[`+strings.Repeat(`{"$match":{}},`, 2_000_000)+`{"$count":"n"}]`, siftdb.Query{}); !refused(err) {
		t.Errorf("two million stages, by trusted code: %v", err)
	}
	if _, err := ds.Aggregate(ctx, `[`+strings.Repeat(`{"$match":{"n":1}},`, 9_000)+`{"$count":"n"}]`, siftdb.Query{}); err != nil {
		t.Errorf("9,000 stages, by trusted code: %v", err)
	}
}

// TestHugeQueries hands in wheres and pipelines of tens of megabytes: they are refused before
// they take many times that.
func TestHugeQueries(t *testing.T) {
	db := memoryDB(t, nil)
	ds := table(t, db, "t", `{"n":1}`).As(&security.Principal{TokenID: 1, Admin: true})
	for what, ask := range map[string]func() error{
		"$in": func() error {
			_, err := ds.Find(ctx, siftdb.Query{Where: `{"n":{"$in":[` + strings.Repeat("1,", 10_000_000) + `1]}}`})
			return err
		},
		"$or": func() error {
			_, err := ds.Find(ctx, siftdb.Query{Where: `{"$or":[` + strings.Repeat("{},", 7_000_000) + `{}]}`})
			return err
		},
		"stages": func() error {
			_, err := ds.Aggregate(ctx, `[`+strings.Repeat(`{"$match":{}},`, 1_500_000)+`{"$count":"n"}]`, siftdb.Query{})
			return err
		},
		"operands": func() error {
			_, err := ds.Aggregate(ctx, `[{"$project":{"a":{"$add":[`+strings.Repeat("1,", 10_000_000)+`1]}}}]`, siftdb.Query{})
			return err
		},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := ask()
		runtime.ReadMemStats(&after)
		if !errors.Is(err, siftdb.ErrInvalidQuery) {
			t.Errorf("%s: %v", what, err)
		}
		if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 200 { // the text itself twice or thrice
			t.Errorf("%s: %d MiB", what, took)
		}
	}
}

// TestWriteLimit reads writes that have to be in memory as a whole: what takes too much there is
// refused while it is read, and changes nothing. What need not be in memory has no limit.
func TestWriteLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db := fileDB(t, path, &siftdb.Options{Limits: siftdb.Limits{WriteBytes: 4 << 20}})
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Entries: raws(`{"n":0}`),
		AccessRules: []byte(`[{"type":["select","insert","update","delete"],"allow":"all"}]`)}))
	siftdb.StageAt(db, 1<<20, 1<<18, 1<<30)
	bob, boss := ds.As(&security.Principal{TokenID: 1}), ds
	const many = 20_000
	commit := func(on *siftdb.DataSource, member string, n int) (read int, err error) {
		text := strings.NewReader(`{"append":true,"entries":[` + strings.Repeat(member+",", n-1) + member + `]}`)
		size := text.Len()
		body, err := on.ReadCommit(text, nil)
		if err != nil {
			return size - text.Len(), err
		}
		defer body.Close()
		_, err = body.Apply(ctx, func(*siftdb.Entry) error { return nil })
		return size, err
	}
	bulk := func(on *siftdb.DataSource, n int, options ...siftdb.WriteOption) error {
		b := on.Bulk()
		defer b.Close()
		for i := range n {
			if err := b.Add(siftdb.M{"n": i}); err != nil {
				return err
			}
		}
		_, err := b.Append(ctx, options...)
		return err
	}
	count := func() int64 { return must[int64](t)(ds.Count(ctx, siftdb.Query{})) }
	for what, write := range map[string]func() error{
		"members of a principal": func() error { _, err := commit(bob, `{"data":{}}`, many); return err },
		"members with an order":  func() error { _, err := commit(boss, `{"data":{},"order":1}`, many); return err },
		"one order at the end": func() error {
			_, err := commit(boss, strings.Repeat(`{"data":{}},`, many)+`{"data":{},"order":1}`, 1)
			return err
		},
		"rows of a principal": func() error { return bulk(bob, many) },
		"an import of a principal": func() error {
			_, err := bob.Import(ctx, strings.NewReader("a\n"+strings.Repeat("1\n", many)), siftdb.ImportOptions{Append: true})
			return err
		},
	} {
		if err := write(); !errors.Is(err, siftdb.ErrTooLarge) {
			t.Errorf("%s: %v", what, err)
		}
		if n := count(); n != 1 {
			t.Fatalf("%s: %d entries", what, n)
		}
	}
	if read, err := commit(bob, `{"data":{}}`, 1_000_000); err == nil || read > 2<<20 {
		t.Errorf("%d bytes are read before it is refused: %v", read, err)
	}
	for what, write := range map[string]func() error{
		"members of a principal": func() error { _, err := commit(bob, `{"data":{}}`, 1000); return err },
		"members of an admin":    func() error { _, err := commit(boss, `{"data":{}}`, many); return err },
		"rows of an admin":       func() error { return bulk(boss, many) },
	} {
		before := count()
		if err := write(); err != nil || count() <= before {
			t.Errorf("%s: %v, %d entries after %d", what, err, count(), before)
		}
	}
	must[siftdb.DataSourceInfo](t)(ds.Update(ctx, siftdb.DataSourceUpdate{Hooks: []byte(`[{"type":"operations","runOn":["beforeSave"],"payload":{"x":"y"}}]`)}))
	before := count()
	if err := bulk(boss, many); !errors.Is(err, siftdb.ErrTooLarge) || count() != before {
		t.Errorf("rows on which hooks run: %v", err)
	}
}
