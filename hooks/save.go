package hooks

import (
	"context"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/template"
)

// maxRendered bounds what the templates of one write, or of one delivery, render to in all.
const maxRendered = 16 << 20

// SaveInput is a write of one entry on which data hooks run.
type SaveInput struct {
	// Event is Insert or Update.
	Event Event
	// Data is the flat data as it is about to be stored: on an update, merged.
	Data document.Value
	// Stored is the data that an update replaces; absent on an insert.
	Stored document.Value
	// Sent tells the columns that an update was sent; nil means all. An insert does not ask.
	Sent func(column string) bool
	// Readable tells the columns that the caller may read; nil means all.
	Readable func(column string) bool
	// Source is the label of the write, for triggers.
	Source string
	// Hash is the operation hash. Without, a hook that needs it fails.
	Hash Hasher
}

// Save runs the data hooks of a write, and returns the data to store (spec 10.4): those on
// BeforeSave, then those on the write's own event, each in the order of the array and on what
// the one before left. All columns of one hook are worked out from the data as the hook found
// them. Data that no hook changes come back as they were given.
//
// On an update, operations before the save touch only columns that were sent, or that a template
// of an earlier hook wrote. What is to be hashed and equals the stored value is left alone,
// unless it was sent by a caller that may not read the column.
//
// The first hook that fails ends it with an error of the code InvalidInput whose Path and message
// name the hook's index and no column (spec 10.5); there are no data then. An error of ctx is
// returned as it is.
func (c *Chain) Save(ctx context.Context, in SaveInput) (document.Value, error) {
	if in.Event != Insert && in.Event != Update {
		return document.Value{}, errs.New(errs.InvalidInput, "data are saved by an insert or an update, not by %q", in.Event)
	}
	if in.Data.Kind() != document.Object {
		return document.Value{}, errs.New(errs.InvalidInput, "data must be an object, not %s", kindName(in.Data))
	}
	if c == nil {
		return in.Data, nil
	}
	s := saving{SaveInput: in, data: in.Data, left: maxRendered}
	for _, event := range []Event{BeforeSave, in.Event} {
		for _, h := range c.data {
			if h.events&event.bit() == 0 || !h.triggered(in.Source) {
				continue
			}
			if err := s.run(ctx, h, event); err != nil {
				return document.Value{}, err
			}
		}
	}
	return s.data, nil
}

// saving is one Save at work.
type saving struct {
	SaveInput
	data    document.Value
	written map[string]bool // columns that templates wrote
	left    int             // bytes that templates may still render to
}

// change is a new value of a column.
type change struct {
	column string
	value  document.Value
}

// run runs one hook.
func (s *saving) run(ctx context.Context, h *hook, event Event) error {
	due, err := h.due(s.data)
	if !due {
		return err
	}
	var changes []change
	var rendered []string
	for i := range h.columns {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := &h.columns[i]
		value, changed, wrong := s.column(c, event)
		if wrong != "" {
			return h.failure(wrong)
		}
		if changed {
			changes = append(changes, change{c.name, value})
		}
		if c.text != nil {
			rendered = append(rendered, c.name)
		}
	}
	for _, name := range rendered {
		if s.written == nil {
			s.written = map[string]bool{}
		}
		s.written[name] = true
	}
	if len(changes) == 0 {
		return nil
	}
	if s.data, err = with(s.data, changes); err != nil {
		return h.failure(badData)
	}
	return nil
}

// column works out the new value of a column.
func (s *saving) column(c *column, event Event) (v document.Value, changed bool, wrong string) {
	v = s.data.Field(c.name)
	if c.text != nil {
		text, err := c.text.Render(template.Of(s.data))
		if s.left -= len(text); err != nil || s.left < 0 {
			return v, false, largeOutput
		}
		if v.Kind() == document.String && v.Str() == text {
			return v, false, ""
		}
		return document.Of(strings.ToValidUTF8(text, "\uFFFD")), true, ""
	}
	if s.spares(c, v, event) {
		return v, false, ""
	}
	if c.hashes && s.Hash == nil {
		return v, false, noHasher
	}
	wrong = guarded(s.Hash, func(hash Hasher) { v, changed = apply(c.steps, v, hash) })
	return v, changed, wrong
}

// spares reports whether operations leave a column of an update alone.
func (s *saving) spares(c *column, v document.Value, event Event) bool {
	if s.Event == Insert || s.written[c.name] {
		return false
	}
	sent := s.Sent == nil || s.Sent(c.name)
	if event == BeforeSave && !sent {
		return true
	}
	known := !sent || s.Readable == nil || s.Readable(c.name)
	return c.hashes && known && document.Equal(v, s.Stored.Field(c.name))
}

// with returns data with changes, in memory of its own.
func with(data document.Value, changes []change) (document.Value, error) {
	b := document.NewBuilder()
	b.ObjectStart()
	for name, v := range data.Fields() {
		b.Key(name)
		b.Value(v)
	}
	for _, c := range changes { // of a repeated key the last value counts
		b.Key(c.column)
		b.Value(c.value)
	}
	b.End()
	return b.Finish()
}
