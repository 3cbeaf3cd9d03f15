package document

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// FieldError is a part of a value that does not fit the Go variable it is decoded into.
type FieldError struct {
	// Path leads to the part by its keys and positions, in dotted form ("address.lines.2").
	// It is empty when the whole value is at fault.
	Path string
	// Kind is what stands there.
	Kind Kind
	// Type is the Go type that does not take it.
	Type reflect.Type
	// Err is what the type's own UnmarshalJSON or UnmarshalText returned, or what else is
	// wrong with a value of the right kind, such as bytes that are not base64. It is nil when
	// the value is of another kind than the type, or a number that the type does not hold.
	Err error

	number string   // the digits of a number, or their beginning
	steps  []string // the path from its end, while it is being gathered
}

// Error says which field does not fit, what it holds and what was expected.
func (e *FieldError) Error() string {
	subject, verb := "the value", " is "
	if e.Path != "" {
		subject, verb = "field "+strconv.Quote(e.Path), " holds "
	}
	if e.Err != nil {
		return subject + " does not fit " + withArticle(e.Type.String()) + ": " + e.Err.Error()
	}
	holds := e.Kind.String()
	switch e.Kind {
	case Number:
		holds = "the number " + e.number
	case Bool, String, Array, Object:
		holds = withArticle(holds)
	}
	return subject + verb + holds + ", not " + withArticle(e.Type.String())
}

// Unwrap returns the cause, if there is one.
func (e *FieldError) Unwrap() error { return e.Err }

// withArticle puts "a" or "an" before the name of a kind or type.
func withArticle(name string) string {
	if strings.IndexByte("aeio", name[0]) >= 0 { // "a uint8"
		return "an " + name
	}
	return "a " + name
}

// within puts a step in front of the path. The step is copied.
func (e *FieldError) within(step string) *FieldError {
	e.steps = append(e.steps, strings.Clone(step))
	return e
}

func (e *FieldError) withinItem(i int) *FieldError {
	e.steps = append(e.steps, strconv.Itoa(i))
	return e
}

// finish makes the path of the steps gathered on the way out.
func (e *FieldError) finish() *FieldError {
	slices.Reverse(e.steps)
	e.Path, e.steps = strings.Join(e.steps, "."), nil
	return e
}

// misfit is a value that a type does not take.
func misfit(v Value, t reflect.Type) *FieldError {
	e := &FieldError{Kind: v.Kind(), Type: t}
	if e.Kind == Number {
		const longest = 40
		digits := v.AppendNumber(nil)
		e.number = string(digits[:min(len(digits), longest)])
		if len(digits) > longest {
			e.number += "..."
		}
	}
	return e
}

// refusal is a value that a type does not take for a reason of its own.
func refusal(v Value, t reflect.Type, cause error) *FieldError {
	return &FieldError{Kind: v.Kind(), Type: t, Err: cause}
}

var (
	errDeep      = fmt.Errorf("it is nested deeper than %d", deepest)
	errNotQuoted = errors.New(`the option "string" wants the value in quotes`)
)

func sealedPointer(v Value, t reflect.Type) *FieldError {
	return refusal(v, t, errors.New("an embedded pointer to an unexported struct is nil and cannot be set"))
}
