// Package data holds two small public tables that the examples query: the
// cities of the world with 100,000 inhabitants or more, and the countries they
// lie in. Both are CSV with a header line, UTF-8, in a fixed order; CityRows and
// CountryRows give them as rows that are ready to be stored.
//
// The rows come from GeoNames (https://www.geonames.org), licensed under CC BY
// 4.0. README.md in this folder tells the versions and how the tables were made.
package data

import _ "embed"

//go:embed cities.csv
var cities string

//go:embed countries.csv
var countries string

// Cities returns the table of cities, ordered by country code, name and id, as
// CSV. Its columns are GeonameId, Name, Region, CountryCode, Country,
// Population, Latitude, Longitude and Timezone; no field is empty, and
// CountryCode is a Code in Countries. The bytes are the caller's own.
func Cities() []byte { return []byte(cities) }

// Countries returns the table of countries, ordered by code, as CSV. Its columns
// are Code (ISO 3166-1 alpha-2), Name, Capital, Continent, Area in square
// kilometres, Population and Currency; a field that is empty is not known or
// does not apply. The bytes are the caller's own.
func Countries() []byte { return []byte(countries) }
