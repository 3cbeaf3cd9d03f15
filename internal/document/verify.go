package document

import (
	"unicode/utf8"

	"github.com/siftdb/siftdb/internal/errs"
)

// Verify reads every part of a stored value and returns an *errs.Error with code Corrupt when
// any of it cannot be read: a damaged footer, a column without a name, an unknown tag. The
// checksum finds such damage first; this finds what was sealed wrong.
func Verify(raw []byte, names *Names) error { return verify(Stored(raw, names), 0) }

func verify(v Value, depth int) error {
	damaged := func(what string) error {
		return errs.New(errs.Corrupt, "a stored value has %s %d levels down", what, depth)
	}
	if depth > deepest {
		return damaged("a nesting that is too deep,")
	}
	switch v.Kind() {
	case Absent:
		return damaged("a part that cannot be read")
	case Number:
		if !wholeNumber(v.raw) {
			return damaged("a damaged number")
		}
	case String:
		if !utf8.ValidString(v.Str()) {
			return damaged("a string that is not UTF-8")
		}
	case Array, Object:
		f, ok := readFooter(v.raw)
		if !ok {
			return damaged("a damaged footer")
		}
		for i := range f.count {
			item := v.At(i)
			if v.Kind() == Object {
				_, item = v.FieldAt(i)
			}
			if err := verify(item, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// wholeNumber reports whether a number has all its bytes, and no more.
func wholeNumber(raw []byte) bool {
	switch raw[0] {
	case tagInt:
		return len(raw) <= numberHead
	case tagFloat:
		return len(raw) == numberHead
	}
	return len(raw) > numberHead && isNumber(text(raw[numberHead:]))
}
