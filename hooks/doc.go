// Package hooks decides what the hooks of a data source (spec 10) do to a write or a query, and
// what they send. It reads no storage and starts nothing: it is handed hooks, data and a source
// label, and answers with new data, a new where, or deliveries to keep.
//
//	chain, err := hooks.Parse(text)                        // hooks as they are stored, checked
//	data, err = chain.Save(ctx, hooks.SaveInput{Event: hooks.Insert, Data: data, Hash: hash})
//	where, err = chain.Query(ctx, hooks.QueryInput{Where: where, Hash: hash})
//	list, failed, err := chain.Deliveries(ctx, hooks.DeliverInput{Event: hooks.Insert, Data: data})
//
// A Chain is compiled once. A hook that is broken, by a template or a condition that cannot be
// read or an operation that nobody knows, can be stored; it fails when it is due, and Problems
// tells in advance.
//
// A Delivery is a value for an outbox: it is rendered once, has a JSON form, and is sent by
// Senders later, as often as Retry says. Senders takes e-mail, SMS and push from the host
// program; web requests go through NewWebClient, which reaches public addresses only.
package hooks
