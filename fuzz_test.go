package siftdb_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
)

// FuzzParseQuery reads any bytes as a query body, and runs what is accepted on a
// small table: no panic, and every error has a code.
func FuzzParseQuery(f *testing.F) {
	for _, body := range []string{`{}`, `{"where":{"a":{"$gt":1}},"order":[["a","desc"]],"limit":2,"offset":1,"includePagination":true}`,
		`{"type":"delete","where":{}}`, `{"countOnly":true,"where":{"a":{"$regex":"x"}}}`, `{"attributes":"a,b.c","distinct":true}`,
		`{"where":{"$filters":[{"column":"a","condition":"contains","value":"x"}]}}`, `{"attributes":["data.b.c"],"order":["createdAt"]}`} {
		f.Add([]byte(body))
	}
	db := must[*siftdb.DB](f)(siftdb.OpenMemory(nil))
	f.Cleanup(func() { db.Close() })
	table(f, db, "t", `{"a":1,"b":{"c":[1,{"d":"x"}]}}`, `{"a":"x","a.b":null}`, `{}`)
	f.Fuzz(func(t *testing.T, body []byte) {
		fork := must[*siftdb.DB](t)(db.Fork())
		checked(t, fork)
		q, err := siftdb.ParseQuery(body)
		if err == nil {
			ds := must[*siftdb.DataSource](t)(fork.DataSource(ctx, 1))
			var result *siftdb.Result
			if result, err = ds.Query(ctx, q); err == nil {
				if text, err := json.Marshal(result); err != nil || !json.Valid(text) {
					t.Errorf("the result of %q is %q, %v", body, text, err)
				}
			}
		}
		var detail *siftdb.Error
		if err != nil && (!errors.As(err, &detail) || detail.Code == "internal") {
			t.Errorf("%q gives %v", body, err)
		}
	})
}

// readAsParsed makes sure that a commit body is read as a stream as it is parsed whole.
func readAsParsed(t *testing.T, body []byte, parsed siftdb.Commit, failed error) {
	t.Helper()
	read, err := siftdb.ReadCommit(iotest.HalfReader(bytes.NewReader(body)), nil)
	if bytes.Count(body, []byte("entries")) > 1 || bytes.Contains(body, []byte(`\u`)) {
		return // of a repeated key every value must be right in a stream
	}
	if (err == nil) != (failed == nil) {
		t.Fatalf("%q: parsed %v, read %v", body, failed, err)
	}
	if err != nil {
		return
	}
	a, failedA := json.Marshal(parsed)
	b, failedB := json.Marshal(read)
	if !bytes.Equal(a, b) || (failedA == nil) != (failedB == nil) || !cmp.Equal(parsed.RunHooks, read.RunHooks) {
		t.Fatalf("%q: parsed %s, read %s", body, a, b)
	}
}

// FuzzParseCommit reads any bytes as a commit body and applies what is accepted.
func FuzzParseCommit(f *testing.F) {
	for _, body := range []string{`{"entries":[]}`, `{"entries":[{"data":{"a":1.10}},{"id":1,"data":{"b":2},"order":3}],"append":true}`,
		`{"entries":[{"id":"2","data":{}}],"delete":[1,"3"],"extend":true,"columns":["z"]}`} {
		f.Add([]byte(body))
	}
	db := must[*siftdb.DB](f)(siftdb.OpenMemory(nil))
	f.Cleanup(func() { db.Close() })
	table(f, db, "t", `{"a":1}`, `{"a":"x"}`, `{}`)
	f.Fuzz(func(t *testing.T, body []byte) {
		fork := must[*siftdb.DB](t)(db.Fork())
		checked(t, fork)
		c, err := siftdb.ParseCommit(body)
		readAsParsed(t, body, c, err)
		if err == nil {
			ds := must[*siftdb.DataSource](t)(fork.DataSource(ctx, 1))
			_, err = ds.Commit(ctx, c)
		}
		var detail *siftdb.Error
		if err != nil && (!errors.As(err, &detail) || detail.Code == "internal") {
			t.Errorf("%q gives %v", body, err)
		}
	})
}
