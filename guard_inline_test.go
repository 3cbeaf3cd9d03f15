package siftdb_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/internal/document"
)

// Names beyond document.MaxNames are stored with the values that they name, not by number.

const guardTLateRules = `[{"type":["select","count","update","delete"],"allow":{"user":{"Name":{"equals":"bob"}}},"exclude":["Late"]},{"type":["select","count","update","delete"],"allow":"all"}]`

// guardTCrowd makes a database with a data source that has no numbers left, of three entries
// with a column called Late, which is hidden from bob.
func guardTCrowd(l guardTLab, late string) (*siftdb.DB, *siftdb.DataSource) {
	full := strings.Builder{}
	full.WriteString(`{"n":0`)
	for i := range document.MaxNames {
		fmt.Fprintf(&full, `,"c%d":1`, i)
	}
	db := l.open(siftdb.Options{Now: func() time.Time { return time.UnixMilli(1_767_323_045_000) }})
	ds := guardTSource(l.t, db, "t", guardTLateRules, `{"views":[{"name":"late","filter":{"Late":"s3cret"}}]}`, full.String()+`}`)
	must[siftdb.BulkResult](l.t)(ds.Append(ctx, raws(fmt.Sprintf(`{"n":1,"Late":%q}`, "not "+late), fmt.Sprintf(`{"n":2,"Late":%q}`, late), fmt.Sprintf(`{"n":3,"Late":%q}`, late))))
	return db, ds
}

// TestGuardInline: a hidden column whose name has no number is as hidden as any other.
func TestGuardInline(t *testing.T) {
	found := func(q siftdb.Query) func(v guardTView) string {
		return func(v guardTView) string { return v.found(v.people().Find(ctx, q)) }
	}
	some := `{"n":{"$gt":0}}`
	past := func(v guardTView) int64 {
		return must[[]siftdb.Version](t)(v.w.people.Versions(ctx, siftdb.Page{}))[0].ID
	}
	cases := guardTCases{
		"find":       found(siftdb.Query{Where: some}),
		"where":      found(siftdb.Query{Where: `{"Late":"s3cret"}`}),
		"negated":    found(siftdb.Query{Where: `{"n":{"$gt":0},"Late":{"$ne":"s3cret"}}`}),
		"order":      found(siftdb.Query{Where: some, Order: siftdb.Order{siftdb.Asc("Late")}}),
		"distinct":   found(siftdb.Query{Where: some, Attributes: []string{"Late"}, Distinct: true}),
		"projection": found(siftdb.Query{Where: some, Attributes: []string{"Late", "data.Late"}}),
		"view":       found(siftdb.Query{Views: []string{"late"}}),
		"by id":      func(v guardTView) string { e, err := v.people().FindByID(ctx, 2); return v.json(e, err) },
		"count": func(v guardTView) string {
			return guardTCount(v.people().Count(ctx, siftdb.Query{Where: `{"Late":"s3cret"}`}))
		},
		"unique":   func(v guardTView) string { return guardTUniques(v.people(), "Late") },
		"pipeline": guardTPipes(siftdb.Query{Where: some}, `[{"$group":{"_id":"$data.Late"}}]`)[`[{"$group":{"_id":"$data.Late"}}]`],
		"whole":    guardTPipes(siftdb.Query{Where: some}, `[{"$project":{"x":"$$ROOT"}}]`)[`[{"$project":{"x":"$$ROOT"}}]`],
		"join":     found(siftdb.Query{Where: some, Joins: []siftdb.Join{{Name: "j", DataSourceName: "t", On: siftdb.On{"n": "n"}, Attributes: []string{"Late"}, Where: `{"Late":"s3cret"}`}}}),
		"version": func(v guardTView) string {
			return v.found(v.people().VersionEntries(ctx, past(v), siftdb.VersionQuery{Where: some}))
		},
		"version where": func(v guardTView) string {
			return v.found(v.people().VersionEntries(ctx, past(v), siftdb.VersionQuery{Where: `{"Late":"s3cret"}`}))
		},
		"diff": func(v guardTView) (text string) {
			for c, err := range v.people().Diff(ctx, past(v), siftdb.Now) {
				text += guardTError(err) + v.change(c)
			}
			return text
		},
		"changes": func(v guardTView) string {
			set, err := guardTFirst(v.people().Changes(ctx, past(v)-1))
			if err != nil {
				return guardTError(err)
			}
			text := ""
			for _, c := range set.Changes {
				text += v.change(c)
			}
			return text
		},
	}
	remove := func(v guardTView) string {
		r, err := v.people().Query(ctx, siftdb.Query{Type: "delete", Where: `{"Late":"s3cret"}`})
		return guardTError(err) + fmt.Sprint(*r.DeletedCount)
	} // what changes the databases is the last
	var worlds []guardTView
	for _, late := range []string{"s3cret", "another"} {
		db, ds := guardTCrowd(guardTLab{t, ""}, late)
		must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, 2, siftdb.M{"Late": late + "!", "bump": 1}))
		worlds = append(worlds, guardTView{w: &guardTWorld{t: t, people: ds}, db: db})
	}
	tells := func(run func(v guardTView) string, who string) (told []string) {
		for _, v := range worlds {
			v.db = v.db.As(guardTUser(siftdb.M{"Name": who}))
			told = append(told, run(v))
		}
		return told
	}
	for _, name := range append(slices.Sorted(maps.Keys(cases)), "delete") {
		run := cases[name]
		if run == nil {
			run = remove
		}
		nothing := slices.Contains([]string{"where", "view", "version where"}, name)
		if told := tells(run, "bob"); told[0] != told[1] || strings.Contains(told[0], "s3cret") || told[0] == "" && !nothing {
			t.Errorf("%s tells bob %.300s\nand %.300s", name, told[0], told[1])
		}
		if told := tells(run, "ann"); told[0] == told[1] {
			t.Errorf("%s proves nothing: it tells ann %.300s", name, told[0])
		}
	}
}
