package security

import (
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/template"
)

// TestTemplateValues: templates read stored and decoded values alike.
func TestTemplateValues(t *testing.T) {
	columns := map[string]any{"s": `<"x">`, "i": 5, "f": 0.0, "n": nil, "yes": true, "l": []any{1, "b"}, "m": map[string]any{"k": []any{"deep"}}}
	stored, err := document.FromGo(columns, document.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	const source = `{{s}} {{i}} {{f}} {{n}}{{yes}} {{#each l}}{{@index}}{{this}}{{/each}} {{m.k.0}}{{l}}{{m}}{{odd}}{{#if f}}no{{/if}}{{#each m}}{{@key}}{{/each}}{{l.length}}`
	tp, err := template.Parse(source, template.Text)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []document.Value{document.Of(columns), stored} {
		if got, err := tp.Render(template.Of(v)); got != `<"x"> 5 0 true 011b deep[1,"b"]{"k":["deep"]}k2` || err != nil {
			t.Errorf("got %q %v", got, err)
		}
	}
	digits := value(t, `{"a": 1.10, "b": 12345678901234567890, "c": 1e400, "d": {"x": 0.50}}`)
	if tp, err = template.Parse(`{{a}} {{b}} {{c}} {{d}}`, template.Text); err != nil {
		t.Fatal(err)
	}
	if got, err := tp.Render(template.Of(digits)); got != `1.10 12345678901234567890 1e400 {"x":0.50}` || err != nil {
		t.Errorf("got %q %v", got, err)
	}
}
