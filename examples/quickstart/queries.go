package main

import (
	"context"

	"github.com/ohler55/ojg"
	"github.com/ohler55/ojg/pretty"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/examples/internal/report"
)

// largest filters, sorts and limits. Limits are pointers, so that 0 differs from
// none; new(5) makes one.
func (t *tour) largest(ctx context.Context) error {
	t.Heading("The five largest cities of India")
	list, err := t.cities.Find(ctx, siftdb.Query{
		Where: siftdb.M{"CountryCode": "IN"},
		Order: siftdb.Order{siftdb.Desc("Population")},
		Limit: new(5),
	})
	if err != nil {
		return err
	}
	t.Entries(list, "Name", "Region", "Population")
	t.Say("\nThe first of them, whole:\n\n%s\n", pretty.JSON(list[0].Map(), &ojg.Options{FloatFormat: "%.10g"}, 60.2))
	return nil
}

// contains searches text without regard to case. A where may be JSON text too.
func (t *tour) contains(ctx context.Context) error {
	t.Heading(`Cities with "island" in their name`)
	list, err := t.cities.Find(ctx, siftdb.Query{
		Where:      `{"Name": {"$iLike": "island"}}`,
		Order:      siftdb.Order{siftdb.Asc("Name")},
		Attributes: []string{"Name", "Country", "Population"},
	})
	if err != nil {
		return err
	}
	t.Entries(list, "Name", "Country", "Population")
	return nil
}

// ranges combines a range with a list of values.
func (t *tour) ranges(ctx context.Context) error {
	t.Heading("Nordic cities of 250,000 to 1,000,000, by country, largest first")
	list, err := t.cities.Find(ctx, siftdb.Query{
		Where: `{
			"CountryCode": {"$in": ["DK", "FI", "IS", "NO", "SE"]},
			"Population":  {"$gte": 250000, "$lte": 1000000}
		}`,
		Order: siftdb.Order{siftdb.Asc("Country"), siftdb.Desc("Population")},
	})
	if err != nil {
		return err
	}
	t.Entries(list, "Country", "Name", "Population")
	return nil
}

// counts takes the unique values of a column, and counts by a where for each.
func (t *tour) counts(ctx context.Context) error {
	t.Heading("Countries by continent, and those of 100 million people or more")
	continents, err := t.countries.Index(ctx, "Continent")
	if err != nil {
		return err
	}
	g := report.NewTable("Continent", "countries", "large ones")
	for _, continent := range continents {
		all, err := t.countries.Count(ctx, siftdb.Query{Where: siftdb.M{"Continent": continent}})
		if err != nil {
			return err
		}
		large, err := t.countries.Count(ctx, siftdb.Query{
			Where: siftdb.M{"Continent": continent, "Population": siftdb.M{"$gte": 100_000_000}},
		})
		if err != nil {
			return err
		}
		g.Add(continent, all, large)
	}
	t.Table(g)
	return nil
}

// page runs a query as it comes from a client: a JSON body. $filters is the list
// of conditions that a search form sends.
func (t *tour) page(ctx context.Context) error {
	t.Heading("Countries with the euro, by area: page 2 of a search form")
	q, err := siftdb.ParseQuery([]byte(`{
		"where": {"$filters": [
			{"column": "Currency", "condition": "oneof",   "value": "EUR"},
			{"column": "Area",     "condition": "between", "value": {"from": 1000, "to": 1000000}}
		]},
		"order": [["data.Area", "DESC"]],
		"limit": 5, "offset": 5, "includePagination": true
	}`))
	if err != nil {
		return err
	}
	result, err := t.countries.Query(ctx, q)
	if err != nil {
		return err
	}
	t.Entries(result.Entries, "Name", "Capital", "Area")
	p := result.Pagination
	t.Say("\n%d to %d of %d", p.Offset+1, p.Offset+len(result.Entries), p.Total)
	return nil
}
