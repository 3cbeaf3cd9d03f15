package security

import (
	"context"
	"fmt"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// Decide judges one request: rules are tried from top to bottom, and the first that grants is
// used alone (spec 11.3). The error is a *Denied when the request is not granted; any other is a
// failure of the host, such as a context that is done, or a request that makes no sense. With an
// error there is no Grant, without one there is.
//
// Trusted Go code (a nil who) and admins get everything, whatever the rules are. scripts may be
// nil: rules with a script then fail, which does not grant.
func (p *Policy) Decide(ctx context.Context, who *Principal, req Request, scripts ScriptRunner) (*Grant, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := req.complete(); err != nil {
		return nil, err
	}
	d := decision{ctx: ctx, who: who, req: &req, scripts: scripts}
	if who.Unrestricted() {
		return d.grant(nil, limits{}), nil
	}
	if who.IsAnonymous() {
		if !req.Public || req.Operation != Select && req.Operation != Count {
			return nil, &Denied{Operation: req.Operation, Unauthorised: true, Reason: "no token"}
		}
		if p.Empty() {
			return d.grant(nil, limits{}), nil
		}
	}
	for i := range p.list() {
		grant, err := d.ask(&p.rules[i])
		if err != nil || grant != nil {
			return grant, err
		}
	}
	return nil, d.denied("no rule grants")
}

// Restore is what a restore would do (spec 11.6): the data of the entries that it adds and
// changes, as they will be, and of those that it takes away.
type Restore struct {
	Inserts, Updates, Deletes []document.Value
	Reader                    ScriptReader
	Report                    func(ScriptFailure)
}

// DecideRestore judges a restore: select, insert, update and delete must each be granted, by a
// rule that limits no columns, whichever of them occur (spec 11.6). The error is as for Decide.
func (p *Policy) DecideRestore(ctx context.Context, who *Principal, r Restore, scripts ScriptRunner) error {
	for _, req := range []Request{
		{Operation: Select},
		{Operation: Insert, Data: r.Inserts},
		{Operation: Update, Data: r.Updates},
		{Operation: Delete, Stored: r.Deletes, ByID: true},
	} {
		req.List, req.Reader, req.Report = true, r.Reader, r.Report
		grant, err := p.Decide(ctx, who, req, scripts)
		if err != nil {
			return err
		}
		if grant.Limited() {
			return &Denied{Operation: req.Operation, Reason: fmt.Sprintf("rule %d limits columns", grant.Rule)}
		}
	}
	return nil
}

// Visible returns the columns that a select would show to a caller (spec 1.3), without running
// scripts: those of each rule that may grant one, whatever the where is. Without a rule that may
// it hides all. Columns.Without takes away what `definition.exclude` names.
func (p *Policy) Visible(who *Principal, public bool) Columns {
	switch {
	case who.Unrestricted(), who.IsAnonymous() && public && p.Empty():
		return allColumns
	case who.IsAnonymous() && !public:
		return Columns{}
	}
	var c Columns
	d := decision{ctx: context.Background(), who: who, req: &Request{Operation: Select}}
	for i := range p.list() {
		r := &p.rules[i]
		if r.script != "" || !r.appliesTo(who) || !r.covers(Select) || !d.allows(&r.allow) || !d.satisfiable(r.require) {
			continue
		}
		c.oneOf = append(c.oneOf, r.limits)
		if len(r.require) == 0 { // it grants every select: no later rule is asked
			break
		}
	}
	return c
}

// complete puts a request into the form in which it is judged.
func (r *Request) complete() error {
	if !r.Operation.known() {
		return errs.New(errs.Internal, "%q is no operation of access rules", string(r.Operation))
	}
	if r.Operation.writes() {
		return r.completeList(&r.Data, "data")
	}
	if r.ByID {
		return r.completeList(&r.Stored, "a stored entry")
	}
	if len(r.Stored) > 1 {
		r.List = true
	}
	switch {
	case r.Where.Kind() == document.Absent:
		r.Where = document.Of(map[string]any{})
	case r.Where.Kind() != document.Object:
		return errs.At(errs.InvalidQuery, "where", "a where must be an object")
	}
	if r.Where.IsStored() {
		return nil
	}
	// What is judged must be what runs: of a repeated key, only the last counts.
	v, err := document.FromGo(r.Where, document.Limits{Depth: 1000, Keys: -1, KeyBytes: -1})
	if err != nil {
		e := errs.Wrap(errs.InvalidQuery, err, "the where cannot be read")
		e.Path = "where"
		return e
	}
	r.Where = v
	return nil
}

// completeList checks that all members are objects, and makes an empty list one empty object,
// so that no rule grants because there was nothing to judge.
func (r *Request) completeList(list *[]document.Value, what string) error {
	for _, v := range *list {
		if v.Kind() != document.Object {
			return errs.New(errs.InvalidInput, "%s must be an object, not %s", what, kindName(v))
		}
	}
	if len(*list) == 0 {
		*list = []document.Value{document.Of(map[string]any{})}
	} else if len(*list) > 1 {
		r.List = true
	}
	return nil
}

// decision is one request on its way through the rules.
type decision struct {
	ctx     context.Context
	who     *Principal
	req     *Request
	scripts ScriptRunner
	user    document.Value // the user's columns, once asked for
	userErr error
}

// ask tries one rule. Without a grant and an error it is passed over.
func (d *decision) ask(r *rule) (*Grant, error) {
	if !r.appliesTo(d.who) {
		return nil, nil
	}
	if r.script != "" {
		return d.askScript(r)
	}
	if !r.covers(d.req.Operation) || !d.allows(&r.allow) {
		return nil, d.userErr
	}
	if unmet := d.unmet(r.require); unmet != "" {
		if d.userErr != nil {
			return nil, d.userErr
		}
		if d.req.Operation.writes() {
			return nil, d.denied("rule %d requires %q", r.index, unmet)
		}
		return nil, nil
	}
	for _, data := range d.written() {
		for column := range data.Fields() {
			if r.limits.hides(column) {
				return nil, d.denied("rule %d does not let %q be set", r.index, column)
			}
		}
	}
	return d.grant(r, r.limits), nil
}

// written is the data of a write, and nothing for other operations.
func (d *decision) written() []document.Value {
	if d.req.Operation.writes() {
		return d.req.Data
	}
	return nil
}

func (d *decision) denied(format string, args ...any) error {
	return &Denied{Operation: d.req.Operation, Reason: fmt.Sprintf(format, args...)}
}

// grant makes the grant of a rule, or without one of everything.
func (d *decision) grant(r *rule, l limits) *Grant {
	g := &Grant{Columns: Columns{oneOf: []limits{l}}, Rule: -1, Data: d.written()}
	if r != nil {
		g.Rule, g.Name = r.index, r.name
	}
	if !d.req.Operation.writes() && !d.req.ByID {
		g.Where = d.req.Where
	}
	return g
}
