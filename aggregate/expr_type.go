package aggregate

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

var typeOperators = map[string]operator{
	"$type":            {min: 1, max: 1, whole: true, fn: func(_ *call, _ *env, a []Value) Value { return text(bsonType(a[0])) }},
	"$isNumber":        {min: 1, max: 1, fn: func(_ *call, _ *env, a []Value) Value { return boolean(a[0].isNumber()) }},
	"$convertToNumber": {min: 1, max: 1, fn: func(_ *call, _ *env, a []Value) Value { return toNumberLoosely(a[0]) }},
	"$toString":        {min: 1, max: 1, fn: converter("string")},
	"$toBool":          {min: 1, max: 1, fn: converter("bool")},
	"$toInt":           {min: 1, max: 1, fn: converter("int")},
	"$toLong":          {min: 1, max: 1, fn: converter("long")},
	"$toDouble":        {min: 1, max: 1, fn: converter("double")},
	"$toDecimal":       {min: 1, max: 1, fn: converter("decimal")},
	"$toNumber":        {min: 1, max: 1, fn: converter("double")},
	"$toDate":          {min: 1, max: 1, fn: converter("date")},
	"$convert":         {named: "input to onError? onNull?", fn: convertTo},
}

// bsonType names the type of a value; a number's is that of its value.
func bsonType(v Value) string {
	switch v.kind {
	case Missing:
		return "missing"
	case Null:
		return "null"
	case String:
		return "string"
	case Object:
		return "object"
	case Array:
		return "array"
	case Bool:
		return "bool"
	case Date:
		return "date"
	}
	switch {
	case v.num != math.Trunc(v.num) || math.Abs(v.num) > math.MaxInt64:
		return "double"
	case math.Abs(v.num) <= math.MaxInt32 || v.num == math.MinInt32:
		return "int"
	}
	return "long"
}

var (
	decimalText = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)
	wholeText   = regexp.MustCompile(`^[+-]?\d+([eE]\+?\d+)?$`)
)

// toNumberLoosely is $convertToNumber: never an error.
func toNumberLoosely(v Value) Value {
	switch v.kind {
	case Number:
		return v
	case Bool:
		return number(v.num)
	case String:
		if s := strings.TrimSpace(v.str); decimalText.MatchString(s) {
			if f, err := strconv.ParseFloat(s, 64); err == nil {
				return number(f)
			}
		}
	}
	return null
}

// converter is the operator that converts to one type.
func converter(to string) operatorFunc {
	return func(c *call, e *env, a []Value) Value {
		if a[0].nullish() {
			return null
		}
		v, why := convert(a[0], to)
		if why != "" {
			return c.fail(e, "%s", why)
		}
		e.spend(c.path, len(v.str))
		return v
	}
}

// typeCodes are the numbers of types.
var typeCodes = map[float64]string{
	1: "double", 2: "string", 3: "object", 4: "array", 5: "binData", 6: "undefined", 7: "objectId", 8: "bool", 9: "date",
	10: "null", 11: "regex", 16: "int", 17: "timestamp", 18: "long", 19: "decimal",
}

func convertTo(c *call, e *env, a []Value) Value {
	if a[0].nullish() {
		if a[3].kind == Missing {
			return null
		}
		return a[3]
	}
	to := a[1]
	if to.kind == Object {
		to = to.field("type")
	}
	if to.nullish() {
		return null
	}
	name := to.str
	if to.kind == Number {
		name = typeCodes[to.num]
	}
	switch name {
	case "double", "string", "bool", "date", "int", "long", "decimal":
	case "boolean":
		name = "bool"
	case "number":
		name = "double"
	default:
		return c.fail(e, "cannot convert to %s", string(to.AppendJSON(nil)))
	}
	if v, ok := emptyNumber(a[0], name); ok {
		return v
	}
	v, why := convert(a[0], name)
	switch {
	case why == "":
		e.spend(c.path, len(v.str))
		return v
	case a[2].kind != Missing:
		return a[2]
	}
	return c.fail(e, "%s", why)
}

// convert converts a value that is not null; why says why it cannot be.
func convert(v Value, to string) (w Value, why string) {
	bad := "cannot convert " + typeName(v) + " to " + to
	switch to {
	case "string":
		switch v.kind {
		case String:
			return v, ""
		case Date:
			return text(isoText(v)), ""
		case Number:
			return text(numberText(v)), ""
		}
		return text(string(v.AppendJSON(nil))), ""
	case "bool":
		return boolean(v.kind > Number && v.kind != Bool || v.num != 0), ""
	case "date":
		switch v.kind {
		case Date:
			return v, ""
		case Number:
			if !(math.Abs(v.num) <= maxDate) {
				return v, bad
			}
			return dateOf(math.Trunc(v.num)), ""
		case String:
			if ms, ok := parseISO(v.str); ok {
				return dateOf(ms), ""
			}
			return v, "cannot read " + strconv.Quote(clip(v.str)) + " as a date"
		}
		return v, bad
	}
	var f float64
	switch v.kind {
	case Number, Date, Bool:
		f = v.num
	case String:
		form := decimalText
		if to == "int" || to == "long" {
			form = wholeText
		}
		var err error
		if !form.MatchString(v.str) {
			return v, "cannot read " + strconv.Quote(clip(v.str)) + " as a number"
		}
		if f, err = strconv.ParseFloat(v.str, 64); err != nil {
			return v, "cannot read " + strconv.Quote(clip(v.str)) + " as a number"
		}
	default:
		return v, bad
	}
	switch to {
	case "int":
		if f = math.Trunc(f); !(f <= math.MaxInt32 && f >= math.MinInt32) {
			return v, "the number is out of the range of int"
		}
	case "long":
		if f = math.Trunc(f); !(f < math.MaxInt64 && f >= math.MinInt64) {
			return v, "the number is out of the range of long"
		}
	}
	if v.kind == Number && f == v.num {
		return v, ""
	}
	return number(f), ""
}

// numberText writes a number, which may be one that JSON has no text for.
func numberText(v Value) string {
	switch {
	case math.IsNaN(v.num):
		return "NaN"
	case math.IsInf(v.num, 1):
		return "Infinity"
	case math.IsInf(v.num, -1):
		return "-Infinity"
	}
	return string(appendNumber(nil, v))
}

// clip shortens a text for a message.
func clip(s string) string { return clipTo(s, 60) }

// clipTo gives the beginning of a text that is longer than some bytes.
func clipTo(s string, most int) string {
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
