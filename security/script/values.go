package script

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/security"
)

// anything is what a script's values are read with: the worker's memory is what limits them.
var anything = document.Limits{Depth: 1000, Keys: -1, KeyBytes: -1, NumberBytes: -1}

// runFrame is the message that makes a worker run a script.
func runFrame(call security.ScriptCall, memory int64) (*frame, error) {
	flags := ""
	if call.List {
		flags += "l"
	}
	if call.Type == security.Select || call.Type == security.Count {
		flags += "w" // query is a where
	}
	if !call.List && len(call.Query) != 1 {
		return nil, fmt.Errorf("a script is given one object or a list, not %d objects", len(call.Query))
	}
	var user, entry []byte
	if call.User.Kind() != document.Absent {
		user = document.AppendJSON(nil, call.User)
	}
	if call.Entry.Kind() != document.Absent {
		entry = document.AppendJSON(nil, call.Entry)
	}
	f := &frame{kind: kindRun, parts: [][]byte{
		[]byte(call.Source), []byte(call.Type), []byte(flags), user, entry, strconv.AppendInt(nil, memory, 10),
	}}
	size := len(user) + len(entry)
	for _, v := range call.Query {
		text := document.AppendJSON(nil, v)
		if size += len(text) + 10; size > maxBytes {
			return nil, fmt.Errorf("%w: it cannot be given more than %d MiB", ErrThrown, maxBytes>>20)
		}
		f.parts = append(f.parts, text)
	}
	if size > maxBytes {
		return nil, fmt.Errorf("%w: it cannot be given more than %d MiB", ErrThrown, maxBytes>>20)
	}
	return f, nil
}

// runParts is how many parts of a kindRun stand before the objects of query.
const runParts = 6

// result reads what a worker sent when its script had returned.
func result(call security.ScriptCall, done *frame) (security.ScriptResult, error) {
	var none, res security.ScriptResult
	texts := done.parts[1:]
	if len(texts) != len(call.Query) {
		return none, fmt.Errorf("%w: %w", errWorker, errProtocol)
	}
	if text := done.parts[0]; len(text) > 0 {
		v, err := document.Parse(text, anything)
		if err != nil {
			return none, fmt.Errorf("%w: what it returned: %w", ErrThrown, err)
		}
		res.Returned = v
	}
	left := make([]document.Value, len(texts))
	changed := false
	for i, text := range texts {
		left[i] = call.Query[i]
		if len(text) == 0 {
			continue
		}
		after, err := document.Parse(text, anything)
		if err != nil {
			return none, fmt.Errorf("%w: query: %w", ErrThrown, err)
		}
		var c comparison
		v, same := c.keep(left[i], after)
		if same {
			continue
		}
		if c.lossy {
			return none, fmt.Errorf("%w: query: %w", ErrThrown, errLossy)
		}
		if left[i], err = document.FromGo(v, anything); err != nil {
			return none, fmt.Errorf("%w: query: %w", ErrThrown, err)
		}
		changed = true
	}
	if changed {
		res.Query = left
	}
	return res, nil
}

// errLossy is the error of a change beside a number that JavaScript has only as Infinity.
var errLossy = errors.New("it changed an object with a number beyond the range of doubles, which it could not read")

// comparison compares what a script was given with what it left.
type comparison struct {
	lossy bool // something given has no text in JavaScript, and cannot be told from null
}

// keep returns what a script left, with the parts that it did not change as they were given:
// JavaScript has its numbers as doubles, and 12345678901234567890 must not become another number
// because a field beside it changed. same reports whether nothing changed, but for the order of
// fields.
func (c *comparison) keep(given, after document.Value) (v document.Value, same bool) {
	switch {
	case given.Kind() == document.Number && math.IsInf(given.Float(), 0) && after.Kind() == document.Null:
		c.lossy = true
		return given, true
	case given.Kind() != after.Kind():
		return after, false
	case given.Kind() == document.Object:
		return c.keepObject(given, after)
	case given.Kind() == document.Array:
		return c.keepArray(given, after)
	case document.Equal(given, after):
		return given, true
	}
	return after, false
}

func (c *comparison) keepObject(given, after document.Value) (document.Value, bool) {
	before := make(map[string]document.Value, given.Len())
	for name, v := range given.Fields() {
		if v.Kind() != document.Absent {
			before[name] = v
		}
	}
	same := true
	o := object{}
	for name, v := range after.Fields() {
		g, ok := before[name]
		if ok {
			delete(before, name)
			v, ok = c.keep(g, v)
		}
		same = same && ok
		o.names, o.values = append(o.names, name), append(o.values, v)
	}
	if same && len(before) == 0 {
		return given, true
	}
	return document.Of(&o), false
}

func (c *comparison) keepArray(given, after document.Value) (document.Value, bool) {
	same := given.Len() == after.Len()
	items := make([]any, 0, after.Len())
	i := 0
	for v := range after.Items() {
		ok := false
		if i < given.Len() {
			v, ok = c.keep(given.At(i), v)
		}
		same = same && ok
		items = append(items, v)
		i++
	}
	if same {
		return given, true
	}
	return document.Of(items), false
}

// object is an object whose fields have an order.
type object struct {
	names  []string
	values []document.Value
}

// Len returns the number of fields.
func (o *object) Len() int { return len(o.names) }

// At returns the i-th field.
func (o *object) At(i int) (string, any) { return o.names[i], o.values[i] }

// array puts JSON texts into an array.
func array(texts [][]byte) []byte {
	return append(append([]byte{'['}, bytes.Join(texts, []byte{','})...), ']')
}
