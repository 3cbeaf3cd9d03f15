// Package plan chooses how a query finds its entries: by their ids, by indexes, or, when it
// chooses none, by whatever comes after those. It estimates by short dives into the indexes,
// which it asks of a Source, and knows nothing of storage.
//
// A Path proposes every entry that matches and maybe others, so whoever follows it still tests
// what it finds, unless the Path is exact.
package plan
