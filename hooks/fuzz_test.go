package hooks

import (
	"context"
	"errors"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// FuzzParseHooks parses hooks and runs them on data and as a query: nothing panics, every fault
// is typed and has a place, what comes out can be stored, and a delivery comes back from JSON as
// it was.
func FuzzParseHooks(f *testing.F) {
	for _, text := range []string{
		``, `null`, `[]`, `[{'type':'fax','runOn':['insert']}]`,
		"[" + ops("beforeSave beforeQuery insert update", `{'A':['trim','lower','upper','hash'],'B':'{{A}} {{{B}}}','C':['hash']}`) + "]",
		"[" + when(ops("beforeSave", `{'A':'{{#each C}}{{this}}{{/each}}'}`), `'conditions':[{'A':{'$regex':'v'}},{'B':{'$gt':1}}],'triggers':['s']`) + "]",
		"[" + hookOf(Email, `{'to':[{'type':'cc','email':'{{A}}'}],'subject':'{{B}}'}`) + "," + hookOf(SMS, `{'to':'1{{A}}'}`) + "," + hookOf(Web, `{'endpoint':'http://x.test/{{A}}','body':{'a':['{{C}}']},'headers':{'h':'{{A}}'}}`) + "]",
		"[" + when(hookOf(Push, `{'title':'{{A}}'}`), `'appId':1,'filter':{'match':{'A':'{{A}}'},'dataSourceId':'7'}`) + "]",
	} {
		for _, data := range []string{`{}`, `{'A':' v ','B':2,'C':['x',1,null,{'k':'v'}]}`, `{'$and':[{'A':{'$in':['v',{'$eq':'w'}]}}],'data':{'B':{'$eq':'x'}},'data.C':true}`} {
			f.Add([]byte(js(text)), []byte(js(data)), []byte(`{"A":"#v"}`), uint8(7))
		}
	}
	f.Fuzz(func(t *testing.T, text, data, before []byte, bits uint8) {
		c, err := Parse(text)
		if err != nil {
			if c != nil || !typed(err) {
				t.Fatalf("got %v %+v", c, err)
			}
			return
		}
		for _, p := range c.Problems() {
			if !typed(p) {
				t.Fatalf("%+v", p)
			}
		}
		v, err := document.Parse(data, document.Limits{})
		if err != nil || v.Kind() != document.Object {
			return
		}
		old, err := document.Parse(before, document.Limits{})
		if err != nil {
			return
		}
		odd := func(s string) bool { return len(s)&int(bits) != 0 }
		for _, event := range []Event{Insert, Update} {
			got, err := c.Save(t.Context(), SaveInput{Event: event, Data: v, Stored: old, Source: "s", Sent: odd, Readable: odd, Hash: mark})
			if !settled(t, got, err) {
				continue
			}
			list, failed, err := c.Deliveries(t.Context(), DeliverInput{Event: event, Data: got, Source: "s"})
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range list {
				roundTrip(t, d)
			}
			for _, e := range failed {
				if !typed(e.Err) {
					t.Fatalf("%+v", e)
				}
			}
		}
		got, err := c.Query(context.Background(), QueryInput{Where: v, Columns: odd, Hash: mark})
		if settled(t, got, err) && got.Len() != v.Len() {
			t.Fatalf("%s became %s", v, got)
		}
	})
}

// typed reports whether an error is one about a place in the hooks.
func typed(err error) bool {
	var e *errs.Error
	return errors.As(err, &e) && e.Code == errs.InvalidInput && e.Path != ""
}

// settled reports whether a result is there, and fails when it is no document.
func settled(t *testing.T, got document.Value, err error) bool {
	t.Helper()
	if err != nil {
		if !typed(err) || got.Kind() != document.Absent {
			t.Fatalf("got %s %+v", got, err)
		}
		return false
	}
	back, err := document.Parse(document.AppendJSON(nil, got), document.Limits{Depth: 1000, Keys: -1, KeyBytes: -1})
	if err != nil || !document.Equal(back, got) {
		t.Fatalf("got %s: %v", got, err)
	}
	return true
}
