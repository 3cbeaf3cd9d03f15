package query_test

import (
	"fmt"
	"log"

	"github.com/siftdb/siftdb/query"
)

func ExampleCompile() {
	adult, err := query.Compile(query.M{"age": query.M{"$gte": 18}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(adult.Match(map[string]any{"age": 21}))
	fmt.Println(adult.Match(map[string]any{"age": 17.5}))
	fmt.Println(adult.Match(map[string]any{"name": "Bob"}))
	// Output:
	// true
	// false
	// false
}

// A where may be JSON text. One that cannot be read is refused as a whole; the
// error names the place.
func ExampleCompile_error() {
	_, err := query.Compile(`{"$or": [{"age": 18}, {"age": {"$above": 18}}]}`)
	fmt.Println(err)
	// Output: Unknown operation $above (at where.$or.1.age.$above)
}

// The Sift dialect, which is the default, compares loosely, as its JavaScript
// original does. The Strict one does not.
func ExampleWithDialect() {
	const where = `{"age": {"$gt": 18}}`
	doc := map[string]any{"age": "21"}
	for _, d := range []query.Dialect{query.Sift, query.Strict} {
		m, err := query.Compile(where, query.WithDialect(d))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.Match(doc))
	}
	// Output:
	// true
	// false
}

// Structs match by the names that encoding/json gives their fields. A condition
// on a list holds when an element passes.
func ExampleMatcher_Match() {
	type article struct {
		Title string   `json:"title"`
		Tags  []string `json:"tags"`
	}
	m, err := query.Compile(`{"title": {"$iLike": "GO"}, "tags": {"$in": ["news", "howto"]}}`)
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range []article{
		{"Go 1.26 is out", []string{"news", "release"}},
		{"Going home", nil},
	} {
		fmt.Println(a.Title, m.Match(a))
	}
	// Output:
	// Go 1.26 is out true
	// Going home false
}

// ForDataSource adds $filters, the list of conditions that a search form sends.
func ExampleForDataSource() {
	m, err := query.Compile(`{"$filters": [
		{"column": "Joined", "condition": "dateis", "value": "2026-03-01", "unit": "month"},
		{"column": "Team",   "condition": "oneof",  "value": "Sales, Support"}
	]}`, query.ForDataSource())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Match(map[string]any{"Joined": "2026-03-17", "Team": "Support"}))
	fmt.Println(m.Match(map[string]any{"Joined": "2026-04-01", "Team": "Support"}))
	// Output:
	// true
	// false
}
