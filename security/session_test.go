package security

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/query"
)

// full is a session with something in every place, and names that clash.
func full() *Session {
	return &Session{
		UUID: "u-1",
		Values: map[string]any{
			"uuid": "not this", "tenant": "acme", "Name": "from values", "app.id": 7, "app": map[string]any{"id": 8, "name": "shop"},
			"empty": nil, "deep": map[string]any{"list": []any{"a", map[string]any{"b": true}}},
		},
		EntryID: 12, DataSourceID: 3,
		User: map[string]any{
			"id": "from user", "dataSourceId": "from user", "uuid": "from user", "tenant": "from user", "empty": "from user",
			"Name": "from user", "Email Address": "eve@example.com", "EmailAddress": "eve@example.org", "Approx. cost": 5,
			"a.b": map[string]any{"c": "longest"}, "a": map[string]any{"b": map[string]any{"c": "shorter", "d": "only here"}},
			"Roles": []any{"admin", "editor"}, "Nothing": nil, "Blank": "", "Zero": 0, "No": false,
			"user": map[string]any{"Nick": "literal"}, "Nick": "column", "locale": nil, "x": "text",
		},
		Attributes: map[string]any{
			"Name": "from attributes", "locale": "en", "Nothing": "from attributes", "org": map[string]any{"unit": "R&D"},
			"http://example.com/claims.role": "claimed", "id": "from attributes",
		},
	}
}

func TestLookup(t *testing.T) {
	for path, want := range map[string]any{
		// The session's own.
		"uuid": "u-1", "tenant": "acme", "Name": "from values", "app.id": 7, "app.name": "shop",
		"deep.list.0": "a", "deep.list.1.b": true, "deep.list.2": nil, "deep.list.-1": nil, "deep.list.00": nil, "deep.list.a": nil, "deep.list.0.x": nil,
		// The user's entry.
		"id": int64(12), "dataSourceId": int64(3),
		"empty": "from user", "Email Address": "eve@example.com", "EmailAddress": "eve@example.org", "Approx. cost": 5,
		"a.b.c": "longest", "a.b.d": "only here", "Roles.1": "editor", "Blank": "", "Zero": 0, "No": false, "x.y": nil,
		"user.Name": "from user", "user.Email Address": "eve@example.com", "user.a.b.c": "longest", "user.id": "from user",
		"user.Nick": "literal", "entries.dataSource.data.Nick": "column", "entries.dataSource.data.Approx. cost": 5,
		"user.tenant": "from user", "entries.dataSource.data.Roles.0": "admin",
		// Attributes.
		"locale": "en", "Nothing": "from attributes", "org.unit": "R&D", "http://example.com/claims.role": "claimed",
		"user.locale": "en", "user.org.unit": "R&D",
		// Nothing.
		"": nil, ".": nil, "..": nil, "name": nil, "user": map[string]any{"Nick": "literal"}, "user.": nil, "entries.dataSource.data": nil,
		"entries.dataSource.data.": nil, "entries.Name": nil, "user.user.Name": nil, "session.Name": nil, "org.unit.x": nil, "EntryID": nil,
	} {
		got, ok := full().Lookup(path)
		if ok != (want != nil) || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %v %v, want %v", path, got, ok, want)
		}
	}
}

// TestLookupOrder takes the sources away one by one: each time the next one answers.
func TestLookupOrder(t *testing.T) {
	remove := []func(s *Session){
		func(s *Session) {}, func(s *Session) { s.UUID = "" }, func(s *Session) { s.Values = nil }, func(s *Session) { s.EntryID, s.DataSourceID = 0, 0 },
		func(s *Session) { s.User = nil }, func(s *Session) { s.Attributes = nil },
	}
	for path, want := range map[string][]any{
		"uuid":         {"u-1", "not this", "from user", "from user", nil, nil},
		"id":           {int64(12), int64(12), int64(12), "from user", "from attributes", nil},
		"dataSourceId": {int64(3), int64(3), int64(3), "from user", nil, nil},
		"Name":         {"from values", "from values", "from user", "from user", "from attributes", nil},
		"user.Name":    {"from user", "from user", "from user", "from user", "from attributes", nil},
		"locale":       {"en", "en", "en", "en", "en", nil},
	} {
		s := full()
		for i, w := range want {
			remove[i](s)
			if got, ok := s.Lookup(path); got != w || ok != (w != nil) {
				t.Errorf("%q, step %d: got %v %v, want %v", path, i, got, ok, w)
			}
		}
	}
	s := &Session{Values: map[string]any{"id": "host"}, EntryID: 12}
	if got, _ := s.Lookup("id"); got != "host" {
		t.Errorf("id: got %v, want the host's", got)
	}
}

func TestNoSession(t *testing.T) {
	for _, s := range []*Session{nil, {}} {
		for _, path := range []string{"", "uuid", "id", "dataSourceId", "Name", "user.Name", strings.Repeat("a.", 1000)} {
			if got, ok := s.Lookup(path); ok || got != nil {
				t.Errorf("%q: got %v %v", path, got, ok)
			}
		}
	}
}

func TestSessionJSON(t *testing.T) {
	text := `{"uuid":"u","values":{"a":1},"entryId":9007199254740993,"dataSourceId":2,"user":{"Name":"Eve"},"attributes":{"b":[1]}}`
	var s Session
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	want := Session{"u", map[string]any{"a": 1.0}, 9007199254740993, 2, map[string]any{"Name": "Eve"}, map[string]any{"b": []any{1.0}}}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got %+v", s)
	}
	if back, err := json.Marshal(s); err != nil || string(back) != text {
		t.Errorf("back %s %v", back, err)
	}
}

// TestInQuery: Lookup is what a view's filter asks, also of a session that is not there.
func TestInQuery(t *testing.T) {
	filter := query.M{"$or": []any{query.M{"Owner": "session.user.Email Address"}, query.M{"Role": query.M{"$in": []any{"session.Roles"}}}}}
	for _, c := range []struct {
		session *Session
		doc     query.M
		want    bool
	}{
		{full(), query.M{"Owner": "eve@example.com"}, true},
		{full(), query.M{"Owner": "bob@example.com"}, false},
		{full(), query.M{"Role": "editor"}, true},
		{nil, query.M{"Owner": "eve@example.com"}, false},
		{nil, query.M{"Owner": nil, "Role": nil}, false},
		{nil, query.M{}, false},
		{&Session{}, query.M{"Role": "session.Roles"}, false},
	} {
		m, err := query.Compile(filter, query.ForDataSource(), query.WithSession(c.session.Lookup))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Match(c.doc); got != c.want {
			t.Errorf("%v: got %v", c.doc, got)
		}
	}
}
