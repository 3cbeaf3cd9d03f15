package siftdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/siftdb/siftdb"
)

// The Go code of README.md is taken from the bodies of these examples;
// readme_test.go compares the two.

// exampleUsers returns a table of three users in a new database in memory, which
// is left to the garbage collector.
func exampleUsers() *siftdb.DataSource {
	db, err := siftdb.OpenMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	users, err := db.Create(context.Background(), siftdb.DataSourceSpec{
		Name: "Users",
		Entries: []any{
			siftdb.M{"Name": "Ada", "Age": 36, "Tags": []string{"math", "poetry"}},
			siftdb.M{"Name": "Bob", "Age": 42, "Tags": []string{"math"}},
			siftdb.M{"Name": "Cleo", "Age": 17},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	return users
}

// printUsers prints a line for each entry.
func printUsers(list []*siftdb.Entry) {
	for _, e := range list {
		fmt.Println(e.Get("Name"), e.Get("Age"))
	}
}

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "siftdb")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "app.db")

	ctx := context.Background()
	db, err := siftdb.Open(ctx, path, nil) // makes the file when there is none
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	users, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "Users"})
	if err != nil {
		log.Fatal(err)
	}
	bob, err := users.Insert(ctx, siftdb.M{"Name": "Bob", "Age": 42})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bob.ID, string(bob.JSON()))
	// Output: 1 {"Age":42,"Name":"Bob"}
}

func ExampleOpenMemory() {
	db, err := siftdb.OpenMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	list, err := db.DataSources(context.Background(), siftdb.ListOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(list), "data sources")
	// Output: 0 data sources
}

func ExampleDB_Create() {
	ctx := context.Background()
	db, err := siftdb.OpenMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	// Entries are structs, maps, a siftdb.D that keeps its keys in order, or JSON.
	type user struct {
		Name string
		Age  int
	}
	users, err := db.Create(ctx, siftdb.DataSourceSpec{
		Name: "Users",
		Entries: []any{
			user{"Ada", 36},
			siftdb.D{{Key: "Name", Value: "Bob"}, {Key: "Age", Value: 42}},
			json.RawMessage(`{"Name": "Cleo", "Age": 17}`),
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	info, err := users.Info(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Name, info.EntriesCount, info.Columns)
	// Output: Users 3 [Name Age]
}

func ExampleDB_Fork() {
	ctx := context.Background()
	fixture, err := siftdb.OpenMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer fixture.Close()
	if _, err := fixture.Create(ctx, siftdb.DataSourceSpec{Name: "Users"}); err != nil {
		log.Fatal(err)
	}

	// Each test gets a copy of its own, and may write to it.
	db, err := fixture.Fork()
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "Orders"}); err != nil {
		log.Fatal(err)
	}

	_, err = fixture.DataSourceByName(ctx, "Orders", siftdb.Scope{})
	fmt.Println(err)
	// Output: data source "Orders" does not exist
}

func ExampleDataSource_Insert() {
	ctx := context.Background()
	users := exampleUsers()

	type user struct {
		Name  string
		Email string `json:"email,omitempty"`
	}
	e, err := users.Insert(ctx, user{Name: "Dora"}, siftdb.WithSource("signup"))
	if err != nil {
		log.Fatal(err)
	}
	var back user
	if err := e.Decode(&back); err != nil {
		log.Fatal(err)
	}
	fmt.Println(e.ID, back.Name)
	// Output: 4 Dora
}

func ExampleDataSource_Find() {
	ctx := context.Background()
	users := exampleUsers()

	adults, err := users.Find(ctx, siftdb.Query{
		Where: `{"Age": {"$gte": 18}, "Name": {"$iLike": "b"}}`,
		Order: siftdb.Order{siftdb.Desc("Age")},
		Limit: new(10),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range adults {
		fmt.Println(e.ID, e.Get("Name"), e.Get("Age"))
	}
	// Output: 2 Bob 42
}

func ExampleDataSource_Each() {
	ctx := context.Background()
	users := exampleUsers()

	// The loop reads one snapshot and may write: it does not meet its own writes.
	for e, err := range users.Each(ctx, siftdb.Query{}) {
		if err != nil {
			log.Fatal(err)
		}
		copied := e.Map()
		copied["CopyOf"] = e.ID
		if _, err := users.Insert(ctx, copied); err != nil {
			log.Fatal(err)
		}
	}
	n, err := users.Count(ctx, siftdb.Query{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n)
	// Output: 6
}

func ExampleDataSource_Count() {
	ctx := context.Background()
	users := exampleUsers()

	n, err := users.Count(ctx, siftdb.Query{Where: siftdb.M{"Tags": "math"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n)
	// Output: 2
}

func ExampleDataSource_Query() {
	ctx := context.Background()
	users := exampleUsers()

	// A query as it comes from a client: a JSON body.
	var q siftdb.Query
	err := json.Unmarshal([]byte(`{
		"where": {"Age": {"$gt": 10}},
		"order": [["data.Age", "DESC"]],
		"attributes": ["Name"],
		"limit": 2, "includePagination": true
	}`), &q)
	if err != nil {
		log.Fatal(err)
	}
	result, err := users.Query(ctx, q)
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range result.Entries {
		fmt.Println(string(e.JSON()))
	}
	fmt.Println("of", result.Pagination.Total)
	// Output:
	// {"Name":"Bob"}
	// {"Name":"Ada"}
	// of 3
}

func ExampleDataSource_Query_delete() {
	ctx := context.Background()
	users := exampleUsers()

	result, err := users.Query(ctx, siftdb.Query{
		Type:  "delete",
		Where: siftdb.M{"Age": siftdb.M{"$lt": 18}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*result.DeletedCount)
	// Output: 1
}

func ExampleDataSource_Commit() {
	ctx := context.Background()
	users := exampleUsers()

	result, err := users.Commit(ctx, siftdb.Commit{
		Entries: []siftdb.CommitEntry{
			{ID: 2, Data: siftdb.M{"Age": 43}},          // update
			{Data: siftdb.M{"Name": "Dora", "Age": 29}}, // insert
		},
		Extend: true,       // columns that are not sent stay
		Delete: []int64{3}, // entries that are not named stay
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("version", result.Version, "inserted", result.Inserted)

	list, err := users.Find(ctx, siftdb.Query{})
	if err != nil {
		log.Fatal(err)
	}
	printUsers(list)
	// Output:
	// version 2 inserted [4]
	// Ada 36
	// Bob 43
	// Dora 29
}

func ExampleDB_CommitAll() {
	ctx := context.Background()
	db, err := siftdb.OpenMemory(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	stock, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "Stock", Entries: []any{siftdb.M{"Item": "lamp", "Left": 5}}})
	if err != nil {
		log.Fatal(err)
	}
	orders, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "Orders"})
	if err != nil {
		log.Fatal(err)
	}
	lamp, err := stock.FindOne(ctx, siftdb.Query{Where: siftdb.M{"Item": "lamp"}})
	if err != nil {
		log.Fatal(err)
	}

	// Both tables change, or neither does; and only if nobody has touched the lamp
	// since it was read.
	results, err := db.CommitAll(ctx, []siftdb.SourceCommit{
		{DataSource: stock, Commit: siftdb.Commit{
			Append: new(true),
			Extend: true,
			Entries: []siftdb.CommitEntry{
				{ID: lamp.ID, Data: siftdb.M{"Left": 4}, IfChanged: lamp.Changed},
			},
		}},
		{DataSource: orders, Commit: siftdb.Commit{
			Append:  new(true),
			Entries: []siftdb.CommitEntry{{Data: siftdb.M{"Item": "lamp", "Count": 1}}},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("versions", results[0].Version, results[1].Version)
	// Output: versions 2 2
}

func ExampleDataSource_UpdateWhere() {
	ctx := context.Background()
	users := exampleUsers()

	n, err := users.UpdateWhere(ctx, `{"Age": {"$gte": 18}}`, siftdb.Patch{
		Set:   siftdb.M{"Adult": true},
		Unset: []string{"Tags"},
		Func: func(e *siftdb.Entry) (any, error) {
			age, _ := e.Get("Age").(float64)
			return siftdb.M{"Age": age + 1}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("changed", n)
	for e, err := range users.Each(ctx, siftdb.Query{Where: `{"Adult": true}`}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(e.JSON()))
	}
	// Output:
	// changed 2
	// {"Age":37,"Name":"Ada","Adult":true}
	// {"Age":43,"Name":"Bob","Adult":true}
}

func ExampleDataSource_Versions() {
	ctx := context.Background()
	users := exampleUsers()

	if _, err := users.UpdateEntry(ctx, 2, siftdb.M{"Age": 43}); err != nil {
		log.Fatal(err)
	}
	if err := users.Remove(ctx, 3, siftdb.ByUser(siftdb.User{ID: 7, FirstName: "Ada"})); err != nil {
		log.Fatal(err)
	}
	versions, err := users.Versions(ctx, siftdb.Page{})
	if err != nil {
		log.Fatal(err)
	}
	for _, v := range versions {
		user := "-"
		if v.User != nil {
			user = v.User.FullName
		}
		fmt.Println(v.ID, v.Action, "by", user, "on", v.Count, "entries")
	}
	// Output:
	// 3 delete by Ada on 3 entries
	// 2 update by - on 3 entries
}

func ExampleDataSource_At() {
	ctx := context.Background()
	users := exampleUsers()

	if _, err := users.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"Age": 0}}); err != nil {
		log.Fatal(err)
	}

	// A version is the state just before a write. The newest one undoes the last.
	versions, err := users.Versions(ctx, siftdb.Page{Limit: new(1)})
	if err != nil {
		log.Fatal(err)
	}
	last := versions[0].ID

	before, err := users.At(last).Find(ctx, siftdb.Query{Where: `{"Age": {"$gte": 18}}`})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(before), "adults before the last write")

	for change, err := range users.Diff(ctx, last, siftdb.Now) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(change.ID(), change.Before.Get("Age"), "->", change.After.Get("Age"))
	}

	undone, err := users.Restore(ctx, last)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("restored; version", undone, "would undo that")
	// Output:
	// 2 adults before the last write
	// 1 36 -> 0
	// 2 42 -> 0
	// 3 17 -> 0
	// restored; version 3 would undo that
}

func ExampleDataSource_Restore() {
	ctx := context.Background()
	users := exampleUsers()

	// Everything is replaced by nothing, by mistake.
	result, err := users.ReplaceWith(ctx, nil)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := users.Restore(ctx, result.Version); err != nil {
		log.Fatal(err)
	}
	list, err := users.Find(ctx, siftdb.Query{})
	if err != nil {
		log.Fatal(err)
	}
	printUsers(list)
	// Output:
	// Ada 36
	// Bob 42
	// Cleo 17
}

func ExampleDataSource_Diff() {
	ctx := context.Background()
	users := exampleUsers()

	first, err := users.Insert(ctx, siftdb.M{"Name": "Dora"})
	if err != nil {
		log.Fatal(err)
	}
	if err := users.Remove(ctx, 1); err != nil {
		log.Fatal(err)
	}
	// Entry.Changed is the commit that wrote the entry, which is a version's id too.
	for c, err := range users.Diff(ctx, first.Changed, siftdb.Now) {
		switch {
		case err != nil:
			log.Fatal(err)
		case c.Created():
			fmt.Println("created", c.After.Get("Name"))
		case c.Deleted():
			fmt.Println("deleted", c.Before.Get("Name"))
		}
	}
	// Output:
	// deleted Ada
	// created Dora
}

func ExampleDataSource_Indexes() {
	ctx := context.Background()
	users := exampleUsers()

	values, err := users.Indexes(ctx, "Name", "Tags")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(values["Name"])
	fmt.Println(values["Tags"])
	// Output:
	// [Ada Bob Cleo]
	// [math poetry]
}

func ExampleDataSource_Cursor() {
	ctx := context.Background()
	users := exampleUsers()

	page, err := users.Cursor(ctx, siftdb.Query{Order: siftdb.Order{siftdb.Asc("Age")}, Limit: new(2)})
	if err != nil {
		log.Fatal(err)
	}
	for {
		fmt.Println("page", page.CurrentPage(), "of", page.Total(), "entries")
		printUsers(page.Entries())
		if page.IsLastPage() {
			break
		}
		page.Next()
		if err := page.Update(ctx, false); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// page 0 of 3 entries
	// Cleo 17
	// Ada 36
	// page 1 of 3 entries
	// Bob 42
}

func ExampleEntry_Path() {
	ctx := context.Background()
	users := exampleUsers()

	e, err := users.Insert(ctx, json.RawMessage(`{
		"Name": "Dora",
		"Orders": [{"id": "a", "total": 9.5}, {"id": "b", "total": 120}]
	}`))
	if err != nil {
		log.Fatal(err)
	}
	large, err := e.Path("$.Orders[?(@.total > 100)].id")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(large, e.Get("Orders.0.total"))
	// Output: [b] 9.5
}

func ExampleError() {
	ctx := context.Background()
	users := exampleUsers()

	_, err := users.FindByID(ctx, 99)
	fmt.Println(errors.Is(err, siftdb.ErrNotFound), err)

	_, err = users.Find(ctx, siftdb.Query{Where: `{"Age": {"$above": 18}}`})
	var e *siftdb.Error
	if errors.As(err, &e) {
		fmt.Println(e.Code, "at", e.Path)
	}

	_, err = users.UpdateEntry(ctx, 1, siftdb.M{"Age": 37}, siftdb.IfChanged(99))
	fmt.Println(errors.Is(err, siftdb.ErrConflict), err)
	// Output:
	// true entry 99 of data source 1 does not exist
	// invalid_query at where.Age.$above
	// true entry 1 of data source 1 was changed since commit 99
}
