// Command aggregate shows pipelines: a small report over the cities of the world and
// their countries, made by the stages of MongoDB's aggregation.
//
//	go run ./examples/aggregate
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
		fmt.Fprintln(os.Stderr, "aggregate:", err)
		os.Exit(1)
	}
}

// run fills a database in memory and makes the report.
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
	if t.cities, err = db.Create(ctx, siftdb.DataSourceSpec{Name: "Cities", Entries: data.CityRows()}); err != nil {
		return err
	}
	t.Say("The cities of the world, summed up. Contains data from GeoNames, CC BY 4.0.")
	for _, step := range []func(context.Context) error{t.continents, t.shares, t.sizes, t.billion} {
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
}

// continents joins before the pipeline, where a join is a list: hence $unwind. The
// columns of an entry stand under data, beside its id and the like. A first $match costs
// nothing more than a where: the scan tests it, before anything is joined.
func (t *tour) continents(ctx context.Context) error {
	t.Heading("Cities of a million, by continent")
	docs, err := t.cities.Aggregate(ctx, `[
		{"$match": {"data.Population": {"$gte": 1000000}}},
		{"$unwind": "$joins.country"},
		{"$sort": {"data.Population": -1}},
		{"$group": {
			"_id": "$joins.country.data.Continent",
			"cities": {"$sum": 1},
			"people": {"$sum": "$data.Population"},
			"largest": {"$first": "$data.Name"}
		}},
		{"$sort": {"people": -1}}
	]`, siftdb.Query{
		Joins: []siftdb.Join{{Name: "country", DataSourceName: "Countries", On: siftdb.On{"CountryCode": "Code"}}},
	})
	if err != nil {
		return err
	}
	g := report.NewTable("continent", "cities", "people", "the largest")
	for _, d := range docs {
		var row struct {
			Continent string `json:"_id"`
			Cities    int
			People    int64
			Largest   string
		}
		if err := d.Decode(&row); err != nil {
			return err
		}
		g.Add(row.Continent, row.Cities, row.People, row.Largest)
	}
	t.Table(g)
	return nil
}

// shares joins inside the pipeline: $lookup names the other data source, which is read as
// of the same moment. The where of the query selects what goes in.
func (t *tour) shares(ctx context.Context) error {
	t.Heading("Countries of South America by the share of their largest city, in percent")
	docs, err := t.countries.Aggregate(ctx, `[
		{"$lookup": {"from": "Cities", "localField": "data.Code", "foreignField": "data.CountryCode", "as": "city"}},
		{"$unwind": "$city"},
		{"$sort": {"city.data.Population": -1}},
		{"$group": {
			"_id": "$data.Name",
			"people": {"$first": "$data.Population"},
			"city": {"$first": "$city.data"}
		}},
		{"$set": {"share": {"$multiply": [100, {"$divide": ["$city.Population", "$people"]}]}}},
		{"$sort": {"share": -1}}
	]`, siftdb.Query{
		Where: `{"Continent": "South America", "Population": {"$gte": 1000000}}`,
		Limit: new(5), // of the output
	})
	if err != nil {
		return err
	}
	g := report.NewTable("country", "people", "largest city", "people there", "share")
	for _, d := range docs {
		g.Add(d.Get("_id"), d.Get("people"), d.Get("city.Name"), d.Get("city.Population"), d.Get("share"))
	}
	t.Table(g)
	return nil
}

// sizes answers two questions in one pass over the cities: $facet gives one document
// with a list for each.
func (t *tour) sizes(ctx context.Context) error {
	t.Heading("Cities by size, and the time zones with most of them")
	docs, err := t.cities.Aggregate(ctx, `[{"$facet": {
		"sizes": [
			{"$bucket": {
				"groupBy": "$data.Population",
				"boundaries": [100000, 250000, 1000000, 5000000],
				"default": "more",
				"output": {"cities": {"$sum": 1}, "people": {"$sum": "$data.Population"}}
			}}
		],
		"zones": [{"$sortByCount": "$data.Timezone"}, {"$limit": 3}]
	}}]`, siftdb.Query{})
	if err != nil {
		return err
	}
	var facets struct {
		Sizes []struct {
			From   any `json:"_id"` // a number, or the default
			Cities int
			People int64
		}
		Zones []struct {
			Name   string `json:"_id"`
			Cities int    `json:"count"`
		}
	}
	if err := docs[0].Decode(&facets); err != nil {
		return err
	}
	g := report.NewTable("people from", "cities", "people in all")
	for _, s := range facets.Sizes {
		g.Add(s.From, s.Cities, s.People)
	}
	t.Table(g)
	t.Say("")
	g = report.NewTable("time zone", "cities")
	for _, z := range facets.Zones {
		g.Add(z.Name, z.Cities)
	}
	t.Table(g)
	return nil
}

// billion streams: the loop stops when it has seen enough, and the rest of the output is
// never made.
func (t *tour) billion(ctx context.Context) error {
	t.Heading("How many of the largest cities hold a billion people")
	var cities, people int64
	for d, err := range t.cities.AggregateEach(ctx, `[
		{"$sort": {"data.Population": -1}},
		{"$project": {"people": "$data.Population"}}
	]`, siftdb.Query{}) {
		if err != nil {
			return err
		}
		n, _ := d.Get("people").(float64)
		cities, people = cities+1, people+int64(n)
		if people >= 1_000_000_000 {
			break
		}
	}
	g := report.NewTable("cities", "people")
	g.Add(cities, people)
	t.Table(g)
	return nil
}
