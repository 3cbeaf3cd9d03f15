package main

import (
	"context"
	"errors"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/examples/data"
	"github.com/siftdb/siftdb/examples/internal/report"
)

// load opens the two tables, and fills them when the file does not hold them yet.
func (t *tour) load(ctx context.Context, db *siftdb.DB) (err error) {
	if t.countries, err = table(ctx, db, "Countries", data.CountryRows()); err != nil {
		return err
	}
	if t.cities, err = table(ctx, db, "Cities", data.CityRows()); err != nil {
		return err
	}
	list, err := db.DataSources(ctx, siftdb.ListOptions{})
	if err != nil {
		return err
	}
	t.Say("Two tables in one file. Contains data from GeoNames, CC BY 4.0.\n")
	g := report.NewTable("table", "entries", "columns")
	for _, info := range list {
		g.Add(info.Name, info.EntriesCount, len(info.Columns))
	}
	t.Table(g)
	return nil
}

// table returns the data source of a name. When there is none it is made, and
// filled in one write. (Entries could go into the specification too; as a write of
// its own the import leaves a version, which the tour shows.)
func table(ctx context.Context, db *siftdb.DB, name string, rows []any) (*siftdb.DataSource, error) {
	ds, err := db.DataSourceByName(ctx, name, siftdb.Scope{})
	if !errors.Is(err, siftdb.ErrNotFound) {
		return ds, err
	}
	if ds, err = db.Create(ctx, siftdb.DataSourceSpec{Name: name}); err != nil {
		return nil, err
	}
	_, err = ds.Append(ctx, rows)
	return ds, err
}
