package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/examples/data"
	"github.com/siftdb/siftdb/rest"
)

// demo serves sample data from memory, and prints lines to try.
func demo(ctx context.Context, args []string, out, log io.Writer) error {
	var s settings
	flags := newFlags("demo", out)
	flags.StringVar(&s.addr, "addr", "127.0.0.1:8080", "")
	flags.BoolVar(&s.verbose, "verbose", false, "")
	if err := parse(flags, args); err != nil {
		return err
	}
	logger := s.logger(log)
	options, scripts := withScripts(logger)
	defer scripts.Close()
	db, err := siftdb.OpenMemory(options)
	if err != nil {
		return err
	}
	ids, err := fill(ctx, db)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	admin, bob := newToken(), newToken()
	tokens, err := rest.Tokens(
		rest.Token{ID: 1, Token: admin, Admin: true, OrganizationID: new(int64(1))},
		rest.Token{ID: 2, Token: bob, OrganizationID: new(int64(1)), User: map[string]any{"Email": "bob@example.org", "Region": "North"}},
	)
	if err == nil {
		err = s.listen(ctx, db, tokens, out, logger, func(url string) { fmt.Fprintf(out, lines, url, ids.cities, ids.staff, admin, bob) })
	}
	return errors.Join(err, db.Close())
}

// staffRules let everybody who is logged in read the staff of the own region, but no salaries.
const staffRules = `[{"type": ["select"], "allow": "loggedIn", "exclude": ["Salary"],
	"require": [{"Region": {"equals": "{{user.Region}}"}}]}]`

// ids are those of the sample data sources.
type ids struct{ cities, staff int64 }

// fill makes the sample data sources.
func fill(ctx context.Context, db *siftdb.DB) (ids, error) {
	var made ids
	organization := new(int64(1))
	for _, source := range []struct {
		spec siftdb.DataSourceSpec
		id   *int64
	}{
		{siftdb.DataSourceSpec{Name: "Cities", OrganizationID: organization, Public: new(true), Entries: data.CityRows()}, &made.cities},
		{siftdb.DataSourceSpec{Name: "Countries", OrganizationID: organization, Public: new(true), Entries: data.CountryRows()}, new(int64)},
		{siftdb.DataSourceSpec{Name: "Staff", OrganizationID: organization, AccessRules: json.RawMessage(staffRules), Entries: []any{
			siftdb.M{"Name": "Ada", "Region": "North", "Salary": 90},
			siftdb.M{"Name": "Bob", "Region": "North", "Salary": 70},
			siftdb.M{"Name": "Cleo", "Region": "South", "Salary": 80},
		}}, &made.staff},
	} {
		ds, err := db.Create(ctx, source.spec)
		if err != nil {
			return made, err
		}
		*source.id = ds.ID()
	}
	return made, nil
}

// lines are to be pasted into a shell. Their verbs are the URL, the ids of cities and staff, the
// tokens of an admin and of Bob.
const lines = `
Sample data from GeoNames (CC BY 4.0), in memory until this command ends. To try, in another shell:

URL=%s CITIES=%d STAFF=%d
ADMIN=%s
BOB=%s

# Public data needs no token.
curl "$URL/v1/data-sources/Countries/data?limit=2"
curl "$URL/v1/data-sources/$CITIES/indexes/Timezone"

# Queries: the three largest cities of Japan, and how many people live in the cities of each country.
curl "$URL/v1/data-sources/$CITIES/data/query" -H "Content-Type: application/json" \
  -d '{"where": {"CountryCode": "JP"}, "order": [["data.Population", "DESC"]], "limit": 3, "includePagination": true}'
curl "$URL/v1/data-sources/$CITIES/data/query" -H "Content-Type: application/json" \
  -d '{"aggregate": [{"$group": {"_id": "$data.Country", "people": {"$sum": "$data.Population"}}}, {"$sort": {"people": -1}}], "limit": 5}'

# An admin may do everything. Every write leaves a version, which can be restored.
curl -X PUT "$URL/v1/data-sources/$STAFF/data" -H "Auth-token: $ADMIN" -H "Content-Type: application/json" -d '{"Name": "Dora", "Region": "North", "Salary": 60}'
curl "$URL/v1/data-sources/$STAFF/versions" -H "Auth-token: $ADMIN"

# Bob is held by the rules of the data source: his own region, and no salaries.
curl "$URL/v1/data-sources/$STAFF/data?where=%%7B%%22Region%%22:%%22North%%22%%7D" -H "Auth-token: $BOB"
curl "$URL/v1/data-sources/$STAFF/data" -H "Auth-token: $BOB"

# All endpoints, as OpenAPI 3.1.
curl "$URL/v1/openapi.json"

`
