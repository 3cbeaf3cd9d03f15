package siftdb_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/siftdb/siftdb"
	"github.com/siftdb/siftdb/media"
	"github.com/siftdb/siftdb/security"
)

// deliveryTable is the table of spec 10.4: what each kind of write sends.
var deliveryTable = []struct {
	name string
	run  func(ds *siftdb.DataSource, id int64) error
	want []string
}{
	{"insert", func(ds *siftdb.DataSource, _ int64) error {
		_, err := ds.Insert(ctx, siftdb.M{"name": "a"})
		return err
	}, []string{"web new a", "sms a"}},
	{"update", func(ds *siftdb.DataSource, id int64) error {
		_, err := ds.UpdateEntry(ctx, id, siftdb.M{"name": "b"})
		return err
	}, []string{"sms b", "web changed b"}},
	{"update that changes nothing", func(ds *siftdb.DataSource, id int64) error {
		_, err := ds.UpdateEntry(ctx, id, siftdb.M{"name": "old"})
		return err
	}, nil},
	{"append", func(ds *siftdb.DataSource, _ int64) error {
		_, err := ds.Append(ctx, raws(`{"name":"a"}`, `{"name":"b"}`))
		return err
	}, []string{"sms a", "sms b", "web new a", "web new b"}},
	{"append without hooks", func(ds *siftdb.DataSource, _ int64) error {
		_, err := ds.Append(ctx, raws(`{"name":"a"}`), siftdb.RunHooks(false))
		return err
	}, nil},
	{"replace", func(ds *siftdb.DataSource, _ int64) error {
		_, err := ds.ReplaceWith(ctx, raws(`{"name":"a"}`))
		return err
	}, nil},
	{"replace with hooks", func(ds *siftdb.DataSource, _ int64) error {
		_, err := ds.ReplaceWith(ctx, raws(`{"name":"a"}`), siftdb.RunHooks(true))
		return err
	}, []string{"web new a", "sms a"}},
	{"file import", func(ds *siftdb.DataSource, _ int64) error {
		_, err := ds.Import(ctx, strings.NewReader("name\na\n"), siftdb.ImportOptions{Append: true})
		return err
	}, nil},
	{"file import with hooks", func(ds *siftdb.DataSource, _ int64) error {
		_, err := ds.Import(ctx, strings.NewReader("name\na\n"), siftdb.ImportOptions{}, siftdb.RunHooks(true))
		return err
	}, []string{"web new a", "sms a"}},
	{"commit", func(ds *siftdb.DataSource, id int64) error { return outboxTCommit(ds, id) }, nil},
	{"commit, inserts", func(ds *siftdb.DataSource, id int64) error {
		return outboxTCommit(ds, id, siftdb.InsertEvent)
	}, []string{"web new a", "sms a"}},
	{"commit, updates", func(ds *siftdb.DataSource, id int64) error {
		return outboxTCommit(ds, id, siftdb.UpdateEvent)
	}, []string{"sms two", "web changed two"}}, // once, of what is stored in the end
	{"commit, both", func(ds *siftdb.DataSource, id int64) error {
		return outboxTCommit(ds, id, siftdb.UpdateEvent, siftdb.InsertEvent)
	}, []string{"sms a", "sms two", "web changed two", "web new a"}},
	{"commit that updates and deletes", func(ds *siftdb.DataSource, id int64) error {
		_, err := ds.Commit(ctx, siftdb.Commit{Delete: []int64{id}, Entries: []siftdb.CommitEntry{{ID: id, Data: siftdb.M{"name": "x"}}}, RunHooks: []siftdb.EventKind{siftdb.UpdateEvent}})
		return err
	}, nil},
	{"commit that changes an order", func(ds *siftdb.DataSource, id int64) error {
		_, err := ds.Commit(ctx, siftdb.Commit{Append: new(true), Entries: []siftdb.CommitEntry{{ID: id, Data: siftdb.M{"name": "old"}, Order: 5}}, RunHooks: []siftdb.EventKind{siftdb.UpdateEvent}})
		return err
	}, nil},
	{"typed insert and update", func(ds *siftdb.DataSource, id int64) error {
		type row struct {
			Name string `json:"name"`
		}
		if _, err := siftdb.Of[row](ds).Update(ctx, id, row{"typed"}); err != nil {
			return err
		}
		_, err := siftdb.Of[row](ds).Insert(ctx, row{"also"})
		return err
	}, []string{"sms also", "sms typed", "web changed typed", "web new also"}},
	{"insert with files", func(ds *siftdb.DataSource, _ int64) error {
		_, err := ds.InsertWithFiles(ctx, siftdb.FormOf(siftdb.Part{Name: "name", Text: "a"}, siftdb.Part{Name: "file", FileName: "a.txt", Content: strings.NewReader("x")}))
		return err
	}, []string{"web new a", "sms a"}},
	{"update with files", func(ds *siftdb.DataSource, id int64) error {
		_, err := ds.UpdateWithFiles(ctx, id, siftdb.FormOf(siftdb.Part{Name: "name", Text: "b"}, siftdb.Part{Name: "file", FileName: "a.txt", Content: strings.NewReader("x")}))
		return err
	}, []string{"sms b", "web changed b"}},
	{"delete", func(ds *siftdb.DataSource, id int64) error { return ds.Remove(ctx, id) }, nil},
	{"delete query", func(ds *siftdb.DataSource, _ int64) error {
		_, err := ds.Query(ctx, siftdb.Query{Type: "delete", Where: `{}`})
		return err
	}, nil},
	{"update where", func(ds *siftdb.DataSource, _ int64) error {
		_, err := ds.UpdateWhere(ctx, `{}`, siftdb.Patch{Set: siftdb.M{"name": "x"}})
		return err
	}, nil},
	{"restore", func(ds *siftdb.DataSource, _ int64) error {
		versions, err := ds.Versions(ctx, siftdb.Page{})
		if err == nil {
			_, err = ds.Restore(ctx, versions[0].ID)
		}
		return err
	}, nil},
}

// outboxTCommit inserts an entry and updates another twice.
func outboxTCommit(ds *siftdb.DataSource, id int64, kinds ...siftdb.EventKind) error {
	_, err := ds.Commit(ctx, siftdb.Commit{Append: new(true), RunHooks: kinds, Entries: []siftdb.CommitEntry{
		{ID: id, Data: siftdb.M{"name": "one"}}, {Data: siftdb.M{"name": "a"}}, {ID: id, Data: siftdb.M{"name": "two"}}}})
	return err
}

// TestDeliveryTable: the table of spec 10.4, and the outbox is empty in the end. What an
// entry sends comes in the order of the hooks.
func TestDeliveryTable(t *testing.T) {
	for _, row := range deliveryTable {
		t.Run(row.name, func(t *testing.T) {
			engines(t, func(t *testing.T, db *siftdb.DB) {
				r := newReceiver()
				opts := r.options()
				opts.Media = media.Memory()
				db = alike(t, db, opts)
				ds := sending(t, db, webInsert, smsBoth, webUpdate)
				old := must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{"name":"old"}`, `{"name":"other"}`), siftdb.RunHooks(false)))
				if err := row.run(ds, old.IDs[0]); err != nil {
					t.Fatal(err)
				}
				got := r.wait(t, len(row.want))
				if len(row.want) > 2 { // of several entries
					slices.Sort(got)
				}
				if diff := cmp.Diff(row.want, got, outboxTEmpty); diff != "" {
					t.Error(diff)
				}
				if left := outboxOf(t, db); len(left) > 0 {
					t.Errorf("the outbox holds %v", left)
				}
			})
		})
	}
}

var outboxTEmpty = cmp.Transformer("", func(s []string) string { return fmt.Sprintf("%q", s) })

// TestDeliveriesSeeWhatIsStored: conditions and templates see the data that data hooks
// made, GUIDs and what an update left alone; triggers are the source of the write.
func TestDeliveriesSeeWhatIsStored(t *testing.T) {
	r := newReceiver()
	db := memoryDB(t, r.options())
	ds := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", Definition: json.RawMessage(`{"guid":"guid"}`), Hooks: json.RawMessage(`[
		{"type":"operations","runOn":["beforeSave"],"payload":{"mail":["trim","lower"]}},
		{"type":"operations","runOn":["update"],"payload":{"stamp":"by update"}},
		{"type":"email","runOn":["insert","update"],"conditions":[{"mail":"a@x.org"},{"n":{"$gte":5}}],"payload":{"to":"{{{mail}}}","subject":"{{n}} {{{stamp}}} {{guid}}"}},
		{"type":"sms","runOn":["insert","update"],"triggers":["form","app"],"payload":{"to":"1","body":"{{n}}"}}]`)}))
	e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"mail": " A@X.org ", "n": 5}))
	guid := e.Get("guid").(string)
	if diff := cmp.Diff([]string{"email 5  " + guid}, r.wait(t, 1)); diff != "" {
		t.Error(diff)
	}
	must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, siftdb.M{"n": 6}, siftdb.WithSource("form")))
	if diff := cmp.Diff([]string{"email 6 by update " + guid, "sms 6"}, r.wait(t, 2)); diff != "" {
		t.Error(diff)
	}
	commit := siftdb.Commit{Append: new(true), Extend: true, Source: "app", Entries: []siftdb.CommitEntry{{ID: e.ID, Data: siftdb.M{"n": 1}}}, RunHooks: []siftdb.EventKind{siftdb.UpdateEvent}}
	must[*siftdb.CommitResult](t)(ds.Commit(ctx, commit))
	if diff := cmp.Diff([]string{"sms 1"}, r.wait(t, 1)); diff != "" {
		t.Error(diff)
	}
	// The label of the write counts where a commit has none.
	commit.Source, commit.Entries[0].Data = "", siftdb.M{"n": 2}
	must[*siftdb.CommitResult](t)(ds.Commit(ctx, commit, siftdb.WithSource("form")))
	if diff := cmp.Diff([]string{"sms 2"}, r.wait(t, 1)); diff != "" {
		t.Error(diff)
	}
	// A hook that makes an update a write of what is there already sends nothing.
	must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, e.ID, siftdb.M{"mail": "A@x.org"}, siftdb.WithSource("app")))
	must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"n": 9}, siftdb.WithSource("app")))
	if diff := cmp.Diff([]string{"sms 9"}, r.wait(t, 1)); diff != "" {
		t.Error(diff)
	}
}

// TestNothingIsSentOfWhatFails: writes that fail leave nothing in the outbox.
func TestNothingIsSentOfWhatFails(t *testing.T) {
	engines(t, func(t *testing.T, db *siftdb.DB) {
		r := newReceiver()
		opts := r.options()
		opts.Deliveries.Off = true
		db = alike(t, db, opts)
		ds := sending(t, db, smsBoth, `{"type":"operations","runOn":["insert"],"conditions":[{"bad":1}],"payload":{"x":["rot13"]}}`)
		e := must[siftdb.BulkResult](t)(ds.Append(ctx, raws(`{"name":"a"}`), siftdb.RunHooks(false)))
		both := []siftdb.EventKind{siftdb.InsertEvent, siftdb.UpdateEvent}
		for what, err := range map[string]error{
			"insert":    second(ds.Insert(ctx, siftdb.M{"bad": 1})),
			"append":    second(ds.Append(ctx, raws(`{"name":"b"}`, `{"bad":1}`))),
			"condition": second(ds.UpdateEntry(ctx, e.IDs[0], siftdb.M{"name": "c"}, siftdb.IfChanged(999))),
			"unknown":   second(ds.UpdateEntry(ctx, 4000, siftdb.M{"name": "c"})),
			"commit":    second(ds.Commit(ctx, siftdb.Commit{Append: new(true), RunHooks: both, Entries: []siftdb.CommitEntry{{Data: siftdb.M{"name": "c"}}, {ID: 4000, Data: siftdb.M{}}}})),
			"commit 2":  second(ds.Commit(ctx, siftdb.Commit{Append: new(true), RunHooks: both, Entries: []siftdb.CommitEntry{{Data: siftdb.M{"name": "c"}}, {ID: e.IDs[0], IfChanged: 999, Data: siftdb.M{"name": "c"}}}})),
		} {
			if err == nil {
				t.Errorf("%s does not fail", what)
			}
		}
		if left := outboxOf(t, db); len(left) > 0 {
			t.Errorf("the outbox holds %v", left)
		}
	})
}

// TestBrokenHooksAreListed: a hook whose delivery cannot be rendered does not fail the
// write; what it owed is reported and listed as failed, and nobody can send it.
func TestBrokenHooksAreListed(t *testing.T) {
	r := newReceiver()
	db := memoryDB(t, r.options())
	ds := sending(t, db, `{"type":"web","runOn":["insert"],"payload":{"endpoint":"https://x.example/{{#if}}"}}`,
		`{"type":"sms","runOn":["insert"],"conditions":[{"n":{"$nope":1}}],"payload":{"to":"1","body":"x"}}`, smsBoth,
		`{"type":"email","runOn":["insert"],"payload":{"to":"{{{nobody}}}","subject":"x"}}`)
	e := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": "a"}))
	r.until(t, "4 reports", func() bool { return len(r.reports) == 4 })
	finals := 0
	for _, x := range r.reported() {
		if x.Final != (x.Hook != 2) || (x.Err == nil) == x.Final || x.EntryID != e.ID || x.DataSourceID != ds.ID() || x.Tries != 1 {
			t.Errorf("reported %+v", x)
		}
		if x.Final {
			finals++
		}
	}
	if diff := cmp.Diff([]string{"sms a"}, r.drain()); diff != "" || finals != 3 {
		t.Errorf("%d final: %s", finals, diff)
	}
	left := outboxOf(t, db)
	if len(left) != 3 || left[0].Hook != 0 || left[1].Hook != 1 || left[2].Hook != 3 {
		t.Fatalf("listed %+v", left)
	}
	for _, d := range left {
		if !d.Failed() || d.LastError == "" || d.Target != "" || !isInvalid(db.RetryDelivery(ctx, d.ID)) {
			t.Errorf("listed %+v, retry %v", d, db.RetryDelivery(ctx, d.ID))
		}
		if err := db.DropDelivery(ctx, d.ID); err != nil {
			t.Error(err)
		}
	}
	if left := outboxOf(t, db); len(left) != 0 || !isNotFound(db.DropDelivery(ctx, "01H00000000000000000000000")) || !isNotFound(db.RetryDelivery(ctx, "x")) {
		t.Errorf("after dropping: %v", left)
	}
}

// TestPushAudience: a push goes to those who match when it is sent, once each, and never
// to another organization (spec 10.3).
func TestPushAudience(t *testing.T) {
	r := newReceiver()
	db := memoryDB(t, r.options())
	org, other := new(int64(1)), new(int64(2))
	users := must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "users", OrganizationID: org, Hooks: json.RawMessage(`[{"type":"operations","runOn":["beforeQuery"],"payload":{"team":["lower"]}}]`),
		Entries: raws(`{"team":"red","flPushSubscriptionId":"s1"}`, `{"team":"red","flPushSubscriptionId":""}`, `{"team":"red"}`, `{"team":"blue","flPushSubscriptionId":"s2"}`, `{"team":"red","flPushSubscriptionId":7}`, `{"team":"red","flPushSubscriptionId":"s1"}`, `{"team":"red","flPushSubscriptionId":null}`)}))
	hook := fmt.Sprintf(`[{"type":"push","runOn":["insert"],"appId":12,"filter":{"dataSourceId":%d,"match":{"team":"{{team}}"}},"payload":{"title":"{{team}}","body":"b"}},
		{"type":"push","runOn":["insert"],"appId":12,"payload":{"title":"all","body":"b"}}]`, users.ID())
	source := func(org *int64) *siftdb.DataSource {
		return must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", OrganizationID: org, Hooks: json.RawMessage(hook)}))
	}
	must[*siftdb.Entry](t)(source(org).Insert(ctx, siftdb.M{"team": "RED"}))
	if diff := cmp.Diff([]string{`push RED to 12 true ["s1" "7"]`, `push all to 12 false []`}, r.wait(t, 2)); diff != "" {
		t.Error(diff)
	}
	must[*siftdb.Entry](t)(source(nil).Insert(ctx, siftdb.M{"team": "green"})) // to nobody
	if diff := cmp.Diff([]string{`push all to 12 false []`}, r.wait(t, 2)); diff != "" {
		t.Error(diff)
	}
	must[*siftdb.Entry](t)(source(other).Insert(ctx, siftdb.M{"team": "red"}))
	r.until(t, "a refusal", func() bool { return len(r.reports) >= 2 })
	if left := outboxOf(t, db); len(left) != 1 || !strings.Contains(left[0].LastError, "does not exist") {
		t.Errorf("a push to another organization is %+v", left)
	} else if err := db.DropDelivery(ctx, left[0].ID); err != nil {
		t.Error(err)
	}
}

// TestSteeringDeliveries: an admin of an organization lists and steers what is of its
// data sources, and no others.
func TestSteeringDeliveries(t *testing.T) {
	r := newReceiver()
	opts := r.options()
	opts.Deliveries.Off = true
	db := memoryDB(t, opts)
	var sources [2]*siftdb.DataSource
	for i := range sources {
		sources[i] = must[*siftdb.DataSource](t)(db.Create(ctx, siftdb.DataSourceSpec{Name: "t", OrganizationID: new(int64(i + 1)), Hooks: json.RawMessage("[" + mailBoth + "," + webInsert + "]")}))
		must[*siftdb.Entry](t)(sources[i].Insert(ctx, siftdb.M{"name": "a"}))
	}
	all := outboxOf(t, db)
	if len(all) != 4 || all[0].Target != "a@x.org and 1 more" || all[1].Target != "https://hook.example" || all[0].Next.IsZero() || all[0].Failed() || all[0].Event != "insert" {
		t.Fatalf("listed %+v", all)
	}
	admin := db.As(&security.Principal{TokenID: 1, Admin: true, OrganizationID: new(int64(1))})
	list := func(f siftdb.DeliveryFilter) (n int, err error) {
		for _, err := range admin.Deliveries(ctx, f) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	if n, err := list(siftdb.DeliveryFilter{DataSourceID: sources[0].ID()}); n != 2 || err != nil {
		t.Errorf("its own: %d, %v", n, err)
	}
	if n, err := list(siftdb.DeliveryFilter{DataSourceID: sources[0].ID(), Failed: true}); n != 0 || err != nil {
		t.Errorf("its own that failed: %d, %v", n, err)
	}
	if n, err := list(siftdb.DeliveryFilter{DataSourceID: sources[1].ID()}); n != 0 || !isNotFound(err) {
		t.Errorf("another's: %d, %v", n, err)
	}
	if _, err := list(siftdb.DeliveryFilter{}); err == nil {
		t.Error("lists all")
	}
	if err := admin.DropDelivery(ctx, all[2].ID); !isNotFound(err) {
		t.Errorf("drops another's: %v", err)
	}
	if err := admin.DropDelivery(ctx, all[0].ID); err != nil {
		t.Error(err)
	}
	// The trash keeps what is to be sent; a purge drops it.
	if err := sources[0].Delete(ctx); err != nil {
		t.Fatal(err)
	}
	if n, err := list(siftdb.DeliveryFilter{DataSourceID: sources[0].ID()}); n != 1 || err != nil {
		t.Errorf("in the trash: %d, %v", n, err)
	}
	if err := db.Purge(ctx, sources[1].ID()); err != nil {
		t.Fatal(err)
	}
	if left := outboxOf(t, db); len(left) != 1 || left[0].ID != all[1].ID {
		t.Errorf("after the purge: %+v", left)
	}
}

// TestOvertakenUpdates: an update that another one overtakes while its hooks run is
// evaluated again, and what is sent tells what is stored.
func TestOvertakenUpdates(t *testing.T) {
	r := newReceiver()
	opts := r.options()
	opts.Media = media.Memory()
	var overtake func()
	opts.Hash = func(text string) string {
		if fn := overtake; fn != nil {
			overtake = nil
			fn()
		}
		return "#" + text
	}
	db := memoryDB(t, opts)
	ds := sending(t, db, `{"type":"operations","runOn":["beforeSave"],"payload":{"password":["hash"]}}`,
		`{"type":"sms","runOn":["update"],"triggers":["test"],"payload":{"to":"1","body":"{{name}} {{password}}"}}`)
	id := must[*siftdb.Entry](t)(ds.Insert(ctx, siftdb.M{"name": "a", "password": "x"})).ID
	for i, update := range []func(password string) error{
		func(p string) error {
			return second(ds.UpdateEntry(ctx, id, siftdb.M{"password": p}, siftdb.WithSource("test")))
		},
		func(p string) error {
			return second(ds.Commit(ctx, siftdb.Commit{Append: new(true), Extend: true, Entries: []siftdb.CommitEntry{{ID: id, Data: siftdb.M{"password": p}}}, RunHooks: []siftdb.EventKind{siftdb.UpdateEvent}}, siftdb.WithSource("test")))
		},
		func(p string) error {
			return second(ds.UpdateWithFiles(ctx, id, siftdb.FormOf(siftdb.Part{Name: "password", Text: p}, siftdb.Part{Name: "f", FileName: "f.txt", Content: strings.NewReader("x")}), siftdb.WithSource("test")))
		},
	} {
		name, password := fmt.Sprint("overtaken ", i), fmt.Sprint("p", i)
		overtake = func() { must[*siftdb.Entry](t)(ds.UpdateEntry(ctx, id, siftdb.M{"name": name})) }
		if err := update(password); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"sms " + name + " #" + password}, r.wait(t, 1)); diff != "" {
			t.Error(diff)
		}
		if e := must[*siftdb.Entry](t)(ds.FindByID(ctx, id)); e.Get("name") != name || e.Get("password") != "#"+password {
			t.Errorf("stored %s", e.JSON())
		}
	}
}
