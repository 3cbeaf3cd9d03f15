package siftdb_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// FuzzAggregate reads any bytes as a query body whose aggregate runs over a small table:
// no panic, every error has a code that is not internal, the result is JSON, the three
// ways to run a pipeline agree, and nothing is changed.
func FuzzAggregate(f *testing.F) {
	for _, body := range []string{`{"aggregate":[]}`, `{"aggregate":[{"$match":{"data.a":{"$gte":1},"data.b.c":null}},{"$group":{"_id":"$data.a","n":{"$sum":1}}}],"limit":1,"includePagination":true}`,
		`{"aggregate":[{"$lookup":{"from":"u","localField":"data.a","foreignField":"data.a","as":"x"}},{"$unwind":"$x"},{"$sort":{"x.id":-1}},{"$limit":2}],"where":{"a":{"$exists":true}}}`,
		`{"aggregate":[{"$unionWith":{"coll":2,"pipeline":[{"$project":{"s":{"$concat":["$data.s","x"]}}}]}},{"$facet":{"a":[{"$count":"n"}],"b":[{"$sortByCount":"$data.a"}]}}]}`,
		`{"aggregate":[{"$graphLookup":{"from":"t","startWith":"$data.a","connectFromField":"data.n","connectToField":"data.a","as":"g","depthField":"d"}},{"$set":{"data.z":{"$map":{"input":"$g","in":"$$this.id"}}}}]}`,
		`{"aggregate":[{"$project":{"y":{"$year":{"$convert":{"input":"$createdAt","to":"date"}}},"n":{"$convertToNumber":"$data.a"}}},{"$bucket":{"groupBy":"$n","boundaries":[0,1,5],"default":"x"}}]}`,
		`{"aggregate":[{"$setWindowFields":{"partitionBy":"$data.a","sortBy":{"id":1},"output":{"r":{"$rank":{}},"s":{"$push":"$data","window":{"documents":[-1,1]}}}}},{"$redact":"$$DESCEND"}],"join":{"J":{"dataSourceName":"u","on":{"a":"a"}},"O":{"dataSourceId":2}}}`,
		`{"aggregate":[{"$match":{"$or":[{"data.a":{"$in":[1,"x",null]}},{"$expr":{"$regexMatch":{"input":"$data.s","regex":"x","options":"i"}}}]}}],"view":"v","offset":1}`,
		`{"aggregate":[{"$densify":{"field":"id","range":{"step":1,"bounds":"full"}}},{"$fill":{"sortBy":{"id":1},"output":{"data":{"method":"locf"}}}},{"$bucketAuto":{"groupBy":"$id","buckets":2}}]}`,
		`{"aggregate":[{"$merge":"t"}]}`, `{"aggregate":[{"$project":{"a":{"$function":{"body":"x","args":[],"lang":"js"}}}}]}`, `{"aggregate":[{"$match":{}}],"countOnly":true}`, `{"aggregate":[{"$replaceRoot":{"newRoot":"$data.b"}}],"type":"delete","where":{}}`} {
		f.Add([]byte(body))
	}
	db := must[*siftdb.DB](f)(siftdb.OpenMemory(&siftdb.Options{Limits: siftdb.Limits{QueryBytes: 1 << 20}}))
	f.Cleanup(func() { db.Close() })
	must[*siftdb.DataSource](f)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Definition: json.RawMessage(`{"views":[{"name":"v","filter":{"a":{"$ne":"x"}}}]}`),
		Entries: raws(`{"a":1,"b":{"c":[1,{"d":"x"}]},"n":2.50}`, `{"a":"x","a.b":null,"s":"Text 12","":1e400}`, `{}`, `{"a":[1,null],"d":{"$date":"2024-02-29"},"n":1}`)}))
	table(f, db, "u", `{"a":1,"s":"u"}`, `{"a":2}`)
	f.Fuzz(func(t *testing.T, body []byte) {
		fork := must[*siftdb.DB](t)(db.Fork())
		checked(t, fork)
		q, err := siftdb.ParseQuery(body)
		if err != nil {
			aggTTyped(t, body, err)
			return
		}
		if q.Aggregate == nil {
			return
		}
		short, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		ds := must[*siftdb.DataSource](t)(fork.DataSource(ctx, 1))
		before := portrait(t, fork)
		result, err := ds.Query(short, q)
		if after := portrait(t, fork); after != before {
			t.Errorf("%q changes something: %s", body, cmp.Diff(before, after))
		}
		if err != nil {
			aggTTyped(t, body, err)
			return
		}
		text, err := json.Marshal(result)
		if err != nil || !json.Valid(text) {
			t.Errorf("the result of %q is %q, %v", body, text, err)
		}
		n := 0
		rest := q
		rest.Aggregate = nil
		for _, err := range ds.AggregateEach(short, q.Aggregate, rest) {
			if err != nil {
				if short.Err() == nil {
					t.Errorf("%q: Query gives documents, AggregateEach fails with %v", body, err)
				}
				return
			}
			n++
		}
		if n != len(result.Documents) && !bytes.Contains(body, []byte("$sample")) {
			t.Errorf("%q: Query gives %d documents, AggregateEach %d", body, len(result.Documents), n)
		}
	})
}

// aggTTyped wants an error with a code, and none that stands for a bug.
func aggTTyped(t testing.TB, body []byte, err error) {
	t.Helper()
	var detail *siftdb.Error
	if errors.Is(err, context.DeadlineExceeded) {
		return
	}
	if !errors.As(err, &detail) || detail.Code == "internal" || detail.Message == "" {
		t.Errorf("%q gives %v", body, err)
	}
}
