package query

import (
	"github.com/siftdb/siftdb/internal/document"
)

// operand is what an operator is given.
type operand struct {
	arg    document.Value
	parent document.Value // the object in which the operator stands
	level  level
}

// compileFunc compiles one operator.
type compileFunc func(c *compiler, o operand) (node, error)

// operators are the operators of the Sift dialect.
var operators map[string]compileFunc

// dataOperators are those that only a where on a data source has.
var dataOperators = map[string]bool{"$filters": true}

func init() {
	operators = map[string]compileFunc{
		"$eq":        compileEq,
		"$ne":        compileNe,
		"$gt":        compileOrder(greaterThan),
		"$gte":       compileOrder(greaterOrEqual),
		"$lt":        compileOrder(lessThan),
		"$lte":       compileOrder(lessOrEqual),
		"$in":        compileIn,
		"$nin":       compileNin,
		"$all":       compileAll,
		"$size":      compileSize,
		"$and":       compileAnd,
		"$or":        compileOr,
		"$nor":       compileNor,
		"$not":       compileNot,
		"$exists":    compileExists,
		"$type":      compileType,
		"$mod":       compileMod,
		"$regex":     compileRegex,
		"$like":      compileLike(false),
		"$iLike":     compileLike(true),
		"$elemMatch": compileElemMatch,
		"$match":     compileMatch,
		"$where":     refuseWhere,
		"$filters":   compileFilters,
	}
}

func compileEq(c *compiler, o operand) (node, error) { return c.equality(o.arg) }

func compileNe(c *compiler, o operand) (node, error) {
	n, err := c.equality(o.arg)
	return &not{n}, err
}

func compileOrder(rel relation) compileFunc {
	return func(_ *compiler, o operand) (node, error) {
		n := &order{relation: rel}
		n.num, n.ok = comparable(o.arg)
		return n, nil
	}
}

// list says so when an operand is no list.
func (c *compiler) list(o operand) error {
	if o.arg.Kind() != document.Array {
		return c.fail("%s needs a list", c.path[len(c.path)-1])
	}
	return nil
}

func compileAnd(c *compiler, o operand) (node, error) {
	if err := c.list(o); err != nil {
		return nil, err
	}
	nodes, err := c.members(o.arg, o.level)
	return &and{nodes}, err
}

func compileOr(c *compiler, o operand) (node, error) {
	if err := c.list(o); err != nil {
		return nil, err
	}
	nodes, err := c.members(o.arg, o.level)
	return &or{nodes}, err
}

func compileNor(c *compiler, o operand) (node, error) {
	n, err := compileOr(c, o)
	return &not{n}, err
}

func compileNot(c *compiler, o operand) (node, error) {
	n, err := c.operand(o.arg, o.level)
	return &not{n}, err
}

func compileAll(c *compiler, o operand) (node, error) {
	if err := c.list(o); err != nil {
		return nil, err
	}
	nodes, err := c.members(o.arg, valueLevel)
	return &and{nodes}, err
}

func compileSize(_ *compiler, o operand) (node, error) {
	n := &size{count: -1}
	if o.arg.Kind() == document.Number {
		n.count = o.arg.Float()
	}
	return n, nil
}

func compileExists(c *compiler, o operand) (node, error) {
	return &exists{want: truthy(o.arg), lenient: c.data}, nil
}

// truthy is JavaScript's test of a value as a condition.
func truthy(v document.Value) bool {
	switch kindOf(v) {
	case document.Bool:
		return v.Bool()
	case document.Number:
		return v.Float() != 0
	case document.String:
		return v.Len() > 0
	case document.Array, document.Object:
		return true
	}
	return false
}

var typeNames = map[string]document.Kind{
	"string":  document.String,
	"number":  document.Number,
	"boolean": document.Bool,
	"array":   document.Array,
	"object":  document.Object,
}

func compileType(c *compiler, o operand) (node, error) {
	kind, ok := typeNames[o.arg.Str()]
	if !ok {
		return nil, c.fail("$type takes string, number, boolean, array or object")
	}
	return &ofType{kind}, nil
}

func compileMod(c *compiler, o operand) (node, error) {
	switch o.arg.Kind() {
	case document.Null:
		return nil, c.fail("$mod needs a list of a divisor and a remainder")
	case document.Array:
	case document.String:
		if c.data {
			return &mod{}, nil
		}
		// The original reads the first two characters.
		n, text := &mod{}, o.arg.Str()
		n.divisor, n.ok = number(unitAt(text, 0))
		second := unitAt(text, 1)
		n.remainder = newConstant(second)
		n.ok = n.ok && second.Kind() != document.Absent
		return n, nil
	default:
		return &mod{}, nil
	}
	n := &mod{}
	n.divisor, n.ok = number(o.arg.At(0))
	if remainder := o.arg.At(1); remainder.Kind() != document.Absent {
		n.remainder = newConstant(remainder)
	} else {
		n.ok = false
	}
	return n, nil
}

func compileElemMatch(c *compiler, o operand) (node, error) {
	n, err := c.operand(o.arg, valueLevel)
	return &elemMatch{n}, err
}

func compileMatch(c *compiler, o operand) (node, error) {
	return &match{operand: o.arg, lenient: c.data}, nil
}

func refuseWhere(c *compiler, _ operand) (node, error) {
	return nil, c.fail("$where is not supported: it would run code")
}

// and passes when every node does.
type and struct{ nodes []node }

func (n *and) test(r *Record, v document.Value, at place) verdict {
	for _, m := range n.nodes {
		if a := m.test(r, v, at); a != yes {
			return a
		}
	}
	return yes
}

// or passes when one node does.
type or struct{ nodes []node }

func (n *or) test(r *Record, v document.Value, at place) verdict {
	for _, m := range n.nodes {
		if a := m.test(r, v, at); a != no {
			return a
		}
	}
	return no
}

// not passes when its node does not.
type not struct{ node node }

func (n *not) test(r *Record, v document.Value, at place) verdict {
	switch a := n.node.test(r, v, at); a {
	case yes:
		return no
	case no:
		return yes
	default:
		return a
	}
}

// eq is loose equality.
type eq struct {
	constant
	// deep says that a list equals an equal list, too; operand is that list.
	deep    bool
	operand document.Value
}

func (n *eq) test(_ *Record, v document.Value, _ place) verdict {
	if raw := v.Raw(); len(raw) > 0 {
		switch raw[0] {
		case tagString:
			return verdictOf(n.equalsText(stringOf(raw[1:])))
		case tagArray:
			return n.list(v)
		}
	} else if v.Kind() == document.Array {
		return n.list(v)
	}
	return verdictOf(n.equals(v))
}

// list passes when an element is equal; the empty list counts as one value.
func (n *eq) list(v document.Value) verdict {
	count := v.Len()
	if count == 0 {
		return verdictOf(n.equals(v))
	}
	for i := range count {
		if n.equals(v.At(i)) {
			return yes
		}
	}
	return verdictOf(n.deep && document.Equal(v, n.operand))
}

// relation is how two numbers are to be ordered.
type relation uint8

const (
	greaterThan relation = iota
	greaterOrEqual
	lessThan
	lessOrEqual
)

func (r relation) holds(a, b float64) bool {
	switch r {
	case greaterThan:
		return a > b
	case greaterOrEqual:
		return a >= b
	case lessThan:
		return a < b
	}
	return a <= b
}

// order is $gt, $gte, $lt or $lte.
type order struct {
	relation relation
	num      float64
	ok       bool // the operand can be compared
}

func (n *order) test(_ *Record, v document.Value, _ place) verdict {
	if !n.ok {
		return no
	}
	switch kindOf(v) {
	case document.Number:
		return verdictOf(n.relation.holds(v.Float(), n.num))
	case document.Array:
		for i := range v.Len() {
			if n.one(v.At(i)) {
				return yes
			}
		}
		return no
	}
	return verdictOf(n.one(v))
}

func (n *order) one(v document.Value) bool {
	f, ok := comparable(v)
	return ok && n.relation.holds(f, n.num)
}

// size is $size.
type size struct{ count float64 }

func (n *size) test(_ *Record, v document.Value, _ place) verdict {
	switch kindOf(v) {
	case document.Array:
		return verdictOf(float64(v.Len()) == n.count)
	case document.String:
		return verdictOf(v.Len() > 0 && float64(utf16Len(v.Str())) == n.count)
	}
	return no
}

// exists is $exists.
type exists struct {
	want bool
	// lenient says that where the original stops with an error, null has no keys and an
	// element is there.
	lenient bool
}

func (n *exists) test(_ *Record, v document.Value, at place) verdict {
	if at >= element && !n.lenient {
		return failed
	}
	there := at == element || at == here && v.Kind() != document.Absent
	return verdictOf(there == n.want)
}

// ofType is $type.
type ofType struct{ kind document.Kind }

func (n *ofType) test(_ *Record, v document.Value, _ place) verdict {
	return verdictOf(kindOf(v) == n.kind)
}

// mod is $mod.
type mod struct {
	divisor   float64
	remainder constant
	ok        bool
}

func (n *mod) test(_ *Record, v document.Value, _ place) verdict {
	if !n.ok {
		return no
	}
	if kindOf(v) != document.Array || v.Len() == 0 {
		return verdictOf(n.one(v))
	}
	for i := range v.Len() {
		if n.one(v.At(i)) {
			return yes
		}
	}
	return no
}

func (n *mod) one(v document.Value) bool {
	f, ok := number(v)
	if !ok {
		return false
	}
	f = remainder(f, n.divisor)
	c := &n.remainder
	return f == f && c.numOK && f == c.num
}

// elemMatch is $elemMatch.
type elemMatch struct{ node node }

func (n *elemMatch) test(r *Record, v document.Value, at place) verdict {
	if kindOf(v) != document.Array {
		return n.node.test(r, v, at)
	}
	for i := range v.Len() {
		if a := n.node.test(r, v.At(i), element); a != no {
			return a
		}
	}
	return no
}

// match is $match.
type match struct {
	operand document.Value
	// lenient says that where the original stops with an error, the objects just differ.
	lenient bool
}

func (n *match) test(_ *Record, v document.Value, _ place) verdict {
	if kindOf(v) != document.Array || v.Len() == 0 {
		return n.one(v)
	}
	for i := range v.Len() {
		if a := n.one(v.At(i)); a != no {
			return a
		}
	}
	return no
}

func (n *match) one(v document.Value) verdict {
	if !isObjectType(v) || !isObjectType(n.operand) {
		return verdictOf(greater(v, n.operand))
	}
	if kindOf(v) != n.operand.Kind() {
		return no
	}
	switch kindOf(v) {
	case document.Null:
		return yes
	case document.Array:
		for i := range max(v.Len(), n.operand.Len()) {
			if a := n.member(n.operand.At(i), v.At(i)); a != yes {
				return a
			}
		}
		return yes
	}
	for key, e := range n.operand.Fields() {
		if a := n.member(e, v.Field(key)); a != yes {
			return a
		}
	}
	return verdictOf(v.Len() == n.operand.Len())
}

// member compares what a key has in the operand, want, and in the value, got.
func (n *match) member(want, got document.Value) verdict {
	switch {
	case want.Kind() == document.Absent || got.Kind() == document.Absent:
		return no
	case document.Equal(want, got):
		return yes
	case n.lenient || !isObjectType(want):
		return no
	}
	return failed
}

// isObjectType reports whether JavaScript calls the value an object.
func isObjectType(v document.Value) bool {
	switch kindOf(v) {
	case document.Null, document.Array, document.Object:
		return true
	}
	return false
}

// unknown stands for an unknown operator inside a list of $in, which the original meets only
// when it tests a document.
type unknown struct{}

func (unknown) test(*Record, document.Value, place) verdict { return failed }
