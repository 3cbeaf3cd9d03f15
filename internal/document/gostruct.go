package document

import (
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// structField is a field of a struct as encoding/json sees it.
type structField struct {
	name      string
	index     []int // the way to it through embedded structs
	typ       reflect.Type
	tagged    bool // the name comes from the tag
	omitEmpty bool
	omitZero  bool
	quoted    bool
}

// structFields keeps the fields of each struct type that was ever written.
var structFields sync.Map // reflect.Type to []structField

// fieldsOf returns the fields that encoding/json would write for a struct type, in its order.
func fieldsOf(t reflect.Type) []structField {
	if known, ok := structFields.Load(t); ok {
		return known.([]structField)
	}
	known, _ := structFields.LoadOrStore(t, visibleFields(t))
	return known.([]structField)
}

// visibleFields gathers the fields of a struct and of what it embeds, level by level, and
// applies Go's rule of visibility: of one name the shallowest field wins, at one depth the
// one with a tag, and of several equals none.
func visibleFields(t reflect.Type) []structField {
	type embedded struct {
		typ   reflect.Type
		index []int
	}
	var all []structField
	level := []embedded{{typ: t}}
	seen := map[reflect.Type]bool{}
	for len(level) > 0 {
		count := map[reflect.Type]int{} // how often a type is embedded at the next depth
		var next []embedded
		for _, e := range level {
			if seen[e.typ] {
				continue
			}
			seen[e.typ] = true
			times := 0
			for _, o := range level {
				if o.typ == e.typ {
					times++
				}
			}
			for i := range e.typ.NumField() {
				sf := e.typ.Field(i)
				inner := sf.Type
				if inner.Name() == "" && inner.Kind() == reflect.Pointer {
					inner = inner.Elem()
				}
				if sf.Anonymous {
					if !sf.IsExported() && inner.Kind() != reflect.Struct {
						continue
					}
				} else if !sf.IsExported() {
					continue
				}
				tag := sf.Tag.Get("json")
				if tag == "-" {
					continue
				}
				f := readTag(tag, sf, inner)
				f.index = append(slices.Clone(e.index), i)
				if f.name == "" && sf.Anonymous && inner.Kind() == reflect.Struct {
					if count[inner]++; count[inner] <= 2 {
						next = append(next, embedded{inner, f.index})
					}
					continue
				}
				if f.name == "" {
					f.name = sf.Name
				}
				all = append(all, f)
				if times > 1 {
					all = append(all, f) // of a type embedded twice the fields hide each other
				}
			}
		}
		level = next
	}
	slices.SortStableFunc(all, func(a, b structField) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		if c := len(a.index) - len(b.index); c != 0 {
			return c
		}
		return int(b2i(b.tagged)) - int(b2i(a.tagged))
	})
	kept := all[:0]
	for i := 0; i < len(all); {
		j := i + 1
		for j < len(all) && all[j].name == all[i].name {
			j++
		}
		if j == i+1 || len(all[i+1].index) > len(all[i].index) || all[i].tagged && !all[i+1].tagged {
			kept = append(kept, all[i])
		}
		i = j
	}
	slices.SortFunc(kept, func(a, b structField) int { return slices.Compare(a.index, b.index) })
	return slices.Clip(kept)
}

// readTag reads a struct field's json tag; the name is "" when the tag has none.
func readTag(tag string, sf reflect.StructField, inner reflect.Type) structField {
	name, options, _ := strings.Cut(tag, ",")
	if !validTagName(name) {
		name = ""
	}
	f := structField{name: name, tagged: name != "", typ: sf.Type}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "omitempty":
			f.omitEmpty = true
		case "omitzero":
			f.omitZero = true
		case "string":
			switch inner.Kind() {
			case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64, reflect.Uintptr,
				reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
				reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
				f.quoted = true
			}
		}
	}
	return f
}

// validTagName reports whether encoding/json takes a tag's text as a name.
func validTagName(s string) bool {
	for _, c := range s {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return false
		}
	}
	return s != ""
}
