package siftdb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
	"github.com/siftdb/siftdb/security"
)

// isRefused reports whether an error is the refusal of a file (spec 13.4).
func isRefused(err error) bool {
	var e *siftdb.Error
	return errors.As(err, &e) && errors.Is(err, siftdb.ErrUnauthorised) && e.Operation == siftdb.FileAccess &&
		e.Message == "You do not have permission to access this file"
}

// TestFileRights: who may read a file (spec 13.4).
func TestFileRights(t *testing.T) {
	var veto atomic.Bool
	db, store := mediaDB(t, siftdb.Options{FileAccess: func(context.Context, *security.Principal, siftdb.FileInfo) bool { return !veto.Load() }})
	ds := fileTable(t, db, `[
		{"type": ["select"], "allow": {"user": {"Email": {"equals": "blind"}}}, "exclude": ["f"]},
		{"type": ["select"], "allow": {"user": {"Email": {"equals": "owner"}}}, "require": [{"owner": {"equals": "{{user.[Email]}}"}}]},
		{"type": ["select", "update"], "allow": {"user": {"Email": {"equals": "all"}}}},
		{"type": ["select", "insert"], "allow": {"user": {"Email": {"equals": "reader"}}}}]`)
	insert := func(owner string) *siftdb.Entry {
		return must[*siftdb.Entry](t)(ds.InsertWithFiles(ctx, siftdb.FormOf(textPart("owner", owner), filePart("f", "a", "secret"), filePart("g", "b", "x"))))
	}
	mine, other := insert("owner"), insert("else")
	loose := must[siftdb.FileInfo](t)(db.Files().Upload(ctx, siftdb.FileUpload{Name: "l", Content: strings.NewReader("x"), OrganizationID: new(int64(1))}))
	ofApp := must[siftdb.FileInfo](t)(db.Files().Upload(ctx, siftdb.FileUpload{Name: "l", Content: strings.NewReader("x"), AppID: new(int64(2))}))
	ids := []int64{fileID(t, mine, "f"), fileID(t, mine, "g"), fileID(t, other, "f"), fileID(t, other, "g"), loose.ID, ofApp.ID}
	foreign, unbound := userToken("all"), userToken("all")
	foreign.OrganizationID, foreign.AppID = new(int64(9)), new(int64(9))
	unbound.OrganizationID, unbound.AppID = nil, nil
	for _, test := range []struct {
		name string
		who  *security.Principal
		want string // of mine f and g, other f and g, the loose file, and that of the app
	}{
		{"trusted code", nil, "oooooo"},
		{"an admin of everything", &security.Principal{TokenID: 1, Admin: true}, "oooooo"},
		{"an admin of the organization", &security.Principal{TokenID: 1, Admin: true, OrganizationID: new(int64(1))}, "ooooo-"},
		{"an admin of another", &security.Principal{TokenID: 1, Admin: true, OrganizationID: new(int64(9))}, "------"},
		{"one who reads all", userToken("all"), "oooooo"},
		{"one from whom the column is hidden", userToken("blind"), "-o-ooo"},
		{"one who reads what is theirs", userToken("owner"), "oo--oo"},
		{"one without a rule", userToken("none"), "----oo"},
		{"another organization", foreign, "------"},
		{"no organization", unbound, "oooo--"},
	} {
		files := db.As(test.who).Files()
		got := ""
		for _, id := range ids {
			info, err := files.Get(ctx, id)
			f, _, openErr := files.Open(ctx, id)
			switch {
			case err == nil && openErr == nil && info.ID == id:
				got += "o"
				f.Close()
			case isRefused(err) && isRefused(openErr) && info.ID == 0:
				got += "-"
				if err := files.Delete(ctx, id); !isRefused(err) {
					t.Errorf("%s deletes %d: %v", test.name, id, err)
				}
			default:
				t.Errorf("%s, file %d: %v, %v", test.name, id, err, openErr)
			}
		}
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
		list := must[[]siftdb.FileInfo](t)(files.List(ctx, siftdb.FileQuery{}))
		if n := strings.Count(got, "o"); len(list) != n {
			t.Errorf("%s sees %d files in a list, and %d one by one", test.name, len(list), n)
		}
	}
	for _, err := range []error{
		second(db.As(security.Anonymous()).Files().Get(ctx, loose.ID)), second(db.As(security.Anonymous()).Files().List(ctx, siftdb.FileQuery{})),
		second(db.As(security.Anonymous()).Files().Upload(ctx, siftdb.FileUpload{Content: strings.NewReader("x")})),
		second(db.As(security.Anonymous()).Files().CreateFolder(ctx, siftdb.FolderSpec{Name: "x"})),
	} {
		if !errors.Is(err, siftdb.ErrUnauthorised) || isRefused(err) {
			t.Errorf("nobody: %v", err)
		}
	}
	all := db.As(userToken("all")).Files()
	veto.Store(true)
	if _, err := all.Get(ctx, loose.ID); !isRefused(err) {
		t.Errorf("the host's check: %v", err)
	}
	veto.Store(false)
	// Only who may set the column deletes its file, and only admins delete others.
	if err := db.As(userToken("reader")).Files().Delete(ctx, ids[2]); !isRefused(err) {
		t.Errorf("a reader deletes: %v", err)
	}
	if err := all.Delete(ctx, loose.ID); !isRefused(err) {
		t.Errorf("a token deletes a loose file: %v", err)
	}
	if err := all.DeleteFolder(ctx, 1); !errors.Is(err, siftdb.ErrForbidden) {
		t.Errorf("a token deletes a folder: %v", err)
	}
	if err := all.Delete(ctx, ids[2]); err != nil {
		t.Error(err)
	}
	// Of an entry that is gone, only admins read the files.
	if err := ds.Remove(ctx, mine.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := all.Get(ctx, ids[0]); !isRefused(err) {
		t.Errorf("a file of an entry that is gone: %v", err)
	}
	agree(t, db, store)
}

func second[T any](_ T, err error) error { return err }

// TestForeignUploads: a token puts files and folders only where it belongs.
func TestForeignUploads(t *testing.T) {
	db, store := mediaDB(t, siftdb.Options{})
	files := db.As(userToken("x")).Files()
	folder := must[siftdb.FolderInfo](t)(db.Files().CreateFolder(ctx, siftdb.FolderSpec{Name: "F", OrganizationID: new(int64(9))}))
	file := func() siftdb.FileUpload { return siftdb.FileUpload{Name: "a", Content: strings.NewReader("x")} }
	own := must[siftdb.FileInfo](t)(files.Upload(ctx, file()))
	if *own.OrganizationID != 1 || *own.AppID != 2 {
		t.Errorf("%+v", own)
	}
	up := file()
	up.OrganizationID = new(int64(9))
	if _, err := files.Upload(ctx, up); !errors.Is(err, siftdb.ErrForbidden) {
		t.Errorf("another organization: %v", err)
	}
	up = file()
	up.FolderID = &folder.ID
	if _, err := files.Upload(ctx, up); !isNotFound(err) {
		t.Errorf("a folder of another organization: %v", err)
	}
	if _, err := files.UploadForm(ctx, siftdb.FormOf(filePart("f", "a", "1"), textPart("organizationId", "9"))); !errors.Is(err, siftdb.ErrForbidden) {
		t.Errorf("another organization, late: %v", err)
	}
	if _, err := files.CreateFolder(ctx, siftdb.FolderSpec{Name: "x", OrganizationID: new(int64(9))}); !errors.Is(err, siftdb.ErrForbidden) {
		t.Errorf("a folder in another organization: %v", err)
	}
	if _, err := files.CreateFolder(ctx, siftdb.FolderSpec{Name: "x", ParentID: &folder.ID}); !isNotFound(err) {
		t.Errorf("a folder in a foreign folder: %v", err)
	}
	if _, err := db.As(&security.Principal{TokenID: 1, Admin: true}).Files().Upload(ctx, file()); !isInvalid(err) {
		t.Errorf("no context: %v", err)
	}
	if list := must[[]siftdb.FolderInfo](t)(files.Folders(ctx, siftdb.FileQuery{})); len(list) != 0 {
		t.Errorf("folders of others: %+v", list)
	}
	agree(t, db, store)
}

// TestUploadRules: the rules are asked before anything is stored, about all of the form
// (spec 12.6), and the columns made of a file follow it (spec 11.3).
func TestUploadRules(t *testing.T) {
	const loggedIn = `[{"type": ["insert", "update", "select"], "allow": "loggedIn"}]`
	for _, test := range []struct {
		name, rules string
		parts       []siftdb.Part
		puts        int // how many files the store is asked to take
		ok          bool
	}{
		{"no rules", `[]`, []siftdb.Part{filePart("f", "a", "1")}, 0, false},
		{"another operation", `[{"type": ["select"], "allow": "all"}]`, []siftdb.Part{filePart("f", "a", "1"), filePart("g", "a", "1")}, 0, false},
		{"granted", loggedIn, []siftdb.Part{filePart("f", "a", "1"), textPart("x", "1")}, 1, true},
		{"the column is included", `[{"type": ["insert", "update"], "allow": "all", "include": ["f"]}]`, []siftdb.Part{filePart("f", "a", "1")}, 1, true},
		{"the column is excluded", `[{"type": ["insert", "update"], "allow": "all", "exclude": ["f"]}]`, []siftdb.Part{filePart("f", "a", "1")}, 0, false},
		{"the id is sent as a text", `[{"type": ["insert", "update"], "allow": "all", "include": ["f"]}]`, []siftdb.Part{textPart("fMediaFileId", "7"), filePart("f", "a", "1")}, 0, false},
		{"the file is required", `[{"type": ["insert", "update"], "allow": "all", "require": ["f"]}]`, []siftdb.Part{filePart("f", "a", "1")}, 1, true},
		{"a text is required, and comes first", `[{"type": ["insert", "update"], "allow": "all", "require": ["x"]}]`, []siftdb.Part{textPart("x", "1"), filePart("f", "a", "1")}, 1, true},
		{"a text is required, and comes last", `[{"type": ["insert", "update"], "allow": "all", "require": ["x"]}]`, []siftdb.Part{filePart("f", "a", "1"), filePart("f", "b", "2"), textPart("x", "1")}, 2, true},
		{"a text is required, and is not sent", `[{"type": ["insert", "update"], "allow": "all", "require": ["x"]}]`, []siftdb.Part{filePart("f", "a", "1"), textPart("y", "1")}, 0, false},
		{"a text that is not allowed comes last", `[{"type": ["insert", "update"], "allow": "all", "include": ["f"]}]`, []siftdb.Part{filePart("f", "a", "1"), textPart("y", "1")}, 1, false},
		{"without a file", loggedIn, []siftdb.Part{textPart("y", "1")}, 0, true},
		{"without a file, denied", `[]`, []siftdb.Part{textPart("y", "1")}, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := &counting{Store: media.Memory()}
			db, store := mediaDB(t, siftdb.Options{Media: asked})
			ds := fileTable(t, db, test.rules)
			old := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"old": 1}))
			guarded := ds.As(userToken("u"))
			for _, update := range []bool{false, true} {
				asked.puts.Store(0)
				var e *siftdb.Entry
				var err error
				form := siftdb.FormOf(again(test.parts)...)
				if update {
					e, err = guarded.UpdateWithFiles(ctx, old.ID, form)
				} else {
					e, err = guarded.InsertWithFiles(ctx, form)
				}
				if (err == nil) != test.ok || err != nil && !errors.Is(err, siftdb.ErrDenied) || int(asked.puts.Load()) != test.puts {
					t.Errorf("update %v: %v, %d files taken", update, err, asked.puts.Load())
				}
				if e != nil && test.puts > 0 {
					content := contentOf(t, db, must[siftdb.FileInfo](t)(db.Files().Get(ctx, firstID(t, ds, e.ID))).ID)
					if content != "1" {
						t.Errorf("content %q", content)
					}
				}
				agree(t, db, store)
			}
			if _, err := guarded.UpdateWithFiles(ctx, 99999, siftdb.FormOf(again(test.parts)...)); err == nil || test.ok != isNotFound(err) {
				t.Errorf("an unknown entry: %v", err)
			}
			agree(t, db, store)
		})
	}
}

// again makes parts readable once more.
func again(parts []siftdb.Part) []siftdb.Part {
	list := make([]siftdb.Part, len(parts))
	for i, p := range parts {
		if p.Content != nil {
			r := *p.Content.(*strings.Reader)
			p.Content = &r
		}
		list[i] = p
	}
	return list
}

// firstID is the id of the first file in the column f of an entry.
func firstID(t *testing.T, ds *siftdb.DataSource, entry int64) int64 {
	t.Helper()
	e := must[*siftdb.Entry](t)(ds.FindByID(ctx, entry))
	id := e.Get("fMediaFileId")
	if list, ok := id.([]any); ok {
		id = list[0]
	}
	return int64(id.(float64))
}

// counting is a store that counts what it is asked to take.
type counting struct {
	media.Store
	puts atomic.Int32
}

func (c *counting) Put(ctx context.Context, path string, r io.Reader) (media.Info, error) {
	c.puts.Add(1)
	return c.Store.Put(ctx, path, r)
}

// TestHiddenSources: the data sources in which files and folders are kept do not exist
// for anybody.
func TestHiddenSources(t *testing.T) {
	db, _ := mediaDB(t, siftdb.Options{})
	ds := fileTable(t, db, `[{"type": ["select", "update"], "allow": "all"}]`)
	last := must[*siftdb.Entry](t)(ds.InsertWithFiles(ctx, siftdb.FormOf(filePart("f", "a", "1"), textPart("x", "y"))))
	must[siftdb.FolderInfo](t)(db.Files().CreateFolder(ctx, siftdb.FolderSpec{Name: "F", OrganizationID: new(int64(1))}))
	for _, who := range []*security.Principal{nil, {TokenID: 1, Admin: true}, {TokenID: 1, Admin: true, OrganizationID: new(int64(1))}, userToken("u")} {
		db := db.As(who)
		for _, id := range []int64{2, 3} {
			want := func(what string, err error) {
				t.Helper()
				if err == nil || !isNotFound(err) && !errors.Is(err, siftdb.ErrForbidden) {
					t.Errorf("%s of %d by %+v: %v", what, id, who, err)
				}
			}
			want("DataSource", second(db.DataSource(ctx, id)))
			want("Restore", second(db.RestoreDataSource(ctx, id)))
			want("Purge", db.Purge(ctx, id))
			want("a copy", second(db.Create(ctx, siftdb.DataSourceSpec{Name: "c", OrganizationID: new(int64(1)), Version: &siftdb.VersionRef{DataSourceID: id, ID: 2}})))
			own := must[*siftdb.DataSource](t)(db.DataSource(ctx, ds.ID()))
			want("a join", second(own.Query(ctx, siftdb.Query{Joins: []siftdb.Join{{Name: "j", DataSourceID: id, On: siftdb.On{"x": "name"}}}})))
			want("a lookup", second(own.Aggregate(ctx, `[{"$lookup": {"from": `+fmt.Sprint(id)+`, "localField": "x", "foreignField": "name", "as": "l"}}]`, siftdb.Query{})))
		}
		for _, name := range []string{"siftdb:files", "siftdb:folders"} {
			if _, err := db.DataSourceByName(ctx, name, siftdb.Scope{}); !isNotFound(err) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if list := must[[]siftdb.DataSourceInfo](t)(db.DataSources(ctx, siftdb.ListOptions{})); len(list) != 1 {
			t.Errorf("%d data sources", len(list))
		}
	}
	if list := must[[]siftdb.DataSourceInfo](t)(db.DataSources(ctx, siftdb.ListOptions{Trashed: true})); len(list) != 0 {
		t.Errorf("%d data sources in the trash", len(list))
	}
	for set, err := range db.Changes(ctx, 0) {
		if err != nil || set.Version.DataSourceID != ds.ID() {
			t.Fatalf("a change of another: %+v %v", set, err)
		}
		if set.Version.ID == last.Changed {
			break
		}
	}
	for _, kind := range []string{"siftdb:files", "siftdb:x"} {
		if _, err := db.Create(ctx, siftdb.DataSourceSpec{Name: "x", Type: &kind}); !isInvalid(err) {
			t.Errorf("type %s: %v", kind, err)
		}
		if _, err := ds.Update(ctx, siftdb.DataSourceUpdate{Type: &kind}); !isInvalid(err) {
			t.Errorf("type %s: %v", kind, err)
		}
	}
	// One of the same name is somebody's own.
	named := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "siftdb:files"}))
	if got := must[*siftdb.DataSource](t)(db.DataSourceByName(ctx, "siftdb:files", siftdb.Scope{})); got.ID() != named.ID() {
		t.Error("another is found")
	}
	must[siftdb.FileInfo](t)(db.Files().Upload(ctx, siftdb.FileUpload{Name: "b", Content: strings.NewReader("x")}))
	if n := must[int64](t)(named.Count(ctx, siftdb.Query{})); n != 0 {
		t.Error("files went to it")
	}
}
