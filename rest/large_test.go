package rest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// sink is a client that reads an answer and keeps nothing, and notes the largest heap on the way.
type sink struct {
	header http.Header
	status int
	bytes  int64
	last   byte
	writes int
	most   uint64
}

func (s *sink) Header() http.Header    { return s.header }
func (s *sink) WriteHeader(status int) { s.status = status }
func (s *sink) Write(b []byte) (int, error) {
	s.bytes += int64(len(b))
	s.last = b[len(b)-1]
	if s.writes++; s.writes%64 == 0 {
		s.most = max(s.most, inUse())
	}
	return len(b), nil
}

// inUse returns how much memory is in use.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestLargeReads: what a client reads streams, however much it is.
func TestLargeReads(t *testing.T) {
	n := 200_000
	if testing.Short() {
		n = 50_000
	}
	s := newSiteOf(t, siftdb.Options{ColumnBytes: -1}, Options{}) // what columns take stays, and is bounded elsewhere
	ds := s.table(siftdb.DataSourceSpec{Name: "Large"})
	rows := make([]any, n)
	for i := range rows {
		rows[i] = json.RawMessage(`{"n": ` + itoa(int64(i)) + `, "text": "` + strings.Repeat("x", 100) + `"}`)
	}
	if _, err := ds.Append(ctx, rows); err != nil {
		t.Fatal(err)
	}
	rows = nil
	if _, err := ds.Insert(ctx, siftdb.M{"n": -1}); err != nil {
		t.Fatal(err)
	}
	versions, err := ds.Versions(ctx, siftdb.Page{Limit: new(1)})
	if err != nil {
		t.Fatal(err)
	}
	kinds := s.table(siftdb.DataSourceSpec{Name: "Kinds"})
	for i := range 10 {
		if _, err := kinds.Insert(ctx, siftdb.M{"of": i, "kind": "one of ten"}); err != nil {
			t.Fatal(err)
		}
	}
	join := `"join": {"kind": {"dataSourceName": "Kinds", "on": {"n": "of"}}}`
	for _, test := range []struct{ target, body string }{
		{"GET " + path(ds, "/data"), ""},
		{"GET " + path(ds, `/data?where={"n":{"$gte":0}}&attributes=text,n`), ""},
		{"POST " + path(ds, "/data/query"), `{"where": {"text": {"$like": "x%"}}}`},
		{"GET " + path(ds, "/data?includePagination=true"), ""},
		{"POST " + path(ds, "/data/query"), `{"where": {"n": {"$gte": 0}}, "includePagination": true}`},
		{"POST " + path(ds, "/data/query"), `{` + join + `}`},
		{"POST " + path(ds, "/data/query"), `{` + join + `, "limit": 500000, "includePagination": true}`},
		{"POST " + path(ds, "/data/query"), `{"join": {"kinds": {"dataSourceName": "Kinds"}}}`},
		{"POST " + path(ds, "/data/query"), `{"aggregate": [{"$match": {"data.n": {"$gte": 0}}}], "includePagination": true}`},
		{"POST " + path(ds, "/commit"), `{"append": true, "entries": [{"data": {"n": -2}, "clientId": "a"}]}`},
		{"GET " + path(ds, "/versions/"+itoa(versions[0].ID)+"/data"), ""},
		{"POST " + path(ds, "/versions/"+itoa(versions[0].ID)+"/restore"), ""},
	} {
		method, target, _ := strings.Cut(test.target, " ")
		r := httptest.NewRequest(method, target, strings.NewReader(test.body))
		r.Header.Set("Auth-token", orgToken)
		r.Header.Set("Content-Type", "application/json")
		w := &sink{header: http.Header{}}
		before := inUse()
		s.handler.ServeHTTP(w, r)
		grown := int64(w.most) - int64(before)
		if w.status != http.StatusOK || w.bytes < int64(200*n) || w.last != '}' || w.writes < 100 {
			t.Errorf("%s: status %d, %d bytes in %d parts", test.target, w.status, w.bytes, w.writes)
		}
		if grown > 8<<20 {
			t.Errorf("%s: the heap grew by %d KiB for %d KiB", test.target+" "+test.body, grown>>10, w.bytes>>10)
		}
		t.Logf("%s: %d KiB, heap +%d KiB", test.target+" "+test.body, w.bytes>>10, grown>>10)
	}
}
