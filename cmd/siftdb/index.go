package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/siftdb/siftdb"
)

// index lists, makes and drops indexes in a file.
func index(ctx context.Context, args []string, out io.Writer) error {
	flags := newFlags("index", io.Discard)
	var spec siftdb.IndexSpec
	flags.StringVar(&spec.Name, "name", "", "")
	flags.BoolVar(&spec.Unique, "unique", false, "")
	flags.BoolVar(&spec.Sparse, "sparse", false, "")
	flags.BoolVar(&spec.IgnoreCase, "ignore-case", false, "")
	flags.BoolVar(&spec.Trigram, "trigram", false, "")
	drop := flags.String("drop", "", "")
	keyFile := flags.String("keys", "", "")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("index: %w: %w", err, errUsage)
	}
	if flags.NArg() == 0 || flags.Arg(0) == "" {
		return fmt.Errorf("index takes the name of a file: %w", errUsage)
	}
	file, rest := flags.Arg(0), flags.Args()[1:]
	id := int64(0)
	if len(rest) > 0 {
		var err error
		if id, err = strconv.ParseInt(rest[0], 10, 64); err != nil || id <= 0 {
			return fmt.Errorf("index: %q is not the id of a data source: %w", rest[0], errUsage)
		}
		rest = rest[1:]
	}
	for _, field := range rest {
		name, desc := strings.CutPrefix(field, "-")
		spec.Fields = append(spec.Fields, siftdb.IndexField{Name: name, Desc: desc})
	}
	spec.Name = cmp.Or(spec.Name, strings.Join(rest, ","))
	switch {
	case *drop != "":
		if id == 0 || len(rest) > 0 {
			return fmt.Errorf("index --drop takes a file and the id of a data source: %w", errUsage)
		}
		return withSource(ctx, file, *keyFile, id, func(ds *siftdb.DataSource) error { return ds.DropIndex(ctx, *drop) })
	case len(rest) > 0:
		return withSource(ctx, file, *keyFile, id, func(ds *siftdb.DataSource) error { return ds.CreateIndex(ctx, spec) })
	}
	return inFile(ctx, file, *keyFile, true, func(db *siftdb.DB) error { return listIndexes(ctx, db, id, out) })
}

// withSource does something with a data source of a file.
func withSource(ctx context.Context, file, keyFile string, id int64, do func(*siftdb.DataSource) error) error {
	return inFile(ctx, file, keyFile, false, func(db *siftdb.DB) error {
		ds, err := db.DataSource(ctx, id)
		if err != nil {
			return err
		}
		return do(ds)
	})
}

// listIndexes prints the indexes of a data source, or of all for the id 0.
func listIndexes(ctx context.Context, db *siftdb.DB, id int64, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "data source\tindex\tfields\tkind\tentries\tkeys")
	list := func(id int64) error {
		ds, err := db.DataSource(ctx, id)
		if err != nil {
			return err
		}
		indexes, err := ds.ListIndexes(ctx)
		for _, x := range indexes {
			fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%d\t%d\n", id, x.Name, fieldList(x.Fields), kindOf(x), x.Entries, x.Keys)
		}
		return err
	}
	if id > 0 {
		if err := list(id); err != nil {
			return err
		}
		return table.Flush()
	}
	sources, err := db.DataSources(ctx, siftdb.ListOptions{})
	if err != nil {
		return err
	}
	for _, info := range sources {
		if err := list(info.ID); err != nil {
			return err
		}
	}
	return table.Flush()
}

func fieldList(fields []siftdb.IndexField) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		if names[i] = f.Name; f.Desc {
			names[i] = "-" + f.Name
		}
	}
	return strings.Join(names, ",")
}

// kindOf says in words what is special about an index.
func kindOf(x siftdb.IndexInfo) string {
	var words []string
	for _, w := range []struct {
		is   bool
		word string
	}{{x.Unique, "unique"}, {x.Sparse, "sparse"}, {x.IgnoreCase, "ignores case"}, {x.Trigram, "trigrams"}, {!x.Ready, fmt.Sprintf("%.0f %% built", 100*x.Progress)}} {
		if w.is {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ", ")
}
