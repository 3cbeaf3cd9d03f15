package document

import (
	"slices"
	"testing"
)

// TestRetract: names that are taken back are proposed anew, under numbers that follow those that
// stayed, and lists that were handed out stay as they are.
func TestRetract(t *testing.T) {
	enc := NewEncoder(NewNames([]string{"base"}), Limits{})
	add := func(text string) string {
		t.Helper()
		doc, err := enc.AppendJSON(nil, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return Stored(doc, enc.Names()).String()
	}
	add(`{"base":1,"a":2}`)
	add(`{"b":1,"c":2}`)
	all := enc.Proposed()
	enc.Retract(1)
	if got := enc.Proposed(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("left are %q", got)
	}
	for _, text := range []string{`{"c":1,"d":2}`, `{"b":3,"base":4,"a":5}`} {
		if got := add(text); got != text {
			t.Errorf("%s is stored as %s", text, got)
		}
	}
	if got := enc.Proposed(); !slices.Equal(got, []string{"a", "c", "d", "b"}) {
		t.Errorf("proposed are %q", got)
	}
	if !slices.Equal(all, []string{"a", "b", "c"}) {
		t.Errorf("the list that was handed out has become %q", all)
	}
}
