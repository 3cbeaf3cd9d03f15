package security

import "context"

// MayGrant reports whether some request of an operation could be granted to a caller, whatever it
// holds and whatever is stored; whole asks for a grant that limits no columns. It runs no script:
// one may grant anything. So a request can be refused before what it is about has been read.
func (p *Policy) MayGrant(who *Principal, op Operation, public, whole bool) bool {
	d, free := p.prospects(who, op, public)
	if d == nil {
		return free
	}
	for i := range p.list() {
		r := &p.rules[i]
		switch {
		case !r.appliesTo(who):
		case r.script != "":
			if !whole || !r.limits.limited() {
				return true
			}
		case !r.covers(op) || !d.allows(&r.allow):
		case d.userErr != nil:
			return true // Decide tells the error
		case !d.satisfiable(r.require):
			if op.writes() { // denied at once
				return false
			}
		case !whole || !r.limits.limited():
			return true
		case len(r.require) == 0 || op.writes():
			return false // no later rule is asked
		}
	}
	return d.userErr != nil
}

// Uniform reports whether every request by id of an operation that reads is answered alike for a
// caller, whatever is stored: before a rule that grants it, or none does, no rule is asked that
// has a script or looks at the entry.
func (p *Policy) Uniform(who *Principal, op Operation, public bool) bool {
	d, _ := p.prospects(who, op, public)
	if d == nil {
		return true
	}
	for i := range p.list() {
		r := &p.rules[i]
		switch {
		case !r.appliesTo(who):
		case r.script != "":
			return false
		case !r.covers(op) || !d.allows(&r.allow):
		case d.userErr != nil:
			return false
		case len(r.require) == 0:
			return true
		case d.satisfiable(r.require):
			return false
		}
	}
	return d.userErr == nil
}

// prospects begins to look through the rules. Without a decision none is asked, and free says
// whether everything is granted.
func (p *Policy) prospects(who *Principal, op Operation, public bool) (d *decision, free bool) {
	switch {
	case who.Unrestricted():
		return nil, true
	case who.IsAnonymous() && (!public || op != Select && op != Count):
		return nil, false
	case who.IsAnonymous() && p.Empty():
		return nil, true
	}
	return &decision{ctx: context.Background(), who: who, req: &Request{Operation: op}}, false
}
