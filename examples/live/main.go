// Command live shows three ways to follow a table while it is written: a live query,
// which tells how its result changes; a subscription, which can be paused; and the
// change feed, which a program resumes where it left off.
//
//	go run ./examples/live
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/examples/data"
	"github.com/siftdb/siftdb/examples/internal/report"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "live:", err)
		os.Exit(1)
	}
}

// City is a row of the table as this program sees it. The table has more columns: they
// are not read, and a write through the type leaves them as they are.
type City struct {
	Name        string
	CountryCode string
	Population  int64
}

// swiss is a where that all three have.
const swiss = `{"CountryCode": "CH"}`

// run fills a database in memory and follows it.
func run(ctx context.Context, out io.Writer) (err error) {
	db, err := siftdb.OpenMemory(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	ds, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "Cities", Entries: data.CityRows()})
	if err != nil {
		return err
	}
	t := &tour{Report: report.New(out), cities: siftdb.Of[City](ds)}
	t.Say("The cities of Switzerland, followed. Contains data from GeoNames, CC BY 4.0.")
	for _, step := range []func(context.Context) error{t.live, t.subscription, t.feed} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return t.Err()
}

// tour is the program's state.
type tour struct {
	*report.Report
	cities *siftdb.Table[City]
	seen   int64 // the version of the last live update
	last   int64 // the version of the last write
}

// grow sets the population of a Swiss city.
func (t *tour) grow(ctx context.Context, name string, population int64) error {
	row, err := t.cities.FindOne(ctx, siftdb.Query{Where: siftdb.M{"CountryCode": "CH", "Name": name}})
	if err != nil {
		return err
	}
	if row == nil {
		return fmt.Errorf("%s is not in the table", name)
	}
	row.Value.Population = population
	updated, err := t.cities.Update(ctx, row.ID, row.Value)
	if err != nil {
		return err
	}
	t.last = updated.Changed
	return nil
}
