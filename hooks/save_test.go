package hooks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
)

// ops makes an operations hook.
func ops(runOn, payload string) string {
	return `{'type':'operations','runOn':['` + strings.ReplaceAll(runOn, " ", "','") + `'],'payload':` + payload + `}`
}

// when adds keys to a hook.
func when(hook, keys string) string { return hook[:len(hook)-1] + "," + keys + "}" }

// TestInsert is spec 10.2, 10.3 and 10.4 on an insert.
func TestInsert(t *testing.T) {
	trim := ops("beforeSave", `{'A':['trim']}`)
	for _, c := range []struct{ name, hooks, data, want string }{
		{"none", ``, `{'A':' x '}`, `{'A':' x '}`},
		{"unknown type", `{'type':'fax','runOn':['insert'],'payload':{'A':'x'}}`, `{'A':1}`, `{'A':1}`},
		{"other event", ops("update beforeQuery", `{'A':'x'}`), `{'A':1}`, `{'A':1}`},
		{"no payload", `{'type':'operations','runOn':['insert']}`, `{'A':1}`, `{'A':1}`},

		{"template", ops("beforeSave", `{'Full':'{{First}} {{Last}}'}`), `{'First':'Eve','Last':'Ash'}`, `{'First':'Eve','Last':'Ash','Full':'Eve Ash'}`},
		{"template over a value", ops("insert", `{'A':'{{A}}!'}`), `{'A':'x','B':1}`, `{'A':'x!','B':1}`},
		{"template of a number", ops("insert", `{'A':'{{N}}'}`), `{'N':1.10}`, `{'N':1.10,'A':'1.10'}`},
		{"escaped", ops("insert", `{'A':'{{H}}','B':'{{{H}}}'}`), `{'H':'<&>'}`, `{'H':'<&>','A':'&lt;&amp;&gt;','B':'<&>'}`},
		{"bracketed, nested", ops("insert", `{'A':'{{[First Name]}}{{a.b}}'}`), `{'First Name':'E','a':{'b':2}}`, `{'First Name':'E','a':{'b':2},'A':'E2'}`},
		{"missing", ops("insert", `{'A':'<{{nope}}{{! comment }}{{a.b.c}}>'}`), `{}`, `{'A':'<>'}`},
		{"objects as JSON", ops("insert", `{'A':'{{{o}}}{{{l}}}'}`), `{'o':{},'l':[1,2]}`, `{'o':{},'l':[1,2],'A':'{}[1,2]'}`},
		{"blocks", ops("insert", `{'A':'{{#if y}}Y{{else}}N{{/if}}{{#unless y}}-{{/unless}}{{#each l}}{{this}};{{/each}}{{#with o}}{{k}}{{/with}}'}`), `{'y':true,'l':[1,2],'o':{'k':'v'}}`, `{'y':true,'l':[1,2],'o':{'k':'v'},'A':'Y1;2;v'}`},
		{"empty template", ops("insert", `{'A':''}`), `{'A':5}`, `{'A':''}`},
		{"one hook sees what it found", ops("insert", `{'A':'{{B}}','B':'{{A}}'}`), `{'A':'1','B':'2'}`, `{'A':'2','B':'1'}`},

		{"trim", trim, `{'A':' \t\n\u00a0\ufeffx y\u2003 '}`, `{'A':'x y'}`},
		{"lower", ops("insert", `{'A':['lower']}`), `{'A':'ÄbC'}`, `{'A':'äbc'}`},
		{"upper", ops("insert", `{'A':['upper']}`), `{'A':'äbc'}`, `{'A':'ÄBC'}`},
		{"hash", ops("insert", `{'A':['hash']}`), `{'A':'pw'}`, `{'A':'#pw'}`},
		{"in order", ops("insert", `{'A':['trim','hash','upper']}`), `{'A':' pw '}`, `{'A':'#PW'}`},
		{"no operations", ops("insert", `{'A':[]}`), `{'A':' x '}`, `{'A':' x '}`},
		{"absent", ops("insert", `{'A':['trim','lower','upper','hash']}`), `{'B':1}`, `{'B':1}`},
		{"null", ops("insert", `{'A':['trim','lower','upper','hash']}`), `{'A':null}`, `{'A':null}`},
		{"not a text", ops("insert", `{'A':['trim','lower','upper'],'B':['upper'],'C':['lower']}`), `{'A':5,'B':true,'C':{'x':'Y'}}`, `{'A':5,'B':true,'C':{'x':'Y'}}`},
		{"array of texts", ops("insert", `{'A':['trim','upper']}`), `{'A':[' a ','b']}`, `{'A':['A','B']}`},
		{"array of all", ops("insert", `{'A':['upper']}`), `{'A':['a',1,null,['b'],{'c':'d'}]}`, `{'A':['A',1,null,['b'],{'c':'d'}]}`},
		{"empty array", ops("insert", `{'A':['hash']}`), `{'A':[]}`, `{'A':[]}`},
		{"hash of nothing", ops("insert", `{'A':['hash'],'B':['trim','hash']}`), `{'A':'','B':'  '}`, `{'A':'','B':''}`},
		{"hash of numbers", ops("insert", `{'A':['hash'],'B':['hash'],'C':['hash']}`), `{'A':1.10,'B':12345678901234567890,'C':false}`, `{'A':'#1.1','B':'#12345678901234567890','C':'#false'}`},
		{"hash of an array", ops("insert", `{'A':['hash']}`), `{'A':['a',2,'',null,{'k':1}]}`, `{'A':['#a','#2','',null,'#{'k':1}']}`},
		{"column order is kept", ops("insert", `{'B':['upper']}`), `{'A':'a','B':'b','C':'c'}`, `{'A':'a','B':'B','C':'c'}`},
		{"dotted column", ops("insert", `{'No. of':['upper']}`), `{'No. of':'x'}`, `{'No. of':'X'}`},

		{"array order", trim + "," + ops("beforeSave", `{'A':'[{{A}}]'}`), `{'A':' x '}`, `{'A':'[x]'}`},
		{"beforeSave first", ops("insert", `{'A':'{{A}}2'}`) + "," + ops("beforeSave", `{'A':'{{A}}1'}`), `{'A':'x'}`, `{'A':'x12'}`},
		{"deliveries change nothing", `{'type':'email','runOn':['beforeSave','insert'],'payload':{'A':'x'}}`, `{'A':1}`, `{'A':1}`},

		{"condition holds", when(trim, `'conditions':[{'B':1}]`), `{'A':' x ','B':1}`, `{'A':'x','B':1}`},
		{"condition fails", when(trim, `'conditions':[{'B':2}]`), `{'A':' x ','B':1}`, `{'A':' x ','B':1}`},
		{"all must hold", when(trim, `'conditions':[{'B':1},{'B':{'$gt':1}}]`), `{'A':' x ','B':1}`, `{'A':' x ','B':1}`},
		{"empty conditions", when(trim, `'conditions':[]`), `{'A':' x '}`, `{'A':'x'}`},
		{"null conditions", when(trim, `'conditions':null`), `{'A':' x '}`, `{'A':'x'}`},
		{"operators", when(trim, `'conditions':[{'$or':[{'B':{'$like':'z'}},{'B':{'$in':['q',7]}}]}]`), `{'A':' x ','B':7}`, `{'A':'x','B':7}`},
		{"no entry fields", when(trim, `'conditions':[{'id':{'$exists':true}}]`), `{'A':' x '}`, `{'A':' x '}`},
		{"columns named like them", when(trim, `'conditions':[{'id':3}]`), `{'A':' x ','id':3}`, `{'A':'x','id':3}`},
		{"conditions see the result so far", ops("beforeSave", `{'B':'new'}`) + "," + when(trim, `'conditions':[{'B':'new'}]`), `{'A':' x '}`, `{'A':'x','B':'new'}`},
		{"on insert they see what is stored", when(ops("insert", `{'C':'yes'}`), `'conditions':[{'A':'x'}]`) + "," + trim, `{'A':' x '}`, `{'A':'x','C':'yes'}`},

		{"trigger", when(trim, `'triggers':['other','form']`), `{'A':' x '}`, `{'A':'x'}`},
		{"other trigger", when(trim, `'triggers':['Form']`), `{'A':' x '}`, `{'A':' x '}`},
		{"no label in triggers", when(trim, `'triggers':[5]`), `{'A':' x '}`, `{'A':' x '}`},
		{"empty triggers", when(trim, `'triggers':[]`), `{'A':' x '}`, `{'A':'x'}`},

		{"broken template", trim + "," + ops("beforeSave", `{'A':'{{'}`), `{}`, "hooks.1: " + badTemplate},
		{"unknown operation", ops("insert", `{'Gone':['md5']}`), `{}`, "hooks.0: " + badOperation},
		{"wrong payload", ops("insert", `{'A':{}}`), `{}`, "hooks.0: " + badPayload},
		{"broken condition", when(trim, `'conditions':[{'B':2},{'A':{'$x':1}}]`), `{}`, "hooks.0: " + badCondition},
		{"conditions of no array", when(trim, `'conditions':{'B':2}`), `{}`, "hooks.0: " + badCondition},
		{"dear condition", when(trim, `'conditions':[{'A':{'$regex':'(x{1,900}y){1,1}z'}}]`), `{'A':'` + strings.Repeat("x", 100_000) + `'}`, "hooks.0: " + dearCondition},
		{"broken, not due", when(ops("insert", `{'A':'{{'}`), `'conditions':[{'B':1}]`), `{}`, `{}`},
		{"broken, other trigger", when(ops("insert", `{'A':'{{'}`), `'triggers':['x']`), `{}`, `{}`},
		{"broken, never runs", ops("later", `{'A':'{{'}`), `{}`, `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := chain(t, "["+c.hooks+"]").Save(context.Background(), SaveInput{Event: Insert, Data: value(t, c.data), Source: "form", Hash: mark})
			if s := strings.ReplaceAll(outcome(t, got, err), `\'`, "'"); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}

// TestUpdate is what differs on an update (spec 10.3 and 10.4(3)). The caller sent A and B, and
// may not read B.
func TestUpdate(t *testing.T) {
	for _, c := range []struct{ name, hooks, stored, data, want string }{
		{"sent", ops("beforeSave", `{'A':['upper']}`), `{'A':'a'}`, `{'A':'b'}`, `{'A':'B'}`},
		{"not sent", ops("beforeSave", `{'C':['upper']}`), `{'C':'c'}`, `{'A':'b','C':'c'}`, `{'A':'b','C':'c'}`},
		{"sent, equal, no hash", ops("beforeSave", `{'A':['upper']}`), `{'A':'a'}`, `{'A':'a'}`, `{'A':'A'}`},
		{"template always", ops("beforeSave", `{'C':'{{A}}'}`), `{'C':'c'}`, `{'A':'b','C':'c'}`, `{'A':'b','C':'b'}`},
		{"on update all columns", ops("update", `{'C':['upper']}`), `{'C':'c'}`, `{'A':'b','C':'c'}`, `{'A':'b','C':'C'}`},
		{"insert hooks do not run", ops("insert", `{'A':['upper']}`), `{}`, `{'A':'b'}`, `{'A':'b'}`},
		{"new value is hashed", ops("beforeSave", `{'A':['hash']}`), `{'A':'#old'}`, `{'A':'new'}`, `{'A':'#new'}`},
		{"stored value is not", ops("beforeSave", `{'A':['hash']}`), `{'A':'#old'}`, `{'A':'#old'}`, `{'A':'#old'}`},
		{"nor touched", ops("beforeSave", `{'A':['upper','hash']}`), `{'A':'#old'}`, `{'A':'#old'}`, `{'A':'#old'}`},
		{"but when it is hidden", ops("beforeSave", `{'B':['hash']}`), `{'B':'#old'}`, `{'B':'#old'}`, `{'B':'##old'}`},
		{"not sent, hidden or not", ops("update", `{'D':['hash']}`), `{'D':'#old'}`, `{'A':'x','D':'#old'}`, `{'A':'x','D':'#old'}`},
		{"stored array", ops("beforeSave", `{'A':['hash']}`), `{'A':['#a']}`, `{'A':['#a']}`, `{'A':['#a']}`},
		{"written by a hook", ops("beforeSave", `{'C':'{{A}}'}`) + "," + ops("beforeSave", `{'C':['hash']}`), `{'C':'#old'}`, `{'A':'b','C':'#old'}`, `{'A':'b','C':'#b'}`},
		{"written as it was stored", ops("beforeSave", `{'C':'{{A}}'}`) + "," + ops("beforeSave", `{'C':['hash']}`), `{'C':'b'}`, `{'A':'b','C':'b'}`, `{'A':'b','C':'#b'}`},
		{"merged data in conditions", when(ops("beforeSave", `{'A':['upper']}`), `'conditions':[{'C':'c'}]`), `{'C':'c'}`, `{'A':'b','C':'c'}`, `{'A':'B','C':'c'}`},
		{"sent null", ops("beforeSave", `{'A':['hash','trim']}`), `{'A':'#old'}`, `{'A':null}`, `{'A':null}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := chain(t, "["+c.hooks+"]").Save(context.Background(), SaveInput{
				Event: Update, Data: value(t, c.data), Stored: value(t, c.stored), Sent: listed("A", "B"), Readable: listed("A", "C"), Hash: mark,
			})
			if s := outcome(t, got, err); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
	t.Run("all sent, all readable", func(t *testing.T) {
		got, err := chain(t, "["+ops("beforeSave", `{'A':['hash'],'B':['hash']}`)+"]").Save(context.Background(), SaveInput{
			Event: Update, Data: value(t, `{'A':'#old','B':'new'}`), Stored: value(t, `{'A':'#old','B':'#old'}`), Hash: mark,
		})
		if s := outcome(t, got, err); s != `{'A':'#old','B':'#new'}` {
			t.Error(s)
		}
	})
}

// TestSaveInput is what the host program gives.
func TestSaveInput(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c := chain(t, "["+ops("insert", `{'A':['hash']}`)+"]")
	in := SaveInput{Event: Insert, Data: value(t, `{'A':'x'}`)}
	got, err := c.Save(ctx, in)
	if s := outcome(t, got, err); s != "hooks.0: "+noHasher {
		t.Error(s)
	}
	in.Hash = func(string) string { panic("host") }
	got, err = c.Save(ctx, in)
	if s := outcome(t, got, err); s != "hooks.0: "+hasherFailed {
		t.Error(s)
	}
	for _, wrong := range []SaveInput{{Event: BeforeSave, Data: in.Data}, {Event: Insert}, {Event: Insert, Data: value(t, `[]`)}} {
		if _, err := c.Save(ctx, wrong); err == nil {
			t.Errorf("%+v is taken", wrong)
		}
	}
	in.Hash = mark
	in.Data = document.Of(map[string]any{"A": "x", "B": []any{1.5}}) // decoded data do as well
	if got, err = c.Save(ctx, in); outcome(t, got, err) != `{'A':'#x','B':[1.5]}` {
		t.Error(got, err)
	}
	cancel()
	if _, err = c.Save(ctx, in); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	var none *Chain
	if got, err = none.Save(ctx, in); err != nil || !document.Equal(got, in.Data) {
		t.Error(got, err)
	}
}

// TestHMAC is the default of hash (spec 10.3): known answers, and what is not a secret.
func TestHMAC(t *testing.T) {
	hash, err := HMAC([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	// printf pw | openssl dgst -sha256 -hmac 0123456789abcdef
	if got := hash("pw"); got != "a2c9dd1063da033029a4feb22a09ddcf72ba6ccdb03c213e43d371f8c29fbf45" {
		t.Error(got)
	}
	if _, err := HMAC([]byte("short")); err == nil {
		t.Error("a short secret is taken")
	}
}

// TestHostileSave holds what templates and data may cost.
func TestHostileSave(t *testing.T) {
	double := make([]string, 40)
	for i := range double {
		double[i] = ops("insert", `{'A':'{{{A}}}{{{A}}}'}`)
	}
	got, err := chain(t, "["+strings.Join(double, ",")+"]").Save(context.Background(), SaveInput{Event: Insert, Data: value(t, `{'A':'0123456789'}`)})
	if s := outcome(t, got, err); !strings.HasSuffix(s, largeOutput) {
		t.Error(s)
	}
	loop := "[" + ops("insert", `{'A':'{{#each l}}{{#each ../l}}{{#each ../l}}x{{/each}}{{/each}}{{/each}}'}`) + "]"
	data := `{'l':[` + strings.Repeat("1,", 999) + `1]}`
	got, err = chain(t, loop).Save(context.Background(), SaveInput{Event: Insert, Data: value(t, data)})
	if s := outcome(t, got, err); !strings.HasSuffix(s, largeOutput) {
		t.Error(s)
	}
	many := make([]string, 20)
	for i := range many {
		many[i] = fmt.Sprintf(`'C%d':'{{l}}'`, i)
	}
	got, err = chain(t, "["+ops("insert", "{"+strings.Join(many, ",")+"}")+"]").Save(context.Background(), SaveInput{Event: Insert, Data: document.Of(map[string]any{"l": strings.Repeat("x", 1<<20)})})
	if s := outcome(t, got, err); !strings.HasSuffix(s, largeOutput) {
		t.Errorf("%.100s", s)
	}
	var deep any = "x"
	for range 9_000 {
		deep = []any{deep}
	}
	got, err = chain(t, "["+ops("insert", `{'A':['hash'],'B':'{{A}}'}`)+"]").Save(context.Background(), SaveInput{Event: Insert, Data: document.Of(map[string]any{"A": deep}), Hash: mark})
	if err != nil || got.Field("A").At(0).Kind() != document.String {
		t.Error(err)
	}
	bad := document.Of(map[string]any{"A": "a\xffb", "B": "b"})
	got, err = chain(t, "["+ops("insert", `{'A':'{{A}}'}`)+"]").Save(context.Background(), SaveInput{Event: Insert, Data: bad})
	if err == nil && strings.Contains(got.String(), "\xff") {
		t.Error("bytes that are no text are stored")
	}
}

// TestConcurrent uses one Chain from several goroutines.
func TestConcurrent(t *testing.T) {
	c := chain(t, "["+when(ops("beforeSave beforeQuery", `{'A':['trim','hash'],'B':'{{A}}'}`), `'conditions':[{'A':{'$regex':'x'}}]`)+",{'type':'web','runOn':['insert'],'payload':{'endpoint':'https://a.test/{{A}}'}}]")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				text := fmt.Sprintf("x%d.%d", g, i)
				v := document.Of(map[string]any{"A": " " + text})
				got, err := c.Save(context.Background(), SaveInput{Event: Insert, Data: v, Hash: mark})
				if err != nil || got.Field("A").Str() != "#"+text {
					t.Error(got, err)
				}
				where, err := c.Query(context.Background(), QueryInput{Where: v, Hash: mark})
				if err != nil || where.Field("A").Str() != "#"+text {
					t.Error(where, err)
				}
				list, _, err := c.Deliveries(context.Background(), DeliverInput{Event: Insert, Data: got})
				if err != nil || len(list) != 1 {
					t.Error(list, err)
				}
			}
		})
	}
	wg.Wait()
}
