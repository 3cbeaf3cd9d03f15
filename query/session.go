package query

import (
	"strings"

	"github.com/siftdb/siftdb/internal/document"
	"github.com/siftdb/siftdb/internal/errs"
)

// WithSession makes the where one of a view: every text value in it that starts with
// `session.`, at any depth, stands for what lookup gives for the rest of the text. Keys are
// read as written, and so are the condition of a member of $filters and $options.
//
// What is found is data and never part of the language: no operator in it counts, and a text in
// it that starts with `session.` is a text. An array that a column is compared with by equality
// is a list of $in, and inside a list of $in or $nin its members are members of that list.
//
// What is not found equals nothing, and no column is in any relation with it: conditions on it
// are false, also on columns that are null or absent, and the negations $ne, $nin and $nor are
// true. A null counts as not found, and an object too; so does the empty text in $filters, which
// there would mean that the member is not configured. In an array this goes for each member; in
// an operand that is compared as a whole, such as a list written in the where, one part that is
// not found is enough. A nil lookup finds nothing.
//
// lookup is called while Compile runs, perhaps several times for one path, and not after. The
// Strict dialect has no session values: Compile refuses the two together.
func WithSession(lookup func(path string) (value any, ok bool)) Option {
	if lookup == nil {
		lookup = func(string) (any, bool) { return nil, false }
	}
	return func(s *settings) { s.session = lookup }
}

const sessionPrefix = "session."

// Operators that take their operand as it is written, and see to session values on their way.
// The others get one in which they are inserted.
var (
	insertsOperand = map[string]bool{"$eq": true, "$ne": true, "$not": true, "$elemMatch": true, "$filters": true, "$where": true}
	insertsMembers = map[string]bool{"$in": true, "$nin": true, "$all": true, "$and": true, "$or": true, "$nor": true}
)

// negations are the other operators that are true of what equals nothing.
var negations = map[string]bool{"$nin": true, "$nor": true}

// operator compiles an operator, with the session's values in its operand.
func (c *compiler) operator(key string, compile compileFunc, o operand) (node, error) {
	if c.session == nil || insertsOperand[key] {
		return compile(c, o)
	}
	arg, asks, err := c.insert(o.arg)
	ok := arg.Kind() != document.Absent
	switch {
	case err != nil:
		return nil, err
	case insertsMembers[key]:
		if !asks {
			return compile(c, o)
		}
	default:
		if arg, ok, err = c.literal(o.arg); err != nil {
			return nil, err
		}
	}
	if !ok {
		return unresolved(negations[key]), nil
	}
	// Nothing in what was found asks for more.
	lookup := c.session
	c.session = nil
	defer func() { c.session = lookup }()
	o.arg = arg
	return compile(c, o)
}

// insert gives what a text that asks for a value of the session stands for, which is absent
// when it equals nothing, and never an object; members of a list can be absent, too. Every
// other value is given back, and asks is false.
func (c *compiler) insert(v document.Value) (found document.Value, asks bool, err error) {
	if c.session == nil || v.Kind() != document.String {
		return v, false, nil
	}
	path, asks := strings.CutPrefix(v.Str(), sessionPrefix)
	if !asks {
		return v, false, nil
	}
	value, ok := c.session(path)
	if !ok {
		return document.Value{}, true, nil
	}
	found, err = document.FromGo(value, document.Limits{Depth: defaultDepth, Keys: -1, KeyBytes: -1})
	if err != nil {
		e := errs.Wrap(errs.InvalidQuery, err, "the value of %s cannot be read", v.Str())
		e.Path = strings.Join(c.path, ".")
		return found, true, e
	}
	switch found.Kind() {
	case document.Null, document.Object:
		return document.Value{}, true, nil
	case document.String:
		if c.inFilters && found.Len() == 0 {
			return document.Value{}, true, nil
		}
	case document.Array:
		return c.foundList(found)
	}
	return found, true, nil
}

// foundList gives a list of the session with members absent that equal nothing.
func (c *compiler) foundList(list document.Value) (found document.Value, asks bool, err error) {
	if most := c.limits.InValues; most > 0 && list.Len() > most {
		return found, true, c.fail("the list has %d members; %d are allowed", list.Len(), most)
	}
	members := make([]any, 0, list.Len())
	for m := range list.Items() {
		if m.Kind() == document.Null || m.Kind() == document.Object {
			m = document.Value{}
		}
		members = append(members, m)
	}
	return document.Of(members), true, nil
}

// literal inserts the session's values into a value that is compared as a whole. ok is false
// when a part of it equals nothing: then all of it does.
func (c *compiler) literal(v document.Value) (whole document.Value, ok bool, err error) {
	v, asks, err := c.insert(v)
	switch {
	case err != nil || v.Kind() == document.Absent:
		return v, false, err
	case c.session == nil || v.Kind() < document.Array:
		return v, true, nil
	case v.Kind() == document.Object:
		return c.literalObject(v)
	}
	members := make([]any, 0, v.Len())
	for m := range v.Items() {
		if ok = m.Kind() != document.Absent; ok && !asks {
			m, ok, err = c.literal(m)
		}
		if !ok {
			return v, false, err
		}
		members = append(members, m)
	}
	return document.Of(members), true, nil
}

func (c *compiler) literalObject(v document.Value) (whole document.Value, ok bool, err error) {
	fields := make(D, 0, v.Len())
	for key, e := range v.Fields() {
		if e, ok, err = c.literal(e); !ok {
			return v, false, err
		}
		fields = append(fields, E{key, e})
	}
	return document.Of(fields), true, nil
}

// spliced gives a list of values with the session's values inserted, the members of its lists
// as members. Members that are objects stay as they are written.
func (c *compiler) spliced(list document.Value) (document.Value, error) {
	if c.session == nil {
		return list, nil
	}
	members := make([]any, 0, list.Len())
	for m := range list.Items() {
		found, asks, err := c.insert(m)
		if err != nil {
			return list, err
		}
		switch {
		case asks && found.Kind() == document.Array:
			for m := range found.Items() {
				members = append(members, m)
			}
			continue
		case !asks && m.Kind() == document.Array:
			var ok bool
			if found, ok, err = c.literal(m); err != nil {
				return list, err
			} else if !ok {
				found = document.Value{}
			}
		}
		members = append(members, found)
	}
	return document.Of(members), nil
}

// insertFilter inserts the session's values into a member of $filters.
func (c *compiler) insertFilter(f *filter) error {
	if c.session == nil {
		return nil
	}
	c.inFilters = true
	defer func() { c.inFilters = false }()
	fields := make(D, 0, f.member.Len())
	for key, v := range f.member.Fields() {
		c.push(key)
		found, err := c.filterField(f, key, v)
		if err != nil {
			return err
		}
		c.pop()
		fields = append(fields, E{key, found})
	}
	f.member = document.Of(fields)
	f.value = f.member.Field("value")
	return nil
}

func (c *compiler) filterField(f *filter, key string, v document.Value) (document.Value, error) {
	switch {
	case key == "condition" || key == "timezone":
		return v, nil
	case key == "value" && f.condition == "oneof" && v.Kind() == document.Array:
		return c.spliced(v)
	case key == "value" && memberConditions[f.condition]:
		found, asks, err := c.insert(v)
		if asks && found.Kind() == document.Array || err != nil {
			f.anyOf = true
			return found, err
		}
	}
	found, ok, err := c.literal(v)
	if !ok {
		f.nothing = true
		found = document.Value{}
	}
	return found, err
}

// memberConditions take a list of the session as several values, one of which is enough.
var memberConditions = map[string]bool{"==": true, "!=": true, "oneof": true}

// nothingFilter is what a condition is when its value equals nothing.
func nothingFilter(condition string) node {
	switch condition {
	case "!=":
		return &filterEqual{never: true, not: true}
	case "notcontain":
		return &filterContains{never: true, not: true}
	}
	return never{}
}

// never is a condition with a value that equals nothing.
type never struct{}

func (never) test(*Record, document.Value, place) verdict { return no }

func unresolved(negated bool) node {
	if negated {
		return &not{never{}}
	}
	return never{}
}
