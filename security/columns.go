package security

import (
	"maps"
	"slices"
)

// limits is what one rule, or one script, says of columns. The zero limits are none.
type limits struct {
	include set // only these; nil when there is no such list, which an empty one is not
	exclude set // all but these
}

// set is a set of names.
type set map[string]bool

func (l limits) hides(column string) bool {
	return l.exclude[column] || l.include != nil && !l.include[column]
}

func (l limits) limited() bool { return l.include != nil || len(l.exclude) > 0 }

// and returns limits that hide what either of the two hides.
func (l limits) and(m limits) limits {
	both := limits{include: l.include, exclude: maps.Clone(l.exclude)}
	if both.exclude == nil {
		both.exclude = set{}
	}
	maps.Copy(both.exclude, m.exclude)
	switch {
	case l.include == nil:
		both.include = m.include
	case m.include != nil:
		both.include = set{}
		for name := range l.include {
			if m.include[name] {
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
	if c.hidden[column] {
		return true
	}
	return !slices.ContainsFunc(c.oneOf, func(l limits) bool { return !l.hides(column) })
}

// Limited reports whether there are limits at all; without them Hides is false for every name.
func (c Columns) Limited() bool {
	if len(c.hidden) > 0 {
		return true
	}
	return !slices.ContainsFunc(c.oneOf, func(l limits) bool { return !l.limited() })
}

// Without returns Columns that hide other names, too, such as those of `definition.exclude`.
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
