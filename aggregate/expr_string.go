package aggregate

import (
	"math"
	"strings"
	"unicode/utf8"
)

var stringOperators = map[string]operator{
	"$concat":       {min: 0, max: -1, fn: concat},
	"$toLower":      {min: 1, max: 1, fn: folded(strings.ToLower)},
	"$toUpper":      {min: 1, max: 1, fn: folded(strings.ToUpper)},
	"$strcasecmp":   {min: 2, max: 2, fn: compareFolded},
	"$trim":         {named: "input chars?", fn: trimmed(true, true)},
	"$ltrim":        {named: "input chars?", fn: trimmed(true, false)},
	"$rtrim":        {named: "input chars?", fn: trimmed(false, true)},
	"$split":        {min: 2, max: 2, fn: split},
	"$strLenCP":     {min: 1, max: 1, fn: length(utf8.RuneCountInString)},
	"$strLenBytes":  {min: 1, max: 1, fn: length(func(s string) int { return len(s) })},
	"$substr":       {min: 3, max: 3, fn: substrBytes},
	"$substrBytes":  {min: 3, max: 3, fn: substrBytes},
	"$substrCP":     {min: 3, max: 3, fn: substrCP},
	"$indexOfBytes": {min: 2, max: 4, fn: indexOfBytes},
	"$indexOfCP":    {min: 2, max: 4, fn: indexOfCP},
	"$replaceOne":   {named: "input find replacement", fn: replace(1)},
	"$replaceAll":   {named: "input find replacement", fn: replace(-1)},
}

func concat(c *call, e *env, a []Value) Value {
	n := 0
	for _, v := range a {
		switch {
		case v.nullish():
			return null
		case v.kind != String:
			return c.fail(e, "takes texts, not %s", typeName(v))
		}
		n += len(v.str)
	}
	if !e.spend(c.path, n) {
		return null
	}
	var b strings.Builder
	b.Grow(n)
	for _, v := range a {
		b.WriteString(v.str)
	}
	return text(b.String())
}

// asText gives the text that a value stands for in operators that take more than texts: null
// is empty, and numbers and dates are written out.
func (c *call) asText(e *env, v Value) (string, bool) {
	switch v.kind {
	case Missing, Null:
		return "", true
	case String:
		return v.str, true
	case Number:
		return numberText(v), true
	case Date:
		return isoText(v), true
	}
	c.fail(e, "takes a text, not %s", typeName(v))
	return "", false
}

func folded(f func(string) string) operatorFunc {
	return func(c *call, e *env, a []Value) Value {
		s, ok := c.asText(e, a[0])
		if !ok || !e.spend(c.path, len(s)) {
			return null
		}
		return text(f(s))
	}
}

func compareFolded(c *call, e *env, a []Value) Value {
	x, ok1 := c.asText(e, a[0])
	y, ok2 := c.asText(e, a[1])
	if !ok1 || !ok2 {
		return null
	}
	return number(float64(strings.Compare(strings.ToUpper(x), strings.ToUpper(y))))
}

// white is what $trim removes by default.
const white = "\x00 \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"

// cutset reports which code points are among chars. Of many chars it makes a set, so that a
// text is not compared with each of them.
func cutset(chars string) func(rune) bool {
	if len(chars) <= 64 {
		return func(r rune) bool { return strings.ContainsRune(chars, r) }
	}
	in := make(map[rune]bool)
	for _, r := range chars {
		in[r] = true
	}
	return func(r rune) bool { return in[r] }
}

func trimmed(left, right bool) operatorFunc {
	return func(c *call, e *env, a []Value) Value {
		chars := white
		switch a[1].kind {
		case Missing:
		case Null:
			return null
		case String:
			chars = a[1].str
		default:
			return c.fail(e, "takes a text of chars, not %s", typeName(a[1]))
		}
		if a[0].nullish() {
			return null
		}
		s := a[0].str
		if a[0].kind != String {
			return c.fail(e, "takes a text, not %s", typeName(a[0]))
		}
		if !e.spend(c.path, len(chars)) {
			return null
		}
		out := cutset(chars)
		if left {
			s = strings.TrimLeftFunc(s, out)
		}
		if right {
			s = strings.TrimRightFunc(s, out)
		}
		return text(s)
	}
}

func split(c *call, e *env, a []Value) Value {
	if a[0].nullish() || a[1].nullish() {
		return null
	}
	if a[0].kind != String || a[1].kind != String || a[1].str == "" {
		return c.fail(e, "takes a text and one that is not empty to split it at")
	}
	if !e.spend(c.path, strings.Count(a[0].str, a[1].str)*valueSize) {
		return null
	}
	parts := strings.Split(a[0].str, a[1].str)
	list := make([]Value, len(parts))
	for i, p := range parts {
		list[i] = text(p)
	}
	return c.list(e, list)
}

func length(f func(string) int) operatorFunc {
	return func(c *call, e *env, a []Value) Value {
		if a[0].kind != String {
			return c.fail(e, "takes a text, not %s", typeName(a[0]))
		}
		return number(float64(f(a[0].str)))
	}
}

// span reads where a part begins and how long it is; a negative length is the rest.
func (c *call) span(e *env, a []Value) (start, n int, ok bool) {
	if !a[1].isNumber() || !a[2].isNumber() {
		c.fail(e, "takes whole numbers")
		return 0, 0, false
	}
	start, n = clamp(a[1].num), clamp(a[2].num)
	if n < 0 {
		n = math.MaxInt32
	}
	return start, n, true
}

func clamp(f float64) int {
	return int(max(min(f, math.MaxInt32), math.MinInt32))
}

func substrBytes(c *call, e *env, a []Value) Value {
	s, ok := c.asText(e, a[0])
	if !ok {
		return null
	}
	start, n, ok := c.span(e, a)
	switch {
	case !ok:
		return null
	case start < 0 || start >= len(s):
		return text("")
	}
	end := start + min(n, len(s)-start)
	if !utf8.RuneStart(s[start]) || end < len(s) && !utf8.RuneStart(s[end]) {
		return c.fail(e, "would cut a character in two")
	}
	return text(s[start:end])
}

func substrCP(c *call, e *env, a []Value) Value {
	s, ok := c.asText(e, a[0])
	if !ok {
		return null
	}
	start, n, ok := c.span(e, a)
	switch {
	case !ok:
		return null
	case start < 0:
		return c.fail(e, "takes a start that is not negative")
	}
	from := byteOffset(s, start)
	return text(s[from : from+byteOffset(s[from:], n)])
}

// byteOffset gives where the n-th code point of a text begins.
func byteOffset(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// bounds reads the optional start and end of a search in n items.
func (c *call) bounds(e *env, a []Value, n int) (start, end int, ok bool) {
	start, end = 0, n
	for i, v := range a[min(2, len(a)):] {
		if v.nullish() {
			continue
		}
		w, whole := v.whole()
		if !whole || w < 0 {
			c.fail(e, "takes whole numbers that are not negative as start and end, not %s", clip(string(v.AppendJSON(nil))))
			return 0, 0, false
		}
		if i == 0 {
			start = int(min(w, math.MaxInt32))
		} else {
			end = min(int(min(w, math.MaxInt32)), n)
		}
	}
	return start, end, true
}

func indexOfBytes(c *call, e *env, a []Value) Value {
	if likeReference {
		return indexOfCP(c, e, a)
	}
	return indexOfText(c, e, a, func(s string) int { return len(s) }, func(_ string, n int) int { return n })
}

func indexOfCP(c *call, e *env, a []Value) Value {
	return indexOfText(c, e, a, utf8.RuneCountInString, byteOffset)
}

func indexOfText(c *call, e *env, a []Value, size func(string) int, offset func(string, int) int) Value {
	if a[0].nullish() {
		return null
	}
	if a[0].kind != String || a[1].kind != String {
		return c.fail(e, "takes two texts, not %s and %s", typeName(a[0]), typeName(a[1]))
	}
	s := a[0].str
	start, end, ok := c.bounds(e, a, size(s))
	if !ok {
		return null
	}
	if start > end {
		return number(-1)
	}
	from, to := offset(s, start), offset(s, end)
	i := strings.Index(s[from:to], a[1].str)
	if i < 0 {
		return number(-1)
	}
	return number(float64(start + size(s[from:from+i])))
}

func replace(n int) operatorFunc {
	return func(c *call, e *env, a []Value) Value {
		for _, v := range a {
			if v.nullish() {
				return null
			}
		}
		for _, v := range a {
			if v.kind != String {
				return c.fail(e, "takes texts, not %s", typeName(v))
			}
		}
		size := len(a[0].str)
		if n < 0 {
			size += strings.Count(a[0].str, a[1].str) * len(a[2].str)
		}
		if !e.spend(c.path, size) {
			return null
		}
		return text(strings.Replace(a[0].str, a[1].str, a[2].str, n))
	}
}
