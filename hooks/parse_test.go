package hooks

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/errs"
)

// TestShape is spec 10.1: what is checked when hooks are saved.
func TestShape(t *testing.T) {
	for _, c := range []struct{ text, path string }{
		{``, ""},
		{`null`, ""},
		{`[]`, ""},
		{`{}`, "hooks"},
		{`'x'`, "hooks"},
		{`[`, "hooks"},
		{`[] []`, "hooks"},
		{`[null]`, "hooks.0"},
		{`[[]]`, "hooks.0"},
		{`[{}]`, "hooks.0.type"},
		{`[{'type':'','runOn':[]}]`, "hooks.0.type"},
		{`[{'type':1,'runOn':[]}]`, "hooks.0.type"},
		{`[{'type':null,'runOn':[]}]`, "hooks.0.type"},
		{`[{'type':'web'}]`, "hooks.0.runOn"},
		{`[{'type':'web','runOn':'insert'}]`, "hooks.0.runOn"},
		{`[{'type':'web','runOn':null}]`, "hooks.0.runOn"},
		{`[{'type':'web','runOn':[]}]`, ""},
		{`[{'type':'web','runOn':['insert'],'payload':[]}]`, "hooks.0.payload"},
		{`[{'type':'web','runOn':['insert'],'payload':'x'}]`, "hooks.0.payload"},
		{`[{'type':'web','runOn':['insert'],'payload':null}]`, ""},
		{`[{'type':'web','runOn':['insert'],'payload':{}}]`, ""},
		{`[{'type':'web','runOn':['insert'],'triggers':'x'}]`, "hooks.0.triggers"},
		{`[{'type':'web','runOn':['insert'],'triggers':{}}]`, "hooks.0.triggers"},
		{`[{'type':'web','runOn':['insert'],'triggers':null}]`, ""},
		{`[{'type':'web','runOn':['insert'],'triggers':[]}]`, ""},
		{`[{'type':'web','runOn':['insert'],'conditions':5}]`, ""}, // fails when it is due
		{`[{'type':'fax','runOn':['insert'],'payload':{'a':'{{'}}]`, ""},
		{`[{'type':'web','runOn':['delete',5,null]}]`, ""},
		{`[{'type':'web','runOn':['insert'],'widgetInstanceId':7,'other':{'a':[1]}}]`, ""},
		{`[{'type':'web','runOn':[]},{'type':'web','runOn':{}}]`, "hooks.1.runOn"},
		{`[{'type':'a','runOn':[],'deep':` + strings.Repeat("[", 60) + strings.Repeat("]", 60) + `}]`, "hooks"},
		{`[` + strings.Repeat(`{'type':'a','runOn':[]},`, maxHooks) + `{'type':'a','runOn':[]}]`, "hooks"},
		{`['` + strings.Repeat("x", maxHooksBytes) + `']`, "hooks"},
		{strings.Repeat("[", 1e5), "hooks"},
	} {
		got, err := Parse([]byte(js(c.text)))
		var e *errs.Error
		switch {
		case c.path == "":
			if err != nil || got == nil {
				t.Errorf("%.80s: %v", c.text, err)
			}
		case got != nil || !errors.As(err, &e) || e.Code != errs.InvalidInput || e.Path != c.path:
			t.Errorf("%.80s: got %v, want a fault at %s", c.text, err, c.path)
		}
	}
}

// TestHas tells which events any hook may run on.
func TestHas(t *testing.T) {
	for _, c := range []struct{ text, changes, delivers string }{
		{`[]`, "", ""},
		{`[{'type':'operations','runOn':['beforeSave','beforeQuery']}]`, "beforeSave beforeQuery", ""},
		{`[{'type':'operations','runOn':['insert','update']}]`, "insert update", ""},
		{`[{'type':'email','runOn':['beforeSave','beforeQuery','insert']}]`, "", "insert"}, // 10.3: operations only
		{`[{'type':'sms','runOn':['update']},{'type':'push','runOn':['insert']}]`, "", "insert update"},
		{`[{'type':'web','runOn':['update','update','delete']}]`, "", "update"},
		{`[{'type':'Web','runOn':['insert']},{'type':'fax','runOn':['insert']},{'type':'web','runOn':['Insert']}]`, "", ""},
	} {
		got := chain(t, c.text)
		for _, e := range []Event{BeforeSave, BeforeQuery, Insert, Update, "delete", ""} {
			changes := slices.Contains(strings.Fields(c.changes), string(e))
			delivers := slices.Contains(strings.Fields(c.delivers), string(e))
			if got.Changes(e) != changes || got.Delivers(e) != delivers || got.Has(e) != (changes || delivers) {
				t.Errorf("%s: %q: %v %v %v", c.text, e, got.Changes(e), got.Delivers(e), got.Has(e))
			}
		}
	}
	var none *Chain
	if none.Has(Insert) || none.Problems() != nil {
		t.Error("a nil chain has hooks")
	}
}

// TestProblems tells in advance what will fail.
func TestProblems(t *testing.T) {
	for _, c := range []struct{ text, path string }{
		{`[{'type':'operations','runOn':['insert'],'payload':{'A':'{{x}}','B':['trim']}}]`, ""},
		{`[{'type':'operations','runOn':['insert'],'payload':{'A':'{{x'}}]`, "hooks.0.payload.A"},
		{`[{'type':'operations','runOn':['insert'],'payload':{'A':['trim','rot13']}}]`, "hooks.0.payload.A.1"},
		{`[{'type':'operations','runOn':['insert'],'payload':{'A':[['trim']]}}]`, "hooks.0.payload.A.0"},
		{`[{'type':'operations','runOn':['insert'],'payload':{'A':5}}]`, "hooks.0.payload.A"},
		{`[{'type':'operations','runOn':['insert'],'payload':{'A':null}}]`, "hooks.0.payload.A"},
		{`[{'type':'operations','runOn':['never'],'payload':{'A':null}}]`, ""},
		{`[{'type':'web','runOn':['insert'],'conditions':{}}]`, "hooks.0.conditions"},
		{`[{'type':'web','runOn':['insert'],'conditions':[{}, 5]}]`, "hooks.0.conditions.1"},
		{`[{'type':'web','runOn':['insert'],'conditions':[{'A':{'$what':1}}]}]`, "hooks.0.conditions.0.A.$what"},
		{`[{'type':'web','runOn':['insert'],'conditions':[{'$where':'1'}]}]`, "hooks.0.conditions.0.$where"},
		{`[{'type':'web','runOn':['insert'],'payload':{'body':{'a':['{{#if}}']}}}]`, "hooks.0.payload.body.a.0"},
		{`[{'type':'push','runOn':['insert'],'appId':'x'}]`, "hooks.0.appId"},
		{`[{'type':'push','runOn':['insert'],'filter':[]}]`, "hooks.0.filter"},
		{`[{'type':'push','runOn':['insert'],'filter':{}}]`, "hooks.0.filter.dataSourceId"},
		{`[{'type':'push','runOn':['insert'],'filter':{'dataSourceId':1.5}}]`, "hooks.0.filter.dataSourceId"},
		{`[{'type':'push','runOn':['insert'],'filter':{'dataSourceId':1,'match':[]}}]`, "hooks.0.filter.match"},
		{`[{'type':'push','runOn':['insert'],'filter':{'dataSourceId':1,'match':{'A':'{{'}}}]`, "hooks.0.filter.match.A"},
		{`[{'type':'push','runOn':['insert'],'appId':'12','filter':{'dataSourceId':'7'}}]`, ""},
	} {
		found := chain(t, c.text).Problems()
		if c.path == "" {
			if len(found) > 0 {
				t.Errorf("%s: %v", c.text, found)
			}
			continue
		}
		var e *errs.Error
		if len(found) != 1 || !errors.As(found[0], &e) || e.Code != errs.InvalidInput || e.Path != c.path {
			t.Errorf("%s: got %v, want a fault at %s", c.text, found, c.path)
		}
	}
}
