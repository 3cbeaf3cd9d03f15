package hooks

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// chain parses hooks that have the right shape. Quotes are written as '.
func chain(t testing.TB, text string) *Chain {
	t.Helper()
	c, err := Parse([]byte(js(text)))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

func js(s string) string { return strings.ReplaceAll(s, "'", `"`) }

func value(t testing.TB, text string) document.Value {
	t.Helper()
	if text == "" {
		return document.Value{}
	}
	v, err := document.Parse([]byte(js(text)), document.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// mark is a Hasher whose texts can be read.
func mark(s string) string { return "#" + s }

// outcome is the JSON text of a result, or "hook N" with what failed.
func outcome(t testing.TB, v document.Value, err error) string {
	t.Helper()
	if err == nil {
		return strings.ReplaceAll(v.String(), `"`, "'")
	}
	var e *errs.Error
	if !errors.As(err, &e) || e.Code != errs.InvalidInput || !strings.HasPrefix(e.Path, "hooks.") {
		t.Fatalf("the error has no place: %#v", err)
	}
	if v.Kind() != document.Absent {
		t.Errorf("an error comes with %s", v)
	}
	if e.Err != nil {
		t.Errorf("the error says too much: %v", err)
	}
	return e.Path + ": " + e.Message[strings.Index(e.Message, ": ")+2:]
}

func listed(names ...string) func(string) bool {
	return func(c string) bool {
		for _, n := range names {
			if n == c {
				return true
			}
		}
		return false
	}
}

func deliveries(t testing.TB, c *Chain, event Event, source, data string) ([]Delivery, []*HookError) {
	t.Helper()
	list, failed, err := c.Deliveries(context.Background(), DeliverInput{Event: event, Data: value(t, data), Source: source})
	if err != nil {
		t.Fatal(err)
	}
	return list, failed
}
