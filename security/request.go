package security

import (
	"time"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// Operation is what rules grant (spec 11.2).
type Operation string

// The operations.
const (
	Select Operation = "select"
	Insert Operation = "insert"
	Update Operation = "update"
	Delete Operation = "delete"
	Count  Operation = "count"
)

func (o Operation) known() bool {
	switch o {
	case Select, Insert, Update, Delete, Count:
		return true
	}
	return false
}

// writes reports whether the operation is judged by the data that is sent.
func (o Operation) writes() bool { return o == Insert || o == Update }

// Request is one operation of one call (spec 11.6). What of it counts:
//
//	call                            Operation  fields
//	find, query, indexes, ...       Select     Where
//	get entry by id                 Select     ByID, EntryID, Stored: the entry's data
//	countOnly                       Count      Where
//	insert                          Insert     Data: one
//	bulk import, commit             Insert     Data: all, List
//	update                          Update     Data: one, EntryID, Stored: the entry's data
//	commit                          Update     Data: all, List
//	delete entry                    Delete     ByID, Stored: one
//	commit, bulk replace, truncate  Delete     ByID, Stored: all that go, List
//	query delete                    Delete     Where, Stored: all that match, List
//
// An entry that does not exist is judged as one without columns: Stored is then an empty object
// (spec 11.10), and only if a rule grants is the answer that it is not found. Where a list is
// empty that should not be, an empty object is judged.
type Request struct {
	Operation Operation
	// Where is the where as sent; absent is `{}`. Whether it compiles is not looked at.
	Where document.Value
	// Data is what is sent to be inserted or to update with, each an object with the columns at
	// its top level, before GUIDs and hooks add to it and without reserved keys. The field of an
	// uploaded file counts as a column that is sent; columns made of it do not (spec 11.3(5)).
	Data []document.Value
	// Stored is the data of the stored entries.
	Stored []document.Value
	// ByID says that entries are asked for by id: rules judge Stored in place of Where.
	ByID bool
	// List says that scripts get lists; a request of several members is one in any case.
	List bool
	// EntryID is the entry of a request that concerns one, as scripts see it.
	EntryID int64
	// Public is the `public` flag of the data source. Without it an anonymous caller does not
	// reach the rules; with it, one may read where there are no rules (spec 14.2).
	Public bool
	// ScriptTime is how long one run of a script may take; 0 means 3 seconds.
	ScriptTime time.Duration
	// Reader serves what scripts look up in other data sources; nil rejects every look-up.
	Reader ScriptReader
	// Report is told of scripts that fail; it may be nil.
	Report func(ScriptFailure)
}

// Grant is leave to go on. A nil *Grant is none: it hides every column.
type Grant struct {
	// Columns are the limits of the rule that granted; see Hides and Limited.
	Columns Columns
	// Rule is the place of that rule, from 0, and Name its label. Rule is -1 when no rule was
	// needed.
	Rule int
	Name string
	// Where is what a select, count or query delete has to run with, in place of the one that
	// was sent: a script may have changed it. For an entry by id it is absent, unless a script
	// asked for more than the id: then the entry counts as not found when it does not match.
	Where document.Value
	// Data is what an insert or update has to store, in place of what was sent and in its order.
	Data []document.Value
}

// Hides reports whether a column does not exist for the caller.
func (g *Grant) Hides(column string) bool { return g == nil || g.Columns.Hides(column) }

// Limited reports whether the grant limits columns at all.
func (g *Grant) Limited() bool { return g == nil || g.Columns.Limited() }

// Denied is the error of a request that rules do not grant.
type Denied struct {
	Operation Operation
	// Unauthorised says that nobody is asking where somebody has to: 401, not 400.
	Unauthorised bool
	// Reason says why, for logs and tests. It may name rules and columns: callers that are not
	// admins must not see it.
	Reason string
}

// Error returns a sentence without the reason.
func (d *Denied) Error() string {
	if d.Unauthorised {
		return "nobody known is asking"
	}
	return "the security rules do not allow to " + d.Operation.word() + " data."
}

// On returns the error that a caller gets, which names the data source (spec 1.6, 11.10) and
// never the reason.
func (d *Denied) On(dataSourceID int64, name string) *errs.Error {
	if d.Unauthorised {
		e := errs.New(errs.Unauthorised, "The auth_token provided doesn't belong to any user.")
		e.DataSourceID = dataSourceID
		return e
	}
	e := errs.New(errs.Denied, `The security rules for the Data Source "%s" do not allow this app to %s data.`, name, d.Operation.word())
	e.DataSourceID, e.Operation = dataSourceID, d.Operation.word()
	return e
}

// word is the operation as messages call it.
func (o Operation) word() string {
	if o == Select {
		return "read"
	}
	return string(o)
}
