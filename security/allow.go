package security

import (
	"maps"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/internal/template"
)

// allows reports whether the caller is one of those whom a rule is for (spec 11.4).
func (d *decision) allows(a *allow) bool {
	switch {
	case a.all:
		return true
	case !a.loggedIn && a.tokens == nil:
		return false
	case a.tokens != nil && (d.who.TokenID == 0 || !a.tokens[d.who.TokenID]):
		return false
	case a.loggedIn && !d.who.LoggedIn():
		return false
	}
	for _, r := range a.user {
		v := d.columns().Field(r.column)
		for _, c := range r.conditions {
			want, ok := d.render(c.value)
			if !ok || !userHolds(v, c.op, want) {
				return false
			}
		}
	}
	return d.userErr == nil
}

// userHolds tests a condition on a column of the user.
func userHolds(v document.Value, op comparison, want string) bool {
	switch op {
	case equals:
		return anyOf(v, func(e document.Value) bool { return same(e, want) })
	case notEquals:
		return !anyOf(v, func(e document.Value) bool { return same(e, want) })
	default:
		return anyOf(v, func(e document.Value) bool { return holds(e, want) })
	}
}

// columns returns the user's columns, absent when nobody is logged in. Where they have no `id`
// and `dataSourceId` of their own, these name the user's entry (spec 11.1).
func (d *decision) columns() document.Value {
	if d.user.Kind() != document.Absent || d.userErr != nil || !d.who.LoggedIn() {
		return d.user
	}
	user := maps.Clone(d.who.User)
	for name, id := range map[string]int64{"id": d.who.EntryID, "dataSourceId": d.who.DataSourceID} {
		if id != 0 && user[name] == nil {
			user[name] = id
		}
	}
	v, err := document.FromGo(user, document.Limits{Keys: -1, KeyBytes: -1})
	if err != nil {
		d.userErr = errs.Wrap(errs.InvalidInput, err, "the columns of the user cannot be read")
		return document.Value{}
	}
	d.user = v
	return v
}

// render gives the value of a condition. It is false when the template reads something and
// renders empty: then the condition is not met, whatever it compares (spec 11.5, Q46).
func (d *decision) render(t *template.Template) (text string, ok bool) {
	root := document.Value{}
	if t.Reads() {
		root = document.Of(map[string]any{"user": d.columns()})
	}
	text, err := t.Render(template.Of(root))
	if err != nil || d.userErr != nil {
		return "", false
	}
	return text, !t.Reads() || strings.TrimSpace(text) != ""
}
