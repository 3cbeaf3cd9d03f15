package security

import "github.com/siftdb/siftdb/internal/template"

// Policy is the access rules of a data source, checked and ready (spec 11). It does not change
// and is safe for concurrent use. A nil Policy, like one without rules, denies everything.
type Policy struct {
	rules []rule
}

// Empty reports whether there are no rules.
func (p *Policy) Empty() bool { return p == nil || len(p.rules) == 0 }

// Scripts reports whether a rule has a script.
func (p *Policy) Scripts() bool {
	for _, r := range p.list() {
		if r.script != "" && !r.disabled {
			return true
		}
	}
	return false
}

func (p *Policy) list() []rule {
	if p == nil {
		return nil
	}
	return p.rules
}

// rule is one rule (spec 11.2).
type rule struct {
	index    int
	name     string
	disabled bool
	types    map[Operation]bool
	allow    allow
	limits   limits
	require  []requirement
	appIDs   map[int64]bool // nil: any, and none
	script   string         // not empty: types and allow do not count
}

// allow says whom a rule is for (spec 11.4). The zero value is for nobody.
type allow struct {
	all      bool
	loggedIn bool
	user     []requirement  // with loggedIn: all must hold
	tokens   map[int64]bool // nil: no token is asked for
}

// requirement is what must hold of one column: each of the conditions, or without any that it
// is there (spec 11.5).
type requirement struct {
	column     string
	conditions []condition
}

// comparison is how a condition compares.
type comparison uint8

const (
	equals comparison = iota
	notEquals
	contains
)

var comparisons = map[string]comparison{"equals": equals, "notequals": notEquals, "contains": contains}

// condition compares a column with what a template renders to.
type condition struct {
	op    comparison
	value *template.Template
}

// covers reports whether a standard rule is for an operation. A rule for select is for count,
// too (spec 11.3(6)).
func (r *rule) covers(op Operation) bool {
	return r.types[op] || op == Count && r.types[Select]
}

// appliesTo reports whether a rule is looked at for a caller: it is enabled, and for the
// caller's app.
func (r *rule) appliesTo(who *Principal) bool {
	return !r.disabled && (r.appIDs == nil || who.AppID != nil && r.appIDs[*who.AppID])
}
