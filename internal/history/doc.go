// Package history is the log of a data source: a header for every write, which
// says what it touched, and the before-images of the entries it changed.
//
// Version V is the backup taken just before write V, the state after commit V-1.
// An entry's state after commit c is its first image with a version above c, or
// else the entry as it is now; in both cases only if it was born at c or earlier.
// Everything else (restore, diff, change feed, reads of old versions) follows
// from that rule and a scan of the headers.
package history
