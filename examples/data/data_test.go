package data

import (
	"bytes"
	"encoding/csv"
	"reflect"
	"strconv"
	"testing"
)

// rows reads a table, checks its header and returns what follows.
func rows(t *testing.T, table []byte, header ...string) [][]string {
	t.Helper()
	all, err := csv.NewReader(bytes.NewReader(table)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(all[0], header) {
		t.Fatalf("header = %q, want %q", all[0], header)
	}
	return all[1:]
}

// TestTables holds what the package comment and README.md promise of the rows.
func TestTables(t *testing.T) {
	names := map[string]string{}
	last := ""
	for _, r := range rows(t, Countries(), "Code", "Name", "Capital", "Continent", "Area", "Population", "Currency") {
		if r[0] <= last {
			t.Errorf("country %s is not in order", r[0])
		}
		last = r[0]
		names[r[0]] = r[1]
		for _, n := range r[4:6] {
			if _, err := strconv.Atoi(n); n != "" && err != nil {
				t.Errorf("country %s: %v", r[0], err)
			}
		}
	}
	ids := map[string]bool{}
	cities := rows(t, Cities(), "GeonameId", "Name", "Region", "CountryCode", "Country", "Population", "Latitude", "Longitude", "Timezone")
	for _, r := range cities {
		if ids[r[0]] {
			t.Errorf("city %s appears twice", r[0])
		}
		ids[r[0]] = true
		for i, f := range r {
			if f == "" {
				t.Errorf("city %s: field %d is empty", r[0], i)
			}
		}
		if names[r[3]] != r[4] {
			t.Errorf("city %s: country %s is %q here, %q in the countries", r[0], r[3], r[4], names[r[3]])
		}
		if n, err := strconv.Atoi(r[5]); err != nil || n < 100_000 {
			t.Errorf("city %s: population %s", r[0], r[5])
		}
		for _, f := range r[6:8] {
			if v, err := strconv.ParseFloat(f, 64); err != nil || v < -180 || v > 180 {
				t.Errorf("city %s: coordinate %s", r[0], f)
			}
		}
	}
	if len(names) != 250 || len(cities) != 4471 {
		t.Errorf("%d countries and %d cities, want 250 and 4471", len(names), len(cities))
	}
}
