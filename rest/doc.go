// Package rest serves a siftdb database over HTTP, with the endpoints, statuses and bodies of
// spec 12.
//
//	handler, err := rest.NewHandler(db, rest.Options{Authenticator: tokens})
//	...
//	http.ListenAndServe("127.0.0.1:8080", handler)
//
// The handler finds out who asks, turns the request into the call that a Go program would make on
// a handle that acts for that caller (siftdb.DB.As), and writes what comes back. It holds no rule
// and no query logic of its own. All paths begin with /v1/; it can be mounted under any prefix,
// through http.StripPrefix or Options.Prefix (mount.go).
//
// To read the code: handler.go takes a request from its first byte to its last, routes.go is the
// table of all endpoints, router.go finds a line in it, auth.go and tokens.go say who asks,
// decode.go, form.go and multipart.go read bodies, sources.go, entries.go, versions.go and
// account.go are the endpoints, encode.go and status.go write answers and errors, openapi.go and
// schema.go describe all of it.
package rest
