package template

import (
	"strconv"
	"unicode/utf16"

	"github.com/siftdb/siftdb/internal/errs"
)

// frame is where names are looked up. Blocks that change it keep the one around them.
type frame struct {
	this   Value
	outer  *frame
	index  int // within each
	size   int
	key    Value // within each, else nil
	looped *frame
}

// renderer writes the output.
type renderer struct {
	escape Escape
	root   Value
	out    []byte
	steps  int
}

func (r *renderer) nodes(nodes []node, f *frame) error {
	for _, n := range nodes {
		if err := r.step(); err != nil {
			return err
		}
		if err := n.render(r, f); err != nil {
			return err
		}
	}
	return nil
}

// step counts one more part, and holds steps and output to their limits.
func (r *renderer) step() error {
	r.steps++
	switch {
	case r.steps > maxSteps:
		return errs.New(errs.TooLarge, "the template takes more than %d steps", maxSteps)
	case len(r.out) > maxOutput:
		return errs.New(errs.TooLarge, "the template renders to more than %d bytes", maxOutput)
	}
	return nil
}

func (n textNode) render(r *renderer, _ *frame) error {
	r.out = append(r.out, n...)
	return nil
}

func (n valueNode) render(r *renderer, f *frame) error {
	v := r.find(n.path, f)
	start := len(r.out)
	var err error
	switch v.kind() {
	case boolean:
		r.out = strconv.AppendBool(r.out, v.truth())
	case number, text:
		r.out = v.text(r.out)
	case array, object:
		r.out, err = v.json(r.out)
	}
	if err != nil {
		return errs.Wrap(errs.InvalidInput, err, "a value has no JSON text")
	}
	if r.escape == HTML && !n.raw {
		r.out = escapeFrom(r.out, start)
	}
	return nil
}

func (n ifNode) render(r *renderer, f *frame) error {
	if truthy(r.find(n.path, f)) != n.unless {
		return r.nodes(n.then, f)
	}
	return r.nodes(n.rest, f)
}

func (n withNode) render(r *renderer, f *frame) error {
	v := r.find(n.path, f)
	if v.kind() != number && !truthy(v) { // as in Handlebars, 0 is something here
		return r.nodes(n.rest, f)
	}
	return r.nodes(n.body, &frame{this: v, outer: f, looped: f.looped})
}

func (n eachNode) render(r *renderer, f *frame) error {
	v := r.find(n.path, f)
	size := v.len()
	k := v.kind()
	if k != array && k != object || size == 0 {
		return r.nodes(n.rest, f)
	}
	inner := &frame{outer: f, size: size}
	inner.looped = inner
	if k == array {
		for i := range size {
			inner.this, inner.index = v.at(i), i
			inner.key = plain{k: number, s: strconv.Itoa(i), b: i != 0}
			if err := r.turn(n.body, inner); err != nil {
				return err
			}
		}
		return nil
	}
	for name, field := range v.fields() {
		inner.this = field
		inner.key = plain{k: text, s: name}
		if err := r.turn(n.body, inner); err != nil {
			return err
		}
		inner.index++
	}
	return nil
}

// turn renders a body once; an empty one counts, too.
func (r *renderer) turn(body []node, f *frame) error {
	if err := r.step(); err != nil {
		return err
	}
	return r.nodes(body, f)
}

// find follows a path. What is not there is absent. Looking costs steps, too: a stored object is
// searched from end to end.
func (r *renderer) find(p path, f *frame) Value {
	if p.data != "" {
		return f.looped.variable(p.data)
	}
	for range p.up {
		if f = f.outer; f == nil {
			return plain{}
		}
	}
	v := f.this
	if p.root {
		v = r.root
	}
	for _, key := range p.keys {
		k := v.kind()
		if k == absent {
			return plain{}
		}
		r.steps += 1 + v.len()/64
		v = member(v, k, key)
	}
	return v
}

// variable gives one of the variables of each; f is nil outside.
func (f *frame) variable(name string) Value {
	if f == nil {
		return plain{}
	}
	switch name {
	case "key":
		return f.key
	case "first":
		return plain{k: boolean, b: f.index == 0}
	case "last":
		return plain{k: boolean, b: f.index == f.size-1}
	}
	return plain{k: number, s: strconv.Itoa(f.index), b: f.index != 0}
}

// member gives a field of an object, a member of an array by its number, or a length.
func member(v Value, k kind, key string) Value {
	switch k {
	case object:
		return v.field(key)
	case array:
		if key == "length" {
			return count(v.len())
		}
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < v.len() && strconv.Itoa(i) == key {
			return v.at(i)
		}
	case text:
		if key == "length" {
			n := 0
			for _, r := range string(v.text(nil)) {
				n += utf16.RuneLen(r)
			}
			return count(n)
		}
	}
	return plain{}
}

func count(n int) Value { return plain{k: number, s: strconv.Itoa(n), b: n != 0} }

// truthy is JavaScript's truth, but for empty arrays, which Handlebars counts as false.
func truthy(v Value) bool {
	switch v.kind() {
	case boolean, number:
		return v.truth()
	case text, array:
		return v.len() > 0
	case object:
		return true
	}
	return false
}

// escapes are those of Handlebars.
var escapes = map[byte]string{
	'&': "&amp;", '<': "&lt;", '>': "&gt;", '"': "&quot;", '\'': "&#x27;", '`': "&#x60;", '=': "&#x3D;",
}

// escapeFrom escapes what has been written from a place on.
func escapeFrom(out []byte, start int) []byte {
	for i := start; i < len(out); i++ {
		if _, special := escapes[out[i]]; special {
			return appendEscaped(out[:i], string(out[i:]))
		}
	}
	return out
}

func appendEscaped(dst []byte, s string) []byte {
	for i := range len(s) {
		if e, special := escapes[s[i]]; special {
			dst = append(dst, e...)
		} else {
			dst = append(dst, s[i])
		}
	}
	return dst
}
