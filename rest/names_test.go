package rest

import (
	"fmt"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
)

// hostileNames are names of files that clients may send: each way out of a folder before each name
// that means something to a system, a shell, a header or a page.
func hostileNames() (names []string) {
	for _, before := range []string{"", "../", "..\\", "/etc/", "C:\\", "\\\\host\\share\\", "a/../../", "%2e%2e/", "..%2f"} {
		for _, name := range []string{"passwd", "..", ".", ".htaccess", "con", "NUL.txt", "com1.png", "a\x00.png", "a\r\nX-Injected: 1", "a\"; filename=\"b", "<script>.html",
			"a.html", "a.svg", "a:stream", "a ", "a.", "~", "-rf", "$(id)", "\u202egnp.exe", "e\u0301\u200b", "\xff\xfe", strings.Repeat("n", 300), strings.Repeat("é", 200) + ".png", "*?|", "a/b\\c"} {
			names = append(names, before+name)
		}
	}
	return names
}

// TestNamesOnDisk sends files under hostile names, which then have clean ones, lie where they
// should, and come back whole under headers that say no more than that.
func TestNamesOnDisk(t *testing.T) {
	folder := t.TempDir()
	inside := filepath.Join(folder, "files")
	dir, err := media.Dir(inside)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	s, _ := mediaSite(t, Options{}, siftdb.Options{Media: dir})
	s.table(siftdb.DataSourceSpec{Name: "T"})
	sent, refused := 0, 0
	for i, name := range hostileNames() {
		content := fmt.Sprint("content ", i)
		quoted := strings.NewReplacer("\\", "\\\\", `"`, `\"`).Replace(name)
		r := httptest.NewRequest("POST", "/v1/media/files?organizationId=123", strings.NewReader("--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\""+quoted+"\"\r\n\r\n"+content+"\r\n--X--\r\n"))
		r.Header.Set("Auth-token", orgToken)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=X")
		answer := s.send(r)
		if answer.status == 400 {
			refused++
			continue
		}
		answer.want(201)
		sent++
		got, _ := answer.get("files", 0, "name").(string)
		if got == "" || got != media.CleanName(got) || strings.ContainsAny(got, "/\\\x00\r\n\"<>:") || !utf8.ValidString(got) || len(got) > 255 {
			t.Errorf("%+q is called %+q", name, got)
		}
		back := s.ask(orgToken, fmt.Sprintf("GET /v1/media/files/%v/contents", answer.get("files", 0, "id"))).want(200)
		if back.body != content {
			t.Errorf("%+q comes back as %q", name, back.body)
		}
		checkHeaders(t, name, got, back.header)
	}
	if sent+refused < 200 || sent < refused {
		t.Errorf("%d names were taken and %d refused", sent, refused)
	}
	outside, err := os.ReadDir(folder)
	if err != nil || len(outside) != 1 {
		t.Errorf("beside the folder lie %v, %v", outside, err)
	}
	t.Logf("%d names were taken and %d refused", sent, refused)
}

// checkHeaders makes sure that the headers of a file hold its name and nothing from it.
func checkHeaders(t *testing.T, name, clean string, header http.Header) {
	t.Helper()
	if header.Get("X-Injected") != "" || header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%+q: the headers are %v", name, header)
	}
	disposition, params, err := mime.ParseMediaType(header.Get("Content-Disposition"))
	if err != nil || !slices.Contains([]string{"attachment", "inline"}, disposition) || params["filename"] != clean {
		t.Errorf("%+q: %q gives %v, %v", name, header.Get("Content-Disposition"), params, err)
	}
	if kind := header.Get("Content-Type"); disposition == "inline" && (strings.Contains(kind, "html") || strings.Contains(kind, "svg") || strings.Contains(kind, "xml")) {
		t.Errorf("%+q: browsers show it as %s", name, kind)
	}
}
