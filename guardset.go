package siftdb

import "github.com/siftdb/siftdb/security"

// guard is one of the places at which what a principal may not see or do is kept from it.
// Each has a name, so that a test can switch one off and show that the loss is noticed.
type guard uint8

const (
	guardStored         guard = iota // hidden columns that are stored by number are taken out
	guardInline                      // and those that are stored by name
	guardFileIDs                     // the id of a file is hidden with its column
	guardExclude                     // definition.exclude
	guardSight                       // entries lose what is hidden before a where sees them
	guardScan                        // and so do those of a scan, which no judge looks at before
	guardViewsBehind                 // views do not use what rules hide
	guardViewErrors                  // errors of views do not quote them
	guardUsable                      // nor those of a where that a script made
	guardIsColumn                    // the name of a hidden column is no column
	guardVersionColumns              // nor in the columns of a version
	guardTrim                        // hooks, rules and definition are for admins
	guardTrimColumns                 // Info lists what is shown
	guardShow                        // an entry by its id loses what is hidden
	guardMeets                       // and is one of those to which a script limits
	guardUnknown                     // a get of an id that does not exist is judged
	guardUnknownUpdate               // and an update
	guardUnknownRemove               // and a removal
	guardUnknownDelete               // and a deletion by a commit
	guardAllRows                     // what cannot leave rows out is refused where a script does
	guardSibling                     // a joined data source is read through its own veil
	guardSiblingRules                // and its own rules are asked
	guardDeleteQuery                 // a delete query selects by what is seen
	guardBlindUpdate                 // an update of what is not seen counts as a change
	guardBlindCommit                 // also in a commit
	guardKeeping                     // a replace keeps what is not seen
	guardKept                        // and does not tell whether there was any
	guardKeys                        // the limit of keys counts what is seen
	guardRehash                      // a hash that is not seen is hashed again
	guardWritten                     // a write answers with what is seen
	guardNaming                      // columns that a write names are judged
	guardHopeless                    // what no rule grants is refused whatever is there
	guardGoes                        // what is deleted is what was judged
	guardRestore                     // a restore does not tell of excluded columns
	guardExplainWhere                // Explain shows the where that was sent
	guardExplainDetail               // and not how hidden columns are read
	guardRuled                       // what follows asks again when rules change
	guardInScope                     // a subscription judges a foreign entry as it is seen
	guardPast                        // versions are not for nobody
	guardOrganization                // data sources of other organizations do not exist
	guardMet                         // those that are not public do not exist for nobody
	guardWithheld                    // nobody is not told which others there are
	guardUnrestricted                // what no rule grants is for admins
	guardFile                        // a file is read by who reads its entry
	guardFileColumn                  // and its column
	guardFileCheck                   // and whom the host lets
	guardFileDelete                  // and deleted by who may set the column
	guardHandle                      // a commit does not take over another principal's handle
	guardCreate                      // nobody creates for another organization
	guardCount                       // how many there are
)

// guardNames are what tests call the guards.
var guardNames = [guardCount]string{"stored columns", "inline columns", "ids of files", "definition.exclude", "sight", "scan", "views behind rules", "errors of views", "errors of ruled wheres",
	"names of columns", "columns of versions", "trim", "trim of columns", "show by id", "script by id", "unknown get", "unknown update", "unknown remove",
	"unknown delete", "scripts on all rows", "sibling's veil", "sibling's rules", "delete query", "blind update", "blind commit", "keeping", "nothing kept", "limit of keys", "rehash", "written", "naming",
	"hopeless", "judged deletions", "restore of excluded", "where of explain", "detail of explain", "changed rules", "is in scope", "past of nobody", "organization", "not public", "withheld from nobody",
	"unrestricted", "file of an entry", "file's column", "file access", "file deletion", "foreign handle", "foreign organization"}

// guards is a set of guards. The zero value, which is all that there is outside of tests,
// is of none.
type guards uint64

// has reports whether a guard is in the set.
func (g guards) has(one guard) bool { return g&(1<<one) != 0 }

// hides is what a column is hidden by, as far as no guard of it is off.
func (g guards) hides(hides func(column string) bool) func(column string) bool {
	if !g.has(guardFileIDs) {
		return hides
	}
	return func(column string) bool { return security.FileColumn(column) == "" && hides(column) }
}
