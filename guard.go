package siftdb

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/siftdb/siftdb/hooks"
	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/security"
	"github.com/siftdb/siftdb/storage"
)

// As returns a handle on the data source on which everything is done in the name of a
// principal; see DB.As.
func (ds *DataSource) As(p *security.Principal) *DataSource {
	other := *ds
	other.db = ds.db.As(p)
	return &other
}

// ruleCache holds the access rules and the hooks of one definition, each read once.
type ruleCache struct {
	once   sync.Once
	policy *security.Policy
	err    error

	hooksOnce sync.Once
	chain     *hooks.Chain
	hooksErr  error
}

// policy returns the access rules. Rules that cannot be read grant nothing: they are
// an error.
func (s *source) policy() (*security.Policy, error) {
	c := s.rules
	if c == nil { // a state that is not cached
		c = new(ruleCache)
	}
	c.once.Do(func() { c.policy, c.err = security.ParseRules(s.def.AccessRules) })
	return c.policy, c.err
}

// reach returns the cached part of the data source, as far as it exists for the
// handle's principal.
func (ds *DataSource) reach(ctx context.Context) (*source, error) {
	var src *source
	err := ds.db.view(ctx, func(r storage.Reader) (err error) {
		_, src, err = ds.db.load(r, ds.id, false)
		return err
	})
	if err == nil && !ds.db.as.Sees(src.def.OrganizationID) && !ds.db.off.has(guardOrganization) {
		err = unknownSource(ds.id)
	}
	return src, err
}

// met is reach for a look-up: an anonymous caller meets public data sources only.
func (ds *DataSource) met(ctx context.Context) error {
	src, err := ds.reach(ctx)
	if err == nil && ds.db.as.IsAnonymous() && !src.public() && !ds.db.off.has(guardMet) {
		err = nobody(ds.id)
	}
	return err
}

// authorize asks the access rules whether the handle's principal may do what a
// request says. It returns a handle that reads through what the rule that granted
// hides, and the grant; nil where no rules apply. No transaction is open while rules
// are asked.
func (ds *DataSource) authorize(ctx context.Context, req security.Request) (*DataSource, *security.Grant, error) {
	if ds.db.as == nil {
		return ds, nil, nil
	}
	src, err := ds.reach(ctx)
	if err != nil {
		return ds, nil, err
	}
	other := *ds
	if other.ruled = src.revision; ds.db.as.Admin {
		return &other, nil, nil
	}
	if ds.at.kind != latest && ds.db.as.IsAnonymous() {
		return nil, nil, nobody(ds.id) // versions need a token (spec 14.2)
	}
	grant, err := ds.decide(ctx, src, req)
	if err != nil {
		return nil, nil, err
	}
	other.veil = newVeil(grant.Columns, src.def.excluded(), ds.db.off)
	return &other, grant, nil
}

// public reports whether the data source may be read without a token (spec 14.2).
func (s *source) public() bool { return s.def.Public != nil && *s.def.Public }

// decide asks the rules of a data source about a request.
func (ds *DataSource) decide(ctx context.Context, src *source, req security.Request) (*security.Grant, error) {
	policy, err := src.policy()
	if err != nil {
		denied := &security.Denied{Operation: req.Operation, Reason: err.Error()}
		return nil, denied.On(src.id, src.def.Name)
	}
	req.Public = src.public()
	reader := ds.lookUps(src)
	defer reader.close()
	req.Reader, req.Report = reader, ds.db.reporting(src.id)
	grant, err := policy.Decide(ctx, ds.db.as, req, ds.db.opts.Scripts)
	var denied *security.Denied
	if errors.As(err, &denied) {
		return nil, denied.On(src.id, src.def.Name)
	}
	return grant, err
}

// selecting returns the handle with which a query reads: the principal's, if there is
// one, with what it may not read hidden. Rules and hooks may change the query's where.
func (ds *DataSource) selecting(ctx context.Context, op security.Operation, q *Query) (*DataSource, error) {
	guarded, where, err := ds.reading(ctx, op, q.Where)
	if where != nil {
		q.Where = where
	}
	return guarded, err
}

// reading is selecting for a where. It returns what rules and hooks made of that, nil
// when it stays.
func (ds *DataSource) reading(ctx context.Context, op security.Operation, where any) (*DataSource, json.RawMessage, error) {
	if ds.db.as == nil {
		hooked, err := ds.beforeQuery(ctx, where)
		return ds, hooked, err
	}
	asked, err := boundedWhere(where)
	if err != nil {
		return nil, nil, err
	}
	guarded, grant, err := ds.authorize(ctx, security.Request{Operation: op, Where: asked})
	if err != nil {
		return nil, nil, err
	}
	var ruled json.RawMessage
	if grant != nil && grant.Where.Kind() == document.Object && !document.Equal(grant.Where, asked) {
		ruled = document.AppendJSON(nil, grant.Where)
		if err := usable(ruled); err != nil && !ds.db.off.has(guardUsable) {
			return nil, nil, err
		}
		where = ruled
	}
	hooked, err := ds.beforeQuery(ctx, where) // after the rules (spec 10.4)
	if hooked == nil {
		hooked = ruled
	}
	return guarded, hooked, err
}

// usable makes sure that a where that a script has changed can be used, in one dialect or
// the other. What is wrong with it is not for its caller to see.
func usable(where any) error {
	for _, d := range []query.Dialect{query.Sift, query.Strict} {
		if _, err := query.Compile(where, query.ForDataSource(), query.WithDialect(d)); err == nil {
			return nil
		}
	}
	return errs.At(errs.InvalidQuery, "where", "what the rules made of the where cannot be used")
}

// boundedWhere is whereValue for a principal's, which may not be too much to be read.
func boundedWhere(where any) (document.Value, error) {
	var text []byte
	switch w := where.(type) {
	case string:
		text = []byte(w)
	case []byte:
		text = w
	case json.RawMessage:
		text = w
	}
	if err := query.DefaultLimits.CheckText(text); err != nil {
		return document.Value{}, err
	}
	return whereValue(where)
}

// whereValue reads a where as a value; absent for none.
func whereValue(where any) (document.Value, error) {
	text, err := whereJSON(where)
	if err != nil || text == nil {
		return document.Value{}, err
	}
	v, err := document.Parse(text, document.Limits{})
	if err != nil {
		return v, errs.Wrap(errs.InvalidQuery, err, "the where cannot be read")
	}
	return v, nil
}

// nobody is the error of a call for which somebody known has to ask.
func nobody(source int64) error { return (&security.Denied{Unauthorised: true}).On(source, "") }

// unrestricted refuses a call that no rule can grant to a principal that is not an
// admin.
func (db *DB) unrestricted(what string) error {
	switch {
	case db.as.Unrestricted(), db.off.has(guardUnrestricted):
		return nil
	case db.as.IsAnonymous():
		return nobody(0)
	}
	return errs.New(errs.Forbidden, "only an admin may %s", what)
}

// remembering is selecting for what concerns versions, which need a token.
func (ds *DataSource) remembering(ctx context.Context) (*DataSource, error) {
	if ds.db.as.IsAnonymous() && !ds.db.off.has(guardPast) {
		return nil, nobody(ds.id)
	}
	return ds.selectingAll(ctx)
}

// selectingAll is selecting for what cannot leave out entries: where a script limits a
// select to some, it is refused.
func (ds *DataSource) selectingAll(ctx context.Context) (*DataSource, error) {
	var q Query
	guarded, err := ds.selecting(ctx, security.Select, &q)
	if err != nil || ds.db.as == nil || ds.db.off.has(guardAllRows) {
		return guarded, err
	}
	if where, err := whereValue(q.Where); err != nil || where.Len() > 0 {
		denied := &security.Denied{Operation: security.Select, Reason: "a script of the rules lets only some of the entries be read"}
		return nil, denied.On(ds.id, "")
	}
	return guarded, nil
}

// everything refuses what concerns all data sources to principals that see only some.
func (db *DB) everything(what string) error {
	if db.as != nil && db.as.OrganizationID != nil {
		return errs.New(errs.Forbidden, "only an admin of every organization may %s", what)
	}
	return db.unrestricted(what)
}

// managing refuses to change a data source for principals that are not admins, and
// for those that do not see it.
func (ds *DataSource) managing(ctx context.Context, what string) error {
	if ds.db.as == nil {
		return nil
	}
	if _, err := ds.reach(ctx); err != nil {
		return err
	}
	return ds.db.unrestricted(what)
}

// excluded returns the columns that the definition never sends to anybody but admins
// (spec 14.5).
func (d *definition) excluded() []string {
	if len(d.Definition) == 0 {
		return nil
	}
	var keys map[string]json.RawMessage
	var columns []string
	if json.Unmarshal(d.Definition, &keys) != nil {
		return nil
	}
	var list []json.RawMessage
	if json.Unmarshal(keys["exclude"], &list) != nil {
		return nil
	}
	for _, item := range list {
		var name string
		if json.Unmarshal(item, &name) == nil {
			columns = append(columns, name)
		}
	}
	return columns
}

// shownTo returns a veil that hides the columns that no select would show to a
// principal. No script is asked.
func (s *source) shownTo(p *security.Principal, off guards) (*veil, error) {
	policy, err := s.policy()
	if err != nil {
		return nil, err
	}
	return newVeil(policy.Visible(p, s.public()), s.def.excluded(), off), nil
}

// creating checks what a principal wants to create: it belongs to the organization
// that the principal is bound to. Copying a version reads around the rules, so it is
// for admins.
func (db *DB) creating(spec *DataSourceSpec) error {
	p := db.as
	switch {
	case p == nil:
		return nil
	case p.IsAnonymous():
		return nobody(0)
	case spec.Version != nil && !p.Admin:
		return db.unrestricted("copy a version")
	case spec.OrganizationID == nil:
		spec.OrganizationID = clonePtr(p.OrganizationID)
	case !p.Sees(spec.OrganizationID) && !db.off.has(guardCreate):
		return errs.New(errs.Forbidden, "the token belongs to another organization than %d", *spec.OrganizationID)
	}
	if spec.AppID == nil {
		spec.AppID = clonePtr(p.AppID)
	}
	return nil
}
