package hooks

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

// TestQuery is spec 10.4(4), and 10.2 on a query. X is a column; so is order.
func TestQuery(t *testing.T) {
	hash := ops("beforeSave beforeQuery", `{'P':['hash']}`)
	lower := ops("beforeQuery", `{'E':['trim','lower']}`)
	for _, c := range []struct{ name, hooks, where, want string }{
		{"none", ``, `{'P':'x'}`, `{'P':'x'}`},
		{"other event", ops("beforeSave", `{'P':['hash']}`), `{'P':'x'}`, `{'P':'x'}`},
		{"plain", hash, `{'P':'x','Q':'x'}`, `{'P':'#x','Q':'x'}`},
		{"plain array", hash, `{'P':['x','y']}`, `{'P':['#x','#y']}`},
		{"plain number", hash, `{'P':1.50}`, `{'P':'#1.5'}`},
		{"null and empty", hash, `{'P':null,'$and':[{'P':''}]}`, `{'P':null,'$and':[{'P':''}]}`},
		{"eq", hash, `{'P':{'$eq':'x'}}`, `{'P':{'$eq':'#x'}}`},
		{"in", hash, `{'P':{'$in':['x',null,5,{'$ne':'z'}]}}`, `{'P':{'$in':['#x',null,'#5',{'$ne':'z'}]}}`},
		{"in of one", hash, `{'P':{'$in':'x'}}`, `{'P':{'$in':'#x'}}`},
		{"other operators", hash, `{'P':{'$ne':'x','$nin':['x'],'$like':'x','$not':{'$eq':'x'}}}`, `{'P':{'$ne':'x','$nin':['x'],'$like':'x','$not':{'$eq':'x'}}}`},
		{"several operators", hash, `{'P':{'$ne':'x','$eq':'y'}}`, `{'P':{'$ne':'x','$eq':'#y'}}`},
		{"nested match", hash, `{'P':{'a':'x'}}`, `{'P':{'a':'x'}}`},
		{"path into it", hash, `{'P.a':'x'}`, `{'P.a':'x'}`},
		{"and", hash, `{'$and':[{'P':'x'},{'$and':[{'P':{'$eq':'y'}}]},5]}`, `{'$and':[{'P':'#x'},{'$and':[{'P':{'$eq':'#y'}}]},5]}`},
		{"and of no array", hash, `{'$and':{'P':'x'}}`, `{'$and':{'P':'x'}}`},
		{"or, nor, not", hash, `{'$or':[{'P':'x'}],'$nor':[{'P':'x'}],'$not':{'P':'x'}}`, `{'$or':[{'P':'x'}],'$nor':[{'P':'x'}],'$not':{'P':'x'}}`},
		{"data.", hash, `{'data.P':'x','$and':[{'data.P':{'$in':['y']}}]}`, `{'data.P':'#x','$and':[{'data.P':{'$in':['#y']}}]}`},
		{"data object", hash, `{'data':{'P':'x','$and':[{'P':'y'}],'$or':[{'P':'z'}]}}`, `{'data':{'P':'#x','$and':[{'P':'#y'}],'$or':[{'P':'z'}]}}`},
		{"entry field", ops("beforeQuery", `{'id':['hash'],'order':['hash']}`), `{'id':5,'data.id':5,'order':'x','data':{'id':6}}`, `{'id':5,'data.id':'#5','order':'#x','data':{'id':'#6'}}`},
		{"dotted column", ops("beforeQuery", `{'No. of':['lower']}`), `{'No. of':'X','data.No. of':'Y'}`, `{'No. of':'x','data.No. of':'y'}`},
		{"operator as a column", ops("beforeQuery", `{'$or':['lower']}`), `{'$or':['X'],'data':{'$or':'X'}}`, `{'$or':['X'],'data':{'$or':'X'}}`},
		{"template adds nothing", ops("beforeQuery", `{'P':'{{x}}','Q':'y'}`), `{'P':'x'}`, `{'P':'x'}`},
		{"array order", lower + "," + ops("beforeQuery", `{'E':['hash']}`), `{'E':' A '}`, `{'E':'#a'}`},
		{"trim in place", lower, `{'E':{'$in':[' A ',5]}}`, `{'E':{'$in':['a',5]}}`},
		{"no where", hash, ``, `absent`},
		{"null where", hash, `null`, `null`},
		{"where of no object", hash, `['P']`, `['P']`},
		{"triggers are about writes", when(hash, `'triggers':['form']`), `{'P':'x'}`, `{'P':'#x'}`},

		{"condition on a plain value", when(hash, `'conditions':[{'Q':1}]`), `{'P':'x','Q':1}`, `{'P':'#x','Q':1}`},
		{"not on operators", when(hash, `'conditions':[{'Q':1}]`), `{'P':'x','Q':{'$eq':1}}`, `{'P':'x','Q':{'$eq':1}}`},
		{"nor below", when(hash, `'conditions':[{'Q':1}]`), `{'P':'x','$and':[{'Q':1}]}`, `{'P':'x','$and':[{'Q':1}]}`},
		{"with data.", when(hash, `'conditions':[{'Q':1,'R':2}]`), `{'P':'x','data.Q':1,'data':{'R':2}}`, `{'P':'#x','data.Q':1,'data':{'R':2}}`},
		{"no entry fields", when(hash, `'conditions':[{'id':{'$exists':true}}]`), `{'P':'x','id':1}`, `{'P':'x','id':1}`},
		{"conditions see the result so far", lower + "," + when(hash, `'conditions':[{'E':'a'}]`), `{'E':'A','P':'x'}`, `{'E':'a','P':'#x'}`},

		{"unknown operation", ops("beforeQuery", `{'P':['md5']}`), `{}`, "hooks.0: " + badOperation},
		{"broken template", lower + "," + ops("beforeQuery", `{'P':'{{'}`), ``, "hooks.1: " + badTemplate},
		{"broken condition", when(hash, `'conditions':[5]`), `{}`, "hooks.0: " + badCondition},
		{"broken, not due", when(ops("beforeQuery", `{'P':['md5']}`), `'conditions':[{'Q':1}]`), `{}`, `{}`},
		{"deliveries do not run", `{'type':'email','runOn':['beforeQuery'],'payload':{'P':'{{'}}`, `{}`, `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := chain(t, "["+c.hooks+"]").Query(context.Background(), QueryInput{Where: value(t, c.where), Columns: listed("P", "order"), Hash: mark})
			if c.want == "absent" {
				if err != nil || got.Kind() != document.Absent {
					t.Errorf("got %v %v", got, err)
				}
				return
			}
			if s := outcome(t, got, err); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
			if err == nil && got.Kind() == document.Object && !strings.Contains(c.where, `'$and':{`) && !strings.Contains(c.where, ",5]") && !strings.Contains(c.name, "operator as") {
				if _, err := query.Compile(got, query.ForDataSource()); err != nil {
					t.Errorf("the result does not compile: %v", err)
				}
			}
		})
	}
}

// TestQueryInput is what the host program gives, and where that go deep.
func TestQueryInput(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c := chain(t, "["+ops("beforeQuery", `{'P':['hash']}`)+"]")
	got, err := c.Query(ctx, QueryInput{Where: value(t, `{'Q':1}`)})
	if s := outcome(t, got, err); s != "hooks.0: "+noHasher {
		t.Error(s)
	}
	got, err = c.Query(ctx, QueryInput{Where: value(t, `{'P':1}`), Hash: func(string) string { panic("host") }})
	if s := outcome(t, got, err); s != "hooks.0: "+hasherFailed {
		t.Error(s)
	}
	var deep any = map[string]any{"P": "x"}
	for range 1_000 {
		deep = map[string]any{"$and": []any{deep}}
	}
	if got, err = c.Query(ctx, QueryInput{Where: document.Of(deep), Hash: mark}); err != nil || strings.Contains(got.String(), "#x") {
		t.Error("a where that no query takes was rewritten", err)
	}
	cancel()
	if _, err = c.Query(ctx, QueryInput{Where: value(t, `{}`), Hash: mark}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	var none *Chain
	if got, err = none.Query(ctx, QueryInput{Where: value(t, `{}`)}); err != nil || got.Kind() != document.Object {
		t.Error(got, err)
	}
}

// TestPair is what beforeSave and beforeQuery are for: what one hashed the other finds.
func TestPair(t *testing.T) {
	c := chain(t, "["+ops("beforeSave beforeQuery", `{'E':['trim','lower'],'P':['hash']}`)+"]")
	hash, err := HMAC([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{`'secret'`, `1234`, `1.50`, `true`, `['a','b']`} {
		data := value(t, `{'E':' Bob@Acme.com','P':`+p+`}`)
		saved, err := c.Save(context.Background(), SaveInput{Event: Insert, Data: data, Hash: hash})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range []string{`{'E':'BOB@acme.com ','P':` + p + `}`, `{'$and':[{'data.E':{'$in':['bob@acme.com']}},{'P':{'$eq':` + p + `}}]}`} {
			where, err := c.Query(context.Background(), QueryInput{Where: value(t, w), Hash: hash})
			if err != nil {
				t.Fatal(err)
			}
			m, err := query.Compile(where, query.ForDataSource())
			if err != nil {
				t.Fatal(err)
			}
			r := query.Record{Data: saved}
			if !m.MatchRecord(&r) {
				t.Errorf("%s does not find %s", where, saved)
			}
		}
		if strings.Contains(saved.String(), "secret") {
			t.Error(saved)
		}
	}
}
