package data

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/siftdb/siftdb"
)

// CityRows returns the cities as rows to store: for DataSourceSpec.Entries, or for
// DataSource.Append. Each row is an object with the columns of Cities in their
// order.
func CityRows() []any { return rows(cities) }

// CountryRows returns the countries as rows to store, as CityRows does.
func CountryRows() []any { return rows(countries) }

// numeric lists the columns that hold numbers. The others are text, even where a
// value looks like a number.
var numeric = []string{"GeonameId", "Population", "Latitude", "Longitude", "Area"}

// rows turns CSV with a header line into objects. An empty field is left out, for
// "not known" is not the same as "". A json.Number keeps its digits, and a D the
// order of the columns, which becomes that of the data source.
func rows(table string) []any {
	lines, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil { // the tables are part of the program, and tested
		panic(fmt.Sprintf("data: an embedded table cannot be read: %v", err))
	}
	head, lines := lines[0], lines[1:]
	entries := make([]any, len(lines))
	for n, line := range lines {
		var entry siftdb.D
		for i, field := range line {
			switch {
			case field == "":
			case slices.Contains(numeric, head[i]):
				entry = append(entry, siftdb.E{Key: head[i], Value: json.Number(field)})
			default:
				entry = append(entry, siftdb.E{Key: head[i], Value: field})
			}
		}
		entries[n] = entry
	}
	return entries
}
