package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/errs"
)

// hookOf makes a hook of a type.
func hookOf(t Type, payload string) string {
	return `{'type':'` + string(t) + `','runOn':['insert'],'payload':` + payload + `}`
}

// TestDeliveries renders payloads (spec 10.3): every string is a template, keys are not.
func TestDeliveries(t *testing.T) {
	mail := hookOf(Email, `{'to':'{{E}}'}`)
	for _, c := range []struct{ name, hooks, data, want string }{
		{"none", ``, `{}`, ``},
		{"email", hookOf(Email, `{'to':[{'type':'to','email':'{{E}}','name':'{{N}}'}],'subject':'Hi {{N}}','html':'<b>{{N}}</b>{{{N}}}','x':{'{{k}}':['{{N}}',1.50,null,true]}}`), `{'E':'e@x','N':'A&B'}`,
			`email {'to':[{'type':'to','email':'e@x','name':'A&amp;B'}],'subject':'Hi A&amp;B','html':'<b>A&amp;B</b>A&B','x':{'{{k}}':['A&amp;B',1.50,null,true]}}`},
		{"sms", hookOf(SMS, `{'to':'{{P}}','body':'{{missing}}.'}`), `{'P':49123}`, `sms {'to':'49123','body':'.'}`},
		{"push", hookOf(Push, `{'title':'{{T}}','body':'b'}`), `{'T':'t'}`, `push {'title':'t','body':'b'}`},
		{"web", hookOf(Web, `{'endpoint':'https://x.test/{{id}}','headers':{'A':'{{id}}'},'body':{'v':'{{id}}'}}`), `{'id':7}`, `web {'endpoint':'https://x.test/7','headers':{'A':'7'},'body':{'v':'7'}}`},
		{"in order", hookOf(SMS, `{'to':'1'}`) + "," + ops("insert", `{}`) + "," + mail, `{'E':'e'}`, `sms {'to':'1'};email {'to':'e'}`},
		{"other event", `{'type':'sms','runOn':['update'],'payload':{'to':'1'}}`, `{}`, ``},
		{"condition", when(mail, `'conditions':[{'E':'e'}]`), `{'E':'e'}`, `email {'to':'e'}`},
		{"condition fails", when(mail, `'conditions':[{'E':'f'}]`), `{'E':'e'}`, ``},
		{"trigger", when(mail, `'triggers':['form']`), `{'E':'e'}`, `email {'to':'e'}`},
		{"other trigger", when(mail, `'triggers':['x']`), `{'E':'e'}`, ``},
		{"each for itself", hookOf(SMS, `{'to':'{{'}`) + "," + mail + "," + hookOf(SMS, `{}`), `{'E':'e'}`, `email {'to':'e'};failed 0;failed 2`},
		{"broken condition", when(mail, `'conditions':[{'$x':1}]`), `{'E':'e'}`, `failed 0`},
		{"broken, not due", when(hookOf(SMS, `{'to':'{{'}`), `'conditions':[{'E':'f'}]`), `{'E':'e'}`, ``},
		{"no payload", `{'type':'email','runOn':['insert']}`, `{}`, `failed 0`},
		{"push without payload", `{'type':'push','runOn':['insert'],'payload':null}`, `{}`, `failed 0`},
		{"too much", hookOf(SMS, `{'to':'{{#each l}}{{#each ../l}}{{#each ../l}}x{{/each}}{{/each}}{{/each}}'}`), `{'l':[` + strings.Repeat("1,", 999) + `1]}`, `failed 0`},
		{"too much together", hookOf(SMS, `{'to':'1','x':[`+strings.Repeat(`'{{{l}}}',`, 20)+`1]}`), `{'l':'` + strings.Repeat("x", 1<<20) + `'}`, `failed 0`},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, failed := deliveries(t, chain(t, "["+c.hooks+"]"), Insert, "form", c.data)
			var got []string
			for _, d := range list {
				got = append(got, string(d.Type)+" "+strings.ReplaceAll(string(d.Payload), `"`, "'"))
				roundTrip(t, d)
			}
			for _, f := range failed {
				got = append(got, "failed "+string(rune('0'+f.Index)))
				var e *errs.Error
				if !errors.As(f, &e) || e.Code != errs.InvalidInput || !strings.Contains(f.Error(), string(f.Type)) {
					t.Errorf("%v", f)
				}
			}
			if s := strings.Join(got, ";"); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, failed, err := chain(t, "["+mail+"]").Deliveries(ctx, DeliverInput{Event: Insert}); !errors.Is(err, context.Canceled) || failed != nil {
		t.Error(failed, err)
	}
}

// roundTrip brings a delivery to JSON and back.
func roundTrip(t testing.TB, d Delivery) {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back Delivery
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(d, back) {
		t.Errorf("%v:\n%+v\n%+v", err, d, back)
	}
}

// TestUnmarshalDelivery reads what was stored, and refuses what could not be sent.
func TestUnmarshalDelivery(t *testing.T) {
	roundTrip(t, Delivery{ID: "01J", HookIndex: 3, Type: Push, Payload: []byte("{\"a\":\"<&>\u2028\"}"), AppID: 5, Filter: &PushFilter{7, []byte(`{"A":"<"}`)}, Subscriptions: []string{"x"}})
	for _, text := range []string{
		`null`, `[]`, `{}`, `{'type':'fax','payload':{}}`, `{'type':'push','payload':[]}`, `{'type':'push'}`, `{'type':'sms','payload':{}}`, `{'type':'web','payload':{}}`,
		`{'type':'push','payload':{},'filter':{'dataSourceId':1,'match':5}}`, `{'type':'push','payload':{'a':1e},'x':1}`, `{'type':'push','payload':` + strings.Repeat(`{'a':`, 200) + `1` + strings.Repeat(`}`, 200) + `}`,
	} {
		var d Delivery
		if err := json.Unmarshal([]byte(js(text)), &d); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

// TestMessages reads payloads as what they are (spec 10.3).
func TestMessages(t *testing.T) {
	for _, c := range []struct {
		kind          Type
		payload, want string // want is "" for a fault
	}{
		{Email, `{'to':'a@x','subject':'s','html':'h','more':1}`, `{'ID':'ID','To':[{'Type':'to','Email':'a@x','Name':''}],'Subject':'s','HTML':'h'}`},
		{Email, `{'to':[{'type':'cc','email':'a@x','name':'A'},{'email':'b@x'},'c@x',{'type':'BCC','email':'d@x'},{'email':''},null]}`, `{'ID':'ID','To':[{'Type':'cc','Email':'a@x','Name':'A'},{'Type':'to','Email':'b@x','Name':''},{'Type':'to','Email':'c@x','Name':''},{'Type':'bcc','Email':'d@x','Name':''}],'Subject':'','HTML':''}`},
		{Email, `{'to':{'email':'a@x\nBcc: b@x'},'subject':'s\r\nBcc: c@x'}`, `{'ID':'ID','To':[{'Type':'to','Email':'a@x Bcc: b@x','Name':''}],'Subject':'s  Bcc: c@x','HTML':''}`},
		{Email, `{}`, ``},
		{Email, `{'to':''}`, ``},
		{Email, `{'to':[]}`, ``},
		{Email, `{'to':[{'type':'to','email':' '}]}`, ``},
		{Email, `{'to':[{'type':'hidden','email':'a@x'}]}`, ``},
		{SMS, `{'to':'+49','body':'b'}`, `{'ID':'ID','To':['+49'],'Body':'b'}`},
		{SMS, `{'to':['+49',50,''],'body':5}`, `{'ID':'ID','To':['+49','50'],'Body':'5'}`},
		{SMS, `{'body':'b'}`, ``},
		{Push, `{'title':'t','body':'b'}`, `{'ID':'ID','Title':'t','Body':'b','AppID':0,'Filtered':false,'Subscriptions':null}`},
		{Web, `{'endpoint':'http://x.test/a'}`, `{'ID':'ID','Method':'POST','Endpoint':'http://x.test/a','Header':{},'Body':null}`},
		{Web, `{'endpoint':' https://x.test ','method':'get','headers':{'x-a':'1','n':5,'gone':null,'host':'y','Content-Length':'1'}}`, `{'ID':'ID','Method':'GET','Endpoint':'https://x.test','Header':{'N':['5'],'X-A':['1']},'Body':null}`},
		{Web, `{'endpoint':'http://x.test','body':{'a':[1.50]}}`, `{'ID':'ID','Method':'POST','Endpoint':'http://x.test','Header':{'Content-Type':['application/json']},'Body':'eyJhIjpbMS41MF19'}`},
		{Web, `{'endpoint':'http://x.test','body':[1],'headers':{'content-type':'text/x'}}`, `{'ID':'ID','Method':'POST','Endpoint':'http://x.test','Header':{'Content-Type':['text/x']},'Body':'WzFd'}`},
		{Web, `{'endpoint':'http://x.test','body':'raw'}`, `{'ID':'ID','Method':'POST','Endpoint':'http://x.test','Header':{},'Body':'cmF3'}`},
		{Web, `{'endpoint':'http://x.test','body':''}`, `{'ID':'ID','Method':'POST','Endpoint':'http://x.test','Header':{},'Body':''}`},
		{Web, `{'endpoint':'http://x.test','method':'CONNECT'}`, ``},
		{Web, `{'endpoint':'http://x.test','method':'GET /x'}`, ``},
		{Web, `{'endpoint':'http://x.test','headers':[]}`, ``},
		{Web, `{'endpoint':'http://x.test','headers':{'a b':'c'}}`, ``},
		{Web, `{'endpoint':'http://x.test','headers':{'':'c'}}`, ``},
		{Web, `{'endpoint':'http://x.test','headers':{'a':'b\r\nc: d'}}`, ``},
		{Web, `{'endpoint':''}`, ``},
		{Web, `{'endpoint':'x.test/a'}`, ``},
		{Web, `{'endpoint':'//x.test/a'}`, ``},
		{Web, `{'endpoint':'http:///a'}`, ``},
		{Web, `{'endpoint':'file:///etc/passwd'}`, ``},
		{Web, `{'endpoint':'gopher://x.test'}`, ``},
		{Web, `{'endpoint':'http://x.test:a/'}`, ``},
		{Web, `{'endpoint':'http://x.test/\n'}`, `{'ID':'ID','Method':'POST','Endpoint':'http://x.test/','Header':{},'Body':null}`},
	} {
		d := Delivery{ID: "ID", Type: c.kind, Payload: []byte(js(c.payload))}
		m, err := message(&d)
		if c.want == "" {
			var e *errs.Error
			if !errors.As(err, &e) || e.Code != errs.InvalidInput || d.check() == nil {
				t.Errorf("%s: got %v, %v", c.payload, m, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.payload, err)
			continue
		}
		if c.kind != Web && m["Payload"] == nil {
			t.Errorf("%s: the payload is not passed on", c.payload)
		}
		delete(m, "Payload")
		var want map[string]any
		if err := json.Unmarshal([]byte(js(c.want)), &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(m, want) {
			t.Errorf("%s:\ngot  %v\nwant %v", c.payload, m, want)
		}
	}
}

// message gives a delivery's message as decoded JSON.
func message(d *Delivery) (fields map[string]any, err error) {
	var m any
	switch d.Type {
	case Email:
		m, err = d.EmailMessage()
	case SMS:
		m, err = d.SMSMessage()
	case Push:
		m, err = d.PushMessage()
	case Web:
		m, err = d.WebRequest()
	}
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return fields, json.Unmarshal(text, &fields)
}

// TestPushAudience is whom a push is for (spec 10.3).
func TestPushAudience(t *testing.T) {
	text := `[` + when(hookOf(Push, `{'title':'t'}`), `'appId':'12','filter':{'match':{'Team':'{{T}}','{{k}}':{'$in':['{{T}}',1]}},'dataSourceId':7}`) + `]`
	list, failed := deliveries(t, chain(t, text), Insert, "", `{'T':'red'}`)
	if len(list) != 1 || len(failed) > 0 {
		t.Fatal(list, failed)
	}
	d := list[0]
	if d.AppID != 12 || d.Filter == nil || d.Filter.DataSourceID != 7 || string(d.Filter.Match) != js(`{'Team':'red','{{k}}':{'$in':['red',1]}}`) {
		t.Errorf("%+v", d)
	}
	roundTrip(t, d)
	list, _ = deliveries(t, chain(t, `[`+when(hookOf(Push, `{}`), `'appId':3,'filter':null`)+`,`+when(hookOf(Push, `{}`), `'filter':{'dataSourceId':1}`)+`]`), Insert, "", `{}`)
	if len(list) != 2 || list[0].AppID != 3 || list[0].Filter != nil || string(list[1].Filter.Match) != `{}` {
		t.Errorf("%+v", list)
	}
	if _, failed = deliveries(t, chain(t, `[`+when(hookOf(Push, `{}`), `'filter':{'match':{}}`)+`]`), Insert, "", `{}`); len(failed) != 1 {
		t.Error("a filter without a data source would tell everybody")
	}
}
