package security

import (
	"strings"

	"github.com/siftdb/siftdb/internal/document"
)

// unmet returns the column of the first requirement that the request does not meet, or "" (spec
// 11.5). In a list every member must meet all.
func (d *decision) unmet(all []requirement) string {
	for _, r := range all {
		wants, ok := d.wants(r)
		if !ok || !d.meets(r, wants) {
			return r.column
		}
	}
	return ""
}

// wants renders the values of a requirement.
func (d *decision) wants(r requirement) (wants []string, ok bool) {
	for _, c := range r.conditions {
		want, ok := d.render(c.value)
		if !ok || c.op == contains && want == "" {
			return nil, false
		}
		wants = append(wants, want)
	}
	return wants, true
}

// satisfiable reports whether some request may meet the requirements.
func (d *decision) satisfiable(all []requirement) bool {
	for _, r := range all {
		if _, ok := d.wants(r); !ok {
			return false
		}
	}
	return true
}

// meets reports whether the request meets one requirement.
func (d *decision) meets(r requirement, wants []string) bool {
	switch {
	case d.req.Operation.writes():
		return every(d.req.Data, func(data document.Value) bool { return sentMeets(data.Field(r.column), r, wants) })
	case d.req.ByID:
		return every(d.req.Stored, func(data document.Value) bool { return storedMeets(data.Field(r.column), r, wants) })
	}
	return whereMeets(d.req.Where, r, wants)
}

func every(list []document.Value, ok func(document.Value) bool) bool {
	for _, v := range list {
		if !ok(v) {
			return false
		}
	}
	return true
}

// sentMeets judges a column of data as sent.
func sentMeets(v document.Value, r requirement, wants []string) bool {
	if len(r.conditions) == 0 {
		return v.Kind() > document.Null && (v.Kind() != document.String || v.Len() > 0)
	}
	for i, c := range r.conditions {
		met := false
		switch c.op {
		case equals:
			met = same(v, wants[i])
		case notEquals:
			met = !anyOf(v, func(e document.Value) bool { return same(e, wants[i]) })
		case contains:
			met = anyOf(v, func(e document.Value) bool { return holds(e, wants[i]) })
		}
		if !met {
			return false
		}
	}
	return true
}

// storedMeets judges a column of a stored entry as a where that asks for its value would be: an
// array by any of its elements, for notequals by all.
func storedMeets(v document.Value, r requirement, wants []string) bool {
	if v.Kind() == document.Absent {
		return false
	}
	for i, c := range r.conditions {
		met := false
		switch c.op {
		case equals:
			met = anyOf(v, func(e document.Value) bool { return same(e, wants[i]) })
		case notEquals:
			met = !anyOf(v, func(e document.Value) bool { return alike(e, wants[i]) })
		case contains:
			met = anyOf(v, func(e document.Value) bool { return holds(e, wants[i]) })
		}
		if !met {
			return false
		}
	}
	return true
}

// whereMeets looks for the column among the keys of a where and of the members of its $and.
// Each condition may be met by a key of its own: all of them narrow what is found.
func whereMeets(where document.Value, r requirement, wants []string) bool {
	found := false
	met := make([]bool, len(r.conditions))
	look := func(object document.Value) {
		for key, operand := range object.Fields() {
			column, prefixed := strings.CutPrefix(key, "data.")
			if column != r.column || !prefixed && strings.HasPrefix(key, "$") {
				continue
			}
			found = true
			for i, c := range r.conditions {
				met[i] = met[i] || operandMeets(operand, c.op, wants[i])
			}
		}
	}
	look(where)
	if all := where.Field("$and"); all.Kind() == document.Array {
		for member := range all.Items() {
			look(member)
		}
	}
	for _, ok := range met {
		found = found && ok
	}
	return found
}

// operandMeets judges the operand of a column in a where by the table of spec 11.5.
func operandMeets(operand document.Value, op comparison, want string) bool {
	equal := operand
	if operand.Kind() == document.Object {
		equal = operand.Field("$eq")
	}
	switch op {
	case equals:
		return same(equal, want)
	case notEquals:
		return excludes(operand.Field("$ne"), want) || isScalar(equal) && !alike(equal, want)
	}
	return isScalar(equal) && holds(equal, want) ||
		likeHolds(operand.Field("$like"), want) || likeHolds(lower(operand.Field("$iLike")), strings.ToLower(want))
}
