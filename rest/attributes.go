package rest

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
)

// fields reads the keys of an object that describes a data source. The first key of a wrong type
// is in err, after which the others do not matter.
type fields struct {
	object document.Value
	err    error
}

func attributesOf(v document.Value) *fields { return &fields{object: v} }

// get returns the value of a key, absent for null too.
func (f *fields) get(key string) document.Value {
	v := f.object.Field(key)
	if v.Kind() == document.Null {
		return document.Value{}
	}
	return v
}

// null reports whether a key is there and null.
func (f *fields) null(key string) bool { return f.object.Field(key).Kind() == document.Null }

func (f *fields) wrong(key, what string) {
	if f.err == nil {
		f.err = invalid(key + " must be " + what + ".")
	}
}

// text returns a string, nil when it is absent.
func (f *fields) text(key string) *string {
	v := f.get(key)
	switch v.Kind() {
	case document.Absent:
		return nil
	case document.String:
		return new(strings.Clone(v.Str()))
	}
	f.wrong(key, "a string")
	return nil
}

// clearText is text for an update, in which null clears.
func (f *fields) clearText(key string) *string {
	if f.null(key) {
		return new("")
	}
	return f.text(key)
}

// flag returns a boolean, nil when it is absent.
func (f *fields) flag(key string) *bool {
	v := f.get(key)
	switch v.Kind() {
	case document.Absent:
		return nil
	case document.Bool:
		return new(v.Bool())
	}
	f.wrong(key, "true or false")
	return nil
}

// clearFlag is flag for an update, in which null is false.
func (f *fields) clearFlag(key string) *bool {
	if f.null(key) {
		return new(false)
	}
	return f.flag(key)
}

// id returns a positive integer, which may be text, nil when it is absent.
func (f *fields) id(key string) *int64 {
	v := f.get(key)
	var id int64
	switch v.Kind() {
	case document.Absent:
		return nil
	case document.Number:
		if n := v.Float(); n == math.Trunc(n) && n < 1<<53 {
			id = int64(n)
		}
	case document.String:
		if digits(v.Str()) {
			id, _ = strconv.ParseInt(v.Str(), 10, 64)
		}
	}
	if id <= 0 {
		f.wrong(key, "a positive integer")
		return nil
	}
	return &id
}

// clearID is id for an update, in which null clears.
func (f *fields) clearID(key string) *int64 {
	if f.null(key) {
		return new(int64(0))
	}
	return f.id(key)
}

// texts returns an array of strings, nil when it is absent.
func (f *fields) texts(key string) []string {
	v := f.get(key)
	if v.Kind() == document.Absent {
		return nil
	}
	if v.Kind() != document.Array {
		f.wrong(key, "an array of strings")
		return nil
	}
	list := make([]string, 0, v.Len())
	for item := range v.Items() {
		if item.Kind() != document.String {
			f.wrong(key, "an array of strings")
			return nil
		}
		list = append(list, strings.Clone(item.Str()))
	}
	return list
}

// json returns any value as JSON text, nil when it is absent; null stays, and clears. It is held to
// the limits of entries, with which nobody else looks at it (spec 14.7).
func (f *fields) json(key string) json.RawMessage {
	v := f.object.Field(key)
	if v.Kind() == document.Absent {
		return nil
	}
	if err := (document.Limits{}).Check(v); err != nil {
		f.wrong(key, "nested and sized like the data of an entry: "+err.Error())
	}
	return document.AppendJSON(nil, v)
}
