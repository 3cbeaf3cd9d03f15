package siftdb_test

import (
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/siftdb/siftdb"
)

// guardTHandleTypes returns the handles that a principal can come by, by their names: the
// types of this package that methods of a handle return, in whatever, and that reach the
// database. What does not reach it is data.
func guardTHandleTypes() map[string]reflect.Type {
	found := make(map[string]reflect.Type)
	seen := make(map[reflect.Type]bool)
	var visit func(of reflect.Type)
	visit = func(of reflect.Type) {
		if seen[of] {
			return
		}
		seen[of] = true
		switch of.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Chan, reflect.Map:
			visit(of.Elem())
		case reflect.Func: // of a sequence, or a call back
			for i := range of.NumIn() {
				visit(of.In(i))
			}
			for i := range of.NumOut() {
				visit(of.Out(i))
			}
		case reflect.Struct:
			for i := range of.NumField() {
				if of.Field(i).IsExported() {
					visit(of.Field(i).Type)
				}
			}
		}
		ptr := reflect.PointerTo(of)
		if of.Kind() != reflect.Struct || of.PkgPath() != reflect.TypeFor[siftdb.DB]().PkgPath() {
			return
		}
		if name, _, _ := strings.Cut(of.Name(), "["); ptr.NumMethod() > 0 && guardTReaches(of, make(map[reflect.Type]bool)) {
			found[name] = ptr
		}
		for i := range ptr.NumMethod() {
			method := ptr.Method(i).Type
			for n := range method.NumOut() {
				visit(method.Out(n))
			}
			for n := range method.NumIn() {
				if in := method.In(n); in.Kind() == reflect.Func {
					visit(in)
				}
			}
		}
	}
	visit(reflect.TypeFor[siftdb.DB]())
	visit(reflect.TypeFor[siftdb.Table[guardTTyped]]()) // of a function
	return found
}

// guardTReaches reports whether there is a way from a type to a database.
func guardTReaches(of reflect.Type, seen map[reflect.Type]bool) bool {
	if of == reflect.TypeFor[siftdb.DB]() {
		return true
	}
	if seen[of] {
		return false
	}
	seen[of] = true
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Chan, reflect.Map:
		return guardTReaches(of.Elem(), seen)
	case reflect.Struct:
		for i := range of.NumField() {
			if guardTReaches(of.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}

// guardTRowed makes sure that every method of every handle has a row in the matrix.
func guardTRowed(t *testing.T) {
	handles := guardTHandleTypes()
	for _, name := range []string{"DB", "DataSource", "Table", "Files", "Cursor", "Bulk", "Subscription", "Stream", "CommitBody"} {
		if handles[name] == nil {
			t.Errorf("%s is not found to be a handle", name)
		}
	}
	rows := make(map[string]bool)
	for prefix, of := range handles {
		for i := range of.NumMethod() {
			name := prefix + "." + of.Method(i).Name
			if rows[name] = true; guardTMatrix[name].run == nil {
				t.Errorf("%s has no row: say what each caller gets", name)
			}
		}
	}
	for name := range guardTMatrix {
		if method, _, _ := strings.Cut(name, " "); !rows[method] {
			t.Errorf("%s is a row of nothing", name)
		}
	}
}

var (
	guardTFileOf   = guardTWants{guardT401, guardT401, "ok", "ok", guardT401, guardT401, guardT401, "ok"} // of a column that is seen
	guardTPlaces   = guardTWants{"ok", "ok", "ok", "ok", guardT401, guardT401, guardT403, "ok"}           // into organization 5
	guardTHideFile = guardTWants{guardT401, guardT401, "ok", guardT401, guardT401, guardT401, guardT401, "ok"}
)

func init() {
	for name, read := range map[string]func(x *siftdb.Cursor) any{
		"CurrentPage": func(x *siftdb.Cursor) any { return x.CurrentPage() },
		"Entries":     func(x *siftdb.Cursor) any { return x.Entries() },
		"IsFirstPage": func(x *siftdb.Cursor) any { return x.IsFirstPage() },
		"IsLastPage":  func(x *siftdb.Cursor) any { return x.IsLastPage() },
		"Limit":       func(x *siftdb.Cursor) any { return x.Limit() },
		"Next":        func(x *siftdb.Cursor) any { x.Next(); return x.Offset() },
		"Offset":      func(x *siftdb.Cursor) any { return x.Offset() },
		"Prev":        func(x *siftdb.Cursor) any { x.Prev(); return x.Offset() },
		"Query":       func(x *siftdb.Cursor) any { return x.Query().Where },
		"SetLimit":    func(x *siftdb.Cursor) any { x.SetLimit(1); return x.Entries() },
		"SetOffset":   func(x *siftdb.Cursor) any { x.SetOffset(1); return x.Entries() },
		"SetPage":     func(x *siftdb.Cursor) any { x.SetPage(2); return x.Entries() },
		"SetQuery": func(x *siftdb.Cursor) any {
			x.SetQuery(siftdb.Query{Attributes: []string{"Salary"}})
			return x.Entries()
		},
		"Total":  func(x *siftdb.Cursor) any { return x.Total() },
		"Update": func(x *siftdb.Cursor) any { return x.Update(ctx, false) },
		"Update of a query": func(x *siftdb.Cursor) any {
			x.SetQuery(siftdb.Query{Where: `{"Name":{"$ne":"x"}}`, Attributes: []string{"Name", "Salary"}})
			if err := x.Update(ctx, true); err != nil {
				return err
			}
			return x.Entries()
		},
	} {
		guardTMatrix["Cursor."+name] = guardTRow{guardTReads, func(c guardTCell) (string, error) {
			x, err := c.ds.Cursor(ctx, siftdb.Query{})
			if err != nil {
				return "", err
			}
			v := read(x)
			if err, ok := v.(error); ok {
				return "", err
			}
			return guardTText(v, nil)
		}}
	}
	for name, read := range map[string]func(s *siftdb.Subscription) any{
		"Done": func(s *siftdb.Subscription) any { s.Unsubscribe(); <-s.Done(); return s.Status() },
		"Err":  func(s *siftdb.Subscription) any { return s.Err() }, "ID": func(s *siftdb.Subscription) any { return len(s.ID()) },
		"Pause": func(s *siftdb.Subscription) any { s.Pause(); return s.Status() }, "Resume": func(s *siftdb.Subscription) any { s.Resume(); return s.Status() },
		"Status": func(s *siftdb.Subscription) any { return s.Status() }, "Unsubscribe": func(s *siftdb.Subscription) any { s.Unsubscribe(); return s.Status() },
		"IsInScope": func(s *siftdb.Subscription) any { return s.IsInScope(nil) },
		"UpdateOptions": func(s *siftdb.Subscription) any {
			return s.UpdateOptions(ctx, siftdb.SubscribeOptions{Where: `{"Salary":"s3cret"}`})
		},
	} {
		guardTMatrix["Subscription."+name] = guardTRow{guardTPasts, func(c guardTCell) (string, error) {
			limit, cancel := guardTContext(c.t)
			defer cancel()
			s, err := c.ds.Subscribe(limit, siftdb.SubscribeOptions{}, func(siftdb.Changes) {})
			if err != nil {
				return "", err
			}
			defer guardTEnd(limit, s)
			v := read(s)
			if err, ok := v.(error); ok {
				return "", err
			}
			return guardTText(v, nil)
		}}
	}
	guardTMatrix["Stream.Entries"] = guardTMatrix["DataSource.Stream"]
	guardTMatrix["Stream.Documents"] = guardTMatrix["DataSource.Stream pipe"]
	guardTMatrix["Stream.Pagination"] = guardTRow{guardTReads, func(c guardTCell) (string, error) {
		s := c.ds.Stream(siftdb.Query{IncludePagination: true})
		for _, err := range s.Entries(ctx) {
			if err != nil {
				return "", err
			}
		}
		return guardTText(s.Pagination(), nil)
	}}
	guardTMatrix["CommitBody.Apply"] = guardTMatrix["DataSource.ReadCommit"]
	for name, read := range map[string]func(b *siftdb.CommitBody) any{ // which hold what was sent alone
		"ReturnEntries": func(b *siftdb.CommitBody) any { return b.ReturnEntries() },
		"Close":         func(b *siftdb.CommitBody) any { b.Close(); return nil },
	} {
		guardTMatrix["CommitBody."+name] = guardTRow{guardTAnybody, func(c guardTCell) (string, error) {
			b, err := c.ds.ReadCommit(strings.NewReader(`{"entries":[{"data":{"Name":"x"}}]}`), nil)
			if err != nil {
				return "", err
			}
			defer b.Close()
			return guardTText(read(b), nil)
		}}
	}
	for name, row := range map[string]struct {
		want guardTWants
		run  func(b *siftdb.Bulk) (any, error)
	}{
		"Add": {guardTAnybody, func(b *siftdb.Bulk) (any, error) { return nil, b.Add(siftdb.M{"Name": "x"}) }}, "Len": {guardTAnybody, func(b *siftdb.Bulk) (any, error) { return b.Len(), nil }},
		"Reset": {guardTAnybody, func(b *siftdb.Bulk) (any, error) { b.Reset(); return b.Len(), nil }}, "Close": {guardTAnybody, func(b *siftdb.Bulk) (any, error) { b.Close(); return nil, nil }},
		"Allowed": {guardTChange, func(b *siftdb.Bulk) (any, error) { return nil, b.Allowed(ctx) }},
		"Append":  {guardTChange, func(b *siftdb.Bulk) (any, error) { return b.Append(ctx) }}, "ReplaceWith": {guardTChange, func(b *siftdb.Bulk) (any, error) { return b.ReplaceWith(ctx) }},
	} {
		guardTMatrix["Bulk."+name] = guardTRow{row.want, func(c guardTCell) (string, error) {
			b := c.ds.Bulk()
			defer b.Close()
			if err := b.Add(c.data()); err != nil {
				return "", err
			}
			return guardTText(row.run(b))
		}}
	}
	for name, row := range map[string]struct {
		want   guardTWants
		column string // of the file that is at hand
		run    func(f *siftdb.Files, id int64) (any, error)
	}{
		"Get":             {guardTFileOf, "Name", func(f *siftdb.Files, id int64) (any, error) { return f.Get(ctx, id) }},
		"Get what hides":  {guardTHideFile, "Salary", func(f *siftdb.Files, id int64) (any, error) { return f.Get(ctx, id) }},
		"Open":            {guardTFileOf, "Name", guardTOpenFile},
		"Open what hides": {guardTHideFile, "Salary", guardTOpenFile},
		"List":            {guardTTokens, "Salary", func(f *siftdb.Files, _ int64) (any, error) { return f.List(ctx, siftdb.FileQuery{}) }},
		"Folders":         {guardTTokens, "Salary", func(f *siftdb.Files, _ int64) (any, error) { return f.Folders(ctx, siftdb.FileQuery{}) }},
		"Upload": {guardTPlaces, "Salary", func(f *siftdb.Files, _ int64) (any, error) {
			return f.Upload(ctx, siftdb.FileUpload{Name: "a", Content: strings.NewReader("a"), OrganizationID: new(int64(5))})
		}},
		"UploadForm": {guardTPlaces, "Salary", func(f *siftdb.Files, _ int64) (any, error) {
			return f.UploadForm(ctx, siftdb.Form{Parts: siftdb.FormOf(filePart("a", "a", "a")).Parts, OrganizationID: new(int64(5))})
		}},
		"CreateFolder": {guardTPlaces, "Salary", func(f *siftdb.Files, _ int64) (any, error) {
			return f.CreateFolder(ctx, siftdb.FolderSpec{Name: "a", OrganizationID: new(int64(5))})
		}},
		"Delete":            {guardTFileOf, "Name", func(f *siftdb.Files, id int64) (any, error) { return nil, f.Delete(ctx, id) }},
		"Delete what hides": {guardTHideFile, "Salary", func(f *siftdb.Files, id int64) (any, error) { return nil, f.Delete(ctx, id) }},
		"DeleteFolder":      {guardTHosts, "Salary", func(f *siftdb.Files, id int64) (any, error) { return nil, f.DeleteFolder(ctx, id) }},
	} {
		guardTMatrix["Files."+name] = guardTRow{row.want, func(c guardTCell) (string, error) {
			root := must[*siftdb.DataSource](c.t)(c.root.DataSource(ctx, c.ds.ID()))
			folder := must[siftdb.FolderInfo](c.t)(c.root.Files().CreateFolder(ctx, siftdb.FolderSpec{Name: "s3cret", OrganizationID: new(int64(7))}))
			e := must[*siftdb.Entry](c.t)(root.InsertWithFiles(ctx, siftdb.FormOf(filePart(row.column, "s3cret.txt", "s3cret"))))
			id := fileID(c.t, e, row.column)
			if name == "DeleteFolder" {
				id = folder.ID
			}
			v, err := row.run(c.db.Files(), id)
			if err != nil {
				return "", err
			}
			text, err := guardTText(v, nil)
			if row.column == "Name" { // what is seen may be told
				text = strings.ReplaceAll(text, "s3cret", "seen")
			}
			return text, err
		}}
	}
}

// guardTOpenFile reads all of a file.
func guardTOpenFile(f *siftdb.Files, id int64) (any, error) {
	file, _, err := f.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(file)
	return string(b), err
}

// TestGuardHandlesAskAgain: what a handle was granted before the rules changed it does not
// keep.
func TestGuardHandlesAskAgain(t *testing.T) {
	for name, begin := range map[string]func(bob *siftdb.DataSource) func() error{
		"cursor": func(bob *siftdb.DataSource) func() error {
			x := must[*siftdb.Cursor](t)(bob.Cursor(ctx, siftdb.Query{}))
			return func() error { return x.Update(ctx, true) }
		},
		"bulk": func(bob *siftdb.DataSource) func() error {
			b := bob.Bulk()
			if err := b.Add(siftdb.M{"A": 1}); err != nil {
				t.Fatal(err)
			}
			return func() error { _, err := b.Append(ctx); return err }
		},
		"bulk, allowed": func(bob *siftdb.DataSource) func() error {
			b := bob.Bulk()
			t.Cleanup(b.Close)
			return func() error { return b.Allowed(ctx) }
		},
		"table": func(bob *siftdb.DataSource) func() error {
			table := siftdb.Of[guardTTyped](bob)
			return func() error { _, err := table.Find(ctx, siftdb.Query{}); return err }
		},
	} {
		ds, bob := guardTOwned(t, nil, guardTAllRules, `{}`, `{"A":1}`)
		use := begin(bob)
		guardTRule(t, ds, `[]`)
		guardTRefused(t, name, use())
	}
}
