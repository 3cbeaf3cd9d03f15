package document

import "github.com/siftdb/siftdb/internal/errs"

// Limits bounds what one JSON value may hold. In every field 0 means the default and -1 no
// limit.
type Limits struct {
	// Depth is how many arrays and objects may lie inside each other: 100 by default, and
	// never more than 10,000.
	Depth int
	// Keys is how many keys one object may have, repeated keys counted: 10,000 by default.
	Keys int
	// KeyBytes is the length of one key in bytes of UTF-8: 1,024 by default.
	KeyBytes int
	// NumberBytes is the length of one number's text: 400 by default.
	NumberBytes int
}

// unlimited is what values that siftdb makes itself are held to.
var unlimited = Limits{Depth: -1, Keys: -1, KeyBytes: -1, NumberBytes: -1}

// filled returns the limits with every default and bound in place.
func (l Limits) filled() Limits {
	fill := func(v, byDefault, most int) int {
		switch {
		case v == 0:
			return byDefault
		case v < 0 || v > most:
			return most
		}
		return v
	}
	return Limits{
		Depth:       fill(l.Depth, 100, deepest),
		Keys:        fill(l.Keys, 10_000, maxItems>>1),
		KeyBytes:    fill(l.KeyBytes, 1_024, maxItems>>1),
		NumberBytes: fill(l.NumberBytes, 400, maxItems>>1),
	}
}

// Check returns an *errs.Error with code InvalidInput when a value is over the limits. It is
// for values that were read under other ones.
func (l Limits) Check(v Value) error {
	filled := l.filled()
	return filled.check(v, 0)
}

func (l *Limits) check(v Value, depth int) error {
	kind := v.Kind()
	const longest = 32 // of a number that is not stored as text
	if kind == Number && (l.NumberBytes < longest || len(v.raw) > l.NumberBytes) {
		if n := len(v.AppendNumber(nil)); n > l.NumberBytes {
			return errs.New(errs.InvalidInput, "a number of %d bytes is over the limit of %d", n, l.NumberBytes)
		}
	}
	if kind != Array && kind != Object {
		return nil
	}
	if depth++; depth > l.Depth {
		return errs.New(errs.InvalidInput, "depth %d of nested arrays and objects is over the limit of %d", depth, l.Depth)
	}
	if kind == Array {
		for item := range v.Items() {
			if err := l.check(item, depth); err != nil {
				return err
			}
		}
		return nil
	}
	if n := v.Len(); n > l.Keys {
		return errs.New(errs.InvalidInput, "an object of %d keys is over the limit of %d", n, l.Keys)
	}
	for name, value := range v.Fields() {
		if len(name) > l.KeyBytes {
			return errs.New(errs.InvalidInput, "a key of %d bytes is over the limit of %d", len(name), l.KeyBytes)
		}
		if err := l.check(value, depth); err != nil {
			return err
		}
	}
	return nil
}
