package query

import (
	"bytes"
	"testing"
)

// TestMatchText: a key of a join stands for a text, and for that alone where it has a key.
func TestMatchText(t *testing.T) {
	for text, want := range map[string]bool{"a": true, "a@b.c": true, "5": false, "5.0": false, " 5": false, "0x10": false, "true": true, "5a": true, "Infinity": false} {
		key := append([]byte{'t'}, text...)
		got, ok := MatchText(string(key))
		if !ok || got != text {
			t.Errorf("%q: %q, %v", text, got, ok)
		}
		point, alone := AppendTextKey(nil, got)
		if alone != want {
			t.Errorf("%q: alone is %v", text, alone)
		}
		if b := MatchBounds(string(key)); alone && (len(b.Values) != 1 || !b.Values[0].Point || !bytes.Equal(b.Values[0].Lo, point) || len(b.Loose)+len(b.Ordered) > 0) {
			t.Errorf("%q: bounds %+v", text, b)
		}
	}
	for _, key := range []string{"", "b1", "b0"} {
		if _, ok := MatchText(key); ok {
			t.Errorf("%q is a text", key)
		}
	}
}
