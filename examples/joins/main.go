// Command joins shows how a query reads several tables at once: the countries of the
// world beside their cities, counts and sums of them, and a view that depends on who
// asks.
//
//	go run ./examples/joins
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/examples/data"
	"github.com/siftdb/siftdb/examples/internal/report"
	"github.com/siftdb/siftdb/security"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "joins:", err)
		os.Exit(1)
	}
}

// run fills a database in memory and asks it four questions.
func run(ctx context.Context, out io.Writer) (err error) {
	db, err := siftdb.OpenMemory(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	t := &tour{Report: report.New(out)}
	if t.countries, err = db.Create(ctx, siftdb.DataSourceSpec{Name: "Countries", Entries: data.CountryRows()}); err != nil {
		return err
	}
	// A view is a where with a name that is kept with the table. Texts that begin with
	// session. stand for what is known of the caller when the query runs.
	if t.cities, err = db.Create(ctx, siftdb.DataSourceSpec{
		Name:    "Cities",
		Entries: data.CityRows(),
		Definition: json.RawMessage(`{"views": [
			{"name": "my markets", "filter": {"CountryCode": "session.Markets", "Population": {"$gte": 300000}}}
		]}`),
	}); err != nil {
		return err
	}
	if t.plan, err = t.countries.Explain(ctx, threeLargest); err != nil { // it changes once columns are in memory
		return err
	}
	t.Say("Cities and countries, in memory. Contains data from GeoNames, CC BY 4.0.")
	for _, step := range []func(context.Context) error{t.largest, t.totals, t.appended, t.view, t.explain} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return t.Err()
}

// tour is the program's state.
type tour struct {
	*report.Report
	countries, cities *siftdb.DataSource
	plan              *siftdb.Plan
}

// threeLargest is a left join: a country without a city of that size stays. Limit is
// for each country, so one query does what would be a loop of queries, and both
// tables are read as of one moment.
var threeLargest = siftdb.Query{
	Where:      `{"Code": {"$in": ["LI", "NZ", "PE", "TN"]}}`,
	Attributes: []string{"Name"},
	Order:      siftdb.Order{siftdb.Asc("Name")},
	Joins: []siftdb.Join{{
		Name:           "largest",
		DataSourceName: "Cities",
		On:             siftdb.On{"Code": "CountryCode"},
		Attributes:     []string{"Name", "Population"},
		Order:          siftdb.Order{siftdb.Desc("Population")},
		Limit:          new(3),
	}},
}

func (t *tour) largest(ctx context.Context) error {
	t.Heading("Countries with their three largest cities")
	list, err := t.countries.Find(ctx, threeLargest)
	if err != nil {
		return err
	}
	g := report.NewTable("country", "city", "people")
	for _, country := range list {
		cities := country.Joined("largest")
		if len(cities) == 0 {
			g.Add(country.Get("Name"), "(none of 100,000)", nil)
		}
		for _, city := range cities {
			g.Add(country.Get("Name"), city.Get("Name"), city.Get("Population"))
		}
	}
	t.Table(g)
	return nil
}

// totals asks for values instead of entries: no city is kept in memory for them. The
// required join drops countries without a match before the limit is applied, so the
// page is full, and the total counts what is left.
func (t *tour) totals(ctx context.Context) error {
	t.Heading("The smallest countries of Europe with a city of a million")
	on := siftdb.On{"Code": "CountryCode"}
	result, err := t.countries.Query(ctx, siftdb.Query{
		Where: `{"Continent": "Europe"}`,
		Order: siftdb.Order{siftdb.Asc("Area")},
		Limit: new(4),
		Joins: []siftdb.Join{
			{Name: "cities", DataSourceName: "Cities", On: on, Count: true},
			{Name: "people", DataSourceName: "Cities", On: on, Sum: "Population"},
			{Name: "has million", DataSourceName: "Cities", On: on, Where: `{"Population": {"$gte": 1000000}}`, Required: true, Has: true},
		},
		IncludePagination: true,
	})
	if err != nil {
		return err
	}
	g := report.NewTable("country", "people", "cities", "people there")
	for _, country := range result.Entries {
		g.Add(country.Get("Name"), country.Get("Population"), country.JoinValue("cities"), country.JoinValue("people"))
	}
	t.Table(g)
	t.Say("\n%d of %d", len(result.Entries), result.Pagination.Total)
	return nil
}

// appended is an outer join: without pairs in On the entries of both tables stand one
// after the other, as a search over several tables wants it. DataSourceID tells them
// apart.
func (t *tour) appended(ctx context.Context) error {
	t.Heading(`Countries and cities with "guin" in their name`)
	where := `{"Name": {"$iLike": "guin"}}`
	list, err := t.countries.Find(ctx, siftdb.Query{
		Where: where,
		Joins: []siftdb.Join{{Name: "cities", DataSourceName: "Cities", Where: where}},
	})
	if err != nil {
		return err
	}
	kinds := map[int64]string{t.countries.ID(): "country", t.cities.ID(): "city"}
	g := report.NewTable("kind", "name", "people")
	for _, e := range list {
		g.Add(kinds[e.DataSourceID], e.Get("Name"), e.Get("Population"))
	}
	t.Table(g)
	return nil
}

// view asks one question for three people. A list in the session means any of its
// members. Of Eve nothing is known, and so she sees nothing: the safe side.
func (t *tour) view(ctx context.Context) error {
	t.Heading("The same view for three people")
	g := report.NewTable("who", "city", "country", "currency", "people")
	for _, who := range []struct {
		name    string
		session security.Session
	}{
		{"Ada", security.Session{User: map[string]any{"Markets": []any{"AT", "CH", "CZ"}}}},
		{"Bob", security.Session{User: map[string]any{"Markets": "PT"}}},
		{"Eve", security.Session{}},
	} {
		list, err := t.cities.WithSession(&who.session).Find(ctx, siftdb.Query{
			Views: []string{"my markets"},
			Order: siftdb.Order{siftdb.Desc("Population")},
			Joins: []siftdb.Join{{Name: "country", DataSourceName: "Countries", On: siftdb.On{"CountryCode": "Code"}}},
		})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			g.Add(who.name, "(nothing)", nil, nil, nil)
		}
		for _, city := range list {
			country := city.Joined("country")[0] // every city of this table has one
			g.Add(who.name, city.Get("Name"), country.Get("Name"), country.Get("Currency"), city.Get("Population"))
		}
	}
	t.Table(g)
	return nil
}

// explain tells how a query is answered, for somebody who wonders what it costs.
func (t *tour) explain(context.Context) error {
	t.Heading("How the first query is answered: read it from the innermost step outwards")
	t.Indent(t.plan.String())
	return nil
}
