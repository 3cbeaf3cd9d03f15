package document

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// AppendJSON appends the compact JSON text of a value to dst: fields in their order, digits
// as they were given, strings escaped like JavaScript's JSON.stringify does (quote, backslash
// and control characters only). It allocates only when dst grows, and for the keys of Go maps.
// An absent value, and what is damaged or has no JSON text, is null; an absent field is left
// out. Nesting beyond 10,000 levels is written as null.
func AppendJSON(dst []byte, v Value) []byte { return appendJSON(dst, v, 0) }

// MarshalJSON returns the JSON text of the value.
func (x Value) MarshalJSON() ([]byte, error) { return AppendJSON(nil, x), nil }

// String returns the JSON text of the value, for messages and tests; "absent" if it is absent.
func (x Value) String() string {
	if x.Kind() == Absent {
		return "absent"
	}
	return string(AppendJSON(nil, x))
}

var _ json.Marshaler = Value{}

func appendJSON(dst []byte, v Value, depth int) []byte {
	if depth > deepest {
		return append(dst, "null"...)
	}
	switch v.Kind() {
	case Bool:
		if v.Bool() {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case Number:
		return v.AppendNumber(dst)
	case String:
		return appendQuoted(dst, v.Str())
	case Array:
		return appendArray(dst, v, depth)
	case Object:
		return appendObject(dst, v, depth)
	}
	return append(dst, "null"...)
}

func appendArray(dst []byte, v Value, depth int) []byte {
	dst = append(dst, '[')
	start := len(dst)
	if v.raw == nil {
		for _, e := range v.v.([]any) {
			dst = append(appendJSON(dst, Of(e), depth+1), ',')
		}
	} else {
		k := walk(v.raw, nil)
		for k.next() {
			dst = append(appendJSON(dst, nested(k.value), depth+1), ',')
		}
	}
	return closeText(dst, start, ']')
}

func appendObject(dst []byte, v Value, depth int) []byte {
	dst = append(dst, '{')
	start := len(dst)
	if v.raw != nil {
		k := walk(v.raw, v.Names())
		for k.next() {
			dst = appendField(dst, k.name, nested(k.value), depth)
		}
		return closeText(dst, start, '}')
	}
	switch o := v.v.(type) {
	case map[string]any:
		var room [16]string
		keys := room[:0]
		for name := range o {
			keys = append(keys, name)
		}
		slices.Sort(keys)
		for _, name := range keys {
			dst = appendField(dst, name, Of(o[name]), depth)
		}
	case OrderedObject:
		for i := range o.Len() {
			name, e := o.At(i)
			dst = appendField(dst, name, Of(e), depth)
		}
	}
	return closeText(dst, start, '}')
}

// appendField appends one field of an object and a comma; an absent one is left out.
func appendField(dst []byte, name string, v Value, depth int) []byte {
	if v.raw == nil && v.v == nil {
		return dst
	}
	dst = append(appendQuoted(dst, name), ':')
	return append(appendJSON(dst, v, depth+1), ',')
}

// closeText puts the closing bracket in the place of the last comma, if there is one.
func closeText(dst []byte, start int, bracket byte) []byte {
	if len(dst) > start {
		dst[len(dst)-1] = bracket
		return dst
	}
	return append(dst, bracket)
}

// appendQuoted appends a string as JSON text. Bytes that are not UTF-8 become U+FFFD.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	if isPlain(s) {
		return append(append(dst, s...), '"')
	}
	const hex = "0123456789abcdef"
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		i++
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= ' ':
			dst = append(dst, c)
		case c == '\b':
			dst = append(dst, `\b`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\f':
			dst = append(dst, `\f`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(dst, '"')
}

// isPlain reports whether a string stands in JSON text as it is.
func isPlain(s string) bool {
	const ones, highs = 0x0101_0101_0101_0101, 0x8080_8080_8080_8080
	b := bytesOf(s)
	var wide uint64
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		quote := x ^ '"'*ones
		slash := x ^ '\\'*ones
		if ((quote-ones) & ^quote | (slash-ones) & ^slash | (x-' '*ones) & ^x)&highs != 0 {
			return false
		}
		wide |= x
	}
	for _, c := range b {
		if c < ' ' || c == '"' || c == '\\' {
			return false
		}
		wide |= uint64(c)
	}
	return wide&highs == 0 || utf8.ValidString(s)
}
