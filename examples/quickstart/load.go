package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"slices"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/examples/data"
)

// load opens the two tables, and fills them when the file does not hold them yet.
func (t *tour) load(ctx context.Context, db *siftdb.DB) (err error) {
	if t.countries, err = table(ctx, db, "Countries", data.Countries()); err != nil {
		return err
	}
	if t.cities, err = table(ctx, db, "Cities", data.Cities()); err != nil {
		return err
	}
	list, err := db.DataSources(ctx, siftdb.ListOptions{})
	if err != nil {
		return err
	}
	t.say("Two tables in one file. Contains data from GeoNames, CC BY 4.0.\n")
	g := grid{head: []string{"table", "entries", "columns"}}
	for _, info := range list {
		g.add(info.Name, info.EntriesCount, len(info.Columns))
	}
	t.print(g)
	return nil
}

// table returns the data source of a name. When there is none it is made, and
// filled in one write. (Entries could go into the specification too; as a write of
// its own the import leaves a version, which the tour shows.)
func table(ctx context.Context, db *siftdb.DB, name string, text []byte) (*siftdb.DataSource, error) {
	ds, err := db.DataSourceByName(ctx, name, siftdb.Scope{})
	if !errors.Is(err, siftdb.ErrNotFound) {
		return ds, err
	}
	entries, err := parse(text)
	if err != nil {
		return nil, err
	}
	if ds, err = db.Create(ctx, siftdb.DataSourceSpec{Name: name}); err != nil {
		return nil, err
	}
	_, err = ds.Append(ctx, entries)
	return ds, err
}

// numeric lists the columns that hold numbers. The others are text, even where
// a value looks like a number.
var numeric = []string{"GeonameId", "Population", "Latitude", "Longitude", "Area"}

// parse turns CSV with a header line into objects. An empty field is left out,
// and a json.Number keeps its digits.
func parse(text []byte) ([]any, error) {
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	head, rows := rows[0], rows[1:]
	entries := make([]any, 0, len(rows))
	for _, row := range rows {
		var entry siftdb.D
		for i, field := range row {
			switch {
			case field == "":
			case slices.Contains(numeric, head[i]):
				entry = append(entry, siftdb.E{Key: head[i], Value: json.Number(field)})
			default:
				entry = append(entry, siftdb.E{Key: head[i], Value: field})
			}
		}
		entries = append(entries, entry)
	}
	return entries, nil
}
