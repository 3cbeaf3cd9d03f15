package rest

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

var update = flag.Bool("update", false, "rewrite testdata/matrix.txt with what the handler answers")

// callers are the columns of the matrix.
var callers = []struct{ name, token string }{
	{"admin of everything", adminToken},
	{"admin of the organization", orgToken},
	{"admin of another", otherToken},
	{"token with a user", bobToken},
	{"token without", guestToken},
	{"token of another app", "eu--app9"},
	{"token of another organization", strangeToken},
	{"nobody", ""},
	{"wrong token", wrongToken},
}

// objects are the data sources that the matrix asks for.
var objects = []string{"public", "rules", "named", "closed", "foreign", "trashed", "unknown"}

const loggedIn = `[{"type": ["select", "insert", "update", "delete"], "allow": "loggedIn"}]`

// object is a data source, a file of its first entry, and a folder of its organization.
type objectOf struct {
	*siftdb.DataSource
	organization, file, folder int64
}

// matrixSite makes the objects, each with two entries and a version.
func matrixSite(t *testing.T) (*site, map[string]*objectOf) {
	tokens := testTokens(t)
	more, err := Tokens(Token{ID: 9, Token: "eu--app9", OrganizationID: new(int64(123)), AppID: new(int64(999))})
	if err != nil {
		t.Fatal(err)
	}
	for sum, account := range more.accounts {
		tokens.accounts[sum] = account
	}
	s := newSite(t, Options{Authenticator: tokens})
	made := map[string]*objectOf{}
	for _, name := range objects {
		spec := siftdb.DataSourceSpec{Name: name, OrganizationID: new(int64(123))}
		switch name {
		case "public":
			spec.Public = new(true)
		case "rules", "named":
			spec.AccessRules = json.RawMessage(loggedIn)
		case "foreign":
			spec.OrganizationID, spec.AccessRules = new(int64(9)), json.RawMessage(loggedIn)
		}
		made[name] = &objectOf{DataSource: s.table(spec, `{"Name": "one"}`), organization: *spec.OrganizationID}
		if _, err := made[name].Insert(ctx, siftdb.M{"Name": "two"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range objects {
		made[name].attach(t, s)
	}
	if err := made["trashed"].Delete(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Purge(ctx, made["unknown"].ID()); err != nil {
		t.Fatal(err)
	}
	return s, made
}

// attach uploads the file, and makes the folder.
func (o *objectOf) attach(t *testing.T, s *site) {
	t.Helper()
	first, err := o.FindOne(ctx, siftdb.Query{})
	if err != nil {
		t.Fatal(err)
	}
	form := siftdb.FormOf(siftdb.Part{Name: "Doc", FileName: "a.txt", Content: strings.NewReader("text")})
	e, err := o.UpdateWithFiles(ctx, first.ID, form)
	if err != nil {
		t.Fatal(err)
	}
	o.file = int64(e.Get("DocMediaFileId").(float64))
	folder, err := s.db.Files().CreateFolder(ctx, siftdb.FolderSpec{Name: "F", OrganizationID: &o.organization})
	if err != nil {
		t.Fatal(err)
	}
	o.folder = folder.ID
}

// bodies are what the routes that take a body are sent.
var bodies = map[string]string{
	"POST /v1/data-sources":                                 `{"name": "New", "organizationId": 123}`,
	"PUT /v1/data-sources/{ds}":                             `{"name": "Changed"}`,
	"POST /v1/data-sources/{ds}/data":                       `{"entries": [{"Name": "new"}]}`,
	"PUT /v1/data-sources/{ds}/data":                        `{"Name": "new"}`,
	"PUT /v1/data-sources/{ds}/data/{entry}":                `{"Name": "new"}`,
	"POST /v1/data-sources/{ds}/data/query":                 `{"where": {}}`,
	"POST /v1/data-sources/{ds}/commit":                     `{"entries": [{"data": {"Name": "new"}}], "append": true}`,
	"POST /v1/media/folders":                                `{"name": "New"}`,
	"POST /v1/media/files":                                  onePart,
	"POST /v1/data-sources/{ds}/versions/{version}/data":    `{}`,
	"POST /v1/data-sources/{ds}/versions/{version}/restore": `{}`,
}

// cell sends one request of the matrix, and returns the letter of what came back.
func cell(t *testing.T, base *site, r *route, ds *objectOf, object, token string) byte {
	t.Helper()
	fork, err := base.db.Fork()
	if err != nil {
		t.Fatal(err)
	}
	defer fork.Close()
	h := *base.handler.(*handler)
	h.db = fork
	s := &site{t, fork, &h}
	name := itoa(ds.ID())
	if object == "named" {
		name = "named"
	}
	entry := itoa((ds.ID()-1)*4096 + 1)
	if ds.ID() == 1 {
		entry = "1"
	}
	versions := versionOf(t, s, ds.DataSource)
	target := strings.NewReplacer("{ds}", name, "{id}", itoa(ds.ID()), "{entry}", entry, "{version}", versions, "{columns}", "Name",
		"{file}", itoa(ds.file), "{folder}", itoa(ds.folder), "{name}", "a.txt").Replace(r.pattern)
	if r.pattern == "/v1/data-sources" && r.method == "GET" {
		target += "?organizationId=123"
	}
	if strings.HasPrefix(r.pattern, "/v1/media") && r.literals == len(r.parts) {
		target += "?organizationId=" + itoa(ds.organization)
	}
	header := asJSON
	if r.body == filesBody {
		header = asParts
	}
	before := state(t, s)
	reply := s.ask(token, r.method+" "+target, header, bodies[r.method+" "+r.pattern])
	if reply.status >= 300 && state(t, s) != before {
		t.Errorf("%s: status %d, and yet something changed", reply.what, reply.status)
	}
	switch {
	case reply.status == r.status && r.status < 300:
		return 'o'
	case reply.status == 400 && strings.Contains(reply.body, `"datasource.access"`):
		return 'd'
	case reply.status == 400:
		return 'b'
	case reply.status == 401:
		return '1'
	case reply.status == 403:
		return '3'
	case reply.status == 404:
		return '4'
	}
	t.Errorf("%s: status %d: %s", reply.what, reply.status, reply.body)
	return '?'
}

// versionOf returns a version of a data source, also of one in the trash.
func versionOf(t *testing.T, s *site, ds *siftdb.DataSource) string {
	other, err := s.db.DataSource(ctx, ds.ID())
	if err != nil {
		return "1"
	}
	list, err := other.Versions(ctx, siftdb.Page{})
	if err != nil || len(list) == 0 {
		t.Fatal(err, list)
	}
	return itoa(list[0].ID)
}

// state is a text that changes with every write.
func state(t testing.TB, s *site) string {
	t.Helper()
	var all []any
	for _, trashed := range []bool{false, true} {
		list, err := s.db.DataSources(ctx, siftdb.ListOptions{Trashed: trashed})
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range list {
			all = append(all, info, info.EntriesCount)
		}
	}
	files := s.db.Files()
	for _, organization := range []int64{123, 9} {
		q := siftdb.FileQuery{OrganizationID: &organization}
		list, err := files.List(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		folders, err := files.Folders(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, list, folders)
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestMatrix sends every route as every caller for every object, and compares with the table in
// testdata, in which o is success, d denied by rules, b another 400, 1 is 401, 3 is 403 and 4 is
// 404. A route without a row fails.
func TestMatrix(t *testing.T) {
	base, made := matrixSite(t)
	var out strings.Builder
	out.WriteString("# A row for each route: for each object the answers to, from left to right,\n#")
	for _, c := range callers {
		out.WriteString(" " + c.name + ",")
	}
	out.WriteString("\n# o success, d denied by rules, b another 400, 1 401, 3 403, 4 404\n")
	cells := 0
	for _, r := range routeTable() {
		line := fmt.Sprintf("%-6s %-54s", r.method, r.pattern)
		for _, object := range objects {
			line += " " + object + "="
			for _, c := range callers {
				line += string(cell(t, base, r, made[object], object, c.token))
				cells++
			}
		}
		out.WriteString(line + "\n")
	}
	if cells < 1500 {
		t.Errorf("the matrix has %d cells, fewer than 1,500", cells)
	}
	file := filepath.Join("testdata", "matrix.txt")
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(string(text), "\n")
	for i, line := range strings.Split(out.String(), "\n") {
		if i >= len(want) || want[i] != line {
			t.Errorf("the handler answers\n  %s\nthe table says\n  %s", line, strings.Join(want[min(i, len(want)):min(i+1, len(want))], ""))
		}
	}
}
