package siftdb

import (
	"context"
	"errors"

	"github.com/siftdb/siftdb/internal/errs"
	"github.com/siftdb/siftdb/storage"
	"github.com/siftdb/siftdb/storage/bolt"
)

// Error is what every call of this module returns when it fails, possibly
// wrapped: a Code for programs, a Message for people, the place of the fault in a
// query (Path), the ids of the subject, and the cause underneath. Reach it with
// errors.As; tell kinds apart with errors.Is and the Err values below.
type Error = errs.Error

// Code is the kind of an Error. Codes are stable strings such as "not_found".
type Code = errs.Code

// The kinds of errors, for errors.Is.
var (
	// ErrNotFound: no data source, entry or version of that id or name.
	ErrNotFound = errs.Sentinel(errs.NotFound, "not found")
	// ErrInvalidQuery: a malformed where, order, option or path. Error.Path names
	// the place.
	ErrInvalidQuery = errs.Sentinel(errs.InvalidQuery, "invalid query")
	// ErrInvalidInput: data or an argument that cannot be stored.
	ErrInvalidInput = errs.Sentinel(errs.InvalidInput, "invalid input")
	// ErrConflict: an IfChanged condition failed, a unique index has the value of
	// another entry, or a write was overtaken by others three times.
	ErrConflict = errs.Sentinel(errs.Conflict, "conflict")
	// ErrDenied: the access rules of a data source do not grant the operation, which
	// Error.Operation names.
	ErrDenied = errs.Sentinel(errs.Denied, "access denied")
	// ErrUnauthorised: somebody known has to ask, and nobody does.
	ErrUnauthorised = errs.Sentinel(errs.Unauthorised, "not authorised")
	// ErrForbidden: only an admin may do this.
	ErrForbidden = errs.Sentinel(errs.Forbidden, "forbidden")
	// ErrClosed: the database was closed.
	ErrClosed = errs.Sentinel(errs.Closed, "closed")
	// ErrReadOnly: the database, or a handle on an old version, takes no writes.
	ErrReadOnly = errs.Sentinel(errs.ReadOnly, "read-only")
	// ErrUnknownOutcome: a commit failed in a way that leaves open whether it was
	// applied. It was applied whole or not at all; the database is read-only until
	// it is opened again.
	ErrUnknownOutcome = errs.Sentinel(errs.Unknown, "outcome unknown")
	// ErrFull: the medium has no space left. Nothing was applied.
	ErrFull = errs.Sentinel(errs.Full, "storage full")
	// ErrUnavailable: the storage failed. Nothing was applied.
	ErrUnavailable = errs.Sentinel(errs.Unavailable, "storage unavailable")
	// ErrCorrupt: stored bytes are not what was written.
	ErrCorrupt = errs.Sentinel(errs.Corrupt, "corrupt")
	// ErrNoKey: the database holds encrypted data sources, and Options.Keys does not have
	// the key that they are encrypted with, or has another under its name.
	ErrNoKey = errs.Sentinel(errs.NoKey, "key missing")
	// ErrLocked: another process, or another DB of this one, holds the file.
	ErrLocked = errs.Sentinel(errs.Locked, "locked")
	// ErrNotDatabase: the file is something else, or of another format.
	ErrNotDatabase = errs.Sentinel(errs.NotDatabase, "not a database")
	// ErrSnapshotGone: the read took longer than Options.SnapshotAge allows, or
	// asks for a state that retention has dropped.
	ErrSnapshotGone = errs.Sentinel(errs.SnapshotGone, "snapshot gone")
	// ErrHistoryLost: changes that a feed or a subscription had yet to read have been
	// dropped by retention. Read the data source anew and go on from there.
	ErrHistoryLost = errs.Sentinel(errs.HistoryLost, "history lost")
	// ErrTooLarge: over a configured limit.
	ErrTooLarge = errs.Sentinel(errs.TooLarge, "too large")
)

// openError is fromStorage for a database that cannot be opened.
func openError(err error) error {
	var log *bolt.LogError
	if errors.As(err, &log) {
		code := errs.NotDatabase
		if errors.Is(err, storage.ErrCorrupt) {
			code = errs.Corrupt
		}
		return errs.Wrap(code, err, "the commit log of the database cannot be used; Recover, or the command siftdb recover, goes on without what is lost")
	}
	for _, known := range []error{storage.ErrLocked, storage.ErrNotDatabase, storage.ErrCorrupt, storage.ErrFull} {
		if errors.Is(err, known) {
			return fromStorage(err)
		}
	}
	return errs.Wrap(errs.Unavailable, err, "the database cannot be opened")
}

// fromStorage turns an error that crossed the storage contract into an Error.
// Errors that are one already, and those of the context, pass through.
func fromStorage(err error) error {
	if err == nil {
		return nil
	}
	return classified(err)
}

// classified is fromStorage for an error.
func classified(err error) error {
	var own *Error
	if errors.As(err, &own) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var commit *storage.CommitError
	var panicked *storage.PanicError
	switch {
	case errors.Is(err, storage.ErrClosed):
		return errs.Wrap(errs.Closed, err, "the database is closed")
	case errors.Is(err, storage.ErrReadOnly):
		return errs.Wrap(errs.ReadOnly, err, "the database takes no writes")
	case errors.Is(err, storage.ErrLocked):
		return errs.Wrap(errs.Locked, err, "the database cannot be opened")
	case errors.Is(err, storage.ErrNotDatabase) && !errors.Is(err, storage.ErrCorrupt):
		return errs.Wrap(errs.NotDatabase, err, "the database cannot be opened")
	case errors.As(err, &commit) && commit.Outcome == storage.Unknown:
		return errs.Wrap(errs.Unknown, err, "it is not known whether the write was applied; the database is read-only until opened again")
	case errors.Is(err, storage.ErrFull):
		return errs.Wrap(errs.Full, err, "nothing was applied")
	case errors.Is(err, storage.ErrCorrupt):
		return errs.Wrap(errs.Corrupt, err, "the database cannot be read")
	case errors.As(err, &panicked):
		return errs.Wrap(errs.Internal, err, "the write was not applied")
	case errors.Is(err, storage.ErrKeySize):
		return errs.Wrap(errs.Internal, err, "the write was not applied")
	}
	return errs.Wrap(errs.Unavailable, err, "the storage failed")
}
