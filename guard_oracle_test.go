package siftdb_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// after is what is left of people after a write, but for hidden columns.
func (v guardTView) after(result any, err error) string {
	v.strip = true
	return fmt.Sprint(result, guardTError(err)) + v.found(v.w.people.Find(ctx, siftdb.Query{}))
}

func (v guardTView) commit(c siftdb.Commit) string {
	v.w.tick()
	c.Append, c.ReturnEntries = new(true), true
	r, err := v.people().Commit(ctx, c)
	if err != nil {
		return guardTError(err)
	}
	return v.after([]any{r.Version, r.Inserted, v.entries(r.Entries)}, nil)
}

func guardTUpdates(id int64, data string, extend bool) func(v guardTView) string {
	return func(v guardTView) string {
		return v.commit(siftdb.Commit{Extend: extend, Entries: []siftdb.CommitEntry{{ID: id, Data: json.RawMessage(data)}}})
	}
}

func guardTUpdate(id int64, data string) func(v guardTView) string {
	return func(v guardTView) string {
		v.w.tick()
		e, err := v.people().UpdateEntry(ctx, id, json.RawMessage(data))
		return v.after(v.entry(e), err)
	}
}

func guardTDelete(q siftdb.Query) func(v guardTView) string {
	q.Type = "delete"
	return func(v guardTView) string {
		r, err := v.people().Query(ctx, q)
		return v.after(r != nil && *r.DeletedCount > 0, err)
	}
}

func init() {
	guardTChannels["8 writes"] = guardTCases{
		"a guess":              guardTUpdate(1, `{"Salary":10}`),
		"a guess of two":       guardTUpdate(1, `{"Name":"ann","Salary":10}`),
		"a guess of an object": guardTUpdate(1, `{"Secret":{"code":"a","list":[1,2,3]}}`),
		"a guess of null":      guardTUpdate(4, `{"Salary":null}`),
		"a guess in a commit":  guardTUpdates(1, `{"Salary":10}`, true),
		// Without extend, what was not sent goes: whether that is anything must not show.
		"what is seen, sent back": guardTUpdates(5, `{"Kind":"k","Name":"eve","Score":40}`, false),
		"delete by a where":       guardTDelete(siftdb.Query{Where: `{"Salary":10}`}),
		"delete by what is not":   guardTDelete(siftdb.Query{Where: `{"Salary":{"$ne":10}}`}),
		"delete the first":        guardTDelete(siftdb.Query{Where: `{}`, Order: siftdb.Order{siftdb.Asc("Salary")}, Limit: new(1)}),
		"delete by a view":        guardTDelete(siftdb.Query{Views: []string{"mine"}}),
	}
}

// TestGuardSilent: what is the same of both twins for everybody, and must stay so.
func TestGuardSilent(t *testing.T) {
	cases := guardTCases{
		"explain":      guardTPlan(siftdb.Query{Where: `{"Salary":{"$gt":10}}`, Order: siftdb.Order{siftdb.Asc("Salary")}, Limit: new(2)}),
		"explain join": guardTPlan(siftdb.Query{Joins: []siftdb.Join{{Name: "j", DataSourceName: "orders", On: siftdb.On{"Salary": "Cost"}, Required: true}}}),
		"explain pipe": guardTPlan(siftdb.Query{Aggregate: `[{"$match":{"data.Salary":10}},{"$lookup":{"from":"orders","localField":"data.Salary","foreignField":"data.Cost","as":"o"}}]`}),
		"bad where":    guardTBy(siftdb.Query{Where: `{"Salary":{"$nope":1}}`}),
		"bad regexp":   guardTBy(siftdb.Query{Where: `{"Salary":{"$regex":"("}}`}),
		"bad view":     guardTBy(siftdb.Query{Views: []string{"none"}}),
		"bad id":       guardTUpdate(99, `{"Salary":10}`),
		"bad order":    guardTUpdates(99, `{"Salary":10}`, true),
		"info": func(v guardTView) string {
			i, err := v.people().Info(ctx)
			return guardTJSON(i) + fmt.Sprint(i.EntriesCount, err)
		},
		"list": func(v guardTView) string {
			l, err := v.db.DataSources(ctx, siftdb.ListOptions{})
			return guardTJSON(l) + guardTError(err)
		},
		"versions": func(v guardTView) string {
			l, err := v.people().Versions(ctx, siftdb.Page{})
			return v.version(l[0]) + fmt.Sprint(len(l), err)
		},
		"old info": func(v guardTView) string {
			i, err := v.people().At(v.past(0)).Info(ctx)
			return guardTJSON(i) + guardTError(err)
		},
	}
	for name, run := range cases {
		a, b := run(guardTTwin(t, false, guardTPrincipal("clerk"))), run(guardTTwin(t, true, guardTPrincipal("clerk")))
		if a != b {
			t.Errorf("%s: of one twin it tells\n%s\nof the other\n%s", name, guardTClip(a, b), guardTClip(b, a))
		}
		if a == "" {
			t.Errorf("%s tells nothing at all", name)
		}
		if asked := strings.Contains(name, "explain") || strings.Contains(name, "bad"); !asked {
			for _, secret := range []string{"Salary", "Secret", "Pin", "Cost", "Code", "loggedIn", "poor", "s3cret"} { // 16: schema, rules, views
				if strings.Contains(a, secret) {
					t.Errorf("%s tells of %s: %s", name, secret, a)
				}
			}
		}
	}
}

func guardTPlan(q siftdb.Query) func(v guardTView) string {
	return func(v guardTView) string {
		p, err := v.people().Explain(ctx, q)
		if err != nil {
			return guardTError(err)
		}
		return p.String()
	}
}

// TestGuardLength: what is hidden takes no room in what a query may hold (channel 14):
// how long it is does not show in whether a query is too large.
func TestGuardLength(t *testing.T) {
	db := memoryDB(t, &siftdb.Options{Limits: siftdb.Limits{QueryBytes: 64 << 10}})
	big := strings.Repeat("x", 100<<10)
	rules := `[{"type":["select"],"allow":"loggedIn","exclude":["Big"]}]`
	a, b := guardTSource(t, db, "a", rules, `{}`, `{"n":1,"Big":"`+big+`"}`), guardTSource(t, db, "b", rules, `{}`, `{"n":1,"Big":"`+big+`"}`)
	piped := func(p string) func(ds *siftdb.DataSource) error {
		return func(ds *siftdb.DataSource) error { _, err := ds.Aggregate(ctx, p, siftdb.Query{}); return err }
	}
	for what, run := range map[string]func(ds *siftdb.DataSource) error{
		"join": func(ds *siftdb.DataSource) error {
			for _, err := range ds.Each(ctx, siftdb.Query{Joins: []siftdb.Join{{Name: "j", DataSourceID: b.ID(), On: siftdb.On{"n": "n"}, Order: siftdb.Order{siftdb.Asc("Big")}}}}) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"group": func(ds *siftdb.DataSource) error {
			_, err := ds.Aggregate(ctx, `[{"$group":{"_id":null,"x":{"$push":"$$ROOT"}}}]`, siftdb.Query{})
			return err
		},
		"facet":       piped(`[{"$facet":{"f":[{"$group":{"_id":null,"x":{"$push":"$data"}}}]}}]`),
		"union":       piped(`[{"$unionWith":"b"},{"$group":{"_id":null,"x":{"$push":"$data"}}}]`),
		"graph":       piped(`[{"$graphLookup":{"from":"b","startWith":"$data.n","connectFromField":"data.n","connectToField":"data.n","as":"o"}}]`),
		"window":      piped(`[{"$setWindowFields":{"sortBy":{"id":1},"output":{"x":{"$push":"$data.Big"}}}}]`),
		"by its text": piped(`[{"$group":{"_id":"$data.Big"}}]`),
		"sort": func(ds *siftdb.DataSource) error {
			_, err := ds.Aggregate(ctx, `[{"$sort":{"id":-1}}]`, siftdb.Query{})
			return err
		},
		"lookup": func(ds *siftdb.DataSource) error {
			_, err := ds.Aggregate(ctx, `[{"$lookup":{"from":"b","localField":"data.n","foreignField":"data.n","as":"o"}}]`, siftdb.Query{})
			return err
		},
	} {
		if err := run(a.As(guardTUser(siftdb.M{}))); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if err := run(a); err == nil && what != "sort" {
			t.Errorf("%s proves nothing: trusted code may do it", what)
		}
	}
}

// TestGuardNamesakes: columns called as others, or as entry fields, are seen by their own
// rule (channels 2, 3, 21): what is hidden gives way to what it stood before.
func TestGuardNamesakes(t *testing.T) {
	root := guardTSource(t, memoryDB(t, nil), "t", `[{"type":["select"],"allow":"loggedIn","exclude":["id","a.b","salary"]}]`, `{}`, `{"id":77,"a.b":1,"a":{"b":2},"salary":1,"Salary":2}`)
	bob := root.As(guardTUser(siftdb.M{}))
	const seen = `{"a":{"b":2},"Salary":2}`
	for where, want := range map[string]string{`{}`: seen, `{"id":77}`: "", `{"data.id":77}`: "", `{"a.b":1}`: "", `{"a.b":2}`: seen, `{"data.a.b":2}`: seen, `{"salary":1}`: "", `{"Salary":2}`: seen, fmt.Sprintf(`{"id":%d}`, entryIDs(t, root)[0]): seen} {
		guardTExpect(t, where, guardTSees(bob, where), want)
	}
	list := must[map[string][]any](t)(bob.Indexes(ctx, "id", "a.b", "salary", "Salary"))
	guardTExpect(t, "the unique values", guardTJSON(list), `{"Salary":[2],"a.b":[2],"id":[],"salary":[]}`)
}

// TestGuardRights: what reads another data source asks that one's rules (channels 6, 20).
func TestGuardRights(t *testing.T) {
	db := memoryDB(t, nil)
	mine := guardTSource(t, db, "mine", `[{"type":["select"],"allow":"loggedIn"}]`, `{}`, `{"n":1}`)
	guardTSource(t, db, "theirs", `[{"type":["select"],"allow":"loggedIn","require":[{"n":{"equals":"1"}}]}]`, `{}`, `{"n":1,"x":"s3cret"}`, `{"n":2}`)
	bob := mine.As(guardTUser(siftdb.M{}))
	join := siftdb.Join{Name: "j", DataSourceName: "theirs", On: siftdb.On{"n": "n"}}
	granted := join
	granted.Where = `{"n":1}`
	for what, run := range map[string]func(j siftdb.Join) error{
		"find":  func(j siftdb.Join) error { _, err := bob.Find(ctx, siftdb.Query{Joins: []siftdb.Join{j}}); return err },
		"query": func(j siftdb.Join) error { _, err := bob.Query(ctx, siftdb.Query{Joins: []siftdb.Join{j}}); return err },
		"each": func(j siftdb.Join) error {
			_, err := guardTFirst(bob.Each(ctx, siftdb.Query{Joins: []siftdb.Join{j}}))
			return err
		},
		"cursor": func(j siftdb.Join) error {
			_, err := bob.Cursor(ctx, siftdb.Query{Joins: []siftdb.Join{j}})
			return err
		},
		"explain": func(j siftdb.Join) error {
			_, err := bob.Explain(ctx, siftdb.Query{Joins: []siftdb.Join{j}})
			return err
		},
		"explain 2": func(j siftdb.Join) error {
			_, err := bob.Explain(ctx, siftdb.Query{Joins: []siftdb.Join{j}, Aggregate: `[]`})
			return err
		},
		"aggregate": func(j siftdb.Join) error {
			_, err := bob.Aggregate(ctx, `[]`, siftdb.Query{Joins: []siftdb.Join{j}})
			return err
		},
		"pipeline": func(j siftdb.Join) error {
			_, err := bob.Query(ctx, siftdb.Query{Joins: []siftdb.Join{j}, Aggregate: `[]`})
			return err
		},
		"streamed": func(j siftdb.Join) error {
			_, err := guardTFirst(bob.AggregateEach(ctx, `[]`, siftdb.Query{Joins: []siftdb.Join{j}}))
			return err
		},
	} {
		err := run(join)
		fails(t, what, err, siftdb.ErrDenied)
		if err != nil && (!strings.Contains(err.Error(), `"theirs"`) || strings.Contains(err.Error(), "s3cret")) {
			t.Errorf("%s: the error says %v", what, err)
		}
		if err := run(granted); err != nil {
			t.Errorf("%s, as the rule requires: %v", what, err)
		}
	}
	for _, stage := range []string{`{"$lookup":{"from":%q,"localField":"data.n","foreignField":"data.n","as":"o"}}`, `{"$unionWith":%q}`, `{"$facet":{"f":[{"$unionWith":%q}]}}`, `{"$lookup":{"from":"mine","as":"o","pipeline":[{"$unionWith":%q}]}}`,
		`{"$graphLookup":{"from":%q,"startWith":"$data.n","connectFromField":"data.n","connectToField":"data.n","as":"o"}}`} {
		_, err := bob.Aggregate(ctx, fmt.Sprintf("["+stage+"]", "theirs"), siftdb.Query{})
		fails(t, stage, err, siftdb.ErrDenied)
		_, err = bob.Aggregate(ctx, fmt.Sprintf("["+stage+"]", "nobody's"), siftdb.Query{})
		fails(t, stage, err, siftdb.ErrNotFound)
	}
}
