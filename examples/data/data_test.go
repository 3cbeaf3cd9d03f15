package data

import (
	"bytes"
	"encoding/csv"
	"reflect"
	"strconv"
	"testing"

	"github.com/siftdb/siftdb"
)

// lines reads a table, checks its header and returns what follows.
func lines(t *testing.T, table []byte, header ...string) [][]string {
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
	for _, r := range lines(t, Countries(), "Code", "Name", "Capital", "Continent", "Area", "Population", "Currency") {
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
	cities := lines(t, Cities(), "GeonameId", "Name", "Region", "CountryCode", "Country", "Population", "Latitude", "Longitude", "Timezone")
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

// TestRows holds the first rows, and that all are there.
func TestRows(t *testing.T) {
	cities, countries := CityRows(), CountryRows()
	if len(cities) != 4471 || len(countries) != 250 {
		t.Errorf("%d and %d rows", len(cities), len(countries))
	}
	for _, test := range []struct {
		row  any
		want string
	}{
		{cities[1], `{"GeonameId":292932,"Name":"Ajman","Region":"Ajman Emirate","CountryCode":"AE","Country":"United Arab Emirates","Population":490035,"Latitude":25.40177,"Longitude":55.47878,"Timezone":"Asia/Dubai"}`},
		{countries[0], `{"Code":"AD","Name":"Andorra","Capital":"Andorra la Vella","Continent":"Europe","Area":468,"Population":77006,"Currency":"EUR"}`},
		// Antarctica: what is not known is no column.
		{countries[8], `{"Code":"AQ","Name":"Antarctica","Continent":"Antarctica","Area":14000000,"Population":0}`},
	} {
		got, err := test.row.(siftdb.D).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != test.want {
			t.Errorf("the row is\n%s, want\n%s", got, test.want)
		}
	}
}
