package rest

import (
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

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
// how much garbage there is besides depends on how busy the machine is. It is exact only where
// the world stands still meanwhile (stopsWorld): what is allocated while the collector runs
// counts as alive. It then gives what is measured as much time as the collector took.
func heldSize() int64 {
	start := time.Now()
	runtime.GC()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	time.Sleep(time.Since(start))
	return int64(sample[0].Value.Uint64())
}

// stopsWorld is the setting of the runtime with which nothing runs beside the garbage collector.
const stopsWorld = "gcstoptheworld=1"

// TestHostileMemory: text that takes little room and says much takes some multiple of itself in
// memory, and no more. It measures in a process of its own, which has stopsWorld set from its
// start. SIFTDB_HOSTILE_MIB makes it more text.
func TestHostileMemory(t *testing.T) {
	if os.Getenv("GODEBUG") != stopsWorld {
		cmd := exec.Command(os.Args[0], "-test.run=^TestHostileMemory$", "-test.v", fmt.Sprintf("-test.short=%t", testing.Short()))
		cmd.Env = append(os.Environ(), "GODEBUG="+stopsWorld)
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil || !strings.Contains(string(out), "--- PASS: TestHostileMemory") {
			t.Fatalf("the process that measures: %v", err)
		}
		return
	}
	size := int64(16)
	if n := mebibytes("SIFTDB_HOSTILE_MIB", 0); n > 0 {
		size = n
	}
	for _, c := range []struct {
		what, target, head, part, tail string
		status                         int
		most                           int64 // multiple of the body
	}{
		{"a row of empty arrays", "PUT /v1/data-sources/1/data", `{"a":[`, "[],", `[]]}`, 201, 10},
		{"columns", "POST /v1/data-sources", `{"name":"x","columns":[`, `"a",`, `"a"]}`, 201, 12},
		{"a commit of empty rows", "POST /v1/data-sources/1/commit", `{"returnEntries":false,"append":true,"entries":[`, `{"data":{}},`, `{"data":{}}]}`, 200, 4},
		{"a commit that deletes one entry many times", "POST /v1/data-sources/1/commit", `{"returnEntries":false,"entries":[],"append":true,"delete":[`, `1,`, `1]}`, 200, 1},
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
