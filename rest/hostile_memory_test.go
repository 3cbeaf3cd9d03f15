package rest

import (
	"io"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// repeated is text of about a size: a part, over and over.
func repeated(part string, size int) io.Reader {
	parts := strings.Repeat(part, 64<<10/len(part))
	list := make([]io.Reader, size/len(parts))
	for i := range list {
		list[i] = strings.NewReader(parts)
	}
	return io.MultiReader(list...)
}

// heldSize is how many bytes the objects take that the garbage collector has just found alive:
// how much garbage there is besides depends on how busy the machine is.
func heldSize() int64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// TestHostileMemory: text that takes little room and says much takes some multiple of itself in
// memory, and no more. SIFTDB_HOSTILE_MIB makes it more text.
func TestHostileMemory(t *testing.T) {
	size := int64(16)
	if n := mebibytes("SIFTDB_HOSTILE_MIB", 0); n > 0 {
		size = n
	}
	for _, c := range []struct {
		what, target, head, part, tail string
		status                         int
		most                           int64 // multiple of the body
	}{
		{"a row of empty arrays", "PUT /v1/data-sources/1/data", `{"a":[`, "[],", `[]]}`, 201, 12},
		{"columns", "POST /v1/data-sources", `{"name":"x","columns":[`, `"a",`, `"a"]}`, 201, 14},
		{"a commit of empty rows", "POST /v1/data-sources/1/commit", `{"returnEntries":false,"append":true,"entries":[`, `{"data":{}},`, `{"data":{}}]}`, 200, 10},
		{"a commit that deletes one entry many times", "POST /v1/data-sources/1/commit", `{"returnEntries":false,"entries":[],"append":true,"delete":[`, `1,`, `1]}`, 200, 2},
	} {
		s := fileSite(t, Options{})
		s.table(siftdb.DataSourceSpec{Name: "Rows"}, `{"old": 1}`)
		method, target, _ := strings.Cut(c.target, " ")
		body := io.MultiReader(strings.NewReader(c.head), repeated(c.part, int(size)<<20), strings.NewReader(c.tail))
		r := httptest.NewRequest(method, target, body)
		r.Header.Set("Auth-token", orgToken)
		r.Header.Set("Content-Type", "application/json")
		w := &sink{header: map[string][]string{}}
		peak := growth(heldSize, func() { s.handler.ServeHTTP(w, r) })
		if w.status != c.status {
			t.Errorf("%s: status %d", c.what, w.status)
		}
		t.Logf("%s: the heap grew by %d MiB at most for a body of %d MiB", c.what, peak>>20, size)
		if peak > c.most*size<<20 {
			t.Errorf("%s: the heap grew by %d MiB for a body of %d MiB", c.what, peak>>20, size)
		}
	}
}
