package query

import (
	"encoding/json"
	"fmt"
	"testing"
)

// TestConditions holds every condition of $filters. Each value of holds and fails is a column
// as JSON; "absent" leaves it out.
func TestConditions(t *testing.T) {
	for _, c := range []struct {
		member       string
		holds, fails []string
	}{
		{`"condition":"none"`, []string{`absent`, `5`}, nil},
		{`"condition":"==","value":"Abc"`, []string{`"abc"`, `"ABC"`, `["ABC"]`}, []string{`absent`, `null`, `{}`, `""`, `"abcd"`, `["abc","d"]`}},
		{`"condition":"==","value":5`, []string{`5`, `"5"`, `5.0`, `[5]`}, []string{`"5.0"`, `" 5"`, `55`}},
		{`"condition":"==","value":0`, []string{`0`, `"0"`}, []string{`absent`, `null`, `""`, `false`}},
		{`"condition":"==","value":false`, []string{`false`, `"FALSE"`}, []string{`absent`, `0`, `true`}},
		{`"condition":"==","value":[1,null,"A"]`, []string{`"1,,a"`, `[1,null,"a"]`}, []string{`[1,"a"]`}},
		{`"condition":"==","value":"ÉΑΣ"`, []string{`"éας"`, `"ÉΑΣ"`}, []string{`"éασ"`}},
		{`"condition":"==","value":{"a":1}`, nil, []string{`{"a":1}`, `"[object Object]"`}},
		{`"condition":"==","value":""`, []string{`absent`, `"x"`}, nil},
		{`"condition":"==","value":null`, []string{`absent`, `"x"`}, nil},
		{`"condition":"=="`, []string{`absent`, `"x"`}, nil},
		{`"condition":"!=","value":"a"`, []string{`absent`, `null`, `{}`, `"b"`}, []string{`"a"`, `"A"`}},
		{`"condition":"!=","value":{}`, []string{`absent`, `{}`, `"b"`}, nil},
		{`"condition":">","value":5`, []string{`6`, `"6"`, `" 6.5 "`, `"1e3"`}, []string{`5`, `"5"`, `"abc"`, `absent`, `null`, `true`, `[6]`, `""`, `"0x10"`}},
		{`"condition":">=","value":"5"`, []string{`5`, `"5.0"`, `"abc"`}, []string{`4`, `"4"`, `null`}},
		{`"condition":"<","value":"b"`, []string{`"a"`, `"A"`, `"10"`}, []string{`"b"`, `"B"`, `"c"`, `5`, `absent`, `null`}},
		{`"condition":"<=","value":"2020-01-02"`, []string{`"2020-01-02"`, `"2020-01-01 23:00"`}, []string{`"2020-01-03"`}},
		{`"condition":">","value":true`, nil, []string{`true`, `5`, `"z"`}},
		{`"condition":"<","value":""`, []string{`absent`}, nil},
		{`"condition":"contains","value":"B"`, []string{`"abc"`, `["x","aBc"]`, `"ÉB"`}, []string{`"x"`, `absent`, `null`, `{}`, `[]`, `[{}]`, `[null]`}},
		{`"condition":"contains","value":1`, []string{`12`, `"a1"`, `[21]`}, []string{`2`, `true`}},
		{`"condition":"contains","value":"é"`, []string{`"CAFÉ"`}, []string{`"cafe"`}},
		{`"condition":"notcontain","value":"b"`, []string{`"x"`, `{}`, `[]`, `5`}, []string{`"abc"`, `absent`, `null`, `["b"]`}},
		{`"condition":"notcontain","value":""`, []string{`absent`, `"x"`}, nil},
		{`"condition":"regex","value":"^A.c$"`, []string{`"abc"`, `["abc"]`}, []string{`"xabc"`, `absent`, `null`, `{}`}},
		{`"condition":"regex","value":"^5$"`, []string{`5`, `"5"`}, []string{`55`}},
		{`"condition":"empty"`, []string{`absent`, `null`, `""`, `[]`, `{}`}, []string{`0`, `false`, `" "`, `[null]`, `{"a":1}`}},
		{`"condition":"notempty"`, []string{`0`, `false`, `" "`}, []string{`absent`, `null`, `""`, `[]`, `{}`}},
		{`"condition":"between","value":{"from":1,"to":"3"}`, []string{`1`, `3`, `"2"`, `" 1.5 "`}, []string{`0`, `4`, `"x"`, `absent`, `null`, `true`, `[2]`}},
		{`"condition":"between","value":{"from":"","to":3}`, []string{`-5`}, []string{`4`, `"x"`}},
		{`"condition":"between","value":{"from":2}`, []string{`5`}, []string{`1`}},
		{`"condition":"between"`, []string{`5`}, []string{`"x"`, `absent`}},
		{`"condition":"oneof","value":["a",5,true]`, []string{`"a"`, `5`, `"5"`, `true`, `["x","a"]`, `"x, a"`, `"5,6"`}, []string{`"A"`, `6`, `absent`, `null`, `{}`, `[]`, `""`}},
		{`"condition":"oneof","value":"a, \"b, c\" ,,d"`, []string{`"a"`, `"d"`, `"b, c"`, `["b, c"]`, `"x,\"b, c\""`}, []string{`"b"`, `""`, `"c"`}},
		{`"condition":"oneof","value":["b, c"]`, []string{`"b, c"`}, []string{`"b"`}},
		{`"condition":"oneof","value":[]`, nil, []string{`"a"`, `absent`, `[]`}},
		{`"condition":"oneof","value":""`, nil, []string{`"a"`, `""`}},
		{`"condition":"oneof"`, nil, []string{`"a"`}},
		{`"condition":"oneof","value":7`, []string{`7`, `"7"`}, []string{`8`}},
		{`"condition":"dateis","value":"1990-01-01"`, []string{`"1990-01-01"`, `"1990-01-01 10:00"`, `"1990-01-01T23:59:59.999Z"`}, []string{`"1990-01-02"`, `"10:00"`, `"soon"`, `5`, `absent`, `null`, `"1990-02-30"`}},
		{`"condition":"dateis","value":"1990-01-01","unit":"month"`, []string{`"1990-01-20"`}, []string{`"1990-02-01"`, `"1991-01-01"`}},
		{`"condition":"dateis","value":"1990-01-01","unit":"years"`, []string{`"1990-12-31"`}, []string{`"1989-12-31"`}},
		{`"condition":"dateis","value":"1990-02-01","unit":"quarter"`, []string{`"1990-03-31"`, `"1990-01-01"`}, []string{`"1990-04-01"`}},
		{`"condition":"dateis","value":"2024-01-10","unit":"week"`, []string{`"2024-01-07"`, `"2024-01-13"`}, []string{`"2024-01-06"`, `"2024-01-14"`}},
		{`"condition":"dateis","value":"2024-01-10 10:30","unit":"hour"`, []string{`"2024-01-10 10:59"`}, []string{`"2024-01-10 11:00"`, `"2024-01-10"`}},
		{`"condition":"dateis","value":"2024-01-10 10:30"`, []string{`"2024-01-10 10:30:59"`, `"2024-01-10T12:30+02:00"`}, []string{`"2024-01-10 10:31"`}},
		{`"condition":"dateis","value":"2024-01-10 10:30:15","timezone":"Europe/London"`, []string{`"2024-01-10 10:30:15"`}, []string{`"2024-01-10 10:30:16"`, `"2024-01-10 10:30"`}},
		{`"condition":"dateis","value":"10:30"`, []string{`"10:30"`, `"10:30:20"`, `"2024-01-10 10:30"`}, []string{`"10:31"`, `"2024-01-10"`}},
		{`"condition":"datebefore","value":"2024-12-31"`, []string{`"2024-12-30 23:59"`, `"1969-01-01"`}, []string{`"2024-12-31 23:59"`, `"2025-01-01"`, `"10:00"`}},
		{`"condition":"datebefore","value":"17:30"`, []string{`"16:45"`, `"2024-01-01 17:29:59"`}, []string{`"17:30:30"`, `"2024-01-01"`}},
		{`"condition":"dateafter","value":"2020-03-10 13:03"`, []string{`"2020-03-10 13:04"`, `"2020-03-11"`}, []string{`"2020-03-10 13:03"`, `"2020-03-10"`, `"14:00"`}},
		{`"condition":"dateafter","value":"2024-01-01"`, []string{`"2024-01-02"`}, []string{`"soon"`, `"2024-01-01 23:59"`}},
		{`"condition":"dateafter","value":""`, []string{`absent`, `"x"`}, nil},
		{`"condition":"datebetween","from":{"value":"1978-01-01"},"to":{"value":"1978-12-31"}`, []string{`"1978-12-31 18:00"`, `"1978-01-01"`}, []string{`"1979-01-01"`, `"1977-12-31 23:59"`, `absent`}},
		{`"condition":"datebetween","from":"1978-01-01","to":"1978-12-31"`, []string{`"1978-12-31 18:00"`}, []string{`"1979-01-01"`}},
		{`"condition":"datebetween","value":{"from":"1978-01-01","to":{"value":"1978-12-31"}}`, []string{`"1978-12-31 18:00"`}, []string{`"1979-01-01"`}},
		{`"condition":"datebetween","unit":"year","from":{"value":"1978-05-01","unit":"month"},"to":{"value":"1979-05-01"}`, []string{`"1978-05-01"`, `"1979-12-31"`}, []string{`"1978-04-30"`, `"1980-01-01"`}},
		{`"condition":"datebetween","from":"10:00"`, []string{`"10:00"`, `"2024-01-01 11:00"`}, []string{`"09:59"`, `"2024-01-01"`}},
		{`"condition":"datebetween","from":{"value":""},"to":null`, []string{`absent`, `"x"`}, nil},
	} {
		where := `{"$filters":[{"column":"c",` + c.member + `}]}`
		m, err := Compile(json.RawMessage(where), ForDataSource())
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		check := func(columns []string, want bool) {
			for _, column := range columns {
				doc := fmt.Sprintf(`{"c":%s}`, column)
				if column == "absent" {
					doc = `{}`
				}
				for form, d := range forms(t, []byte(doc)) {
					if got := m.Match(d); got != want {
						t.Errorf("%s on %s (%s): got %v", c.member, column, form, got)
					}
				}
			}
		}
		check(c.holds, true)
		check(c.fails, false)
	}
}

func TestFiltersOnPaths(t *testing.T) {
	doc := M{"list": []any{M{"n": "a"}, M{"n": "b"}}, "empty": []any{}, "none": 1}
	for member, want := range map[string]bool{
		`"column":"list.n","condition":"==","value":"B"`:         true,
		`"column":"list.n","condition":"!=","value":"b"`:         true,
		`"column":"list.n","condition":"==","value":"c"`:         false,
		`"column":"empty.n","condition":"empty"`:                 false,
		`"column":"none","condition":"no such condition"`:        true,
		`"column":"data.list.n","condition":"==","value":"b"`:    false,
		`"column":"no.such.column","condition":"empty"`:          true,
		`"column":"list.0.n","condition":"contains","value":"A"`: true,
	} {
		m, err := Compile(`{"$filters":[{`+member+`}]}`, ForDataSource())
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Match(doc); got != want {
			t.Errorf("%s: got %v", member, got)
		}
	}
}
