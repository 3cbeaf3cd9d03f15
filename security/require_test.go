package security

import (
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// requires judges one requirement of a request.
func requires(t *testing.T, requirement string, who *Principal, req Request) bool {
	t.Helper()
	p := rules(t, `[{"type": ["select", "insert", "update", "delete", "count"], "allow": "all", "require": [`+requirement+`]}]`)
	return outcome(t, p, who, req, nil) == "rule 0"
}

// TestRequireInWhere is the first table of spec 11.5, for each operation that has a where.
func TestRequireInWhere(t *testing.T) {
	who := user(map[string]any{"Email": "bob@acme.com", "Empty": "", "Blank": "  ", "Nil": nil, "Level": 5, "Name": `O"Neil & <Co>`})
	for _, c := range []struct {
		requirement, where string
		want               bool
	}{
		// A column, whatever its operand.
		{`"A"`, `{"A": 1}`, true}, {`"A"`, `{"A": null}`, true}, {`"A"`, `{"A": ""}`, true}, {`"A"`, `{"A": {}}`, true}, {`"A"`, `{"A": {"$in": [1]}}`, true},
		{`"A"`, `{"data.A": 1}`, true}, {`"A"`, `{"B": 1}`, false}, {`"A"`, `{}`, false}, {`"A"`, ``, false}, {`"A"`, `{"a": 1}`, false}, {`"A"`, `{"A.b": 1}`, false},
		{`"A"`, `{"$and": [{"B": 1}, {"A": 2}]}`, true}, {`"A"`, `{"$and": [{"data.A": 1}]}`, true}, {`"A"`, `{"B": 1, "$and": []}`, false},
		{`"A"`, `{"$or": [{"A": 1}]}`, false}, {`"A"`, `{"$nor": [{"A": 1}]}`, false}, {`"A"`, `{"$not": {"A": 1}}`, false}, {`"A"`, `{"$and": [{"$or": [{"A": 1}]}]}`, false},
		{`"A"`, `{"$filters": [{"column": "A", "condition": "==", "value": 1}]}`, false}, {`"A"`, `{"$and": [{"$and": [{"A": 1}]}]}`, false},
		{`"A"`, `{"data": {"A": 1}}`, false}, {`"A"`, `{"$and": {"A": 1}}`, false}, {`"A"`, `{"data.data.A": 1}`, false}, {`"A"`, `{"$and": [5, null, [{"A": 1}]]}`, false},
		{`"First Name"`, `{"First Name": "x"}`, true}, {`"a.b"`, `{"a.b": "x"}`, true}, {`"a.b"`, `{"a": {"b": "x"}}`, false},
		{`"data.A"`, `{"data.A": 1}`, false}, {`"data.A"`, `{"data.data.A": 1}`, true}, {`"$and"`, `{"$and": []}`, false}, {`"$x"`, `{"data.$x": 1}`, true}, {`"id"`, `{"id": 1}`, true},
		// equals
		{`{"A": {"equals": "v"}}`, `{"A": "v"}`, true}, {`{"A": {"equals": "v"}}`, `{"A": {"$eq": "v"}}`, true}, {`{"A": {"equals": "v"}}`, `{"data.A": {"$eq": "v"}}`, true},
		{`{"A": {"equals": "v"}}`, `{"A": "V"}`, false}, {`{"A": {"equals": "v"}}`, `{"A": {"$in": ["v"]}}`, false}, {`{"A": {"equals": "v"}}`, `{"A": ["v"]}`, false},
		{`{"A": {"equals": "v"}}`, `{"A": {"$eq": ["v"]}}`, false}, {`{"A": {"equals": "v"}}`, `{"A": {"$ne": "v"}}`, false}, {`{"A": {"equals": "v"}}`, `{"A": {"$like": "v"}}`, false},
		{`{"A": {"equals": "v"}}`, `{"A": {"$eq": "v", "$gt": 1}}`, true}, {`{"A": {"equals": "v"}}`, `{"A": {"$or": [{"$eq": "v"}]}}`, false}, {`{"A": {"equals": "v"}}`, `{"A": {"$not": {"$eq": "v"}}}`, false},
		{`{"A": {"equals": "v"}}`, `{"$and": [{"A": "v"}]}`, true}, {`{"A": {"equals": "v"}}`, `{"A": "w", "$and": [{"A": "v"}]}`, true}, {`{"A": {"equals": "v"}}`, `{"$or": [{"A": "v"}], "A": "w"}`, false},
		{`{"A": {"equals": "v"}}`, `{"$eq": {"A": "v"}}`, false}, {`{"A": {"equals": "v"}}`, `{"A": null}`, false}, {`{"A": {"equals": ""}}`, `{"A": ""}`, true}, {`{"A": {"equals": ""}}`, `{"A": null}`, false},
		{`{"A": {"equals": "null"}}`, `{"A": null}`, false}, {`{"A": {"equals": "5"}}`, `{"A": 5}`, true}, {`{"A": {"equals": "5"}}`, `{"A": "5"}`, true}, {`{"A": {"equals": "5"}}`, `{"A": 5.0}`, true},
		{`{"A": {"equals": 5}}`, `{"A": "5"}`, true}, {`{"A": {"equals": "5"}}`, `{"A": "5.0"}`, false}, {`{"A": {"equals": "1.10"}}`, `{"A": 1.10}`, true}, {`{"A": {"equals": "true"}}`, `{"A": true}`, true},
		{`{"A": {"equals": "true"}}`, `{"A": 1}`, false}, {`{"A": {"equals": "[object Object]"}}`, `{"A": {}}`, false},
		// notequals
		{`{"A": {"notequals": "v"}}`, `{"A": {"$ne": "v"}}`, true}, {`{"A": {"notequals": "v"}}`, `{"A": {"$ne": "w"}}`, false}, {`{"A": {"notequals": "v"}}`, `{"A": "w"}`, true},
		{`{"A": {"notequals": "v"}}`, `{"A": {"$eq": "w"}}`, true}, {`{"A": {"notequals": "v"}}`, `{"A": "v"}`, false}, {`{"A": {"notequals": "v"}}`, `{}`, false}, {`{"A": {"notequals": "v"}}`, `{"B": "w"}`, false},
		{`{"A": {"notequals": "v"}}`, `{"A": {"$gt": 1}}`, false}, {`{"A": {"notequals": "v"}}`, `{"A": {"$nin": ["v"]}}`, false}, {`{"A": {"notequals": "v"}}`, `{"A": {}}`, false}, {`{"A": {"notequals": "v"}}`, `{"A": null}`, true},
		{`{"A": {"notequals": "v"}}`, `{"A": ["w"]}`, false}, {`{"A": {"notequals": "v"}}`, `{"A": {"$ne": "v", "$like": "x"}}`, true}, {`{"A": {"notequals": "v"}}`, `{"$or": [{"A": "w"}, {"A": "v"}]}`, false},
		// What finds the unwanted value is not different from it.
		{`{"A": {"notequals": "5"}}`, `{"A": "5.0"}`, false}, {`{"A": {"notequals": "5"}}`, `{"A": " 5 "}`, false}, {`{"A": {"notequals": "5"}}`, `{"A": "0x5"}`, false}, {`{"A": {"notequals": "5"}}`, `{"A": 5.0}`, false},
		{`{"A": {"notequals": "true"}}`, `{"A": 1}`, false}, {`{"A": {"notequals": "true"}}`, `{"A": "1"}`, false}, {`{"A": {"notequals": "false"}}`, `{"A": 0}`, false}, {`{"A": {"notequals": "1"}}`, `{"A": true}`, false},
		{`{"A": {"notequals": "true"}}`, `{"A": 2}`, true}, {`{"A": {"notequals": "5"}}`, `{"A": 6}`, true}, {`{"A": {"notequals": ""}}`, `{"A": 0}`, false}, {`{"A": {"notequals": "1.10"}}`, `{"A": 1.1}`, false},
		// contains
		{`{"A": {"contains": "v"}}`, `{"A": "avb"}`, true}, {`{"A": {"contains": "v"}}`, `{"A": {"$eq": "avb"}}`, true}, {`{"A": {"contains": "v"}}`, `{"A": {"$like": "av"}}`, true}, {`{"A": {"contains": "v"}}`, `{"A": {"$iLike": "AVB"}}`, true},
		{`{"A": {"contains": "v"}}`, `{"A": "AVB"}`, false}, {`{"A": {"contains": "v"}}`, `{"A": {"$like": "AVB"}}`, false}, {`{"A": {"contains": "v"}}`, `{"A": {"$like": "%v%"}}`, true}, {`{"A": {"contains": "V"}}`, `{"A": {"$iLike": "%v%"}}`, true},
		{`{"A": {"contains": "vw"}}`, `{"A": {"$like": "v"}}`, false}, {`{"A": {"contains": "vw"}}`, `{"A": {"$like": "v%w"}}`, false}, {`{"A": {"contains": "vw"}}`, `{"A": {"$iLike": "%v%w%"}}`, false}, {`{"A": {"contains": "vw"}}`, `{"A": {"$like": "x%vwx"}}`, true},
		{`{"A": {"contains": "5%"}}`, `{"A": {"$like": "\\%5\\%"}}`, true}, {`{"A": {"contains": "5%"}}`, `{"A": {"$like": "5%"}}`, false}, {`{"A": {"contains": "vw"}}`, `{"A": "v%w"}`, false},
		{`{"A": {"contains": "v"}}`, `{"A": {"$regex": "v"}}`, false}, {`{"A": {"contains": "v"}}`, `{"A": ["v"]}`, false}, {`{"A": {"contains": ""}}`, `{"A": "x"}`, false}, {`{"A": {"contains": ""}}`, `{"A": {"$like": ""}}`, false},
		{`{"A": {"contains": "v"}}`, `{"A": {"$not": {"$like": "v"}}}`, false}, {`{"A": {"contains": "1.10"}}`, `{"A": {"$like": 1.10}}`, false}, {`{"A": {"contains": "1.1"}}`, `{"A": {"$like": 1.10}}`, true}, {`{"A": {"contains": "n"}}`, `{"A": {"$like": null}}`, false},
		// several conditions
		{`{"A": {"contains": "v", "notequals": "v"}}`, `{"A": "vw"}`, true}, {`{"A": {"contains": "v", "notequals": "v"}}`, `{"A": "v"}`, false}, {`{"A": {"equals": "v"}, "B": {"equals": "w"}}`, `{"A": "v"}`, false},
		{`{"A": {"equals": "v"}, "B": {"equals": "w"}}`, `{"A": "v", "B": "w"}`, true}, {`"A", "B"`, `{"A": 1}`, false}, {`"A", "B"`, `{"A": 1, "$and": [{"B": 1}]}`, true},
		// templates
		{`{"A": {"equals": "{{user.Email}}"}}`, `{"A": "bob@acme.com"}`, true}, {`{"A": {"equals": "{{user.Level}}"}}`, `{"A": 5}`, true}, {`{"A": {"equals": "{{user.Name}}"}}`, `{"A": "O\"Neil & <Co>"}`, true},
		{`{"A": {"equals": "{{user.Empty}}"}}`, `{"A": ""}`, false}, {`{"A": {"equals": "{{user.Nil}}"}}`, `{"A": ""}`, false}, {`{"A": {"equals": "{{user.Absent}}"}}`, `{"A": null}`, false},
		{`{"A": {"notequals": "{{user.Absent}}"}}`, `{"A": "x"}`, false}, {`{"A": {"contains": "{{user.Absent}}"}}`, `{"A": "x"}`, false}, {`{"A": {"equals": "{{user.Blank}}"}}`, `{"A": "  "}`, false},
		{`{"A": {"equals": "x{{user.Absent}}"}}`, `{"A": "x"}`, true}, {`{"A": {"equals": "{{other}}"}}`, `{"A": ""}`, false},
	} {
		for _, op := range []Operation{Select, Count, Delete} {
			if got := requires(t, c.requirement, who, request(t, op, c.where)); got != c.want {
				t.Errorf("%s, require %s, where %s: got %v", op, c.requirement, c.where, got)
			}
		}
	}
}

// TestRequireWithoutUser: what reads the user is unmet where nobody is logged in.
func TestRequireWithoutUser(t *testing.T) {
	for _, who := range []*Principal{token(9), user(map[string]any{}), user(map[string]any{"Email": nil})} {
		for _, where := range []string{`{"A": ""}`, `{"A": null}`, `{"A": "undefined"}`, `{"A": "null"}`, `{"A": {"$ne": ""}}`} {
			for _, op := range []string{"equals", "notequals", "contains"} {
				if requires(t, `{"A": {"`+op+`": "{{user.Email}}"}}`, who, request(t, Select, where)) {
					t.Errorf("%s: %s is met", op, where)
				}
			}
		}
	}
}

// TestRequireInGoWhere: of a repeated key of an ordered object the last one runs, and so it is
// the one that is judged; and what was judged is what has to run.
func TestRequireInGoWhere(t *testing.T) {
	where := query.D{{Key: "A", Value: "v"}, {Key: "A", Value: "w"}}
	req := Request{Operation: Select, Where: document.Of(where)}
	if requires(t, `{"A": {"equals": "v"}}`, token(9), req) || !requires(t, `{"A": {"equals": "w"}}`, token(9), req) {
		t.Error("the first of two keys was judged")
	}
	g, err := rules(t, `[{"type": "select", "allow": "all"}]`).Decide(t.Context(), token(9), req, nil)
	if err != nil || g.Where.String() != `{"A":"w"}` {
		t.Errorf("got %v %v", g, err)
	}
}

// TestRequireInData is the second table of spec 11.5.
func TestRequireInData(t *testing.T) {
	who := user(map[string]any{"Email": "bob@acme.com", "Empty": ""})
	for _, c := range []struct {
		requirement, data string
		want              bool
	}{
		{`"A"`, `{"A": "x"}`, true}, {`"A"`, `{"A": 0}`, true}, {`"A"`, `{"A": false}`, true}, {`"A"`, `{"A": []}`, true}, {`"A"`, `{"A": ""}`, false}, {`"A"`, `{"A": null}`, false}, {`"A"`, `{}`, false},
		{`"A"`, `{"a": "x"}`, false}, {`"A"`, `{"data.A": "x"}`, false}, {`"A"`, `{"$and": [{"A": "x"}]}`, false}, {`"data.A"`, `{"data.A": "x"}`, true},
		{`{"A": {"equals": "v"}}`, `{"A": "v"}`, true}, {`{"A": {"equals": "v"}}`, `{"A": "V"}`, false}, {`{"A": {"equals": "v"}}`, `{}`, false}, {`{"A": {"equals": "v"}}`, `{"A": ["v"]}`, false},
		{`{"A": {"equals": "v"}}`, `{"A": {"$eq": "v"}}`, false}, {`{"A": {"equals": "5"}}`, `{"A": 5}`, true}, {`{"A": {"equals": ""}}`, `{"A": ""}`, true}, {`{"A": {"equals": ""}}`, `{}`, false}, {`{"A": {"equals": ""}}`, `{"A": null}`, false},
		{`{"A": {"notequals": "v"}}`, `{"A": "w"}`, true}, {`{"A": {"notequals": "v"}}`, `{}`, true}, {`{"A": {"notequals": "v"}}`, `{"A": null}`, true}, {`{"A": {"notequals": "v"}}`, `{"A": "v"}`, false},
		{`{"A": {"notequals": "v"}}`, `{"A": ["v"]}`, false}, {`{"A": {"notequals": "v"}}`, `{"A": ["w", ["v"]]}`, false}, {`{"A": {"notequals": "v"}}`, `{"A": ["w"]}`, true}, {`{"A": {"notequals": "5"}}`, `{"A": 5.0}`, false},
		{`{"A": {"contains": "v"}}`, `{"A": "avb"}`, true}, {`{"A": {"contains": "v"}}`, `{"A": "AVB"}`, false}, {`{"A": {"contains": "v"}}`, `{"A": ["x", "avb"]}`, true}, {`{"A": {"contains": "v"}}`, `{"A": ["x"]}`, false},
		{`{"A": {"contains": "v"}}`, `{"A": {"x": "v"}}`, false}, {`{"A": {"contains": ""}}`, `{"A": "x"}`, false}, {`{"A": {"contains": "v"}}`, `{}`, false},
		{`"A", {"A": {"equals": "{{user.Email}}"}}`, `{"A": "bob@acme.com"}`, true}, {`{"A": {"equals": "{{user.Empty}}"}}`, `{"A": ""}`, false}, {`{"A": {"notequals": "{{user.Empty}}"}}`, `{"A": "x"}`, false},
		// Lists: every member must satisfy.
		{`"A"`, `[{"A": 1}, {"A": 2}]`, true}, {`"A"`, `[{"A": 1}, {"B": 2}]`, false}, {`"A"`, `[]`, false}, {`{"A": {"notequals": "v"}}`, `[{"A": "w"}, {"A": "v"}]`, false},
	} {
		for _, op := range []Operation{Insert, Update} {
			if got := requires(t, c.requirement, who, request(t, op, c.data)); got != c.want {
				t.Errorf("%s, require %s, data %s: got %v", op, c.requirement, c.data, got)
			}
		}
	}
}

// TestRequireInStored: an entry by id is judged like a where that asks for its values.
func TestRequireInStored(t *testing.T) {
	for _, c := range []struct {
		requirement, stored string
		want                bool
	}{
		{`"A"`, `{"A": null}`, true}, {`"A"`, `{"A": ""}`, true}, {`"A"`, `{}`, false},
		{`{"A": {"equals": "v"}}`, `{"A": "v"}`, true}, {`{"A": {"equals": "v"}}`, `{"A": "w"}`, false}, {`{"A": {"equals": "v"}}`, `{}`, false}, {`{"A": {"equals": "v"}}`, `{"A": ["w", "v"]}`, true},
		{`{"A": {"equals": "v"}}`, `{"A": {"$eq": "v"}}`, false}, {`{"A": {"equals": "v"}}`, `{"$and": [{"A": "v"}]}`, false}, {`{"A": {"equals": "v"}}`, `{"data.A": "v"}`, false},
		{`{"A": {"notequals": "v"}}`, `{"A": "w"}`, true}, {`{"A": {"notequals": "v"}}`, `{"A": "v"}`, false}, {`{"A": {"notequals": "v"}}`, `{}`, false}, {`{"A": {"notequals": "v"}}`, `{"A": ["w", "v"]}`, false},
		{`{"A": {"notequals": "v"}}`, `{"A": ["w"]}`, true}, {`{"A": {"notequals": "v"}}`, `{"A": {"$ne": "v"}}`, true}, {`{"A": {"notequals": "5"}}`, `{"A": "5.0"}`, false},
		{`{"A": {"contains": "v"}}`, `{"A": "avb"}`, true}, {`{"A": {"contains": "v"}}`, `{"A": ["x", "av"]}`, true}, {`{"A": {"contains": "v"}}`, `{"A": {"$like": "v"}}`, false},
	} {
		for _, op := range []Operation{Select, Delete} {
			if got := requires(t, c.requirement, token(9), byID(t, op, c.stored)); got != c.want {
				t.Errorf("%s, require %s, stored %s: got %v", op, c.requirement, c.stored, got)
			}
		}
	}
	list := byID(t, Delete, `{"A": "v"}`)
	list.Stored = append(list.Stored, value(t, `{"A": "w"}`))
	if requires(t, `{"A": {"equals": "v"}}`, token(9), list) || !requires(t, `"A"`, token(9), list) {
		t.Error("every entry of a list has to satisfy")
	}
	list.Stored = nil
	if requires(t, `"A"`, token(9), list) || !requires(t, ``, token(9), list) {
		t.Error("no entry is judged as one without columns")
	}
}
