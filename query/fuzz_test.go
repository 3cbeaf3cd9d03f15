package query

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
)

func FuzzCompile(f *testing.F) {
	for _, where := range hostileWheres() {
		if len(where) < 2_000 {
			f.Add([]byte(where))
		}
	}
	for i, v := range readVectors(f) {
		if i%20 == 0 {
			f.Add([]byte(v.Query))
			f.Add([]byte(strings.ReplaceAll(string(v.Query), `:"`, `:"session.`)))
		}
	}
	f.Fuzz(func(t *testing.T, where []byte) {
		for _, d := range []Dialect{Sift, Strict} {
			for _, opts := range [][]Option{nil, {ForDataSource()}, {ForDataSource(), Countable(), WithLimits(DefaultLimits)}} {
				if m, err := Compile(where, append(opts, WithDialect(d))...); err == nil {
					m.Match(M{"a": []any{1, "x", M{"b": nil}}})
				}
			}
		}
		if m, err := Compile(where, ForDataSource(), WithSession(hostileSession)); err == nil {
			m.Match(M{"a": []any{1, "x", M{"b": nil}}})
		}
	})
}

// hostileSession finds every kind of value, by the length of what is asked for.
func hostileSession(path string) (any, bool) {
	found := []any{"session.a", nil, []any{"session.", nil, M{"$where": 1}, []any{M{}}}, M{"$foo": M{}}, []any{}, "", 5, "("}
	return found[len(path)%len(found)], len(path)%9 != 0
}

// FuzzMatch tests any document with any where: every form of the document gives one answer,
// bound or not.
func FuzzMatch(f *testing.F) {
	for i, v := range readVectors(f) {
		if i%10 == 0 && len(v.Docs) > 0 {
			f.Add([]byte(v.Query), []byte(v.Docs[i%len(v.Docs)]))
		}
	}
	for _, condition := range []string{"==", "!=", ">", "<=", "contains", "notcontain", "regex", "empty", "between", "oneof", "dateis", "datebefore", "datebetween"} {
		f.Add([]byte(`{"$filters":[{"column":"a","condition":"`+condition+`","value":"2024-01-01"}]}`), []byte(`{"a":"2024-01-01 10:00"}`))
	}
	f.Fuzz(func(t *testing.T, where, doc []byte) {
		stored, err := document.Parse(doc, document.Limits{})
		if err != nil {
			return
		}
		var decoded any
		if err := json.Unmarshal(doc, &decoded); err != nil {
			return
		}
		docs := map[string]document.Value{"stored": stored, "decoded": document.Of(decoded)}
		schema := Schema{}
		if stored.Kind() == document.Object {
			if stored.Len() != len(decoded.(map[string]any)) {
				return // a key twice
			}
			docs["document"] = storedDocument(t, doc)
			schema.Names = docs["document"].Names()
		}
		for _, d := range []Dialect{Sift, Strict} {
			for _, opts := range [][]Option{{WithDialect(d)}, {WithDialect(d), ForDataSource()}} {
				m, err := Compile(where, opts...)
				if err != nil {
					continue
				}
				want, bound := m.MatchValue(stored), m.Bind(schema)
				for form, v := range docs {
					if got := m.MatchValue(v); got != want {
						t.Errorf("%s on %s, dialect %d: stored %v, %s %v", where, doc, d, want, form, got)
					}
					if got := bound.MatchValue(v); got != want {
						t.Errorf("%s on %s, dialect %d: unbound %v, %s bound %v", where, doc, d, want, form, got)
					}
				}
				if doc, ok := docs["document"]; ok {
					if v := bound.Judge(doc.Raw()); v == Yes && !want || v == No && want {
						t.Errorf("%s on %s: judged %d, though it matches: %v", where, doc, v, want)
					}
				}
				if got := m.Match(decoded); got != want {
					t.Errorf("%s on %s, dialect %d: MatchValue %v, Match %v", where, doc, d, want, got)
				}
			}
		}
	})
}
