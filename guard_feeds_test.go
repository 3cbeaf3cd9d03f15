package siftdb_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/siftdb/siftdb"
)

// guardTMore are the classes of requests that read the past, follow it, or write.
var guardTMore = map[string]func(g *guardTGrammar) guardTRequest{
	"at": func(g *guardTGrammar) guardTRequest {
		q, back := g.query(), g.IntN(5)
		return guardTRequest{"at", fmt.Sprintf("-%d %+v", back, q), func(v guardTView) string {
			return v.found(v.people().At(v.past(back)).Find(ctx, q))
		}}
	},
	"version": func(g *guardTGrammar) guardTRequest {
		q, back := siftdb.VersionQuery{Where: g.where(g.column, 1)}, g.IntN(5)
		return guardTRequest{"version", fmt.Sprintf("-%d %+v", back, q), func(v guardTView) string {
			return v.found(v.people().VersionEntries(ctx, v.past(back), q))
		}}
	},
	"versions": func(g *guardTGrammar) guardTRequest {
		return guardTRequest{"versions", "", func(v guardTView) string {
			list, err := v.people().Versions(ctx, siftdb.Page{Limit: new(5)})
			text := guardTError(err)
			for _, x := range list {
				text += v.version(x) + "\n"
			}
			return text
		}}
	},
	"diff": func(g *guardTGrammar) guardTRequest {
		back := g.IntN(5)
		return guardTRequest{"diff", fmt.Sprint(-back), func(v guardTView) string {
			var b strings.Builder
			v.strip = false
			for c, err := range v.people().Diff(ctx, v.past(back), siftdb.Now) {
				b.WriteString(guardTError(err) + v.change(c))
			}
			return b.String()
		}}
	},
	"changes": func(g *guardTGrammar) guardTRequest {
		back := g.IntN(5)
		return guardTRequest{"changes", fmt.Sprint(-back), func(v guardTView) string {
			var b strings.Builder
			v.strip = false
			last := v.past(0)
			for set, err := range v.people().Changes(ctx, v.past(back)-1) {
				if err != nil {
					return guardTError(err)
				}
				b.WriteString(v.version(set.Version) + "\n")
				for _, c := range set.Changes {
					b.WriteString(v.change(c))
				}
				if set.Version.ID == last && !set.More {
					break
				}
			}
			return b.String()
		}}
	},
	"live": func(g *guardTGrammar) guardTRequest {
		where, writes := g.where(g.column, 1), g.seeds()
		q := siftdb.Query{Where: siftdb.M{"$or": []any{where, siftdb.M{"marker": siftdb.M{"$exists": true}}}}}
		if g.IntN(2) == 0 {
			q.Order, q.Limit = append(siftdb.Order{siftdb.Asc("marker")}, g.order(g.column)...), new(1+g.IntN(4))
		}
		return guardTRequest{"live", fmt.Sprintf("%+v", q), func(v guardTView) string { return v.live(q, writes) }}
	},
	"subscribe": func(g *guardTGrammar) guardTRequest {
		where, writes := g.where(g.column, 1), g.seeds()
		o := siftdb.SubscribeOptions{Where: siftdb.M{"$or": []any{where, siftdb.M{"marker": siftdb.M{"$exists": true}}}}}
		return guardTRequest{"subscribe", fmt.Sprintf("%+v", o), func(v guardTView) string { return v.subscribe(o, writes) }}
	},
	"cursor": func(g *guardTGrammar) guardTRequest {
		q := g.query()
		return guardTRequest{"cursor", fmt.Sprintf("%+v", q), func(v guardTView) string {
			c, err := v.people().Cursor(ctx, q)
			if err != nil {
				return guardTError(err)
			}
			c.Next()
			err = c.Update(ctx, true)
			return v.found(c.Entries(), err) + fmt.Sprint(c.Total(), c.CurrentPage(), c.IsFirstPage(), c.IsLastPage())
		}}
	},
	"projection": func(g *guardTGrammar) guardTRequest {
		q := siftdb.Query{Attributes: []string{g.column(), g.column()}}
		return guardTRequest{"projection", fmt.Sprintf("%+v", q), func(v guardTView) string {
			list, err := v.people().Find(ctx, q)
			v.strip = false // the columns themselves are the channel
			return v.found(list, err)
		}}
	},
	"by id": func(g *guardTGrammar) guardTRequest {
		n, own := int64(g.IntN(60)), g.IntN(2) == 0
		return guardTRequest{"by id", fmt.Sprint(n, own), func(v guardTView) string {
			ds := v.people()
			if own {
				ds = v.own()
			}
			e, err := ds.FindByID(ctx, n)
			v.strip = false
			return guardTError(err) + v.entry(e)
		}}
	},
	"own": func(g *guardTGrammar) guardTRequest {
		q := siftdb.Query{Where: siftdb.M{"$and": []any{siftdb.M{"Owner": "bob"}, g.where(func() string { return guardTPick(g, "Level", "Note", "Owner") }, 1)}}}
		if g.IntN(4) == 0 {
			q.Where = g.where(func() string { return guardTPick(g, "Level", "Note", "Owner") }, 1)
		}
		return guardTRequest{"own", fmt.Sprintf("%+v", q), func(v guardTView) string {
			return v.found(v.own().Find(ctx, q)) + guardTCount(v.own().Count(ctx, q))
		}}
	},
	"private": func(g *guardTGrammar) guardTRequest {
		from, id := guardTPick(g, "private", "own", "none"), int64(g.IntN(60))
		j := siftdb.Join{Name: "j", DataSourceName: from, On: siftdb.On{"Name": guardTPick(g, "a", "Owner")}, Where: g.where(func() string { return guardTPick(g, "a", "Owner") }, 0)}
		return guardTRequest{"private", fmt.Sprintf("%+v %d", j, id), func(v guardTView) string {
			text := v.found(v.people().Find(ctx, siftdb.Query{Joins: []siftdb.Join{j}}))
			ds, err := v.db.DataSourceByName(ctx, from, siftdb.Scope{})
			if err != nil {
				return text + guardTError(err)
			}
			_, err = ds.FindByID(ctx, id)
			_, get := ds.UpdateEntry(ctx, id, siftdb.M{"a": 1})
			_, commit := ds.Commit(ctx, siftdb.Commit{Entries: []siftdb.CommitEntry{{ID: id, Data: siftdb.M{"a": 1}}}, Append: new(true)})
			return text + guardTError(err) + guardTError(get) + guardTError(commit) + guardTError(ds.Remove(ctx, id))
		}}
	},
	"update": func(g *guardTGrammar) guardTRequest {
		n, data := g.IntN(9), siftdb.M{guardTPick(g, "Salary", "Secret", "Pin", "Score"): guardTPick(g, g.value(), any(g.IntN(5)*25))}
		return guardTRequest{"update", fmt.Sprint(n, data), func(v guardTView) string {
			e, err := v.people().UpdateEntry(ctx, v.nth(n), data)
			return guardTError(err) + v.entry(e)
		}}
	},
	"commit": func(g *guardTGrammar) guardTRequest {
		n, data := g.IntN(9), siftdb.M{guardTPick(g, "Salary", "Secret", "Pin", "Score"): guardTPick(g, g.value(), any(g.IntN(5)*25))}
		add, extend := g.IntN(3) == 0, g.IntN(8) > 0
		return guardTRequest{"commit", fmt.Sprint(n, data, add, extend), func(v guardTView) string {
			c := siftdb.Commit{Append: new(true), Extend: extend, ReturnEntries: true, Entries: []siftdb.CommitEntry{{ID: v.nth(n), Data: data}}}
			if add {
				c.Entries = append(c.Entries, siftdb.CommitEntry{Data: data, ClientID: "c"})
			}
			r, err := v.people().Commit(ctx, c)
			if err != nil {
				return guardTError(err)
			}
			return fmt.Sprint(r.Version, r.Inserted, r.ClientIDs) + v.entries(r.Entries)
		}}
	},
	"replace": func(g *guardTGrammar) guardTRequest { // what is seen, sent back as it is
		n := g.IntN(9)
		return guardTRequest{"replace", fmt.Sprint(n), func(v guardTView) string {
			e := must[*siftdb.Entry](v.w.t)(v.people().FindByID(ctx, v.nth(n)))
			seen := siftdb.M{}
			for _, c := range guardTShown {
				if x, ok := e.Lookup(c); ok {
					seen[c] = x
				}
			}
			r, err := v.people().Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{ID: e.ID, Data: seen}}})
			if err != nil {
				return guardTError(err)
			}
			return fmt.Sprint(r.Version)
		}}
	},
	"insert": func(g *guardTGrammar) guardTRequest {
		data := siftdb.M{"Name": guardTPick(g, guardTNames...), "Score": g.value()}
		if g.IntN(2) == 0 {
			data["Salary"] = g.value()
		}
		return guardTRequest{"insert", fmt.Sprint(data), func(v guardTView) string {
			e, err := v.people().Insert(ctx, data)
			return guardTError(err) + strings.ReplaceAll(v.entry(e), fmt.Sprint(v.guid(e)), "guid")
		}}
	},
	"delete": func(g *guardTGrammar) guardTRequest {
		q := siftdb.Query{Type: "delete", Where: g.where(g.column, 1), Order: g.order(g.column), Limit: new(1)}
		return guardTRequest{"delete", fmt.Sprintf("%+v", q), func(v guardTView) string {
			r, err := v.people().Query(ctx, q)
			if err != nil {
				return guardTError(err)
			}
			return fmt.Sprint(*r.DeletedCount, r.Version)
		}}
	},
	"explain": func(g *guardTGrammar) guardTRequest {
		q := g.query()
		q.Joins = []siftdb.Join{g.join()}
		if g.IntN(2) == 0 {
			q.Aggregate = guardTJSON([]any{siftdb.M{"$match": g.where(g.column, 1)}})
		}
		return guardTRequest{"explain", fmt.Sprintf("%+v", q), func(v guardTView) string {
			p, err := v.people().Explain(ctx, q)
			if err != nil {
				return guardTError(err)
			}
			return p.String()
		}}
	},
	"info": func(g *guardTGrammar) guardTRequest {
		return guardTRequest{"info", "", func(v guardTView) string {
			list, err := v.db.DataSources(ctx, siftdb.ListOptions{})
			return guardTError(err) + fmt.Sprintf("%+v", guardTJSON(list))
		}}
	},
	"typed": func(g *guardTGrammar) guardTRequest {
		q := siftdb.Query{Where: g.where(g.column, 1)}
		return guardTRequest{"typed", fmt.Sprintf("%+v", q), func(v guardTView) string {
			rows, err := siftdb.Of[struct{ Salary, Pin int }](v.people()).Find(ctx, q)
			text := guardTError(err)
			for _, r := range rows {
				text += fmt.Sprint(r.ID, r.Value)
			}
			return text
		}}
	},
}

func guardTCount(n int64, err error) string { return guardTError(err) + fmt.Sprint(n) }

// seeds are those of admin's writes.
func (g *guardTGrammar) seeds() []uint64 { return []uint64{g.Uint64(), g.Uint64()} }

// past is one of the last versions of people; 0 the last.
func (v guardTView) past(back int) int64 {
	list := must[[]siftdb.Version](v.w.t)(v.w.people.Versions(ctx, siftdb.Page{Limit: new(1), Offset: back}))
	if len(list) == 0 {
		return 1 << 40
	}
	return list[0].ID
}

// nth is the id of an entry of people, 0 when there are fewer.
func (v guardTView) nth(n int) int64 {
	e := must[*siftdb.Entry](v.w.t)(v.w.people.FindOne(ctx, siftdb.Query{Offset: n}))
	if e == nil {
		e = must[*siftdb.Entry](v.w.t)(v.w.people.Insert(ctx, siftdb.M{"Name": "new"}))
	}
	return e.ID
}

// guid is the column that is filled in with what nobody knows before.
func (v guardTView) guid(e *siftdb.Entry) any {
	if e == nil {
		return "-"
	}
	x, _ := e.Lookup("Guid")
	return x
}

// mark makes admin's writes, and one more that whoever watches sees.
func (w *guardTWorld) mark(writes []uint64) {
	for _, seed := range writes {
		w.adminWrite(seed)
	}
	w.marker++
	must[*siftdb.Entry](w.t)(w.people.Insert(ctx, siftdb.M{"Name": "ann", "marker": -w.marker}))
}

// live watches a query while an admin writes.
func (v guardTView) live(q siftdb.Query, writes []uint64) string {
	c, cancel := guardTContext(v.w.t)
	defer cancel()
	var b strings.Builder
	for u, err := range v.people().Live(c, q) {
		if err != nil {
			if c.Err() != nil {
				v.w.t.Errorf("nothing was told of %+v", q)
			}
			return guardTError(err)
		}
		fmt.Fprintf(&b, "%d %t entered %s changed %s left %s result %s\n", u.Version, u.Initial, v.entries(u.Entered), v.entries(u.Changed), v.entries(u.Left), v.entries(u.Result))
		if !u.Initial {
			break
		}
		v.w.mark(writes)
	}
	return b.String()
}

// subscribe watches a scope, in one call for all of admin's writes.
func (v guardTView) subscribe(o siftdb.SubscribeOptions, writes []uint64) string {
	return v.subscribeTo(o, func() { v.w.mark(writes) })
}

func (v guardTView) subscribeTo(o siftdb.SubscribeOptions, write func()) string {
	c, cancel := guardTContext(v.w.t)
	defer cancel()
	calls := make(chan siftdb.Changes, 1)
	s, err := v.people().Subscribe(c, o, func(x siftdb.Changes) {
		select {
		case calls <- x:
		case <-c.Done():
		}
	})
	if err != nil {
		return guardTError(err)
	}
	defer guardTEnd(c, s)
	s.Pause()
	write()
	s.Resume()
	select {
	case x := <-calls:
		return fmt.Sprintf("%d inserted %s updated %s deleted %s", x.Version, v.entries(x.Inserted), v.entries(x.Updated), v.entries(x.Deleted))
	case <-c.Done():
		v.w.t.Errorf("nothing was reported to %+v, which is %s: %v", o, s.Status(), s.Err())
	case <-s.Done():
		return "ended: " + guardTError(s.Err())
	}
	return ""
}

func guardTEnd(c context.Context, s *siftdb.Subscription) {
	s.Unsubscribe()
	select {
	case <-s.Done():
	case <-c.Done():
	}
}
