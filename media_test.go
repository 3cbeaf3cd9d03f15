package siftdb_test

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
)

// urls makes URLs of files short.
var urls = regexp.MustCompile(`/v1/media/files/(\d+)/contents/`)

// TestForm puts forms into entries (spec 12.6).
func TestForm(t *testing.T) {
	for _, test := range []struct {
		name  string
		parts []siftdb.Part
		want  string // URLs are written as #id/name, ids begin with 1
	}{
		{"texts", []siftdb.Part{textPart("a", "1"), textPart("b", "")}, `{"a":"1","b":""}`},
		{"a repeated name", []siftdb.Part{textPart("a", "1"), textPart("b", "x"), textPart("a", "2")}, `{"a":["1","2"],"b":"x"}`},
		{"brackets", []siftdb.Part{textPart("a[]", "1")}, `{"a":["1"]}`},
		{"a name of brackets only", []siftdb.Part{textPart("[0]", "1")}, `{"[0]":"1"}`},
		{"an index", []siftdb.Part{textPart("a[0]", "1"), textPart("b[x]", "2")}, `{"a":"1","b[x]":"2"}`},
		{"a file", []siftdb.Part{textPart("foo", "bar"), filePart("baz", "file.jpg", "")}, `{"foo":"bar","baz":"#1/file.jpg","bazMediaFileId":1}`},
		{"two files", []siftdb.Part{filePart("f", "a", "1"), textPart("x", "y"), filePart("f", "b", "2")}, `{"f":["#1/a","#2/b"],"x":"y","fMediaFileId":[1,2]}`},
		{"files[0]", []siftdb.Part{filePart("files[0]", "a", "1")}, `{"files":"#1/a","filesMediaFileId":1}`},
		{"files[0], files[1]", []siftdb.Part{filePart("files[0]", "a", "1"), filePart("files[1]", "b", "1")}, `{"files":["#1/a","#2/b"],"filesMediaFileId":[1,2]}`},
		{"files[]", []siftdb.Part{filePart("files[]", "a", "1")}, `{"files":["#1/a"],"filesMediaFileId":[1]}`},
		{"files of two columns", []siftdb.Part{filePart("b", "x", "1"), filePart("a", "y", "2"), filePart("b", "z", "3")},
			`{"b":["#1/x","#2/z"],"a":"#3/y","bMediaFileId":[1,2],"aMediaFileId":3}`},
		{"a text and a file", []siftdb.Part{textPart("f", "old"), filePart("f", "a", "1")}, `{"f":["old","#1/a"],"fMediaFileId":[1]}`},
		{"an empty part", []siftdb.Part{filePart("f", "", ""), textPart("a", "1")}, `{"a":"1"}`},
		{"no name, but bytes", []siftdb.Part{filePart("f", "", "x")}, `{"f":"#1/file","fMediaFileId":1}`},
		{"the schema", []siftdb.Part{textPart("_flSchema", `{"f":{"mediaFolderId":null,"append":true}}`), filePart("f", "a", "1")}, `{"f":"#1/a","fMediaFileId":1}`},
		{"an id that is sent", []siftdb.Part{textPart("fMediaFileId", "77"), filePart("f", "a", "1")}, `{"fMediaFileId":1,"f":"#1/a"}`},
		{"reserved keys", []siftdb.Part{textPart("dataSourceId", "77"), filePart("f", "a", "1")}, `{"f":"#1/a","fMediaFileId":1}`},
		{"nothing", nil, `{}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			db, store := mediaDB(t, siftdb.Options{})
			ds := fileTable(t, db, `[]`)
			e := must[*siftdb.Entry](t)(ds.InsertWithFiles(ctx, siftdb.FormOf(test.parts...)))
			got := urls.ReplaceAllString(string(e.JSON()), "#$1/")
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if again := must[*siftdb.Entry](t)(ds.FindByID(ctx, e.ID)); string(again.JSON()) != string(e.JSON()) {
				t.Errorf("stored is %s", again.JSON())
			}
			agree(t, db, store)
		})
	}
}

// TestFormColumns: the columns of a form are met in order (spec 14.4).
func TestFormColumns(t *testing.T) {
	db, _ := mediaDB(t, siftdb.Options{})
	ds := fileTable(t, db, `[]`)
	must[*siftdb.Entry](t)(ds.InsertWithFiles(ctx, siftdb.FormOf(textPart("a", "1"), filePart("f", "x", "1"), textPart("b", "1"))))
	info := must[siftdb.DataSourceInfo](t)(ds.Info(ctx))
	if got := strings.Join(info.Columns, ","); got != "a,f,b,fMediaFileId" {
		t.Errorf("columns %s", got)
	}
}

// TestBadForms: nothing is stored of a form that is refused.
func TestBadForms(t *testing.T) {
	cut := errors.New("cut off")
	file := func() siftdb.Part { return filePart("f", "a", "1") }
	for name, form := range map[string]siftdb.Form{
		"a part without a name":   siftdb.FormOf(file(), textPart("", "x")),
		"a file without a name":   siftdb.FormOf(file(), filePart("[]", "x", "")),
		"a broken schema":         siftdb.FormOf(file(), textPart("_flSchema", `[`)),
		"a schema of a number":    siftdb.FormOf(file(), textPart("_flSchema", `5`)),
		"a folder of letters":     siftdb.FormOf(file(), textPart("_flSchema", `{"f":{"mediaFolderId":"x"}}`)),
		"an unknown folder":       {Parts: siftdb.FormOf(file()).Parts, FolderID: new(int64(99))},
		"an unknown folder, late": siftdb.FormOf(file(), textPart("_flSchema", `{"f":{"mediaFolderId":99}}`)),
		"a folder as text":        siftdb.FormOf(file(), textPart("_flSchema", `{"f":{"mediaFolderId":"99"}}`)),
		"a reader that fails":     siftdb.FormOf(file(), siftdb.Part{Name: "g", FileName: "b", Content: io.MultiReader(strings.NewReader("x"), failing{cut})}),
		"a nameless one":          siftdb.FormOf(file(), siftdb.Part{Name: "g", Content: failing{cut}}),
		"parts that fail": {Parts: func(yield func(siftdb.Part, error) bool) {
			if yield(file(), nil) {
				yield(siftdb.Part{}, cut)
			}
		}},
		"a key that is too long": siftdb.FormOf(file(), textPart(strings.Repeat("k", 2000), "x")),
	} {
		t.Run(name, func(t *testing.T) {
			db, store := mediaDB(t, siftdb.Options{})
			ds := fileTable(t, db, `[]`)
			e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"a": 1}))
			_, err := ds.InsertWithFiles(ctx, form)
			if err == nil || strings.Contains(name, "folder") && strings.Contains(name, "unknown") != isNotFound(err) && name != "a folder as text" {
				t.Errorf("insert: %v", err)
			}
			if strings.Contains(name, "fail") && !errors.Is(err, cut) {
				t.Errorf("not the reader's error: %v", err)
			}
			if n := must[int64](t)(ds.Count(ctx, siftdb.Query{})); n != 1 || len(stored(t, store)) > 0 || len(listed(t, db)) > 0 {
				t.Errorf("%d entries, files %v", n, stored(t, store))
			}
			if again := must[*siftdb.Entry](t)(ds.FindByID(ctx, e.ID)); again.Changed != e.Changed {
				t.Error("the entry was changed")
			}
		})
	}
}

// failing is a reader that fails at once.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestUpdateWithFiles merges forms into an entry (spec 12.6).
func TestUpdateWithFiles(t *testing.T) {
	db, store := mediaDB(t, siftdb.Options{})
	ds := fileTable(t, db, `[]`)
	e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"keep": "x", "n": 5}))
	schema := textPart("_flSchema", `{"f": {"append": true}}`)
	for _, step := range []struct {
		parts []siftdb.Part
		want  string
	}{
		{[]siftdb.Part{filePart("f", "a", "1"), textPart("n", "6")}, `{"keep":"x","n":"6","f":"a","fMediaFileId":1}`},
		{[]siftdb.Part{filePart("f", "b", "2")}, `{"keep":"x","n":"6","f":"b","fMediaFileId":1}`},
		{[]siftdb.Part{schema, filePart("f", "c", "3")}, `{"keep":"x","n":"6","f":["b","c"],"fMediaFileId":2}`},
		{[]siftdb.Part{filePart("f", "d", "4"), schema}, `{"keep":"x","n":"6","f":["b","c","d"],"fMediaFileId":3}`},
		{[]siftdb.Part{textPart("n", "7")}, `{"keep":"x","n":"7","f":["b","c","d"],"fMediaFileId":3}`},
		{[]siftdb.Part{filePart("f", "", "")}, `{"keep":"x","n":"7","f":["b","c","d"],"fMediaFileId":3}`},
		{[]siftdb.Part{filePart("f", "e", "5")}, `{"keep":"x","n":"7","f":"e","fMediaFileId":1}`},
		{[]siftdb.Part{schema, filePart("f[]", "g", "1"), filePart("h[]", "i", "1")}, `{"keep":"x","n":"7","f":["e","g"],"fMediaFileId":2,"h":["i"],"hMediaFileId":1}`},
	} {
		e := must[*siftdb.Entry](t)(ds.UpdateWithFiles(ctx, e.ID, siftdb.FormOf(step.parts...)))
		got := regexp.MustCompile(`/v1/media/files/\d+/contents/`).ReplaceAllString(string(e.JSON()), "")
		m := e.Map()
		for _, key := range []string{"f", "h"} { // only how many ids there are, and that each has its URL
			ids, ok := m[key+"MediaFileId"].([]any)
			text := jsonOf(t, m[key+"MediaFileId"])
			if m[key] == nil {
				continue
			}
			n := 1
			if ok {
				n = len(ids)
			}
			got = strings.Replace(got, `"`+key+`MediaFileId":`+text, fmt.Sprintf(`"%sMediaFileId":%d`, key, n), 1)
		}
		if got != step.want {
			t.Errorf("got %s, want %s", got, step.want)
		}
	}
	if n := len(stored(t, store)); n != 7 { // none is deleted (spec 13.3)
		t.Errorf("%d files", n)
	}
	agree(t, db, store)
	if _, err := ds.UpdateWithFiles(ctx, 99999, siftdb.FormOf(filePart("f", "a", "1"))); !isNotFound(err) {
		t.Errorf("unknown entry: %v", err)
	}
	_, err := ds.UpdateWithFiles(ctx, e.ID, siftdb.FormOf(filePart("f", "a", "1")), siftdb.IfChanged(e.Changed))
	if !isConflict(err) {
		t.Errorf("a condition: %v", err)
	}
	if err := ds.Remove(ctx, e.ID); err != nil {
		t.Fatal(err)
	}
	agree(t, db, store)
	if n := len(stored(t, store)); n != 7 {
		t.Errorf("%d files after the entry went", n)
	}
}

// TestFileInfo: a file tells of itself in the shape of spec 13.1.
func TestFileInfo(t *testing.T) {
	at := time.Date(2017, 12, 11, 17, 58, 13, 245e6, time.UTC)
	picture := pngOf(t, 500, 375)
	for _, test := range []struct{ base, url string }{
		{"https://cdn.example.org/", `https://cdn.example.org/apps/2/<hex>/f%20o%23o.png`},
		{"https://cdn.example.org", `https://cdn.example.org/apps/2/<hex>/f%20o%23o.png`},
		{"", `/api/v1/media/files/1/contents/f%20o%23o.png`},
	} {
		db, store := mediaDB(t, siftdb.Options{MediaURL: test.base, MediaKey: make([]byte, 32), Now: func() time.Time { return at }})
		db = db.WithPrefix("/api")
		ds := fileTable(t, db, `[]`)
		part := siftdb.Part{Name: "p", FileName: `C:\pictures\f o#o.png`, ContentType: "image/x-mine", Content: strings.NewReader(picture)}
		e := must[*siftdb.Entry](t)(ds.InsertWithFiles(ctx, siftdb.FormOf(part), siftdb.ByUser(siftdb.User{ID: 123})))
		info := must[siftdb.FileInfo](t)(db.Files().Get(ctx, fileID(t, e, "p")))
		sum := md5.Sum([]byte(picture))
		hexes := regexp.MustCompile(`[0-9a-f]{32}/`)
		want := `{"id":1,"name":"f o#o.png","contentType":"image/x-mine","path":"apps/2/<hex>/f o#o.png","url":"` + test.url + `","thumbnail":null,` +
			`"size":[500,375],"isEncrypted":true,"versions":{},"isOrganizationMedia":true,"metadata":{"checksum":"` + hex.EncodeToString(sum[:]) + `"},` +
			`"createdAt":"2017-12-11T17:58:13.245Z","updatedAt":"2017-12-11T17:58:13.245Z","appId":2,"organizationId":1,"mediaFolderId":null,` +
			`"dataSourceEntryId":` + fmt.Sprint(e.ID) + `,"dataTrackingId":null,"userId":123}`
		if got := hexes.ReplaceAllString(jsonOf(t, info), "<hex>/"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if e.Get("p") != info.URL {
			t.Errorf("the entry has %v", e.Get("p"))
		}
		if got := contentOf(t, db, info.ID); got != picture {
			t.Error("other bytes come back")
		}
		f, err := store.Get(ctx, info.Path)
		if err != nil {
			t.Fatal(err)
		}
		if raw, _ := io.ReadAll(f); strings.Contains(string(raw), "PNG") {
			t.Error("what is stored is not encrypted")
		}
	}
	if _, err := siftdb.OpenMemory(&siftdb.Options{Media: media.Memory(), MediaKey: []byte("short")}); !isInvalid(err) {
		t.Errorf("a short key: %v", err)
	}
}

// TestUpload: files without an entry, one by one and as a form (spec 12.5).
func TestUpload(t *testing.T) {
	db, store := mediaDB(t, siftdb.Options{})
	files := db.Files()
	one := must[siftdb.FileInfo](t)(files.Upload(ctx, siftdb.FileUpload{Name: "../a.txt", Content: strings.NewReader("hello"), ClientChecksum: "abc", OrganizationID: new(int64(1))}))
	if one.Name != "a.txt" || one.ContentType != "text/plain; charset=utf-8" || one.ClientChecksum != "abc" || one.EntryID != nil || !strings.HasPrefix(one.Path, "organizations/1/") || one.Bytes != 5 {
		t.Errorf("%+v", one)
	}
	if text := jsonOf(t, one); !strings.Contains(text, `"size":null,"isEncrypted":null`) || !strings.Contains(text, `"clientChecksum":"abc"`) || !strings.Contains(text, `"dataSourceEntryId":null`) {
		t.Error(text)
	}
	empty := must[siftdb.FileInfo](t)(files.Upload(ctx, siftdb.FileUpload{Content: strings.NewReader("")}))
	if empty.Name != "file" || empty.Bytes != 0 || !strings.HasPrefix(empty.Path, "files/") {
		t.Errorf("%+v", empty)
	}
	form := siftdb.FormOf(textPart("name[1]", "second"), filePart("files", "x", "1"), filePart("whatever[7]", "y", "2"), filePart("files", "", ""),
		textPart("checksum", "c0"), textPart("checksum", "c1"), textPart("appId", "5"), textPart("other", "z"))
	list := must[[]siftdb.FileInfo](t)(files.UploadForm(ctx, form))
	if len(list) != 2 || list[0].Name != "x" || list[1].Name != "second" || list[0].ClientChecksum != "c0" || list[1].ClientChecksum != "c1" || *list[1].AppID != 5 {
		t.Errorf("%+v", list)
	}
	agree(t, db, store)
	for _, form := range []siftdb.Form{{}, siftdb.FormOf(textPart("a", "1")), siftdb.FormOf(filePart("f", "", "")), siftdb.FormOf(filePart("f", "x", "1"), textPart("folderId", "x")),
		siftdb.FormOf(filePart("f", "x", "1"), textPart("appId", "-1"))} {
		if _, err := files.UploadForm(ctx, form); !isInvalid(err) {
			t.Errorf("%v", err)
		}
	}
	if _, err := files.UploadForm(ctx, siftdb.FormOf(filePart("f", "x", "1"), textPart("folderId", "99"))); !isNotFound(err) {
		t.Errorf("unknown folder: %v", err)
	}
	agree(t, db, store)
	if err := files.Delete(ctx, one.ID); err != nil {
		t.Fatal(err)
	}
	agree(t, db, store)
	_, err := files.Get(ctx, one.ID)
	_, _, openErr := files.Open(ctx, one.ID)
	for _, err := range []error{err, openErr, files.Delete(ctx, one.ID), files.Delete(ctx, 0), files.Delete(ctx, -1)} {
		if !isNotFound(err) {
			t.Errorf("a file that is gone: %v", err)
		}
	}
}

// TestFolders: folders have the shape of spec 13.2, hold files and folders, and are
// deleted when they are empty.
func TestFolders(t *testing.T) {
	at := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	db, _ := mediaDB(t, siftdb.Options{Now: func() time.Time { return at }})
	files := db.Files()
	top := must[siftdb.FolderInfo](t)(files.CreateFolder(ctx, siftdb.FolderSpec{Name: " Top ", OrganizationID: new(int64(1)), AppID: new(int64(2))}))
	sub := must[siftdb.FolderInfo](t)(files.CreateFolder(ctx, siftdb.FolderSpec{Name: "Sub", ParentID: &top.ID}))
	want := fmt.Sprintf(`{"id":%d,"name":"Sub","parentId":%d,"organizationId":1,"appId":2,"createdAt":"2020-01-02T03:04:05.000Z","updatedAt":"2020-01-02T03:04:05.000Z","deletedAt":null}`, sub.ID, top.ID)
	if got := jsonOf(t, sub); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	ds := fileTable(t, db, `[]`)
	form := siftdb.FormOf(filePart("f", "a", "1"), filePart("g", "b", "2"), textPart("_flSchema", fmt.Sprintf(`{"g":{"mediaFolderId":%d}}`, sub.ID)))
	form.FolderID = &top.ID
	e := must[*siftdb.Entry](t)(ds.InsertWithFiles(ctx, form))
	loose := must[siftdb.FileInfo](t)(files.Upload(ctx, siftdb.FileUpload{Name: "l", Content: strings.NewReader("x"), FolderID: &sub.ID}))
	if *loose.OrganizationID != 1 || *loose.AppID != 2 || *loose.FolderID != sub.ID {
		t.Errorf("%+v", loose)
	}
	for _, test := range []struct {
		q    siftdb.FileQuery
		want string
	}{
		{siftdb.FileQuery{}, "Top|"}, {siftdb.FileQuery{OrganizationID: new(int64(1))}, "Top|"}, {siftdb.FileQuery{OrganizationID: new(int64(9))}, "|"},
		{siftdb.FileQuery{AppID: new(int64(2))}, "Top|"}, {siftdb.FileQuery{AppID: new(int64(3)), OrganizationID: new(int64(1))}, "|"},
		{siftdb.FileQuery{FolderID: &top.ID}, "Sub|a"}, {siftdb.FileQuery{FolderID: &sub.ID}, "|b,l"},
	} {
		var names [2][]string
		for _, f := range must[[]siftdb.FolderInfo](t)(files.Folders(ctx, test.q)) {
			names[0] = append(names[0], f.Name)
		}
		for _, f := range must[[]siftdb.FileInfo](t)(files.List(ctx, test.q)) {
			names[1] = append(names[1], f.Name)
		}
		if got := strings.Join(names[0], ",") + "|" + strings.Join(names[1], ","); got != test.want {
			t.Errorf("%+v: %s, want %s", test.q, got, test.want)
		}
	}
	if _, err := files.List(ctx, siftdb.FileQuery{FolderID: new(int64(99))}); !isNotFound(err) {
		t.Errorf("unknown folder: %v", err)
	}
	// A folder of another organization is unknown to the files of this one.
	other := must[siftdb.FolderInfo](t)(files.CreateFolder(ctx, siftdb.FolderSpec{Name: "O", OrganizationID: new(int64(9))}))
	form.Parts, form.FolderID = siftdb.FormOf(filePart("f", "a", "1")).Parts, &other.ID
	if _, err := ds.InsertWithFiles(ctx, form); !isNotFound(err) {
		t.Errorf("folder of another organization: %v", err)
	}
	for _, name := range []string{"", "  ", strings.Repeat("x", 256), "\xff"} {
		if _, err := files.CreateFolder(ctx, siftdb.FolderSpec{Name: name}); !isInvalid(err) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if _, err := files.CreateFolder(ctx, siftdb.FolderSpec{Name: "x", ParentID: new(int64(99))}); !isNotFound(err) {
		t.Errorf("unknown parent: %v", err)
	}
	for _, id := range []int64{top.ID, sub.ID} {
		if err := files.DeleteFolder(ctx, id); !isConflict(err) {
			t.Errorf("a folder that is not empty: %v", err)
		}
	}
	for _, id := range []int64{fileID(t, e, "f"), fileID(t, e, "g"), loose.ID} {
		if err := files.Delete(ctx, id); err != nil {
			t.Error(err)
		}
	}
	for _, id := range []int64{sub.ID, top.ID} {
		if err := files.DeleteFolder(ctx, id); err != nil {
			t.Error(err)
		}
		if err := files.DeleteFolder(ctx, id); !isNotFound(err) {
			t.Errorf("a folder that is gone: %v", err)
		}
	}
}

// TestNoMedia: without a place for files they are refused, and forms of texts are not.
func TestNoMedia(t *testing.T) {
	db := memoryDB(t, nil)
	ds := fileTable(t, db, `[]`)
	_, insert := ds.InsertWithFiles(ctx, siftdb.FormOf(filePart("f", "a", "1")))
	_, upload := db.Files().Upload(ctx, siftdb.FileUpload{Content: strings.NewReader("x")})
	for _, err := range []error{insert, upload} {
		if !isInvalid(err) || !strings.Contains(err.Error(), "keeps no files") {
			t.Error(err)
		}
	}
	if e := must[*siftdb.Entry](t)(ds.InsertWithFiles(ctx, siftdb.FormOf(textPart("a", "1"), filePart("f", "", "")))); string(e.JSON()) != `{"a":"1"}` {
		t.Errorf("%s", e.JSON())
	}
	if _, err := db.Files().Get(ctx, 1); !isNotFound(err) {
		t.Error(err)
	}
}

// TestFileHooks: data hooks see the URLs and the ids (spec 10.4).
func TestFileHooks(t *testing.T) {
	db, _ := mediaDB(t, siftdb.Options{})
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "H", Hooks: json.RawMessage(`[{"type": "operations", "runOn": ["insert"], "payload": {"Copy": "{{{f}}} {{{fMediaFileId}}}"}}]`)}))
	e := must[*siftdb.Entry](t)(ds.InsertWithFiles(ctx, siftdb.FormOf(filePart("f", "a", "1"))))
	if e.Get("Copy") == nil || e.Get("Copy") != fmt.Sprintf("%v %v", e.Get("f"), e.Get("fMediaFileId")) {
		t.Errorf("%s", e.JSON())
	}
}
