package security

import (
	"maps"
	"slices"
	"strings"
)

// FileIDSuffix ends the name of the column that an upload into another column writes beside it:
// the id of the file (spec 13). What hides a column hides that one, too.
const FileIDSuffix = "MediaFileId"

// FileColumn returns the column of the file whose id a column holds, "" when it holds none.
func FileColumn(column string) string {
	base, ok := strings.CutSuffix(column, FileIDSuffix)
	if !ok {
		return ""
	}
	return base
}

// limits is what one rule, or one script, says of columns. The zero limits are none.
type limits struct {
	include set // only these; nil when there is no such list, which an empty one is not
	exclude set // all but these
}

// set is a set of names.
type set map[string]bool

// hides tells whether a column is hidden. That with the id of a file follows the column of the
// file, unless it is itself included.
func (l limits) hides(column string) bool {
	if l.include != nil {
		return l.exclude[column] || !l.include[column]
	}
	base := FileColumn(column)
	return l.exclude[column] || base != "" && l.hides(base)
}

func (l limits) limited() bool { return l.include != nil || len(l.exclude) > 0 }

// and returns limits that hide what either of the two hides.
func (l limits) and(m limits) limits {
	if l.include == nil && m.include == nil {
		both := limits{exclude: set{}}
		maps.Copy(both.exclude, l.exclude)
		maps.Copy(both.exclude, m.exclude)
		return both
	}
	both := limits{include: set{}}
	for _, names := range []set{l.include, m.include} {
		for name := range names {
			if !l.hides(name) && !m.hides(name) {
				both.include[name] = true
			}
		}
	}
	return both
}

// Columns says which top-level columns somebody may read or write (spec 11.9). The zero Columns
// hides every one. It may be used by several goroutines.
type Columns struct {
	oneOf  []limits // a column shows when one of these shows it
	hidden set      // and it is not one of these
}

// allColumns hides none.
var allColumns = Columns{oneOf: []limits{{}}}

// Hides reports whether a column does not exist for the caller: it is left out of what is sent,
// and everything that the caller can influence sees it as absent.
func (c Columns) Hides(column string) bool {
	if c.withholds(column) {
		return true
	}
	return !slices.ContainsFunc(c.oneOf, func(l limits) bool { return !l.hides(column) })
}

// withholds reports whether a column is one of those that are hidden beside the limits of rules.
func (c Columns) withholds(column string) bool {
	base := FileColumn(column)
	return c.hidden[column] || base != "" && c.withholds(base) && !c.Includes(column)
}

// Includes reports whether a column is among those that a rule names to be shown.
func (c Columns) Includes(column string) bool {
	return slices.ContainsFunc(c.oneOf, func(l limits) bool { return l.include[column] && !l.hides(column) })
}

// Limited reports whether there are limits at all; without them Hides is false for every name.
func (c Columns) Limited() bool {
	if len(c.hidden) > 0 {
		return true
	}
	return !slices.ContainsFunc(c.oneOf, func(l limits) bool { return !l.limited() })
}

// Without returns Columns that hide other names, too, such as those of `definition.exclude`. That
// of the id of a file follows the column of the file, unless a rule includes it.
func (c Columns) Without(names ...string) Columns {
	if len(names) == 0 {
		return c
	}
	more := maps.Clone(c.hidden)
	if more == nil {
		more = set{}
	}
	for _, name := range names {
		more[name] = true
	}
	return Columns{oneOf: c.oneOf, hidden: more}
}
