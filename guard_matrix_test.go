package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
	"github.com/siftdb/siftdb/security"
)

// guardTCell is what a call of the matrix has at hand.
type guardTCell struct {
	t       testing.TB
	db      *siftdb.DB         // the caller's handle
	ds      *siftdb.DataSource // and that on a data source of two entries
	root    *siftdb.DB
	entry   int64
	version int64
	trashed int64
}

func (c guardTCell) data() siftdb.M { return siftdb.M{"Name": "new"} }

type guardTTyped struct {
	Name   string `json:",omitempty"`
	Salary string `json:",omitempty"`
}

// guardTWants is what each caller gets: ok, or the code of an error.
type guardTWants struct{ none, deny, grant, hidden, open, anonymous, other, admin string }

const guardTDenied, guardT401, guardT403, guardT404 = "access_denied", "unauthorised", "forbidden", "not_found"

var (
	guardTReads    = guardTWants{guardTDenied, guardTDenied, "ok", "ok", "ok", guardT401, guardT404, "ok"}
	guardTPasts    = guardTWants{guardTDenied, guardTDenied, "ok", "ok", guardT401, guardT401, guardT404, "ok"} // versions need a token (14.2)
	guardTChange   = guardTPasts
	guardTRestores = guardTWants{guardTDenied, guardTDenied, "ok", guardTDenied, guardT401, guardT401, guardT404, "ok"}
	guardTManages  = guardTWants{guardT403, guardT403, guardT403, guardT403, guardT401, guardT401, guardT404, "ok"}
	guardTHosts    = guardTWants{guardT403, guardT403, guardT403, guardT403, guardT401, guardT401, guardT403, "ok"} // of the whole database
	guardTHandles  = guardTWants{"ok", "ok", "ok", "ok", "ok", guardT401, guardT404, "ok"}
	guardTAnybody  = guardTWants{"ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok"} // reads nothing
	guardTTokens   = guardTWants{"ok", "ok", "ok", "ok", guardT401, guardT401, "ok", "ok"}
)

type guardTRow struct {
	want guardTWants
	run  func(c guardTCell) (string, error)
}

func guardTRows(rows ...any) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

func guardTText(v any, err error) (string, error) {
	if list, ok := v.([]*siftdb.Entry); ok {
		return strings.Join(texts(list), "\n"), err
	}
	b, failed := json.Marshal(v)
	return string(b), errors.Join(err, failed)
}

// guardTFirst takes the first of a stream.
func guardTFirst[T any](each func(func(T, error) bool)) (v T, err error) {
	for v, err := range each {
		return v, err
	}
	return v, nil
}

// guardTMatrix has a row for every exported method of every handle; a name may go on after
// a space. Those of handles that others give are added in guard_handles_test.go.
var guardTMatrix = map[string]guardTRow{
	"DataSource.Find":     {guardTReads, func(c guardTCell) (string, error) { return guardTText(c.ds.Find(ctx, siftdb.Query{})) }},
	"DataSource.FindOne":  {guardTReads, func(c guardTCell) (string, error) { return guardTText(c.ds.FindOne(ctx, siftdb.Query{})) }},
	"DataSource.FindByID": {guardTReads, func(c guardTCell) (string, error) { return guardTText(c.ds.FindByID(ctx, c.entry)) }},
	"DataSource.Each":     {guardTReads, func(c guardTCell) (string, error) { return guardTText(guardTFirst(c.ds.Each(ctx, siftdb.Query{}))) }},
	"DataSource.Stream": {guardTReads, func(c guardTCell) (string, error) {
		return guardTText(guardTFirst(c.ds.Stream(siftdb.Query{IncludePagination: true}).Entries(ctx)))
	}},
	"DataSource.Stream pipe": {guardTReads, func(c guardTCell) (string, error) {
		return guardTText(guardTFirst(c.ds.Stream(siftdb.Query{Aggregate: `[]`}).Documents(ctx)))
	}},
	"DataSource.Count": {guardTReads, func(c guardTCell) (string, error) { return guardTText(c.ds.Count(ctx, siftdb.Query{})) }},
	"DataSource.Cursor": {guardTReads, func(c guardTCell) (string, error) {
		x, err := c.ds.Cursor(ctx, siftdb.Query{})
		return guardTCursor(x), err
	}},
	"DataSource.Index": {guardTReads, func(c guardTCell) (string, error) { return guardTText(c.ds.Index(ctx, "Salary")) }},
	"DataSource.IndexesJSON": {guardTReads, func(c guardTCell) (string, error) {
		return guardTText(c.ds.IndexesJSON(ctx, "Salary", "Name"))
	}},
	"DataSource.Indexes":     {guardTReads, func(c guardTCell) (string, error) { return guardTText(c.ds.Indexes(ctx, "Salary", "Name")) }},
	"DataSource.Query":       {guardTReads, func(c guardTCell) (string, error) { return guardTText(c.ds.Query(ctx, siftdb.Query{})) }},
	"DataSource.Query count": {guardTReads, func(c guardTCell) (string, error) { return guardTText(c.ds.Query(ctx, siftdb.Query{CountOnly: true})) }},
	"DataSource.Query delete": {guardTChange, func(c guardTCell) (string, error) {
		return guardTText(c.ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{}`}))
	}},
	"DataSource.Query pipe": {guardTReads, func(c guardTCell) (string, error) { return guardTText(c.ds.Query(ctx, siftdb.Query{Aggregate: `[]`})) }},
	"DataSource.Aggregate":  {guardTReads, func(c guardTCell) (string, error) { return guardTText(c.ds.Aggregate(ctx, `[]`, siftdb.Query{})) }},
	"DataSource.AggregateEach": {guardTReads, func(c guardTCell) (string, error) {
		return guardTText(guardTFirst(c.ds.AggregateEach(ctx, `[]`, siftdb.Query{})))
	}},
	"DataSource.Explain": {guardTReads, func(c guardTCell) (string, error) { return guardTText(c.ds.Explain(ctx, siftdb.Query{})) }},
	"DataSource.Live": {guardTPasts, func(c guardTCell) (string, error) {
		u, err := guardTFirst(c.ds.Live(ctx, siftdb.Query{}))
		if err != nil {
			return "", err
		}
		return guardTText(u.Entered, nil)
	}},
	"DataSource.Subscribe": {guardTPasts, func(c guardTCell) (string, error) {
		return guardTWatch(c, func(fn func(any)) (*siftdb.Subscription, error) {
			return c.ds.Subscribe(ctx, siftdb.SubscribeOptions{}, func(x siftdb.Changes) { fn(x) })
		})
	}},
	"DataSource.Changes": {guardTPasts, func(c guardTCell) (string, error) {
		set, err := guardTFirst(c.ds.Changes(ctx, c.version-1))
		if err != nil {
			return "", err
		}
		return guardTText([]any{set.Version, set.Changes}, nil)
	}},
	"DataSource.Diff": {guardTPasts, func(c guardTCell) (string, error) {
		return guardTText(guardTFirst(c.ds.Diff(ctx, c.version, siftdb.Now)))
	}},
	"DataSource.Versions": {guardTPasts, func(c guardTCell) (string, error) { return guardTText(c.ds.Versions(ctx, siftdb.Page{})) }},
	"DataSource.VersionEntries": {guardTPasts, func(c guardTCell) (string, error) {
		return guardTText(c.ds.VersionEntries(ctx, c.version, siftdb.VersionQuery{}))
	}},
	"DataSource.At": {guardTPasts, func(c guardTCell) (string, error) { return guardTText(c.ds.At(c.version).Find(ctx, siftdb.Query{})) }},
	"DataSource.AtTime": {guardTPasts, func(c guardTCell) (string, error) {
		return guardTText(c.ds.AtTime(time.Unix(1, 0)).Find(ctx, siftdb.Query{}))
	}},
	"DataSource.CreateIndex": {guardTManages, func(c guardTCell) (string, error) {
		return "", c.ds.CreateIndex(ctx, indexOn("Salary"))
	}},
	"DataSource.Advise": {guardTManages, func(c guardTCell) (string, error) { _, err := c.ds.Advise(ctx); return "", err }},
	"DataSource.ExplainAnalyze": {guardTManages, func(c guardTCell) (string, error) {
		return guardTText(c.ds.ExplainAnalyze(ctx, siftdb.Query{}))
	}},
	"DataSource.ListIndexes": {guardTManages, func(c guardTCell) (string, error) {
		create(c.t, must[*siftdb.DataSource](c.t)(c.root.DataSource(ctx, c.ds.ID())), indexOn("Salary"))
		return guardTText(c.ds.ListIndexes(ctx))
	}},
	"DataSource.DropIndex": {guardTManages, func(c guardTCell) (string, error) {
		create(c.t, must[*siftdb.DataSource](c.t)(c.root.DataSource(ctx, c.ds.ID())), indexOn("Salary"))
		return "", c.ds.DropIndex(ctx, "Salary.")
	}},
	"DataSource.Restore":             {guardTRestores, func(c guardTCell) (string, error) { return guardTText(c.ds.Restore(ctx, c.version)) }},
	"DataSource.Insert":              {guardTChange, func(c guardTCell) (string, error) { return guardTText(c.ds.Insert(ctx, c.data())) }},
	"DataSource.UpdateEntry":         {guardTChange, func(c guardTCell) (string, error) { return guardTText(c.ds.UpdateEntry(ctx, c.entry, c.data())) }},
	"DataSource.Remove":              {guardTChange, func(c guardTCell) (string, error) { return "", c.ds.Remove(ctx, c.entry) }},
	"DataSource.Append":              {guardTChange, func(c guardTCell) (string, error) { return guardTText(c.ds.Append(ctx, []any{c.data()})) }},
	"DataSource.ReplaceWith":         {guardTChange, func(c guardTCell) (string, error) { return guardTText(c.ds.ReplaceWith(ctx, []any{c.data()})) }},
	"DataSource.ReplaceWith nothing": {guardTChange, func(c guardTCell) (string, error) { return guardTText(c.ds.ReplaceWith(ctx, nil)) }},
	"DataSource.Commit": {guardTChange, func(c guardTCell) (string, error) {
		return guardTText(c.ds.Commit(ctx, siftdb.Commit{Append: new(true), Extend: true, ReturnEntries: true, Entries: []siftdb.CommitEntry{{ID: c.entry, Data: c.data()}, {Data: c.data()}}}))
	}},
	"DataSource.CommitEach": {guardTChange, func(c guardTCell) (string, error) {
		var list []*siftdb.Entry
		_, err := c.ds.CommitEach(ctx, siftdb.Commit{Append: new(true), ReturnEntries: true, Entries: []siftdb.CommitEntry{{Data: c.data()}}}, func(e *siftdb.Entry) error {
			list = append(list, e)
			return nil
		})
		return guardTText(list, err)
	}},
	"DataSource.ReadCommit": {guardTChange, func(c guardTCell) (string, error) {
		siftdb.StageAt(c.root, 300, 200, 40) // an admin's is staged
		body, err := c.ds.ReadCommit(strings.NewReader(`{"entries":[`+strings.Repeat(`{"data":{"Name":"new"}},`, 9)+`{"data":{}}]}`), json.RawMessage(`{"append":true}`))
		if err != nil {
			return "", err
		}
		var list []*siftdb.Entry
		_, err = body.Apply(ctx, func(e *siftdb.Entry) error {
			list = append(list, e)
			return nil
		})
		return guardTText(list, err)
	}},
	"DataSource.Commit delete": {guardTChange, func(c guardTCell) (string, error) {
		return guardTText(c.ds.Commit(ctx, siftdb.Commit{Delete: []int64{c.entry}}))
	}},
	"DataSource.Commit replace": {guardTChange, func(c guardTCell) (string, error) {
		return guardTText(c.ds.Commit(ctx, siftdb.Commit{Entries: []siftdb.CommitEntry{}}))
	}},
	"DataSource.Import": {guardTChange, func(c guardTCell) (string, error) {
		return guardTText(c.ds.Import(ctx, strings.NewReader("Name\nnew\n"), siftdb.ImportOptions{Append: true}))
	}},
	"DataSource.Import replace": {guardTChange, func(c guardTCell) (string, error) {
		return guardTText(c.ds.Import(ctx, strings.NewReader("Name\nnew\n"), siftdb.ImportOptions{}))
	}},
	"DataSource.AppendSeq": {guardTChange, func(c guardTCell) (string, error) {
		return guardTText(c.ds.AppendSeq(ctx, guardTRows(c.data())))
	}},
	"DataSource.ReplaceWithSeq": {guardTChange, func(c guardTCell) (string, error) {
		return guardTText(c.ds.ReplaceWithSeq(ctx, guardTRows(c.data())))
	}},
	"DataSource.Bulk": {guardTAnybody, func(c guardTCell) (string, error) {
		b := c.ds.Bulk()
		defer b.Close()
		return "", b.Add(c.data())
	}},
	"DataSource.BulkFile": {guardTAnybody, func(c guardTCell) (string, error) {
		b, err := c.ds.BulkFile(strings.NewReader("Name\nnew\n"), siftdb.ImportCSV)
		if err == nil {
			b.Close()
		}
		return "", err
	}},
	"DataSource.BulkFile append": {guardTChange, func(c guardTCell) (string, error) {
		b, err := c.ds.BulkFile(strings.NewReader("Name\nnew\n"), siftdb.ImportCSV)
		if err != nil {
			return "", err
		}
		return guardTText(b.Append(ctx))
	}},
	"DataSource.Bulk replace": {guardTChange, func(c guardTCell) (string, error) {
		b := c.ds.Bulk()
		if err := b.Add(c.data()); err != nil {
			return "", err
		}
		return guardTText(b.ReplaceWith(ctx))
	}},
	"DataSource.UpdateWhere": {guardTManages, func(c guardTCell) (string, error) {
		return guardTText(c.ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: c.data()}))
	}},
	"DataSource.Update": {guardTManages, func(c guardTCell) (string, error) {
		return guardTText(c.ds.Update(ctx, siftdb.DataSourceUpdate{Name: new("x")}))
	}},
	"DataSource.Delete":   {guardTManages, func(c guardTCell) (string, error) { return "", c.ds.Delete(ctx) }},
	"DataSource.Info":     {guardTHandles, func(c guardTCell) (string, error) { return guardTText(c.ds.Info(ctx)) }},
	"DataSource.Info old": {guardTWants{"ok", "ok", "ok", "ok", guardT401, guardT401, guardT404, "ok"}, func(c guardTCell) (string, error) { return guardTText(c.ds.At(c.version).Info(ctx)) }},
	"DataSource.ID":       {guardTAnybody, func(c guardTCell) (string, error) { return fmt.Sprint(c.ds.ID()), nil }},
	"DataSource.As":       {guardTReads, func(c guardTCell) (string, error) { return guardTText(c.ds.Find(ctx, siftdb.Query{})) }},
	"DataSource.WithSession": {guardTReads, func(c guardTCell) (string, error) {
		return guardTText(c.ds.WithSession(&security.Session{UUID: "x"}).Find(ctx, siftdb.Query{}))
	}},
	"DB.As":         {guardTReads, func(c guardTCell) (string, error) { return guardTText(c.ds.Find(ctx, siftdb.Query{})) }},
	"DB.DataSource": {guardTHandles, func(c guardTCell) (string, error) { _, err := c.db.DataSource(ctx, c.ds.ID()); return "", err }},
	"DB.DataSourceByName": {guardTHandles, func(c guardTCell) (string, error) {
		_, err := c.db.DataSourceByName(ctx, "t", siftdb.Scope{})
		return "", err
	}},
	"DB.DataSources": {guardTTokens, func(c guardTCell) (string, error) { return guardTText(c.db.DataSources(ctx, siftdb.ListOptions{})) }},
	"DB.DataSources trash": {guardTHosts, func(c guardTCell) (string, error) {
		return guardTText(c.db.DataSources(ctx, siftdb.ListOptions{Trashed: true}))
	}},
	"DB.CommitAll": {guardTChange, func(c guardTCell) (string, error) {
		return guardTText(c.db.CommitAll(ctx, []siftdb.SourceCommit{{DataSource: c.ds, Commit: siftdb.Commit{Append: new(true), ReturnEntries: true, Entries: []siftdb.CommitEntry{{Data: c.data()}}}}}))
	}},
	"DB.Create": {guardTTokens, func(c guardTCell) (string, error) {
		_, err := c.db.Create(ctx, siftdb.DataSourceSpec{Name: "mine"})
		return "", err
	}},
	"DB.Create copy": {guardTHosts, func(c guardTCell) (string, error) {
		_, err := c.db.Create(ctx, siftdb.DataSourceSpec{Name: "mine", Version: &siftdb.VersionRef{DataSourceID: c.ds.ID(), ID: c.version}})
		return "", err
	}},
	"DB.RestoreDataSource": {guardTHosts, func(c guardTCell) (string, error) { _, err := c.db.RestoreDataSource(ctx, c.trashed); return "", err }},
	"DB.Purge":             {guardTHosts, func(c guardTCell) (string, error) { return "", c.db.Purge(ctx, c.ds.ID()) }},
	"DB.PurgeTrashed":      {guardTHosts, func(c guardTCell) (string, error) { return "", c.db.PurgeTrashed(ctx, c.trashed) }},
	"DB.Check":             {guardTHosts, func(c guardTCell) (string, error) { _, err := c.db.Check(ctx); return "", err }},
	"DB.Shutdown":          {guardTAnybody, func(c guardTCell) (string, error) { return "", nil }}, // as Close
	"DB.Deliveries":        {guardTHosts, func(c guardTCell) (string, error) { return guardTDelivery(c, siftdb.DeliveryFilter{}) }},
	"DB.Deliveries of a data source": {guardTHosts, func(c guardTCell) (string, error) {
		return guardTDelivery(c, siftdb.DeliveryFilter{DataSourceID: c.ds.ID()})
	}},
	"DB.RetryDelivery": {guardTHosts, func(c guardTCell) (string, error) {
		id, err := guardTDelivery(guardTCell{t: c.t, db: c.root, root: c.root, ds: c.ds}, siftdb.DeliveryFilter{})
		return "", errors.Join(err, c.db.RetryDelivery(ctx, id))
	}},
	"DB.DropDelivery": {guardTHosts, func(c guardTCell) (string, error) {
		id, err := guardTDelivery(guardTCell{t: c.t, db: c.root, root: c.root, ds: c.ds}, siftdb.DeliveryFilter{})
		return "", errors.Join(err, c.db.DropDelivery(ctx, id))
	}},
	"DB.Compact": {guardTHosts, func(c guardTCell) (string, error) { return "", c.db.Compact(ctx) }},
	"DB.RotateKeys": {guardTHosts, func(c guardTCell) (string, error) { // without a keyring; who may not is told before
		_, err := c.db.RotateKeys(ctx)
		if isInvalid(err) {
			err = nil
		}
		return "", err
	}},
	"DB.Size":    {guardTHosts, func(c guardTCell) (string, error) { _, err := c.db.Size(); return "", err }}, // it tells how long hidden values are
	"DB.Changes": {guardTHosts, func(c guardTCell) (string, error) { _, err := guardTFirst(c.db.Changes(ctx, 0)); return "", err }},
	"DB.Close":   {guardTAnybody, func(c guardTCell) (string, error) { return "", nil }}, // of the host's code, which has every handle
	"DB.Files": {guardTTokens, func(c guardTCell) (string, error) {
		return guardTText(c.db.Files().List(ctx, siftdb.FileQuery{}))
	}},
	"DB.SweepMedia": {guardTHosts, func(c guardTCell) (string, error) { _, err := c.db.SweepMedia(ctx, 0); return "", err }},
	"DB.WithPrefix": {guardTReads, func(c guardTCell) (string, error) {
		ds, err := c.db.WithPrefix("/api").DataSource(ctx, c.ds.ID())
		if err != nil {
			return "", err
		}
		return guardTText(ds.Find(ctx, siftdb.Query{}))
	}},
	"DataSource.InsertWithFiles": {guardTChange, func(c guardTCell) (string, error) {
		return guardTText(c.ds.InsertWithFiles(ctx, siftdb.FormOf(siftdb.Part{Name: "Name", FileName: "a.txt", Content: strings.NewReader("x")})))
	}},
	"DataSource.UpdateWithFiles": {guardTChange, func(c guardTCell) (string, error) {
		return guardTText(c.ds.UpdateWithFiles(ctx, c.entry, siftdb.FormOf(siftdb.Part{Name: "Name", FileName: "a.txt", Content: strings.NewReader("x")})))
	}},
	"DB.Fork": {guardTReads, func(c guardTCell) (string, error) {
		fork, err := c.db.Fork()
		if err != nil {
			return "", err
		}
		defer fork.Close()
		ds, err := fork.DataSource(ctx, c.ds.ID())
		if err != nil {
			return "", err
		}
		return guardTText(ds.Find(ctx, siftdb.Query{}))
	}},
	"Table.DataSource": {guardTReads, func(c guardTCell) (string, error) {
		return guardTText(guardTTable(c).DataSource().Find(ctx, siftdb.Query{}))
	}},
	"Table.Rows":    {guardTAnybody, func(c guardTCell) (string, error) { return guardTText(guardTTable(c).Rows(nil)) }},
	"Table.Find":    {guardTReads, func(c guardTCell) (string, error) { return guardTText(guardTTable(c).Find(ctx, siftdb.Query{})) }},
	"Table.FindOne": {guardTReads, func(c guardTCell) (string, error) { return guardTText(guardTTable(c).FindOne(ctx, siftdb.Query{})) }},
	"Table.FindByID": {guardTReads, func(c guardTCell) (string, error) {
		r, err := guardTTable(c).FindByID(ctx, c.entry)
		return fmt.Sprint(r.Value), err
	}},
	"Table.Each": {guardTReads, func(c guardTCell) (string, error) {
		r, err := guardTFirst(guardTTable(c).Each(ctx, siftdb.Query{}))
		return fmt.Sprint(r.Value), err
	}},
	"Table.Count": {guardTReads, func(c guardTCell) (string, error) { return guardTText(guardTTable(c).Count(ctx, siftdb.Query{})) }},
	"Table.Insert": {guardTChange, func(c guardTCell) (string, error) {
		r, err := guardTTable(c).Insert(ctx, guardTTyped{Name: "new"})
		return fmt.Sprint(r.Value), err
	}},
	"Table.Update": {guardTChange, func(c guardTCell) (string, error) {
		r, err := guardTTable(c).Update(ctx, c.entry, guardTTyped{Name: "new"})
		return fmt.Sprint(r.Value), err
	}},
	"Table.Remove": {guardTChange, func(c guardTCell) (string, error) { return "", guardTTable(c).Remove(ctx, c.entry) }},
	"Table.Append": {guardTChange, func(c guardTCell) (string, error) {
		return guardTText(guardTTable(c).Append(ctx, []guardTTyped{{Name: "new"}}))
	}},
	"Table.Commit": {guardTChange, func(c guardTCell) (string, error) {
		r, err := guardTTable(c).Commit(ctx, siftdb.TableCommit[guardTTyped]{Append: new(true), ReturnEntries: true, Entries: []siftdb.TableEntry[guardTTyped]{{Value: guardTTyped{Name: "new"}}}})
		return fmt.Sprintf("%+v", r), err
	}},
	"Table.Subscribe": {guardTPasts, func(c guardTCell) (string, error) {
		return guardTWatch(c, func(fn func(any)) (*siftdb.Subscription, error) {
			return guardTTable(c).Subscribe(ctx, siftdb.SubscribeOptions{}, func(x siftdb.TableChanges[guardTTyped]) { fn(x.Inserted[0].Value) })
		})
	}},
}

// guardTDelivery has trusted code cause a delivery, and returns its id if the caller may
// list it.
func guardTDelivery(c guardTCell, f siftdb.DeliveryFilter) (string, error) {
	root := must[*siftdb.DataSource](c.t)(c.root.DataSource(ctx, c.ds.ID()))
	must[siftdb.DataSourceInfo](c.t)(root.Update(ctx, siftdb.DataSourceUpdate{Hooks: json.RawMessage(`[{"type":"sms","runOn":["insert"],"payload":{"to":"1","body":"{{Salary}}"}}]`)}))
	must[*siftdb.Entry](c.t)(root.Insert(ctx, siftdb.M{"Name": "c", "Salary": "s3cret"}))
	d, err := guardTFirst(c.db.Deliveries(ctx, f))
	return d.ID, err
}

func guardTTable(c guardTCell) *siftdb.Table[guardTTyped] { return siftdb.Of[guardTTyped](c.ds) }

func guardTCursor(c *siftdb.Cursor) string {
	if c == nil {
		return ""
	}
	return strings.Join(texts(c.Entries()), "\n")
}

// guardTWatch returns what a subscription tells of an insert.
func guardTWatch(c guardTCell, begin func(fn func(any)) (*siftdb.Subscription, error)) (string, error) {
	limit, cancel := guardTContext(c.t)
	defer cancel()
	calls := make(chan any, 1)
	s, err := begin(func(x any) { calls <- x })
	if err != nil {
		return "", err
	}
	defer guardTEnd(limit, s)
	root := must[*siftdb.DataSource](c.t)(c.root.DataSource(ctx, c.ds.ID()))
	must[*siftdb.Entry](c.t)(root.Insert(ctx, siftdb.M{"Name": "c", "Salary": "s3cret"}))
	select {
	case x := <-calls:
		return guardTText(x, nil)
	case <-limit.Done():
		return "", context.DeadlineExceeded
	}
}

// TestGuardMatrix: spec 11.6 and 14.2 for every exported method and kind of caller.
func TestGuardMatrix(t *testing.T) {
	guardTRowed(t)
	org, all := new(int64(5)), `{"type":["select","count","insert","update","delete"],"allow":"loggedIn"`
	token := func() *security.Principal {
		return &security.Principal{TokenID: 1, OrganizationID: org, User: map[string]any{"Name": "bob"}}
	}
	stranger := token()
	stranger.OrganizationID = new(int64(6))
	callers := map[string]struct {
		rules  string
		public bool
		who    *security.Principal
		want   func(w guardTWants) string
	}{
		"no rules":         {`null`, false, token(), func(w guardTWants) string { return w.none }},
		"public, no rules": {`null`, true, token(), func(w guardTWants) string { return w.none }},
		"denied":           {`[{"type":["select","count","insert","update","delete"],"allow":{"user":{"Name":{"equals":"ann"}}}}]`, false, token(), func(w guardTWants) string { return w.deny }},
		"granted":          {`[` + all + `}]`, false, token(), func(w guardTWants) string { return w.grant }},
		"hidden":           {`[` + all + `,"exclude":["Salary"]}]`, false, token(), func(w guardTWants) string { return w.hidden }},
		"included":         {`[` + all + `,"include":["Name"]}]`, false, token(), func(w guardTWants) string { return w.hidden }},
		"anonymous, open":  {`null`, true, security.Anonymous(), func(w guardTWants) string { return w.open }},
		"anonymous":        {`[{"type":["select","insert","update","delete"],"allow":"all"}]`, false, security.Anonymous(), func(w guardTWants) string { return w.anonymous }},
		"stranger":         {`[` + all + `}]`, false, stranger, func(w guardTWants) string { return w.other }},
		"admin":            {`null`, false, &security.Principal{Admin: true}, func(w guardTWants) string { return w.admin }},
		"trusted":          {`null`, false, nil, func(w guardTWants) string { return w.admin }},
	}
	for _, name := range slices.Sorted(maps.Keys(guardTMatrix)) {
		row := guardTMatrix[name]
		t.Run(name, func(t *testing.T) {
			for who, caller := range callers {
				root := memoryDB(t, &siftdb.Options{Media: media.Memory(), Deliveries: siftdb.DeliveryOptions{Off: true}})
				ds := must[*siftdb.DataSource](t)(root.Create(ctx, siftdb.DataSourceSpec{Name: "t", OrganizationID: org, Public: &caller.public, AccessRules: json.RawMessage(caller.rules)}))
				e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"Name": "a", "Salary": "s3cret"}))
				last := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"Name": "b", "Salary": "s3cret"}))
				gone := table(t, root, "gone")
				if err := gone.Delete(ctx); err != nil {
					t.Fatal(err)
				}
				c := guardTCell{t: t, root: root, db: root.As(caller.who), ds: ds.As(caller.who), entry: e.ID, version: last.Changed, trashed: gone.ID()}
				text, err := row.run(c)
				got := "ok"
				if err != nil {
					var e *siftdb.Error
					if got = err.Error(); errors.As(err, &e) {
						got = string(e.Code)
					}
				}
				if want := caller.want(row.want); got != want {
					t.Errorf("%s gets %s (%v), not %s", who, got, err, want)
				}
				if who != "granted" && who != "admin" && who != "trusted" && who != "anonymous, open" && strings.Contains(text, "s3cret") || err == nil && (who == "hidden" || who == "included") && strings.Contains(text, "Salary") && !strings.HasPrefix(name, "DataSource.Index") && !strings.HasPrefix(name, "Table.") {
					t.Errorf("%s is shown %s", who, text)
				}
			}
		})
	}
}
