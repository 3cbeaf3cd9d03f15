package hooks

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
)

// Event is what a hook runs on (spec 10.1).
type Event string

// The events. Hooks are kept that name others, which never happen.
const (
	BeforeSave  Event = "beforeSave"
	BeforeQuery Event = "beforeQuery"
	Insert      Event = "insert"
	Update      Event = "update"
)

// bit is the event's place in a set of events, 0 for what is no event.
func (e Event) bit() uint8 {
	switch e {
	case BeforeSave:
		return 1
	case BeforeQuery:
		return 2
	case Insert:
		return 4
	case Update:
		return 8
	}
	return 0
}

// Type is what a hook does (spec 10.3).
type Type string

// The types. Hooks are kept that have others, and never run.
const (
	Operations Type = "operations"
	Email      Type = "email"
	SMS        Type = "sms"
	Push       Type = "push"
	Web        Type = "web"
)

// events is what a type can run on: before a write or a query only data hooks do.
func (t Type) events() uint8 {
	switch t {
	case Operations:
		return BeforeSave.bit() | BeforeQuery.bit() | Insert.bit() | Update.bit()
	case Email, SMS, Push, Web:
		return Insert.bit() | Update.bit()
	}
	return 0
}

// The limits of one list of hooks. They are far above what people write.
const (
	maxHooksBytes = 4 << 20
	maxHooks      = 1_000
	maxHooksDepth = 50
)

const hooksKey = "hooks"

// Chain is the hooks of a data source, in their order. It is immutable and safe for concurrent
// use; a nil Chain has no hooks.
type Chain struct {
	data     []*hook // those of the type operations
	sends    []*hook
	changes  uint8 // the events on which a hook of data may run
	delivers uint8
}

// hook is one hook that may run.
type hook struct {
	index      int
	kind       Type
	events     uint8
	triggers   map[string]bool // nil: any source
	conditions []*query.Matcher
	columns    []column // of operations
	payload    part     // of deliveries
	push       *pushTarget

	// What is wrong with the conditions, and with all else. The hook fails when it is due.
	unreadable, broken *fault
}

// fault is what is wrong with a hook. What it says in public names no column and no value, since
// those who write and query may not know them.
type fault struct {
	public string
	detail error
}

// Parse reads hooks as they are stored: an array of objects, or null or no text for none. What
// has the wrong shape is an error with the code InvalidInput and a Path such as `hooks.0.runOn`
// (spec 10.1). Types and events that nobody knows are no error; such hooks never run.
func Parse(text json.RawMessage) (*Chain, error) {
	if len(text) == 0 {
		return &Chain{}, nil
	}
	if len(text) > maxHooksBytes {
		return nil, bad(hooksKey, "the hooks have %d bytes; %d are allowed", len(text), maxHooksBytes)
	}
	v, err := document.Parse(text, document.Limits{Depth: maxHooksDepth})
	if err != nil {
		return nil, wrap(hooksKey, err, "the hooks cannot be read")
	}
	switch {
	case v.Kind() == document.Null:
		return &Chain{}, nil
	case v.Kind() != document.Array:
		return nil, bad(hooksKey, "hooks must be an array or null, not %s", kindName(v))
	case v.Len() > maxHooks:
		return nil, bad(hooksKey, "there are %d hooks; %d are allowed", v.Len(), maxHooks)
	}
	for i := range v.Len() {
		if err := checkShape(at(hooksKey, i), v.At(i)); err != nil {
			return nil, err
		}
	}
	c := &Chain{}
	for i := range v.Len() {
		c.add(compile(i, v.At(i)))
	}
	return c, nil
}

// checkShape is the check that is made when hooks are saved (spec 10.1).
func checkShape(path string, v document.Value) error {
	if v.Kind() != document.Object {
		return bad(path, "a hook must be an object, not %s", kindName(v))
	}
	if t := v.Field("type"); t.Kind() != document.String || t.Len() == 0 {
		return bad(path+".type", "type must be a text that is not empty, not %s", kindName(t))
	}
	if r := v.Field("runOn"); r.Kind() != document.Array {
		return bad(path+".runOn", "runOn must be an array, not %s", kindName(r))
	}
	if p := v.Field("payload"); p.Kind() > document.Null && p.Kind() != document.Object {
		return bad(path+".payload", "payload must be an object, not %s", kindName(p))
	}
	if t := v.Field("triggers"); t.Kind() > document.Null && t.Kind() != document.Array {
		return bad(path+".triggers", "triggers must be an array, not %s", kindName(t))
	}
	return nil
}

// add takes in a hook, if it can run at all.
func (c *Chain) add(h *hook) {
	switch {
	case h.events == 0:
	case h.kind == Operations:
		c.data = append(c.data, h)
		c.changes |= h.events
	default:
		c.sends = append(c.sends, h)
		c.delivers |= h.events
	}
}

// compile makes a hook ready to run. What is wrong with it is kept for then.
func compile(index int, v document.Value) *hook {
	h := &hook{index: index, kind: Type(strings.Clone(v.Field("type").Str()))}
	for e := range v.Field("runOn").Items() {
		h.events |= Event(e.Str()).bit() & h.kind.events()
	}
	if h.events == 0 {
		return h
	}
	if t := v.Field("triggers"); t.Len() > 0 {
		h.triggers = map[string]bool{}
		for label := range t.Items() {
			if label.Kind() == document.String {
				h.triggers[strings.Clone(label.Str())] = true
			}
		}
	}
	path := at(hooksKey, index)
	h.conditions, h.unreadable = compileConditions(path+".conditions", v.Field("conditions"))
	if h.kind == Operations {
		h.columns, h.broken = compileColumns(path+".payload", v.Field("payload"))
		return h
	}
	if h.payload, h.broken = compilePart(path+".payload", v.Field("payload")); h.broken == nil && h.kind == Push {
		h.push, h.broken = compilePush(path, v)
	}
	return h
}

// Has reports whether a hook of any type may run on an event.
func (c *Chain) Has(e Event) bool { return c.Changes(e) || c.Delivers(e) }

// Changes reports whether a hook may run on an event that changes data, or a where, or refuses
// it. A write needs Save when Changes(BeforeSave) or Changes of its own event is true.
func (c *Chain) Changes(e Event) bool { return c != nil && c.changes&e.bit() != 0 }

// Delivers reports whether a hook may run on an event that sends something.
func (c *Chain) Delivers(e Event) bool { return c != nil && c.delivers&e.bit() != 0 }

// Problems tells which hooks are going to fail whenever they are due, and why: an error with the
// code InvalidInput and a Path for each. It is for those who may read the hooks.
func (c *Chain) Problems() []error {
	if c == nil {
		return nil
	}
	var found []error
	for _, list := range [][]*hook{c.data, c.sends} {
		for _, h := range list {
			for _, f := range []*fault{h.unreadable, h.broken} {
				if f != nil {
					found = append(found, f.detail)
				}
			}
		}
	}
	return found
}

// triggered reports whether a hook is for writes with a source label.
func (h *hook) triggered(source string) bool { return h.triggers == nil || h.triggers[source] }

// failure is the error of a data hook: it names the hook, and nothing else that the caller may
// not know (spec 10.5).
func (h *hook) failure(public string) error {
	return errs.At(errs.InvalidInput, at(hooksKey, h.index), "hook %d failed: %s", h.index, public)
}

// bad returns an error about a place in the hooks.
func bad(path, format string, args ...any) *errs.Error {
	return errs.At(errs.InvalidInput, path, format, args...)
}

// wrap returns an error about a place in the hooks, over its cause.
func wrap(path string, cause error, format string, args ...any) *errs.Error {
	e := errs.Wrap(errs.InvalidInput, cause, format, args...)
	e.Path = path
	return e
}

func at(path string, i int) string { return path + "." + strconv.Itoa(i) }

// kindName names the kind of a value, with its article.
func kindName(v document.Value) string {
	switch k := v.Kind(); k {
	case document.Array, document.Object:
		return "an " + k.String()
	case document.Null, document.Absent:
		return k.String()
	case document.String:
		if v.Len() == 0 {
			return "an empty text"
		}
		fallthrough
	default:
		return "a " + k.String()
	}
}
