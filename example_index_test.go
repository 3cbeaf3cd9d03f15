package siftdb_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/siftdb/siftdb"
)

func ExampleDataSource_CreateIndex() {
	ctx := context.Background()
	users := exampleUsers()
	err := users.CreateIndex(ctx, siftdb.IndexSpec{Name: "by name", Fields: []siftdb.IndexField{{Name: "Name"}}, Unique: true})
	if err != nil {
		fmt.Println(err)
	}
	_, err = users.Insert(ctx, siftdb.M{"Name": "Ada"})
	fmt.Println(errors.Is(err, siftdb.ErrConflict), err)

	list, err := users.ListIndexes(ctx)
	if err != nil {
		fmt.Println(err)
	}
	for _, x := range list {
		fmt.Println(x.Name, x.Ready, x.Entries, x.Keys)
	}
	// Output:
	// true unique index "by name" of data source 1: another entry has the same value in Name (at Name)
	// by name true 3 3
}
