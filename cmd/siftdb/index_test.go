package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// TestIndex makes, lists and drops indexes in a file, and looks at what they are.
func TestIndex(t *testing.T) {
	ctx := context.Background()
	file := filepath.Join(t.TempDir(), "app.db")
	db, err := siftdb.Open(ctx, file, nil)
	if err != nil {
		t.Fatal(err)
	}
	ds, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "people", Entries: []any{
		siftdb.M{"name": "Ann", "age": 30, "mail": "a@x"}, siftdb.M{"name": "Bob", "age": 20, "mail": "b@x"}, siftdb.M{"name": "Bob"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		code int
		says string
		args []string
	}{
		{exitOK, "data source  index  fields", []string{"index", file}},
		{exitOK, "", []string{"index", "--unique", "--sparse", file, "1", "mail"}},
		{exitOK, "", []string{"index", file, "1", "-age", "name"}},
		{exitOK, "", []string{"index", "--name", "words", "--trigram", file, "1", "name"}},
		{exitOK, "1            mail       mail       unique, sparse  2        2", []string{"index", file}},
		{exitOK, "1            -age,name  -age,name                  3        3", []string{"index", file, "1"}},
		{exitOK, "words      name       trigrams", []string{"index", file, "1"}},
		{exitFailed, "name", []string{"index", "--unique", file, "1", "name"}},
		{exitFailed, "2", []string{"index", file, "2"}},
		{exitFailed, "data source 2", []string{"index", file, "2", "name"}},
		{exitOK, "", []string{"index", "--drop", "-age,name", file, "1"}},
		{exitFailed, "-age,name", []string{"index", "--drop", "-age,name", file, "1"}},
		{exitUsage, "id of a data source", []string{"index", "--drop", "mail", file}},
		{exitUsage, "id of a data source", []string{"index", file, "people"}},
		{exitUsage, "name of a file", []string{"index"}},
		{exitUsage, "flag", []string{"index", "--no", file}},
		{exitFailed, "no such file", []string{"index", file + "x"}},
		{exitOK, "0 faults", []string{"check", file}},
	} {
		code, out, log := command(step.args...)
		if code != step.code || !strings.Contains(out+log, step.says) {
			t.Errorf("%q returns %d and prints:\n%s%s", step.args[:len(step.args)-1], code, out, log)
		}
	}

	db, err = siftdb.Open(ctx, file, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if ds, err = db.DataSource(ctx, ds.ID()); err != nil {
		t.Fatal(err)
	}
	indexes, err := ds.ListIndexes(ctx)
	if err != nil || len(indexes) != 2 || !indexes[0].Unique || !indexes[0].Sparse || !indexes[1].Trigram || indexes[1].Name != "words" {
		t.Errorf("the indexes are %+v, %v", indexes, err)
	}
}
