package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
)

// mediaSite is a site whose store of files the test sees.
func mediaSite(t testing.TB, options Options, database siftdb.Options) (*site, media.Store) {
	t.Helper()
	if database.Media == nil {
		database.Media = media.Memory()
	}
	db, err := siftdb.OpenMemory(&database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return serveSite(t, db, options), database.Media
}

// multi writes a multipart body of lines: name=text, or name@file=content.
func multi(lines ...string) string {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.SetBoundary("X")
	for _, line := range lines {
		name, content, _ := strings.Cut(line, "=")
		var part io.Writer
		if name, file, ok := strings.Cut(name, "@"); ok {
			part, _ = w.CreateFormFile(name, file)
		} else {
			part, _ = w.CreateFormField(name)
		}
		_, _ = io.WriteString(part, content)
	}
	_ = w.Close()
	return strings.ReplaceAll(b.String(), "Content-Type: application/octet-stream\r\n", "")
}

// count returns how many files are stored, and how many are known of an organization.
func count(t testing.TB, s *site, store media.Store) (have, know int) {
	t.Helper()
	for _, err := range store.List(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		have++
	}
	list, err := s.db.Files().List(ctx, siftdb.FileQuery{})
	if err != nil {
		t.Fatal(err)
	}
	return have, len(list)
}

// TestFilesOfClient sends what the DIS client sends for files (spec 12.5), and reads what it reads.
func TestFilesOfClient(t *testing.T) {
	s := newSite(t, Options{})
	s.ask(guestToken, "GET /v1/organizations/").want(200)
	if list := s.ask(guestToken, "GET /v1/media/?organizationId=123").want(200); list.body != `{"files":[],"folders":[]}` {
		t.Error(list.body)
	}
	folder := s.ask(guestToken, "POST /v1/media/folders", asJSON, `{"name": "DIS", "organizationId": 123}`).want(201)
	id := fmt.Sprint(folder.get("id"))
	if name := s.ask(guestToken, "GET /v1/media/?organizationId=123").want(200).get("folders", 0, "name"); name != "DIS" {
		t.Errorf("folder %v", name)
	}
	up := s.ask(guestToken, "POST /v1/media/files?folderId="+id+"&name=b.txt&organizationId=123", asParts, multi("files@a.txt=hello", "checksum=5d41402abc4b2a76b9719d911017c592")).want(201)
	file := up.get("files", 0)
	if at(file, "name") != "b.txt" || at(file, "metadata", "checksum") != "5d41402abc4b2a76b9719d911017c592" || at(file, "metadata", "clientChecksum") != "5d41402abc4b2a76b9719d911017c592" ||
		fmt.Sprint(at(file, "mediaFolderId")) != id || at(file, "url") != "/v1/media/files/"+fmt.Sprint(at(file, "id"))+"/contents/b.txt" {
		t.Error(up.body)
	}
	list := s.ask(guestToken, "GET /v1/media?folderId="+id+"&organizationId=123").want(200)
	if at(list.value(), "files", 0, "metadata", "clientChecksum") != "5d41402abc4b2a76b9719d911017c592" {
		t.Error(list.body)
	}
	if got := s.ask(guestToken, "GET "+at(file, "url").(string)).want(200); got.body != "hello" {
		t.Error(got.body)
	}
	path := "/v1/media/files/" + fmt.Sprint(at(file, "id"))
	if got := s.ask(guestToken, "GET "+path).want(200).get("file", "name"); got != "b.txt" {
		t.Error(got)
	}
	s.ask(orgToken, "DELETE /v1/media/folders/"+id).fails(409, "not empty")
	s.ask(orgToken, "DELETE "+path).text(200, "{}")
	s.ask(orgToken, "GET "+path+"/contents").fails(404, "file")
	s.ask(orgToken, "DELETE /v1/media/folders/"+id).text(200, "{}")
}

// TestMultipart inserts and updates entries with files (spec 12.6).
func TestMultipart(t *testing.T) {
	s, store := mediaSite(t, Options{Prefix: "/api"}, siftdb.Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "T"})
	folder := fmt.Sprint(s.ask(orgToken, "POST /api/v1/media/folders", asForm, `name=F&organizationId=123`).want(201).get("id"))
	data := "/api" + path(ds, "/data")
	e := s.ask(orgToken, "PUT "+data+"?folderId="+folder, asParts, multi("foo=bar", "files[0]@a.txt=1", "files[1]@b.txt=2", "baz@=")).want(201)
	ids, urls := at(e.value(), "data", "filesMediaFileId").([]any), at(e.value(), "data", "files").([]any)
	if len(ids) != 2 || urls[1] != "/api/v1/media/files/"+fmt.Sprint(ids[1])+"/contents/b.txt" || at(e.value(), "data", "baz") != nil || at(e.value(), "data", "foo") != "bar" {
		t.Fatal(e.body)
	}
	if got := s.ask(orgToken, "GET "+urls[1].(string)).want(200); got.body != "2" {
		t.Error(got.body)
	}
	list := s.ask(orgToken, "GET /api/v1/media?folderId="+folder).want(200)
	if at(list.value(), "files", 1, "dataSourceEntryId") != at(e.value(), "id") || at(list.value(), "files", 2) != nil {
		t.Error(list.body)
	}
	entry := data + "/" + fmt.Sprint(at(e.value(), "id"))
	e = s.ask(orgToken, "PUT "+entry+"?mediaFolderId="+folder, asParts, multi(`_flSchema={"files":{"append":true}}`, "files@c.txt=3")).want(201)
	if urls := at(e.value(), "data", "files").([]any); len(urls) != 3 || at(e.value(), "data", "foo") != "bar" || at(e.value(), "data", "_flSchema") != nil {
		t.Error(e.body)
	}
	have, _ := count(t, s, store)
	for _, refused := range []struct{ target, body, says string }{
		{data + "?folderId=999", multi("f@a=1"), "folder 999"}, {data, multi("f@a=1", `_flSchema={"f":{"mediaFolderId":999}}`), "folder 999"},
		{data + "/999", multi("f@a=1"), "999"}, {entry + "?folderId=999", multi("f@a=1"), "folder 999"},
	} {
		s.ask(orgToken, "PUT "+refused.target, asParts, refused.body).fails(404, refused.says)
	}
	s.ask(orgToken, "PUT "+data+"?folderId=x", asParts, multi("f@a=1")).fails(400, "folderId")
	s.ask(orgToken, "PUT "+data, asParts, multi("f@a=1", "_flSchema={")).fails(400, "_flSchema")
	s.ask(bobToken, "PUT "+data, asParts, multi("f@a=1")).want(400)
	if now, _ := count(t, s, store); now != have {
		t.Errorf("%d files, before %d", now, have)
	}
}

// TestFileRefusals: the answer to those who may not read a file, and that a hidden column hides its
// file (spec 13.4).
func TestFileRefusals(t *testing.T) {
	s := newSite(t, Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "T", AccessRules: json.RawMessage(`[{"type": ["select", "insert"], "allow": "loggedIn", "exclude": ["hidden"]}]`)})
	e := s.ask(orgToken, "PUT "+path(ds, "/data"), asParts, multi("hidden@a.txt=secret", "shown@b.txt=open")).want(201)
	file := func(column string) string {
		return "/v1/media/files/" + fmt.Sprint(at(e.value(), "data", column+"MediaFileId"))
	}
	const refusal = `{"error":"file.access","message":"You do not have permission to access this file"}`
	s.ask(bobToken, "GET "+file("shown")+"/contents").text(200, "open")
	for _, token := range []string{bobToken, guestToken, strangeToken} {
		for _, target := range []string{"GET ", "HEAD ", "DELETE "} {
			for _, end := range []string{"", "/contents", "/contents/x"} {
				if target == "DELETE " && end != "" {
					continue
				}
				s.ask(token, target+file("hidden")+end).text(401, refusal)
			}
		}
	}
	for _, token := range []string{guestToken, strangeToken} {
		s.ask(token, "GET "+file("shown")+"/contents", "Range: bytes=0-1").text(401, refusal)
		s.ask(token, "GET "+file("shown")+"/contents", `If-None-Match: *`).text(401, refusal)
	}
	s.ask("", "GET "+file("shown")+"/contents").fails(401, "auth_token")
	s.ask(wrongToken, "GET "+file("shown")+"/contents").fails(401, "auth_token")
	if list := s.ask(bobToken, "GET /v1/media?organizationId=123").want(200); at(list.value(), "files", 0, "name") != "b.txt" || at(list.value(), "files", 1) != nil {
		t.Error(list.body)
	}
	s.ask(bobToken, "PUT "+path(ds, "/data"), asParts, multi("hidden@a.txt=x")).want(400)
	s.ask(guestToken, "PUT "+path(ds, "/data"), asParts, multi("shown@a.txt=x")).want(400)
}

// TestContents: ranges, conditions and HEAD.
func TestContents(t *testing.T) {
	for name, store := range map[string]media.Store{"seekable": media.Memory(), "not seekable": plain{media.Memory()}} {
		t.Run(name, func(t *testing.T) {
			s, _ := mediaSite(t, Options{}, siftdb.Options{Media: store})
			up := s.ask(orgToken, "POST /v1/media/files?organizationId=123", asParts, multi("files@a.txt=0123456789")).want(201)
			target := fmt.Sprintf("/v1/media/files/%v/contents", up.get("files", 0, "id"))
			r := s.ask(orgToken, "GET "+target).text(200, "0123456789")
			for header, want := range map[string]string{"Content-Type": "text/plain; charset=utf-8", "Content-Disposition": "inline; filename=a.txt", "Content-Length": "10",
				"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "no-store"} {
				if got := r.header.Get(header); got != want {
					t.Errorf("%s: %q, want %q", header, got, want)
				}
			}
			if h := s.ask(orgToken, "HEAD "+target+"/a.txt").text(200, ""); h.header.Get("Content-Length") != "10" || h.header.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("%v", h.header)
			}
			s.ask(orgToken, "GET "+target+"/%2e%2e%2fother").text(200, "0123456789")
			if name != "seekable" {
				return
			}
			for header, want := range map[string]string{"bytes=0-1": "01", "bytes=8-": "89", "bytes=-3": "789", "bytes=5-99": "56789"} {
				s.ask(orgToken, "GET "+target, "Range: "+header).text(206, want)
			}
			for _, header := range []string{"bytes=10-", "bytes=99-100", "bytes=5-2", "bytes=x", "bites=0-1"} {
				bad := s.ask(orgToken, "GET "+target, "Range: "+header).fails(416, "range")
				if bad.header.Get("Content-Disposition") != "" {
					t.Error("the answer looks like a file")
				}
			}
			etag := r.header.Get("ETag")
			s.ask(orgToken, "GET "+target, "If-None-Match: "+etag).text(304, "")
			r2 := httptest.NewRequest("GET", target, nil)
			r2.Header.Set("Auth-token", orgToken)
			r2.Header.Set("If-Match", `"other"`)
			s.send(r2).fails(412, "not as the request")
		})
	}
}

// plain is a store whose files cannot be read from the middle.
type plain struct{ media.Store }

func (p plain) Get(ctx context.Context, path string) (media.File, error) {
	f, err := p.Store.Get(ctx, path)
	if err != nil {
		return nil, err
	}
	return struct{ media.File }{f}, nil
}

// TestHostileNames sends file names and types of all kinds: what comes back is one safe header
// line, and the bytes are never a page.
func TestHostileNames(t *testing.T) {
	s := newSite(t, Options{})
	names := []string{"../../etc/passwd", `..\..\boot.ini`, "a\r\nSet-Cookie: x=1", "a\x00b", `a"; filename="b.exe`, "a;b", "a\\\"b", "<script>.html", "CON", "nul.txt", ".htaccess", "...", "   ", "\u202egnp.exe",
		"ünïcödé.txt", "日本語.png", "emoji👍.gif", strings.Repeat("x", 5000) + ".jpg", strings.Repeat("語", 400), "a%0d%0ab", "%2e%2e%2f", "=cmd|' /C calc'!A0", "file.php.jpg", "\xff\xfe", "a\u0085b", "a\u2028b", "'", "`id`", "$(id)", "a/", "/", "~root",
		"C:", "x\tz", "a*b?c", "aux.", "LPT1.txt", "#frag", "?query", "&amp;", "filename*=UTF-8''x"}
	types := []string{"text/html", "image/svg+xml", "application/xhtml+xml", "text/html; charset=utf-7", "text/javascript", "application/xml", "text/html\r\nX: y", "nonsense", "multipart/mixed", "*/*", strings.Repeat("a", 1000) + "/b", "image/png"}
	for i, name := range names {
		kind := types[i%len(types)]
		var b bytes.Buffer
		b.WriteString("--X\r\nContent-Disposition: " + mime.FormatMediaType("form-data", map[string]string{"name": "files", "filename": strings.ToValidUTF8(name, "?")}) + "\r\nContent-Type: " + strings.ReplaceAll(kind, "\r\n", " ") + "\r\n\r\n<script>alert(1)</script>\r\n--X--\r\n")
		r := httptest.NewRequest("POST", "/v1/media/files?organizationId=123", &b)
		r.Header.Set("Auth-token", orgToken)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=X")
		up := s.send(r).want(201)
		file := up.get("files", 0)
		clean, _ := at(file, "name").(string)
		if clean != media.CleanName(clean) || clean == "" || strings.ContainsAny(clean, "/\\\r\n\x00") {
			t.Errorf("%q is kept as %q", name, clean)
		}
		if p, _ := at(file, "path").(string); media.CheckPath(p) != nil || !strings.HasPrefix(p, "organizations/123/") {
			t.Errorf("%q lies at %q", name, p)
		}
		url, _ := at(file, "url").(string)
		got := s.ask(orgToken, "GET "+url).text(200, "<script>alert(1)</script>")
		for header, values := range got.header {
			if len(values) != 1 || strings.ContainsAny(values[0], "\r\n\x00") || header == "Set-Cookie" || header == "X" {
				t.Errorf("%q: header %s: %q", name, header, values)
			}
		}
		disposition, params, err := mime.ParseMediaType(got.header.Get("Content-Disposition"))
		if err != nil || params["filename"] != clean || len(params) != 1 {
			t.Errorf("%q: %q: %v %v", name, got.header.Get("Content-Disposition"), params, err)
		}
		shown := strings.HasPrefix(got.header.Get("Content-Type"), "image/png")
		if (disposition == "inline") != shown || got.header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(got.header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%q of type %q is shown: %v", name, kind, got.header)
		}
	}
}

// TestCutUploads cuts a body after every byte: nothing is stored, and the answer is 400.
func TestCutUploads(t *testing.T) {
	s, store := mediaSite(t, Options{}, siftdb.Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "T"}, `{"a": 1}`)
	body := multi("x=y", "f@a.txt=12345", "g@b.txt=6789")
	whole := strings.TrimSuffix(body, "\r\n")
	for _, target := range []string{"PUT " + path(ds, "/data"), "PUT " + path(ds, "/data/1"), "POST /v1/media/files?organizationId=123"} {
		for n := 1; n < len(whole); n++ {
			s.ask(orgToken, target, asParts, whole[:n]).want(400)
		}
		if have, know := count(t, s, store); have != 0 || know != 0 {
			t.Fatalf("%s: %d files stored, %d known", target, have, know)
		}
	}
	if n, err := ds.Count(ctx, siftdb.Query{}); n != 1 || err != nil {
		t.Errorf("%d entries, %v", n, err)
	}
	s.ask(orgToken, "PUT "+path(ds, "/data"), asParts, whole).want(201)
}

// TestSlowUploads: a client that stops in the middle of a file, or leaves, leaves nothing.
func TestSlowUploads(t *testing.T) {
	s, store := mediaSite(t, Options{ReadTimeout: 200 * time.Millisecond}, siftdb.Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "T"})
	server := httptest.NewServer(recorded(t, s.handler))
	defer server.Close()
	body := multi("f@a.txt=12345", "g@b.txt=6789")
	for _, leaves := range []bool{false, true} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: x\r\nAuth-token: %s\r\nContent-Type: multipart/form-data; boundary=X\r\nContent-Length: %d\r\n\r\n%s", path(ds, "/data"), orgToken, len(body), body[:len(body)-20])
		if leaves {
			time.Sleep(50 * time.Millisecond)
			conn.Close()
			continue
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		head := make([]byte, 12)
		if _, err := io.ReadFull(conn, head); err != nil || string(head) != "HTTP/1.1 408" {
			t.Errorf("%q %v", head, err)
		}
		conn.Close()
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		have, know := count(t, s, store)
		if have == 0 && know == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d files stored, %d known", have, know)
		}
	}
}

// TestLargeBodies: files stream, and texts are held to the limit of other bodies.
func TestLargeBodies(t *testing.T) {
	dir, err := media.Dir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	s, store := mediaSite(t, Options{BodyLimit: 1 << 20, BulkLimit: 65 << 20}, siftdb.Options{Media: dir})
	ds := s.table(siftdb.DataSourceSpec{Name: "T"})
	send := func(size int) (*reply, int64) {
		var before runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		content := &heap{left: size}
		r := httptest.NewRequest("PUT", path(ds, "/data"), io.MultiReader(strings.NewReader("--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n"), content, strings.NewReader("\r\n--X--\r\n")))
		r.Header.Set("Auth-token", orgToken)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=X")
		return s.send(r), int64(content.most) - int64(before.HeapAlloc)
	}
	reply, grown := send(64 << 20)
	if reply.want(201); grown > 8<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if reply, _ := send(66 << 20); reply.status != 413 {
		t.Errorf("status %d", reply.status)
	}
	if have, know := count(t, s, store); have != 1 || know != 1 {
		t.Errorf("%d files stored, %d known", have, know)
	}
	s.ask(orgToken, "PUT "+path(ds, "/data"), asParts, multi("a="+strings.Repeat("x", 600_000), "f@a=1", "b="+strings.Repeat("x", 600_000))).fails(413, "1048576")
	if have, _ := count(t, s, store); have != 1 {
		t.Errorf("%d files stored", have)
	}
}

// heap gives zeros, and notes the largest heap on the way.
type heap struct {
	left, reads int
	most        uint64
}

func (h *heap) Read(p []byte) (int, error) {
	if h.left == 0 {
		return 0, io.EOF
	}
	if h.reads++; h.reads%2048 == 0 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		h.most = max(h.most, m.HeapAlloc)
	}
	n := min(len(p), h.left)
	clear(p[:n])
	h.left -= n
	return n, nil
}

// TestImportFile is POST <ds>/data with a file (spec 12.3, Q15).
func TestImportFile(t *testing.T) {
	s, store := mediaSite(t, Options{}, siftdb.Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "T"}, `{"a": "old"}`)
	for _, step := range []struct {
		query string
		parts []string
		want  string
	}{
		{"", []string{"file@a.csv=a,b\n1,2\n3,"}, `{"a":"1","b":"2"} {"a":"3","b":""}`},
		{"", []string{"append=true", `file@a.json=[{"a": 5}]`}, `{"a":"1","b":"2"} {"a":"3","b":""} {"a":5}`},
		{"?append", []string{`file@a.json=[{"a": 6}]`}, `{"a":"1","b":"2"} {"a":"3","b":""} {"a":5} {"a":6}`},
		{"?append=true", []string{`file@a.json=[{"a": 7}]`, "append=false"}, `{"a":7}`},
		{"", []string{`file@=[{"a": 8}]`}, `{"a":8}`},
	} {
		s.ask(orgToken, "POST "+path(ds, "/data")+step.query, asParts, multi(step.parts...)).text(200, "")
		if got := s.ask(orgToken, "GET "+path(ds, "/data")).want(200).data(); got != step.want {
			t.Errorf("got %s, want %s", got, step.want)
		}
	}
	for _, refused := range [][]string{{"append=true"}, {"file=text"}, {"other@a=a"}, {"file@a=a\n1", "file@b=a\n1"}, {"file@a=a,a\n1,2"}, {"file@a=a\n1", "append=maybe"}, {"file@a=[5]"}, {"file@a="}} {
		s.ask(orgToken, "POST "+path(ds, "/data"), asParts, multi(refused...)).want(400)
	}
	s.ask(bobToken, "POST "+path(ds, "/data"), asParts, multi("file@a=a\n1")).want(400)
	body := multi("file@a.csv=a\n9")
	s.ask(orgToken, "POST "+path(ds, "/data"), asParts, body[:len(body)-4]).want(400)
	if got := s.ask(orgToken, "GET "+path(ds, "/data")).want(200).data(); got != `{"a":8}` {
		t.Errorf("a refused file changed something: %s", got)
	}
	if have, _ := count(t, s, store); have != 0 {
		t.Error("an import stores a file")
	}
}

// TestHostileMedia: what is wrong is told, and changes nothing.
func TestHostileMedia(t *testing.T) {
	s := hostileSite(t)
	file := multi("files@a=1")
	var requests []hostile
	for _, target := range []string{"GET /v1/media/files/99", "GET /v1/media/files/0", "GET /v1/media/files/-1", "GET /v1/media/files/x", "GET /v1/media/files/99999999999999999999", "GET /v1/media/files/99/contents", "GET /v1/media/files/1/contents",
		"GET /v1/media/files/99/contents/a", "GET /v1/media/files/99/contents/a/b", "DELETE /v1/media/files/99", "DELETE /v1/media/files/4096", "DELETE /v1/media/folders/99", "DELETE /v1/media/folders/x", "DELETE /v1/media/folders/99999999999999999999", "GET /v1/media?folderId=99",
		"GET /v1/media/file", "GET /v1/media/files/..%2f1", "PUT /v1/data-sources/siftdb:files/data", "GET /v1/data-sources/siftdb%3Afiles", "GET /v1/data-sources/3", "GET /v1/data-sources/3/data"} {
		requests = append(requests, hostile{target: target, body: `{}`, status: 404})
	}
	for _, target := range []string{"GET /v1/media?folderId=x", "GET /v1/media?folderId=0", "GET /v1/media?organizationId=x", "GET /v1/media?appId=-1", "GET /v1/media?folderId=1&folderId=2", "GET /v1/media?folderId[]=1", "POST /v1/media/folders?organizationId=x"} {
		requests = append(requests, hostile{target: target, body: `{"name": "x"}`, status: 400})
	}
	for _, body := range []string{`{}`, `{"name": ""}`, `{"name": 5}`, `{"name": null}`, `[]`, `{"name": "x", "parentId": "a"}`, `{"name": "x", "parentId": -1}`, `{"name": "x", "appId": {}}`, `{"name": "` + strings.Repeat("x", 256) + `"}`} {
		requests = append(requests, hostile{target: "POST /v1/media/folders", body: body, status: 400})
	}
	requests = append(requests,
		hostile{target: "POST /v1/media/folders", body: `{"name": "x", "parentId": 99}`, status: 404}, hostile{target: "POST /v1/media/folders", body: `{"name": "x", "organizationId": 9}`, status: 403},
		hostile{token: adminToken, target: "POST /v1/media/folders", body: `{"name": "x"}`, status: 400, says: "context"}, hostile{token: adminToken, target: "GET /v1/media", status: 400, says: "context"},
		hostile{target: "POST /v1/media/files", body: `{}`, status: 415}, hostile{target: "POST /v1/media/files", header: asForm, body: `a=b`, status: 415}, hostile{target: "POST /v1/media/files", status: 400, says: "empty"},
		hostile{target: "POST /v1/media/files", header: "Content-Type: multipart/form-data", body: file, status: 400, says: "boundary"}, hostile{target: "POST /v1/media/files", header: asParts, body: multi("a=b"), status: 400, says: "no file"},
		hostile{target: "POST /v1/media/files", header: asParts, body: multi("a@="), status: 400, says: "no file"}, hostile{target: "POST /v1/media/files?folderId=99", header: asParts, body: file, status: 404},
		hostile{target: "POST /v1/media/files?folderId=x", header: asParts, body: file, status: 400}, hostile{target: "POST /v1/media/files?organizationId=9", header: asParts, body: file, status: 403},
		hostile{target: "POST /v1/media/files?name=a&name=b", header: asParts, body: file, status: 400, says: "name"}, hostile{target: "POST /v1/media/files", header: asParts, body: multi("files@a=1", "organizationId=9"), status: 403},
		hostile{token: adminToken, target: "POST /v1/media/files", header: asParts, body: file, status: 400, says: "context"}, hostile{target: "POST /v1/media/files", header: asParts, body: multi("files@a=" + strings.Repeat("x", 3<<20)), status: 413},
		hostile{target: "POST /v1/data-sources?organizationId=123", body: `{"name": "x", "type": "siftdb:files"}`, status: 400, says: "reserved"}, hostile{token: guestToken, target: "DELETE /v1/media/folders/1", status: 403},
		hostile{target: "PUT /v1/media/files/1", body: `{}`, status: 405, says: "DELETE, GET, HEAD"}, hostile{target: "POST /v1/media", body: `{}`, status: 405}, hostile{target: "GET /v1/media/folders", status: 405})
	s.refuse(requests)
}

// TestWithoutMedia: a database that keeps no files says so.
func TestWithoutMedia(t *testing.T) {
	db, err := siftdb.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s := serveSite(t, db, Options{})
	ds := s.table(siftdb.DataSourceSpec{Name: "T"})
	s.ask(orgToken, "PUT "+path(ds, "/data"), asParts, multi("f@a=1")).fails(400, "keeps no files")
	s.ask(orgToken, "POST /v1/media/files", asParts, multi("f@a=1")).fails(400, "keeps no files")
	s.ask(orgToken, "PUT "+path(ds, "/data"), asParts, multi("a=1")).want(201)
	s.ask(orgToken, "GET /v1/media").text(200, `{"files":[],"folders":[]}`)
}

// TestBrokenStore: a store that fails is the server's fault, and is not told of; a file that breaks
// off is cut off.
func TestBrokenStore(t *testing.T) {
	store := &brokenStore{Store: media.Memory()}
	s, _ := mediaSite(t, Options{}, siftdb.Options{Media: store})
	up := s.ask(orgToken, "POST /v1/media/files?organizationId=123", asParts, multi("files@a.txt=0123456789")).want(201)
	target := fmt.Sprintf("GET /v1/media/files/%v/contents", up.get("files", 0, "id"))
	store.down = true
	s.ask(orgToken, "POST /v1/media/files?organizationId=123", asParts, multi("files@a.txt=1")).fails(503, "")
	if r := s.ask(orgToken, target).fails(503, ""); strings.Contains(r.body, "secret") {
		t.Error(r.body)
	}
	store.down, store.short = false, true
	server := httptest.NewServer(recorded(t, s.handler))
	defer server.Close()
	r, err := http.NewRequest("GET", server.URL+strings.TrimPrefix(target, "GET "), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Auth-token", orgToken)
	resp, err := server.Client().Do(r)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("a file that breaks off looks whole")
	}
}

// brokenStore is a store that fails when told to.
type brokenStore struct {
	media.Store
	down, short bool
}

var errBroken = errors.New("a secret of the store")

func (b *brokenStore) Put(ctx context.Context, path string, r io.Reader) (media.Info, error) {
	if b.down {
		return media.Info{}, errBroken
	}
	return b.Store.Put(ctx, path, r)
}

func (b *brokenStore) Get(ctx context.Context, path string) (media.File, error) {
	if b.down {
		return nil, errBroken
	}
	f, err := b.Store.Get(ctx, path)
	if b.short && err == nil {
		return struct {
			media.File
			io.Seeker
		}{shortFile{f}, f.(io.Seeker)}, nil
	}
	return f, err
}

// shortFile breaks off after a few bytes.
type shortFile struct{ media.File }

func (f shortFile) Read(p []byte) (int, error) {
	n, _ := f.File.Read(p[:min(len(p), 5)])
	return n, errBroken
}
