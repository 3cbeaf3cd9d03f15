package query

import (
	"testing"

	"github.com/siftdb/siftdb/internal/document"
)

// TestJudgeAgreesWithMatch: where Judge is sure it must say what MatchValue says, over a cross
// product of operands and values.
func TestJudgeAgreesWithMatch(t *testing.T) {
	count := map[Verdict]int{}
	test := func(where, doc string) {
		t.Helper()
		m, err := Compile(where, ForDataSource())
		if err != nil {
			return
		}
		enc := document.NewEncoder(document.NewNames([]string{"first"}), document.Limits{})
		stored, err := enc.AppendJSON(nil, []byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		names := enc.Names()
		columns := func(name string) bool { _, ok := names.Lookup(name); return ok }
		bound := m.Bind(Schema{Columns: columns, Names: names})
		matches := bound.MatchValue(document.Stored(stored, names))
		verdict := bound.Judge(stored)
		count[verdict]++
		if verdict == Yes && !matches || verdict == No && matches {
			t.Errorf("%s judges %s with %d, which matches: %v", where, doc, verdict, matches)
		}
	}
	values := []string{`null`, `true`, `false`, `0`, `1`, `5`, `-0`, `1.5`, `1e400`, `""`, `"5"`, `"5.0"`, `" 5 "`, `"abc"`, `"2020-01-02"`,
		`[]`, `[5]`, `["5"]`, `[1,5]`, `[null]`, `{}`, `{"a":1}`, `"1,5"`, `"17:30"`}
	for _, operand := range values {
		for _, where := range []string{`{"x":` + operand + `}`, `{"x":{"$ne":` + operand + `}}`, `{"x":{"$gt":` + operand + `}}`,
			`{"x":{"$lte":` + operand + `,"$gte":0}}`, `{"x":{"$not":{"$eq":` + operand + `}}}`, `{"$or":[{"x":` + operand + `},{"y":1}]}`,
			`{"$and":[{"x":` + operand + `},{"first":{"$exists":false}}]}`, `{"x.a":` + operand + `}`, `{"x":{"$in":[` + operand + `]}}`} {
			test(where, `{}`)
			test(where, `{"y":1}`)
			for _, value := range values {
				test(where, `{"x":`+value+`}`)
				test(where, `{"y":1,"x":`+value+`,"x.a":3}`)
			}
		}
	}
	if count[Yes] < 200 || count[No] < 1000 || count[Unsure] < 1000 {
		t.Errorf("verdicts %v: the test shows little", count)
	}
}
