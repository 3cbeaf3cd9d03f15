// Package errs holds the one error type that every layer of siftdb returns, so
// that low layers can name a code without knowing the public package. The root
// package exports these names as aliases; programs use those.
package errs

import "fmt"

// Code says what kind of failure an error is. Codes are stable; messages are not.
type Code string

// The codes. The HTTP status a handler answers with follows from the code.
const (
	NotFound     Code = "not_found"     // no such data source, entry or version
	InvalidQuery Code = "invalid_query" // a malformed where, order, option or path
	InvalidInput Code = "invalid_input" // data or an argument that cannot be stored
	Conflict     Code = "conflict"      // a condition on changed failed, or too many retries
	Denied       Code = "access_denied" // access rules say no
	Unauthorised Code = "unauthorised"  // nobody, or nobody known, is asking
	Forbidden    Code = "forbidden"     // known, but not allowed to manage
	Closed       Code = "closed"        // the database or handle is closed
	ReadOnly     Code = "read_only"     // the store, or the handle, takes no writes
	Unknown      Code = "unknown"       // a commit whose outcome is unknown
	Full         Code = "storage_full"  // no space left
	Unavailable  Code = "unavailable"   // the storage failed; nothing was applied
	Corrupt      Code = "corrupt"       // stored bytes are not what was written
	NoKey        Code = "no_key"        // what is encrypted cannot be read with the keys given
	Locked       Code = "locked"        // another process holds the file
	NotDatabase  Code = "not_database"  // the file is something else
	SnapshotGone Code = "snapshot_gone" // the read, or the version, is older than what is kept
	HistoryLost  Code = "history_lost"  // changes that were not read yet have been dropped
	TooLarge     Code = "too_large"     // over a configured limit
	Internal     Code = "internal"      // a bug in siftdb
)

// Error is a failure with a code for programs and a sentence for people.
type Error struct {
	// Code is the kind of failure.
	Code Code
	// Message is one sentence that names the subject, for example
	// `entry 12 of data source "Users" does not exist`.
	Message string
	// Path is where in a query or document the fault lies, in dotted form
	// ("where.Age.$gt"); empty when the fault has no place.
	Path string
	// DataSourceID and EntryID name the subject; zero when there is none.
	DataSourceID int64
	EntryID      int64
	// Operation is the operation that access rules denied; empty otherwise.
	Operation string
	// Err is the cause, reached by errors.Is and errors.As; nil when there is none.
	Err error

	sentinel bool
}

// New returns an error with a code and a formatted sentence.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an error with a code and a formatted sentence over a cause.
// The cause's own text is appended to the sentence by Error.
func Wrap(code Code, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Err: cause}
}

// At returns an error with a code, the place of the fault in dotted form, and a
// formatted sentence.
func At(code Code, path, format string, args ...any) *Error {
	return &Error{Code: code, Path: path, Message: fmt.Sprintf(format, args...)}
}

// Sentinel returns an error that matches, through errors.Is, every Error of its code.
func Sentinel(code Code, message string) *Error {
	return &Error{Code: code, Message: message, sentinel: true}
}

// Error returns the sentence, the place of the fault where there is one, and the
// text of the cause.
func (e *Error) Error() string {
	s := e.Message
	if e.Path != "" {
		s += " (at " + e.Path + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the sentinel of this error's code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.sentinel && t.Code == e.Code
}
