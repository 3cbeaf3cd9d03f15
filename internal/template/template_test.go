package template

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/siftdb/siftdb/internal/errs"
)

// entry has a value of every kind.
const entry = `{
	"x": "plain", "First Name": "Eve", "html": "<b>\"&'` + "`" + `=</b>", "a": {"b": "deep", "c.d": "dotted", "n": null}, "empty": "", "nil": null,
	"zero": 0, "n": 1.10, "big": 12345678901234567890, "exp": 1e400, "neg": -0, "yes": true, "no": false,
	"list": ["p", "q", "r"], "nums": [1, 2.50], "none": [], "objects": [{"k": 1}, {"k": 2, "in": [{"z": "a"}, {"z": "b"}]}], "o": {"one": 1, "two": "zwei"}, "noKeys": {},
	"a]b": "bracket", "a\\b": "backslash", "if": "a column", "this": "a column", "Größe": "L", "$x": "dollar", "a-b": "dash", "0": "digit", "smile": "😀!", "length": "own"
}`

// TestRender is spec 10.3, on text that is not escaped.
func TestRender(t *testing.T) {
	v := valueOf(t, entry)
	for _, c := range []struct{ source, want string }{
		{``, ``}, {`text`, `text`}, {`}} } { {`, `}} } { {`}, {"line\nline", "line\nline"}, {`<b>&"`, `<b>&"`},
		// values
		{`{{x}}`, `plain`}, {`a{{x}}b{{ x }}c`, `aplainbplainc`}, {`{{{x}}}`, `plain`}, {`{{&x}}`, `plain`}, {`{{& x }}`, `plain`}, {"{{\n x\t}}", `plain`}, {`{{{ x }}}`, `plain`},
		{`{{First Name}}`, `error`}, {`{{[First Name]}}`, `Eve`}, {`{{{[First Name]}}}`, `Eve`}, {`{{ [First Name] }}`, `Eve`}, {`{{a.b}}`, `deep`}, {`{{a/b}}`, `deep`}, {`{{a.[b]}}`, `deep`}, {`{{[a].b}}`, `deep`}, {`{{a.[c.d]}}`, `dotted`},
		{`{{[a\]b]}}`, `bracket`}, {`{{[a\\b]}}`, `backslash`}, {`{{Größe}}`, `L`}, {`{{$x}}`, `dollar`}, {`{{a-b}}`, `dash`}, {`{{0}}`, `digit`}, {`{{[}}]}}`, ``}, {`{{this.x}}`, `plain`}, {`{{./x}}`, `plain`}, {`{{this/x}}`, `plain`}, {`{{[this]}}`, `a column`}, {`{{if}}`, `a column`},
		{`{{missing}}`, ``}, {`{{a.missing.more}}`, ``}, {`{{x.y}}`, ``}, {`{{nil}}`, ``}, {`{{a.n}}`, ``}, {`{{a.n.x}}`, ``}, {`{{empty}}`, ``}, {`{{X}}`, ``},
		{`{{zero}}`, `0`}, {`{{n}}`, `1.10`}, {`{{big}}`, `12345678901234567890`}, {`{{exp}}`, `1e400`}, {`{{neg}}`, `-0`}, {`{{yes}} {{no}}`, `true false`},
		{`{{list}}`, `["p","q","r"]`}, {`{{nums}}`, `[1,2.50]`}, {`{{none}}`, `[]`}, {`{{o}}`, `{"one":1,"two":"zwei"}`}, {`{{noKeys}}`, `{}`},
		{`{{list.0}}{{list.2}}{{list.3}}{{list.-1}}{{list.00}}`, `pr`}, {`{{list.[1]}}`, `q`}, {`{{objects.1.k}}`, `2`}, {`{{list.length}} {{none.length}} {{x.length}} {{smile.length}} {{o.length}} {{length}} {{n.length}}`, `3 0 5 3  own `},
		{`{{html}}`, "<b>\"&'`=</b>"},
		// comments
		{`a{{! x }}b`, `ab`}, {`a{{!-- }} {{x}} --}}b`, `ab`}, {`a{{!}}b`, `ab`}, {`a{{!----}}b`, `ab`}, {`a{{!--}}b`, `error`}, {`a{{!- x -}}b`, `ab`}, {`a{{!-- x --}}b{{!-- y --}}c`, `abc`}, {`a {{~!-- x --~}} b`, `ab`},
		// if and unless
		{`{{#if yes}}A{{/if}}`, `A`}, {`{{#if no}}A{{/if}}`, ``}, {`{{#if no}}A{{else}}B{{/if}}`, `B`}, {`{{#if no}}A{{^}}B{{/if}}`, `B`}, {`{{# if yes }}A{{/ if }}`, `A`},
		{`{{#if x}}1{{/if}}{{#if empty}}2{{/if}}{{#if zero}}3{{/if}}{{#if n}}4{{/if}}{{#if nil}}5{{/if}}{{#if missing}}6{{/if}}{{#if list}}7{{/if}}{{#if none}}8{{/if}}{{#if o}}9{{/if}}{{#if noKeys}}0{{/if}}`, `14790`},
		{`{{#unless no}}A{{/unless}}`, `A`}, {`{{#unless yes}}A{{else}}B{{/unless}}`, `B`}, {`{{#if no}}A{{else if x}}B{{else}}C{{/if}}`, `B`}, {`{{#if no}}A{{else if no}}B{{else if nil}}C{{else}}D{{/if}}`, `D`},
		{`{{#if no}}A{{else if no}}B{{/if}}`, ``}, {`{{#if no}}A{{else unless no}}B{{/if}}`, `B`}, {`{{#if no}}A{{else each list}}{{this}}{{/if}}`, `pqr`}, {`{{#if yes}}{{#if no}}A{{else}}B{{/if}}C{{/if}}`, `BC`}, {`{{#if a.b}}A{{/if}}`, `A`},
		{`{{#if yes}}{{/if}}`, ``},
		// each
		{`{{#each list}}{{this}},{{/each}}`, `p,q,r,`}, {`{{#each list}}{{.}}{{/each}}`, `pqr`}, {`{{#each list}}{{@index}}{{@key}}{{#if @first}}F{{/if}}{{#if @last}}L{{/if}} {{/each}}`, `00F 11 22L `},
		{`{{#each none}}A{{else}}B{{/each}}`, `B`}, {`{{#each nil}}A{{else}}B{{/each}}`, `B`}, {`{{#each x}}A{{else}}B{{/each}}`, `B`}, {`{{#each noKeys}}A{{else}}B{{/each}}`, `B`}, {`{{#each zero}}A{{else}}B{{/each}}`, `B`},
		{`{{#each o}}{{@key}}={{this}}/{{@index}}{{#unless @last}};{{/unless}}{{/each}}`, `one=1/0;two=zwei/1`}, {`{{#each objects}}{{k}}{{#each in}}{{z}}{{../k}}{{../../x}}{{/each}}{{/each}}`, `12a2plainb2plain`},
		{`{{#each list}}{{../x}}{{@root.x}} {{/each}}`, `plainplain plainplain plainplain `}, {`{{#each objects}}{{x}}{{/each}}`, ``}, {`{{#each objects}}{{#if k}}{{k}}{{../x}}{{/if}}{{/each}}`, `1plain2plain`}, {`{{#each this}}{{@first}} {{/each}}`, strings.TrimPrefix(strings.Repeat("false ", 27), "false ")},
		// with
		{`{{#with a}}{{b}}{{../x}}{{/with}}`, `deepplain`}, {`{{#with nil}}A{{else}}B{{/with}}`, `B`}, {`{{#with zero}}{{this}}{{/with}}`, `0`}, {`{{#with no}}A{{else}}B{{/with}}`, `B`}, {`{{#with none}}A{{else}}B{{/with}}`, `B`}, {`{{#with empty}}A{{else}}B{{/with}}`, `B`},
		{`{{#each list}}{{#with ../a}}{{b}}{{@index}}{{/with}}{{/each}}`, `deep0deep1deep2`}, {`{{#with a}}{{..}}{{/with}}`, `error`}, {`{{../x}}`, ``}, {`{{@index}}{{@key}}{{@first}}{{@last}}`, ``}, {`{{#with a}}{{@root.a.b}}{{#with @root}}{{x}}{{/with}}{{/with}}`, `deepplain`},
		// white space
		{"a {{~x~}} b", `aplainb`}, {"a \n{{~#if yes~}}\n b \n{{~/if~}}\n c", `abc`}, {"a {{~{x}~}} b", `aplainb`}, {"a {{~&x}} b", `aplain b`}, {"{{#if yes}}\nA\n{{/if}}\nB", "A\nB"}, {"{{#if yes}}\r\nA\r\n{{/if}}\r\nB", "A\r\nB"},
		{"  {{#if no}}  \nA\n  {{else}}\nB\n{{/if}}", "B\n"}, {"x {{#if yes}}\nA\n{{/if}}\n", "x \nA\n"}, {"{{! c }}\nA", "A"}, {"A\n  {{! c }}  \nB", "A\nB"}, {"{{x}}\nB", "plain\nB"}, {"{{#each list}}\n- {{this}}\n{{/each}}\n", "- p\n- q\n- r\n"},
		{"{{#if yes}}{{#if yes}}\nA\n{{/if}}{{/if}}", "\nA\n"}, {"{{#if yes}} A {{/if}} B", " A  B"},
		// not a template
		{`\{{x}}`, `{{x}}`}, {`a\{{x}}b{{x}}`, `a{{x}}bplain`}, {`\\{{x}}`, `\plain`}, {`\x {{x}}`, `\x plain`}, {`{{x}}\`, `plain\`}, {`\{{{x}}}`, `{{{x}}}`}, {`{ {x} }`, `{ {x} }`},
	} {
		got := "error"
		if tp, err := Parse(c.source, Text); err == nil {
			if got, err = tp.Render(v); err != nil {
				t.Errorf("%s: %v", c.source, err)
			}
		}
		if c.source == `{{#with a}}{{..}}{{/with}}` { // the whole of what is around
			if !strings.HasPrefix(got, `{"x":"plain"`) {
				t.Errorf("%s: got %s", c.source, got)
			}
			continue
		}
		if c.source == `{{#each this}}{{@first}} {{/each}}` {
			if !strings.HasPrefix(got, "true false ") || strings.Count(got, "true") != 1 {
				t.Errorf("%s: got %s", c.source, got)
			}
			continue
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.source, got, c.want)
		}
	}
}

// TestEscape: only the values of {{x}} are escaped, and only with HTML.
func TestEscape(t *testing.T) {
	v := valueOf(t, entry)
	const escaped = "&lt;b&gt;&quot;&amp;&#x27;&#x60;&#x3D;&lt;/b&gt;"
	for source, want := range map[string]string{
		`<i>&{{html}}`: "<i>&" + escaped, `{{{html}}}{{&html}}`: strings.Repeat("<b>\"&'`=</b>", 2), `{{o}}`: `{&quot;one&quot;:1,&quot;two&quot;:&quot;zwei&quot;}`, `{{{o}}}`: `{"one":1,"two":"zwei"}`,
		`{{x}}{{n}}{{yes}}`: `plain1.10true`, `{{Größe}}{{smile}}`: `L😀!`, `{{#with html}}{{this}}{{{this}}}{{/with}}`: escaped + "<b>\"&'`=</b>", `{{#each a}}{{@key}}{{/each}}`: `bc.dn`,
	} {
		tp, err := Parse(source, HTML)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tp.Render(v); got != want || err != nil {
			t.Errorf("%s: got %q %v, want %q", source, got, err, want)
		}
	}
	tp, _ := Parse(`{{#each this}}{{@key}}{{/each}}`, HTML)
	if got, _ := tp.Render(valueOf(t, `{"<": 1}`)); got != "&lt;" {
		t.Errorf("a key: %q", got)
	}
}

// TestRules is spec 11.8: one root, no escaping.
func TestRules(t *testing.T) {
	v := valueOf(t, `{"user": {"Email": "o'neil@acme.com", "First Name": "A & B", "Level": 5, "Tags": ["a", "b"], "Nil": null}}`)
	for source, want := range map[string]string{
		`{{user.[Email]}}`: "o'neil@acme.com", `{{user.Email}}`: "o'neil@acme.com", `{{user.[First Name]}}`: "A & B", `{{user.Level}}`: "5", `{{user.Tags}}`: `["a","b"]`, `{{user.Nil}}`: "",
		`{{user.None}}`: "", `{{Email}}`: "", `{{#if user}}in{{else}}out{{/if}}`: "in", `literal`: "literal", `{{#with user}}{{Email}}{{/with}}`: "o'neil@acme.com",
	} {
		tp, err := Parse(source, Text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tp.Render(v); got != want || err != nil {
			t.Errorf("%s: got %q %v, want %q", source, got, err, want)
		}
		if tp.Reads() != (source != "literal") {
			t.Errorf("%s: reads %v", source, tp.Reads())
		}
	}
	for _, source := range []string{"", "x", "{{! user }}", `\{{user}}`} {
		if tp, err := Parse(source, Text); err != nil || tp.Reads() {
			t.Errorf("%q reads something: %v", source, err)
		}
	}
}

// TestBadTemplates holds what does not parse, and where the fault is said to lie.
func TestBadTemplates(t *testing.T) {
	for source, place := range map[string]string{
		`{{`: "1, column 1", `{{x`: "1, column 1", `{{x}`: "1, column 1", `{{{x}}`: "1, column 1", `{{}}`: "", `{{ }}`: "", `{{{}}}`: "", "a\nb{{x": "2, column 2", "Größe {{": "1, column 7",
		`{{x y}}`: "", `{{x.}}`: "", `{{.x}}`: "", `{{x..y}}`: "", `{{a.this}}`: "", `{{a.../b}}`: "", `{{[x}}`: "", `{{[x]y}}`: "", `{{x[y]}}`: "", `{{"x"}}`: "", `{{'x'}}`: "", `{{x=1}}`: "", `{{(x)}}`: "", `{{x|y}}`: "", `{{@x}}`: "", `{{@}}`: "", `{{@index.x}}`: "", `{{@root.}}`: "", `{{@root.../x}}`: "", `{{@rootx}}`: "", `{{@../index}}`: "", `{{~}}`: "", `{{x~y}}`: "",
		`{{> partial}}`: "", `{{#> block}}{{/block}}`: "", `{{* decorator}}`: "", `{{#*inline "x"}}{{/inline}}`: "", `{{{{raw}}}}{{{{/raw}}}}`: "", `{{=<% %>=}}`: "", `{{lookup a "b"}}`: "", `{{log x}}`: "",
		`{{#if}}{{/if}}`: "", `{{#if x}}`: "", `{{#if x}}{{/unless}}`: "1, column 10", `{{#if x}}{{/}}`: "", `{{/if}}`: "", `{{else}}`: "", `{{^}}`: "", `{{#if x}}{{else}}{{else}}{{/if}}`: "", `{{#if x}}{{else}}{{else if y}}{{/if}}`: "", `{{#if x}}{{else if}}{{/if}}`: "", `{{#if x}}{{else y}}{{/if}}`: "", `{{#x}}{{/x}}`: "", `{{#}}{{/}}`: "", `{{^x}}{{/x}}`: "", `{{#if x}}{{^if y}}{{/if}}`: "",
		`{{#if x includeZero=true}}{{/if}}`: "", `{{#each x as |y|}}{{/each}}`: "", `{{#if true}}{{/if}}`: "", `{{#if null}}{{/if}}`: "", `{{#if 1.5}}{{/if}}`: "", `{{#if "x"}}{{/if}}`: "", `{{#if x}}{{#each y}}{{/if}}{{/each}}`: "", `{{#if (x)}}{{/if}}`: "", `{{!-- x }}`: "", `{{! x`: "",
		strings.Repeat("{{#if x}}", 51) + strings.Repeat("{{/if}}", 51): "", "{{#if x}}" + strings.Repeat("{{else if x}}", 51) + "{{/if}}": "", strings.Repeat("{{#if x}}", 50_000): "",
	} {
		tp, err := Parse(source, Text)
		var e *errs.Error
		if tp != nil || !errors.As(err, &e) || e.Code != errs.InvalidInput || !strings.Contains(err.Error(), "line "+place) || len(err.Error()) > 300 {
			t.Errorf("%.100s: got %v %v", source, tp, err)
		}
	}
	if _, err := Parse(strings.Repeat("x", maxSource+1), Text); err == nil {
		t.Error("a template of any size parses")
	}
	if _, err := Parse(strings.Repeat("{{#if x}}{{/if}}", 2*maxDepth), Text); err != nil {
		t.Error(err)
	}
	if _, err := Parse(strings.Repeat("{{#if x}}", maxDepth)+strings.Repeat("{{/if}}", maxDepth), Text); err != nil {
		t.Error(err)
	}
}

// TestHostile holds templates that would take long, or much memory: they fail, and soon.
func TestHostile(t *testing.T) {
	list := "[" + strings.Repeat("1,", 2000) + "1]"
	long := `"` + strings.Repeat("&", 100_000) + `"`
	data := valueOf(t, `{"l": `+list+`, "s": `+long+`, "o": {`+strings.Repeat(`"k":1,`, 1)+`"x":`+list+`}}`)
	for name, source := range map[string]string{
		"loops in loops":        strings.Repeat(`{{#each @root.l}}`, 10) + strings.Repeat(`{{/each}}`, 10),
		"empty loops":           `{{#each l}}{{#each @root.l}}{{/each}}{{/each}}`,
		"much text":             `{{#each l}}{{@root.s}}{{/each}}`,
		"much JSON":             `{{#each l}}{{#each @root.l}}{{@root.o}}{{/each}}{{/each}}`,
		"long ways":             `{{#each l}}{{#if ` + strings.Repeat("../", 1) + "a" + strings.Repeat(".a", 100_000) + `}}{{/if}}{{#each @root.l}}{{this}}{{/each}}{{/each}}`,
		"lengths of long texts": `{{#each l}}{{#each @root.l}}{{#if @root.s.length}}{{/if}}{{/each}}{{/each}}`,
	} {
		start := time.Now()
		tp, err := Parse(source, HTML)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		out, err := tp.Render(data)
		var e *errs.Error
		if out != "" || !errors.As(err, &e) || e.Code != errs.TooLarge {
			t.Errorf("%s: got %d bytes, %v", name, len(out), err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		t.Logf("%s: %v", name, time.Since(start))
	}
	for _, part := range []string{"{{!--x--~}}", "{{", "[", "{{[", "{{!--", "\\", "\\{{", "{{!-- --", "{{~", "{{[x]}}", "--", "{", "}", " ", "\n{{! }}\n", "{{x.y.z}}"} {
		start := time.Now()
		_, _ = Parse(strings.Repeat(part, maxSource/len(part)), Text)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("a million bytes of %q took %v to parse", part, took)
		}
	}
}

// TestNothing: over a value that is not there a template renders its text.
func TestNothing(t *testing.T) {
	tp, err := Parse(`a{{s}}{{#each l}}{{this}}{{else}}b{{/each}}{{#if m.k}}no{{/if}}{{this}}{{@root}}`, Text)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tp.Render(Of(jsonValue{})); got != "ab" || err != nil {
		t.Errorf("got %q %v", got, err)
	}
}
