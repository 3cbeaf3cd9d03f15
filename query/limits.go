package query

import (
	"strconv"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// Limits bounds what one where may ask. A field that is 0 sets no bound, except Depth.
type Limits struct {
	// Depth is how many objects and arrays may lie inside each other; 0 means 50.
	Depth int
	// Nodes is how many keys and list members the where may have in all. Members of the lists
	// of $in, $nin and $filters that are neither objects nor lists are not counted.
	Nodes int
	// InValues is how many members one list of $in, $nin or $filters may have.
	InValues int
	// RegexpBytes is the length of a regular expression.
	RegexpBytes int
	// RegexpCost bounds the work of one regular expression on one text: the size of its
	// program times the bytes of the text. Where a text goes over it, the document does not
	// match, whatever negation stands around, and Record.Err says so.
	RegexpCost int
}

// DefaultLimits holds wheres of callers that are not trusted.
var DefaultLimits = Limits{Depth: 50, Nodes: 10_000, InValues: 100_000, RegexpBytes: 1_000, RegexpCost: 2e7}

const defaultDepth = 50

// check walks the whole where before anything is compiled. It descends no deeper than the
// limit, so nothing after it can run deep.
func (l Limits) check(v document.Value) error {
	if l.Depth == 0 {
		l.Depth = defaultDepth
	}
	nodes := 0
	return l.walk(v, 1, "where", false, &nodes)
}

func (l Limits) walk(v document.Value, depth int, path string, list bool, nodes *int) error {
	kind := v.Kind()
	if kind != document.Object && kind != document.Array {
		return nil
	}
	if l.Depth > 0 && depth > l.Depth {
		return errs.At(errs.InvalidQuery, "where", "the where is nested more than %d deep", l.Depth)
	}
	if list && kind == document.Array && l.InValues > 0 && v.Len() > l.InValues {
		return errs.At(errs.InvalidQuery, path, "the list has %d members; %d are allowed", v.Len(), l.InValues)
	}
	count := func() error {
		*nodes++
		if l.Nodes > 0 && *nodes > l.Nodes {
			return errs.At(errs.InvalidQuery, "where", "the where has more than %d keys and members", l.Nodes)
		}
		return nil
	}
	if kind == document.Object {
		for key, e := range v.Fields() {
			if err := count(); err != nil {
				return err
			}
			inList := key == "$in" || key == "$nin" || key == "value"
			if err := l.walk(e, depth+1, path+"."+key, inList, nodes); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range v.Len() {
		e := v.At(i)
		if scalar := e.Kind() != document.Object && e.Kind() != document.Array; scalar {
			if !list {
				if err := count(); err != nil {
					return err
				}
			}
			continue
		}
		if err := count(); err != nil {
			return err
		}
		if err := l.walk(e, depth+1, path+"."+strconv.Itoa(i), false, nodes); err != nil {
			return err
		}
	}
	return nil
}

// CheckText refuses a where as JSON text that has more in it than the limits can allow,
// before it is read: its commas are counted. What it lets through may be refused later.
func (l Limits) CheckText(text []byte) error {
	if l.Nodes <= 0 || l.InValues <= 0 || len(text) <= l.Nodes {
		return nil
	}
	commas, lists, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ',':
			commas++
		case c == '[':
			lists++
		}
	}
	// Each comma is before a member that counts, or that is one of those of a list.
	if commas > l.Nodes+l.InValues*min(lists, l.Nodes) {
		return errs.At(errs.InvalidQuery, "where", "the where has more than %d keys and members, or a list of more than %d", l.Nodes, l.InValues)
	}
	return nil
}
