// Package column keeps columns of a data source in memory, as vectors: for each entry the
// number of its value in a dictionary of distinct values. A condition on a column is tested
// once for each distinct value, and then looked up for each entry; an order is sorted once for
// the distinct values; and so on. Nothing here knows of storage.
//
// A Table is what is held of one data source after one commit. It is immutable: a change makes
// another Table, which shares with it what stayed. What is shared is only ever appended to, by
// one goroutine at a time (the owner of the newest Table), and readers of older Tables do not
// look behind the end that they know.
package column
