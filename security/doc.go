// Package security holds what siftdb knows of a caller.
//
// A Session is what the filters of views may ask for with values that start with `session.`:
// its Lookup is what query.WithSession takes.
//
//	s := &security.Session{User: map[string]any{"Region": "North"}}
//	m, err := query.Compile(view.Filter, query.ForDataSource(), query.WithSession(s.Lookup))
package security
