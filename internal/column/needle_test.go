package column

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// needleTable is a table of one column with many values, of which most are texts, and the rows
// as documents.
func needleTable(t testing.TB, rnd *rand.Rand, rows int) (*Table, query.Schema, []document.Value) {
	t.Helper()
	names := document.NewNames([]string{"a"})
	letters := strings.Split("a,b,B,k,K,\u212a,i,I,\u0130,s,\u017f,\u03a3,\u03c3,\u00df,7,.5, ,%,_", ",")
	b := NewBuilder([]uint16{0}, 0, 0)
	piece := b.Piece(0)
	docs := make([]document.Value, rows)
	for i := range docs {
		var text strings.Builder
		for range 1 + rnd.IntN(9) {
			text.WriteString(letters[rnd.IntN(len(letters))])
		}
		data := fmt.Sprintf(`{"a":%q}`, text.String())
		switch rnd.IntN(12) {
		case 0:
			data = fmt.Sprintf(`{"a":%d.5}`, rnd.IntN(1000))
		case 1:
			data = fmt.Sprintf(`{"a":[%q,%d]}`, text.String(), i)
		case 2:
			data = fmt.Sprintf(`{"a":{"k":%q}}`, text.String())
		case 3:
			data = []string{`{}`, `{"a":null}`, `{"a":true}`, `{"a":""}`}[rnd.IntN(4)]
		}
		raw := must[[]byte](t)(document.NewEncoder(names, document.Limits{}).AppendJSON(nil, []byte(data)))
		docs[i] = document.Stored(raw, names)
		piece.Add(int64(i+1), 0, docs[i])
	}
	b.Give(piece, 0)
	return b.Finish(1), query.Schema{Names: names, Columns: func(name string) bool { return name == "a" }}, docs
}

// TestNeedles looks for texts in a column of many values: it finds what the conditions find when
// they test one document after the other.
func TestNeedles(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	table, schema, docs := needleTable(t, rnd, 4000)
	if table.Column(0).Dict().Len() < 4*allValues {
		t.Fatal("there are too few values")
	}
	for _, text := range []string{"b", "kb", "bk", "KB", "i", "ib", "7.5", ".5", "ss", "Σb", "k%b", "%bk%", "b%", "%K", "%7.5%", "\\\\%", "true", "object", "null", "a,", "zz"} {
		for _, test := range []string{`{"a":{"$like":"%s"}}`, `{"a":{"$iLike":"%s"}}`, `{"a":{"$iLike":"%s","$ne":"b"}}`, `{"$not":{"a":{"$iLike":"%s"}}}`,
			`{"$filters":[{"column":"a","condition":"contains","value":"%s"}]}`, `{"$filters":[{"column":"a","condition":"notcontain","value":"%s"}]}`,
			`{"a":{"$iLike":"%s","$type":"string"},"$or":[{"a":{"$gt":100}},{"a":{"$like":"k"}}]}`} {
			where := strings.Replace(test, "%s", text, 1)
			bound := must[*query.Matcher](t)(query.Compile(where, query.ForDataSource())).Bind(schema)
			shape, rest := bound.Shape()
			if shape == nil || rest != nil {
				t.Fatalf("%s has no shape, or a rest", where)
			}
			rows, err := table.Select(t.Context(), shape, nil)
			if err != nil {
				t.Fatal(err)
			}
			for row, doc := range docs {
				if want := bound.MatchRecord(&query.Record{Data: doc, ID: int64(row + 1)}); want != rows.Has(row) {
					t.Fatalf("%s finds %s: %v, want %v", where, document.AppendJSON(nil, doc), rows.Has(row), want)
				}
			}
		}
	}
}

// TestNumbersAreJudged tests numbers of a column of many values.
func TestNumbersAreJudged(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	table, schema, docs := needleTable(t, rnd, 4000)
	for _, where := range []string{`{"a":{"$gte":100,"$lt":500}}`, `{"a":{"$gt":7}}`, `{"a":7}`, `{"a":"7"}`, `{"a":{"$lte":500.5,"$ne":7}}`, `{"$or":[{"a":{"$lt":10}},{"a":"k"}]}`, `{"a":null}`, `{"a":true}`} {
		bound := must[*query.Matcher](t)(query.Compile(where, query.ForDataSource())).Bind(schema)
		shape, _ := bound.Shape()
		rows, err := table.Select(t.Context(), shape, nil)
		if err != nil {
			t.Fatal(err)
		}
		for row, doc := range docs {
			if want := bound.MatchRecord(&query.Record{Data: doc, ID: int64(row + 1)}); want != rows.Has(row) {
				t.Fatalf("%s finds %s: %v, want %v", where, document.AppendJSON(nil, doc), rows.Has(row), want)
			}
		}
	}
}

// TestHoldingEnds ends the context of a search, and looks for a text at the borders of values.
func TestHoldingEnds(t *testing.T) {
	d := newDict()
	for _, s := range []string{"abc", "ABCabc", "xab", "cab"} {
		d.code(append([]byte{0x06}, s...))
	}
	codes := must[Bits](t)(d.view().holding(t.Context(), "abc", false))
	list := []int{}
	codes.Each(0, func(code int) bool { list = append(list, code); return true })
	if !slices.Equal(list, []int{0, 1, 2}) {
		t.Errorf("abc is in %v", list)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.view().holding(ctx, "abc", true); !errors.Is(err, context.Canceled) {
		t.Errorf("a search whose context has ended gives %v", err)
	}
}
