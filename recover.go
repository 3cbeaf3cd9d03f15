package siftdb

import (
	"context"

	"github.com/siftdb/siftdb/storage/bolt"
)

// Recovery tells what Recover has done.
type Recovery struct {
	// Records is how many records of the commit log the file has got; each holds the commits of
	// one wait for the disk.
	Records int
	// Lost says what is wrong with the commit log: it wraps ErrCorrupt, or ErrNotDatabase for
	// another file's. Writes that were acknowledged may be lost then. Nil means that nothing is
	// wrong, and nothing lost.
	Lost error
	// Aside is where the commit log is now that could not be used; empty when there is none.
	Aside string
}

// Recover makes a database file usable again that Open refuses with ErrCorrupt or ErrNotDatabase
// because its commit log is missing, damaged, or another file's. The file gets what the log holds
// up to the first fault: the database is then in the state after some commit, whole, and what came
// later is given up. A log with a fault is moved aside and not removed. Of a file with nothing
// wrong, all that is in its log goes into the file, as Open and Close do it.
//
// Damage in the file itself stays; Check finds it. Recover fails as Open does when the file
// cannot be opened, and with ErrLocked while a database is open on it; it can be called again
// after an error.
func Recover(ctx context.Context, path string) (Recovery, error) {
	if err := ctx.Err(); err != nil {
		return Recovery{}, err
	}
	r, err := bolt.Recover(path, bolt.Options{})
	if err != nil {
		return Recovery(r), openError(err)
	}
	if r.Lost != nil {
		r.Lost = openError(r.Lost)
	}
	return Recovery(r), nil
}
