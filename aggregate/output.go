package aggregate

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/query"
)

const isoFormat = "2006-01-02T15:04:05.000Z"

func isoText(v Value) string {
	t := v.time()
	if y := t.Year(); y < 0 || y > 9999 {
		return fmt.Sprintf("%+07d", y) + t.Format(isoFormat[4:])
	}
	return t.Format(isoFormat)
}

// Go returns the value as plain Go data that shares nothing with it: nil, bool, float64 (or
// json.Number where a double does not hold the digits), string, []any and map[string]any. A
// date is {"$date": "<ISO 8601>"}, a missing value nil.
func (v Value) Go() any { return v.goData(false) }

// Ordered is like Go, with objects as query.D, which keeps their keys in order.
func (v Value) Ordered() any { return v.goData(true) }

func (v Value) goData(ordered bool) any {
	switch v.kind {
	case Number:
		switch {
		case v.str != "":
			return document.ToGo(document.Of(json.Number(v.str)))
		case v.num == 0:
			return 0.0
		}
		return v.num
	case String:
		return strings.Clone(v.str)
	case Bool:
		return v.num != 0
	case Date:
		if ordered {
			return query.D{{Key: "$date", Value: isoText(v)}}
		}
		return map[string]any{"$date": isoText(v)}
	case Array:
		list := make([]any, 0, v.size())
		for _, x := range v.items() {
			list = append(list, x.goData(ordered))
		}
		return list
	case Object:
		if ordered {
			d := make(query.D, 0, v.size())
			for k, x := range v.fields() {
				d = append(d, query.E{Key: strings.Clone(k), Value: x.goData(true)})
			}
			return d
		}
		m := make(map[string]any, v.size())
		if g, ok := v.ref.(map[string]any); ok {
			for k, x := range g {
				m[k] = ValueOf(x).goData(false)
			}
			return m
		}
		for k, x := range v.fields() {
			m[strings.Clone(k)] = x.goData(false)
		}
		return m
	}
	return nil
}

// AppendJSON appends the JSON text of the value to dst, keys in their order. A number that has
// no JSON text, and a missing value, are null.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.kind {
	case Number:
		return appendNumber(dst, v)
	case String:
		return document.AppendJSON(dst, document.Of(v.str))
	case Bool:
		if v.num != 0 {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case Date:
		return append(append(append(dst, `{"$date":"`...), isoText(v)...), `"}`...)
	case Array:
		dst = append(dst, '[')
		for i, x := range v.items() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = x.AppendJSON(dst)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		first := true
		for k, x := range v.fields() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = document.AppendJSON(dst, document.Of(k))
			dst = append(dst, ':')
			dst = x.AppendJSON(dst)
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

// MarshalJSON writes the value, keys in their order.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// Time returns the time of a date; ok is false for anything else.
func (v Value) Time() (t time.Time, ok bool) {
	if v.kind != Date {
		return time.Time{}, false
	}
	return v.time(), true
}

func appendNumber(dst []byte, v Value) []byte {
	switch {
	case v.str != "":
		return append(dst, v.str...)
	case v.num == 0:
		return append(dst, '0')
	case math.IsNaN(v.num) || math.IsInf(v.num, 0):
		return append(dst, "null"...)
	}
	return document.Of(v.num).AppendNumber(dst)
}

// copied estimates what a copy of a value takes beyond its weight: the decoded Go values in it,
// which a computed value may have many times over.
func copied(v Value) int {
	x, ok := v.ref.(*object)
	if !ok {
		list, ok := v.ref.([]Value)
		if !ok {
			return 0
		}
		x = &object{vals: list}
	}
	n := 0
	for _, e := range x.vals {
		switch {
		case e.form == goForm:
			n += goWeight(e.ref)
		case e.kind == Array || e.kind == Object:
			n += copied(e)
		}
	}
	return n
}

func goWeight(v any) int {
	n := 16
	switch x := v.(type) {
	case string:
		n += len(x)
	case []any:
		for _, e := range x {
			n += goWeight(e)
		}
	case map[string]any:
		for k, e := range x {
			n += 32 + len(k) + goWeight(e)
		}
	case document.OrderedObject:
		for i := range x.Len() {
			k, e := x.At(i)
			n += 32 + len(k) + goWeight(e)
		}
	}
	return n
}
