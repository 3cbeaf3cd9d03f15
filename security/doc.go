// Package security decides what a caller may do with a data source. It reads no storage: it is
// handed rules, a caller and a request, and answers with a Grant or with Denied.
//
//	policy, err := security.ParseRules(text) // accessRules, checked
//	grant, err := policy.Decide(ctx, who, security.Request{Operation: security.Select, Where: where}, nil)
//	if err != nil {
//		return err // *Denied, or a failure of the host
//	}
//	// run grant.Where, and treat columns that grant.Hides as absent
//
// Everything is denied that no rule grants, and whatever cannot be judged counts against the
// caller.
//
// A Session is what the filters of views may ask for with values that start with `session.`:
// its Lookup is what query.WithSession takes.
//
//	s := &security.Session{User: map[string]any{"Region": "North"}}
//	m, err := query.Compile(view.Filter, query.ForDataSource(), query.WithSession(s.Lookup))
package security
