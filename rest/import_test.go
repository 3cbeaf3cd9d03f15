package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
)

// fileSite is a site whose database is a file.
func fileSite(t testing.TB, options Options) *site {
	t.Helper()
	db, err := siftdb.Open(ctx, filepath.Join(t.TempDir(), "db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		report, err := db.Check(ctx)
		if err := errors.Join(err, report.Err(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	return serveSite(t, db, options)
}

// manyRows is a body of rows of about 1 KiB, made as it is read.
type manyRows struct {
	size    int64
	between string // what stands in place of row 1,000
	row     int
	text    []byte
	ended   bool
}

func (b *manyRows) Read(p []byte) (int, error) {
	for len(b.text) == 0 {
		switch {
		case b.ended:
			return 0, io.EOF
		case b.row == 0:
			b.text = append(b.text, `{"append": true, "entries": [`...)
		case b.size <= 0:
			b.text, b.ended = append(b.text, `{"n": -1}]}`...), true
			continue
		}
		if b.row++; b.row == 1000 && b.between != "" {
			b.text = append(b.text, b.between+","...)
			continue
		}
		b.text = fmt.Appendf(b.text, `{"n": %d, "name": "Name of row %d", "tags": ["a", "b", %d.10], "text": "%s"},`, b.row, b.row, b.row, strings.Repeat("lorem ipsum ", 77))
	}
	n := copy(p, b.text)
	b.size -= int64(n)
	if b.text = b.text[n:]; len(b.text) == 0 {
		b.text = nil
	}
	return n, nil
}

// heapSize is how many bytes objects take, dead or alive.
func heapSize() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// residentSize is the anonymous memory of the process where the system tells it, else that
// of the heap.
func residentSize() int64 {
	status, err := os.ReadFile("/proc/self/status")
	_, text, found := strings.Cut(string(status), "RssAnon:")
	var kib int64
	if _, failed := fmt.Sscan(text, &kib); err != nil || !found || failed != nil {
		return heapSize()
	}
	return kib << 10
}

// growth runs fn and returns by how much a size grew at most meanwhile.
func growth(now func() int64, fn func()) int64 {
	debug.FreeOSMemory()
	base, peak := now(), int64(0)
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for tick := time.NewTicker(2 * time.Millisecond); ; {
			peak = max(peak, now())
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	fn()
	close(stop)
	<-done
	return peak - base
}

// mebibytes is the size of a test: that of a variable of the environment, if it is set.
func mebibytes(name string, size int64) int64 {
	if n, err := strconv.ParseInt(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	if testing.Short() {
		return size * 2 / 3
	}
	return size
}

// TestUploadMemory sends a file that is far larger than the memory it may take, and reads it
// back. SIFTDB_UPLOAD_MIB makes it more.
func TestUploadMemory(t *testing.T) {
	size := mebibytes("SIFTDB_UPLOAD_MIB", 128) << 20
	dir, err := media.Dir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	s, _ := mediaSite(t, Options{BulkLimit: size + 1000}, siftdb.Options{Media: dir, MediaKey: make([]byte, 32)})
	s.table(siftdb.DataSourceSpec{Name: "T"})
	body := io.MultiReader(strings.NewReader("--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n"), io.LimitReader(zeros{}, size), strings.NewReader("\r\n--X--\r\n"))
	r := httptest.NewRequest("PUT", "/v1/data-sources/1/data", body)
	r.Header.Set("Auth-token", orgToken)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=X")
	var answer *reply
	grown := growth(residentSize, func() { answer = s.send(r) })
	answer.want(201)
	t.Logf("an upload of %d MiB: anonymous memory grew by %d MiB at most", size>>20, grown>>20)
	if grown > 64<<20 {
		t.Errorf("anonymous memory grew by %d MiB", grown>>20)
	}
	file, info, err := s.db.Files().Open(ctx, 1)
	if err != nil || info.Bytes != size {
		t.Fatalf("stored are %d bytes, %v", info.Bytes, err)
	}
	defer file.Close()
	n, err := io.Copy(io.Discard, file)
	if err != nil || n != size {
		t.Errorf("read are %d bytes, %v", n, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestImportMemory imports far more than it may hold in memory. SIFTDB_IMPORT_MIB makes it
// more.
func TestImportMemory(t *testing.T) {
	size := mebibytes("SIFTDB_IMPORT_MIB", 96)
	most := int64(80 << 20) // of garbage and all; held in memory, the rows took five times the body
	s := fileSite(t, Options{})
	s.table(siftdb.DataSourceSpec{Name: "Rows"})
	for _, kind := range []string{"append", "replace"} {
		body := &manyRows{size: size << 20}
		target := "/v1/data-sources/1/data"
		if kind == "replace" {
			body.row, body.text = 1, []byte(`{"entries": [`)
		}
		r := httptest.NewRequest("POST", target, body)
		r.Header.Set("Auth-token", orgToken)
		r.Header.Set("Content-Type", "application/json")
		began := time.Now()
		var answer *reply
		peak := growth(heapSize, func() { answer = s.send(r) })
		if answer.status != 200 {
			t.Fatalf("%s: %d %s", kind, answer.status, clip(answer.body, 300))
		}
		t.Logf("%s: the heap grew by %d MiB at most for a body of %d MiB, in %v", kind, peak>>20, size, time.Since(began).Round(time.Millisecond))
		if peak > most {
			t.Errorf("%s: the heap grew by %d MiB for a body of %d MiB", kind, peak>>20, size)
		}
		ds, err := s.db.DataSource(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		n, err := ds.Count(ctx, siftdb.Query{Where: `{"n": {"$exists": true}}`})
		most += 256 * n // for each entry that the next one deletes
		if want := int64(body.row); err != nil || n != want && n != want+1 && n != want-1 {
			t.Errorf("%s: %d rows are there, about %d were sent, %v", kind, n, want, err)
		}
	}
	runtime.GC()
}

// TestImportBodies sends large bodies that end too early or hold a bad row far inside:
// nothing changes.
func TestImportBodies(t *testing.T) {
	for name, newSite := range map[string]func(testing.TB, Options) *site{"memory": newSite, "file": fileSite} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, Options{})
			s.table(siftdb.DataSourceSpec{Name: "Rows"}, `{"old": 1}`)
			const size = 24 << 20
			before := state(t, s)
			for _, c := range []struct {
				what, says string
				body       io.Reader
			}{
				{"cut in a row", "too early", io.LimitReader(&manyRows{size: size}, size-200)},
				{"cut at once", "too early", io.LimitReader(&manyRows{size: size}, 20)},
				{"a bad row", "row 999: ", &manyRows{size: size, between: `{"n": tru}`}},
				{"a row that is none", "member 999 ", &manyRows{size: size, between: `5`}},
				{"a number too many", "row 999: ", &manyRows{size: size, between: `{"n": ` + strings.Repeat("1", 500) + `}`}},
				{"half a character", "row 999: ", &manyRows{size: size, between: `{"n": "\ud800"}`}},
				{"deep", "row 999: ", &manyRows{size: size, between: `{"n": ` + strings.Repeat("[", 1<<20)}},
				{"more", "nothing after", io.MultiReader(&manyRows{size: size}, strings.NewReader("{}"))},
				{"a bad option", "append", io.MultiReader(io.LimitReader(&manyRows{size: size}, 100<<10), strings.NewReader(`"}], "append": 5}`))},
			} {
				r := httptest.NewRequest("POST", "/v1/data-sources/1/data", c.body)
				r.Header.Set("Auth-token", orgToken)
				r.Header.Set("Content-Type", "application/json")
				answer := s.send(r)
				if answer.status != 400 || !strings.Contains(answer.body, c.says) || len(answer.body) > 1000 {
					t.Errorf("%s: %d %s", c.what, answer.status, clip(answer.body, 300))
				}
				if after := state(t, s); after != before {
					t.Fatalf("%s: something changed: %s", c.what, clip(after, 1000))
				}
			}
		})
	}
}

// TestImportForms: rows as a JSON body, as a form and as a file are the same rows.
func TestImportForms(t *testing.T) {
	s := newSite(t, Options{})
	rng := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		var rows []string
		for i := range rng.IntN(9) {
			rows = append(rows, fmt.Sprintf(`{"a": %d.10, "b\u00e9": ["x", {"c": null}], "%s": "\u0022"}`, i, []string{"d", "dataSourceId", "e"}[rng.IntN(3)]))
		}
		list := "[" + strings.Join(rows, " ,\n") + "]"
		var seen []string
		for _, form := range []string{"json", "form", "file"} {
			ds := s.table(siftdb.DataSourceSpec{Name: "Rows"}, `{"old": 1}`)
			var body bytes.Buffer
			header := "application/json"
			switch form {
			case "json":
				fmt.Fprintf(&body, ` {"runHooks": null, "entries" : [{"gone": 1}], "entries": %s, "append": true} `, list)
			case "form":
				header = "application/x-www-form-urlencoded"
				fmt.Fprintf(&body, "append=true&entries=%s", url.QueryEscape(list))
			case "file":
				w := multipart.NewWriter(&body)
				part, err := w.CreateFormFile("file", "rows.json")
				if err == nil {
					_, err = io.WriteString(part, list)
				}
				if err := errors.Join(err, w.WriteField("append", "true"), w.Close()); err != nil {
					t.Fatal(err)
				}
				header = w.FormDataContentType()
			}
			r := httptest.NewRequest("POST", fmt.Sprintf("/v1/data-sources/%d/data", ds.ID()), &body)
			r.Header.Set("Auth-token", orgToken)
			r.Header.Set("Content-Type", header)
			if answer := s.send(r); answer.status != 200 {
				t.Fatalf("%s: %d %s", form, answer.status, answer.body)
			}
			entries, err := ds.Find(ctx, siftdb.Query{})
			if err != nil {
				t.Fatal(err)
			}
			var text []byte
			for _, e := range entries {
				text = append(append(text, e.JSON()...), '\n')
			}
			seen = append(seen, string(text))
		}
		var want bytes.Buffer
		for _, row := range append([]string{`{"old":1}`}, rows...) {
			if err := json.Compact(&want, []byte(row)); err != nil {
				t.Fatal(err)
			}
			want.WriteByte('\n')
		}
		text := strings.NewReplacer(`b\u00e9`, "bé", `\u0022`, `\"`, `,"dataSourceId":"\u0022"`, "").Replace(want.String())
		if diff := cmp.Diff([]string{text, text, text}, seen); diff != "" {
			t.Fatal(diff)
		}
	}
}

// TestNullAndDigits: public may be null, and unique values have the digits of their first
// appearance.
func TestNullAndDigits(t *testing.T) {
	s := newSite(t, Options{})
	r := s.ask(orgToken, "POST /v1/data-sources", asJSON, `{"name": "t", "public": null, "entries": [{"n": 1.10}, {"n": 1.1}, {"n": [1e2, 100]}, {"n": {"b": 1.0, "a": "<"}}]}`).want(201)
	if v := r.get("dataSource", "public"); v != nil || !strings.Contains(r.body, `"public":null`) {
		t.Errorf("created as %s", r.body)
	}
	ds, err := s.db.DataSource(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	s.ask(orgToken, "GET "+path(ds, "/indexes/n,x")).text(200, `{"indexes":{"n":[1.10,1e2,{"b":1.0,"a":"<"}],"x":[]}}`)
	for _, change := range []string{"true", "null", "false", "null"} {
		r := s.ask(orgToken, "PUT "+path(ds, ""), asJSON, `{"public": `+change+`}`).want(200)
		if !strings.Contains(r.body, `"public":`+change) {
			t.Errorf("changed to %s: %s", change, r.body)
		}
	}
	s.ask(orgToken, "PUT "+path(ds, ""), asJSON, `{"name": "other"}`).want(200)
	if r := s.ask(orgToken, "GET "+path(ds, "")).want(200); !strings.Contains(r.body, `"public":null`) {
		t.Errorf("after another change: %s", r.body)
	}
}

// TestImportDeniedEarly sends an endless body where no rule lets anything be inserted: it is
// refused before much of it has been read.
func TestImportDeniedEarly(t *testing.T) {
	s := newSite(t, Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "A", AccessRules: []byte(`[{"type":["select"],"allow":"all"}]`)})
	for token, status := range map[string]int{bobToken: 400, "": 401} {
		body := &manyRows{size: 1 << 40}
		r := httptest.NewRequest("POST", path(ds, "/data"), body)
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Auth-token", token)
		}
		got := s.send(r)
		if got.status != status {
			t.Errorf("token %q: %d %s", token, got.status, got.body)
		}
		if body.row > 100 {
			t.Errorf("token %q: %d rows have been read", token, body.row)
		}
	}
}
