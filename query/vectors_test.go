package query

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
)

// vector is one case recorded from the reference implementations.
type vector struct {
	ID      string            `json:"id"`
	Dialect string            `json:"dialect"`
	Query   json.RawMessage   `json:"query"`
	Docs    []json.RawMessage `json:"docs"`
	Matches []int             `json:"matches"`
	Error   bool              `json:"error"`
	Phase   string            `json:"phase"`
}

func readVectors(t testing.TB) []vector {
	f, err := os.Open("testdata/where.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []vector
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func dialectOf(name string) Dialect {
	if name == "strict" {
		return Strict
	}
	return Sift
}

// forms gives a document in every form that a Matcher takes: decoded, decoded with the digits
// kept, stored, and stored with a dictionary.
func forms(t testing.TB, text []byte) map[string]any {
	t.Helper()
	var decoded any
	if err := json.Unmarshal(text, &decoded); err != nil {
		t.Fatal(err)
	}
	stored, err := document.Parse(text, document.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	f := map[string]any{"decoded": decoded, "stored": stored}
	if stored.Kind() == document.Object {
		f["document"] = storedDocument(t, text)
	}
	return f
}

func storedDocument(t testing.TB, text []byte) document.Value {
	t.Helper()
	enc := document.NewEncoder(nil, document.Limits{})
	raw, err := enc.AppendJSON(nil, text)
	if err != nil {
		t.Fatal(err)
	}
	return document.Stored(raw, enc.Names())
}

func TestVectors(t *testing.T) {
	held := map[string]int{}
	for _, v := range readVectors(t) {
		m, err := Compile(v.Query, WithDialect(dialectOf(v.Dialect)))
		if v.Error && err != nil {
			held[v.Dialect]++
			continue
		}
		if v.Error && v.Phase == "compile" {
			t.Errorf("%s: %s compiled; the reference refuses it", v.ID, v.Query)
			continue
		}
		if err != nil {
			t.Errorf("%s: %s: %v", v.ID, v.Query, err)
			continue
		}
		ok := true
		for i, doc := range v.Docs {
			want := !v.Error && slices.Contains(v.Matches, i)
			for form, d := range forms(t, doc) {
				if got := m.Match(d); got != want {
					t.Errorf("%s: %s on %s (%s): got %v, want %v", v.ID, v.Query, doc, form, got, want)
					ok = false
				}
			}
		}
		if ok {
			held[v.Dialect]++
		}
	}
	t.Logf("vectors held: %v", held)
}
