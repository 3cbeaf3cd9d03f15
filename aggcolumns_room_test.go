package siftdb_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// TestColumnPipelineCountsItsRoom looks at one column of many values in very many ways: what
// columns would hold for that counts as what the pipeline holds, and it is answered without them.
func TestColumnPipelineCountsItsRoom(t *testing.T) {
	const values, ways, most = 3000, 400, 1 << 20
	w := newColumnTwins(t, 1, 0, siftdb.Limits{QueryBytes: most})
	rows := []any{}
	for i := range values {
		rows = append(rows, json.RawMessage(fmt.Sprintf(`{"a":{"x":%d}}`, i)))
	}
	w.both(func(ds *siftdb.DataSource) error { _, err := ds.Append(ctx, rows); return err })
	var keys, sums, tests []string
	for i := range ways {
		keys = append(keys, fmt.Sprintf(`"data.a.k%d":1`, i))
		sums = append(sums, fmt.Sprintf(`"f%d":{"$sum":"$data.a.k%d"}`, i, i))
		tests = append(tests, fmt.Sprintf(`{"data.a.k%d":5}`, i))
	}
	for name, pipeline := range map[string]string{
		"sort":  `[{"$sort":{` + strings.Join(keys, ",") + `}},{"$limit":1}]`,
		"group": `[{"$group":{"_id":null,` + strings.Join(sums, ",") + `}}]`,
		"match": `[{"$match":{"$nor":[{"data.b":5},` + strings.Join(tests, ",") + `]}},{"$count":"n"}]`,
	} {
		aggregated(w.columns, `[{"$group":{"_id":"$data.a.x"}},{"$count":"n"}]`, siftdb.Query{}) // brings the column
		before := siftdb.PipelinesByColumns(w.columns)
		got, want := aggregated(w.columns, pipeline, siftdb.Query{}), aggregated(w.scanned, pipeline, siftdb.Query{})
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: columns give %.200s, a scan %.200s", name, got, want)
		}
		if siftdb.PipelinesByColumns(w.columns) > before {
			t.Errorf("%s: columns answer it, for which they look at each of %d values in %d ways, with %d bytes in all", name, values, ways, most)
		}
	}
}
