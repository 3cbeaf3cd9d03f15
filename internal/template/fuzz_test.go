package template

import (
	"errors"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/errs"
)

// FuzzTemplate parses and renders templates: nothing panics, the same comes out each time, what
// reads nothing renders the same over anything, and HTML that is escaped holds no bracket that
// does not stand in the template.
func FuzzTemplate(f *testing.F) {
	for _, source := range []string{
		``, `text`, `{{x}}`, `{{{x}}}{{&x}}`, `{{[First Name]}} {{a.[c.d]}}`, `{{#if x}}A{{else if y}}B{{else}}C{{/if}}`, "{{#each list}}\n{{@index}}{{this}}{{../x}}\n{{else}}\n{{/each}}", `{{#with a}}{{b}}{{@root.x}}{{/with}}`,
		`{{! c }}{{!-- }} --}}`, `a {{~x~}} b \{{x}} \\{{x}}`, `{{#unless x}}{{/unless}}`, `{{list.length}}{{list.0}}`, `{{`, `{{#if x}}`, `{{[a\]b]}}`, `{{else}}`, `{{~{x}~}}`,
	} {
		f.Add(source, []byte(entry))
	}
	f.Add(`{{user.[Email]}}`, []byte(`{"user": {"Email": "<&>"}}`))
	f.Fuzz(func(t *testing.T, source string, data []byte) {
		v, err := parseJSON(data)
		if err != nil {
			return
		}
		for _, escape := range []Escape{Text, HTML} {
			tp, err := Parse(source, escape)
			var e *errs.Error
			if err != nil {
				if tp != nil || !errors.As(err, &e) || e.Code != errs.InvalidInput {
					t.Fatalf("got %v %v", tp, err)
				}
				continue
			}
			out, err := tp.Render(Of(v))
			if err != nil {
				if out != "" || !errors.As(err, &e) || e.Code != errs.TooLarge {
					t.Fatalf("got %q %v", out, err)
				}
				continue
			}
			if again, err := tp.Render(Of(v)); again != out || err != nil {
				t.Fatalf("got %q and %q %v", out, again, err)
			}
			if other, err := tp.Render(Of(jsonValue{})); !tp.Reads() && (other != out || err != nil) {
				t.Fatalf("reads nothing, and gives %q and %q %v", out, other, err)
			}
			if raw := strings.Contains(source, "{{{") || strings.Contains(source, "&") || strings.Contains(source, "{{~{"); escape == HTML && !raw && !strings.Contains(source, "<") && strings.Contains(out, "<") {
				t.Fatalf("%q is not escaped", out)
			}
		}
	})
}
