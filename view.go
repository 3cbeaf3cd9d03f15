package siftdb

import (
	"context"
	"encoding/json"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/query"
	"github.com/siftdb/siftdb/security"
)

// WithSession returns a handle whose views take values such as session.Email from a
// session (spec 7). It wins over one that the context carries. A session grants
// nothing.
func (ds *DataSource) WithSession(s *security.Session) *DataSource {
	other := *ds
	other.session = plainSession(s)
	return &other
}

// plainSession returns a copy of a session that holds plain values only, so that no
// method of theirs runs while a transaction is open, and nobody changes them. What has
// no JSON form is an error when a view names it. Nil is a session without values.
func plainSession(s *security.Session) *security.Session {
	if s == nil {
		return new(security.Session)
	}
	plain := *s
	for _, values := range []*map[string]any{&plain.Values, &plain.User, &plain.Attributes} {
		if *values == nil {
			continue
		}
		own := make(map[string]any, len(*values))
		for name, v := range *values {
			value, err := document.FromGo(v, document.Limits{})
			if own[name] = value.Go(); err != nil {
				own[name] = formless{err}
			}
		}
		*values = own
	}
	return &plain
}

// formless stands for a value of a session that has no JSON form.
type formless struct{ err error }

// MarshalJSON fails with the reason.
func (f formless) MarshalJSON() ([]byte, error) { return nil, f.err }

type sessionKey struct{}

// ContextWithSession returns a context under which views take their values from a
// session, for handles that have none of their own.
func ContextWithSession(ctx context.Context, s *security.Session) context.Context {
	return context.WithValue(ctx, sessionKey{}, plainSession(s))
}

// in returns a handle with the session of its principal, or else the one that the
// context carries, unless it has one of its own.
func (ds *DataSource) in(ctx context.Context) *DataSource {
	if ds.session != nil {
		return ds
	}
	other := *ds
	if other.session = ds.db.session; ds.db.as == nil {
		other.session, _ = ctx.Value(sessionKey{}).(*security.Session)
	}
	return &other
}

// filter returns what an entry must match: the where, and any of the views.
func (c *compiled) filter(src *source, session *security.Session) (*query.Matcher, error) {
	if len(c.views) == 0 {
		return c.where, nil
	}
	defined, err := src.views()
	if err != nil {
		return nil, err
	}
	views := make([]*query.Matcher, len(c.views))
	for i, name := range c.views {
		text, ok := defined[name]
		if !ok {
			return nil, errs.At(errs.InvalidQuery, "view", "data source %d has no view %q", src.id, name)
		}
		views[i], err = query.Compile(text, query.ForDataSource(), query.WithSession(session.Lookup))
		if err != nil && src.veil != nil && !src.veil.off.has(guardViewErrors) { // the cause would quote the filter
			return nil, errs.At(errs.InvalidQuery, "view", "the filter of view %q of data source %d cannot be used", name, src.id)
		}
		if err != nil {
			return nil, errs.Wrap(errs.InvalidQuery, err, "the filter of view %q of data source %d cannot be used", name, src.id)
		}
	}
	return query.All(c.where, query.Any(views...)), nil
}

// views returns the filters of the views in the definition, by name. Of two views of
// one name the first counts. What is no view, or has no filter, is refused only when
// it is named: it is null here.
func (s *source) views() (map[string]json.RawMessage, error) {
	filters := make(map[string]json.RawMessage)
	if len(s.def.Definition) == 0 {
		return filters, nil
	}
	var keys map[string]json.RawMessage // a struct would take Views for views
	var list []json.RawMessage
	if err := json.Unmarshal(s.def.Definition, &keys); err != nil {
		return nil, errs.Wrap(errs.Corrupt, err, "the definition of data source %d cannot be read", s.id)
	}
	if text := keys["views"]; text != nil {
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, errs.At(errs.InvalidQuery, "view", "the views of data source %d are no array", s.id)
		}
	}
	for _, member := range list {
		var v map[string]json.RawMessage
		var name string
		if json.Unmarshal(member, &v) != nil || json.Unmarshal(v["name"], &name) != nil {
			continue
		}
		if _, dup := filters[name]; dup {
			continue
		}
		if filters[name] = v["filter"]; filters[name] == nil {
			filters[name] = json.RawMessage("null")
		}
	}
	return filters, nil
}
