package query

import (
	"strconv"
	"strings"

	"github.com/siftdb/siftdb/internal/document"
)

// valueTest is a test of one value in the Strict dialect.
type valueTest interface {
	holds(run *strictRun, v document.Value) bool
}

// strictCompiler compiles a where of the Strict dialect.
type strictCompiler struct {
	*compiler
	count int
}

// strictFunc compiles one operator. A nil operator is only a flag of another.
type strictFunc func(c *strictCompiler, o operand) (*strictOp, error)

var strictOperators map[string]strictFunc

func init() {
	strictOperators = map[string]strictFunc{
		"$eq":        strictEqFunc,
		"$ne":        strictNeFunc,
		"$gt":        strictOrder(greaterThan),
		"$gte":       strictOrder(greaterOrEqual),
		"$lt":        strictOrder(lessThan),
		"$lte":       strictOrder(lessOrEqual),
		"$in":        strictList(strictIn),
		"$nin":       strictList(strictNin),
		"$all":       strictAllFunc,
		"$and":       strictLogic(strictGroup),
		"$or":        strictLogic(strictOr),
		"$nor":       strictLogic(strictNor),
		"$not":       strictNotFunc,
		"$size":      strictSizeFunc,
		"$exists":    strictExistsFunc,
		"$type":      strictTypeFunc,
		"$mod":       strictModFunc,
		"$regex":     strictRegexFunc,
		"$elemMatch": strictElemFunc,
		"$where":     refuseStrictWhere,
		"$filters":   strictFiltersFunc,
		"$options":   func(*strictCompiler, operand) (*strictOp, error) { return nil, nil },
	}
}

// logical are the operators that cannot stand under a field.
var logical = map[string]bool{"$and": true, "$or": true, "$nor": true}

func (c *compiler) strict(v document.Value, lv level) (*strict, error) {
	sc := &strictCompiler{compiler: c}
	root, err := sc.query(v, lv)
	return &strict{root, sc.count}, err
}

func (c *strictCompiler) op(kind strictKind, children ...*strictOp) *strictOp {
	o := &strictOp{kind: kind, number: c.count, children: children}
	c.count++
	return o
}

// query compiles a query: what holds for the value itself, and for its keys.
func (c *strictCompiler) query(v document.Value, lv level) (*strictOp, error) {
	own, keys, err := c.parts(v, lv, "")
	if err != nil {
		return nil, err
	}
	ops := keys
	if len(own) > 0 {
		ops = append([]*strictOp{c.op(strictNested, own...)}, keys...)
	}
	if len(ops) == 1 {
		return ops[0], nil
	}
	return c.op(strictGroup, ops...), nil
}

// parts compiles the operators and the keys of a query. A list counts as an object with its
// indexes for keys. parent is the field under which the query stands.
func (c *strictCompiler) parts(v document.Value, lv level, parent string) (own, keys []*strictOp, err error) {
	one := func(key string, arg document.Value) error {
		c.push(key)
		defer c.pop()
		if compile, ok := strictOperators[key]; ok && (c.data || !dataOperators[key]) {
			o, err := compile(c, operand{arg, v, lv})
			if err != nil || o == nil {
				return err
			}
			if logical[key] && parent != "" {
				return c.fail("%s cannot stand under a field", key)
			}
			own = append(own, o)
			return nil
		}
		if strings.HasPrefix(key, "$") {
			return c.fail("Unknown operation %s", key)
		}
		o, err := c.nested(key, arg, lv)
		keys = append(keys, o)
		return err
	}
	switch kindOf(v) {
	case document.Object:
		for key, arg := range v.Fields() {
			if err := one(key, arg); err != nil {
				return nil, nil, err
			}
		}
	case document.Array:
		for i := range v.Len() {
			if err := one(strconv.Itoa(i), v.At(i)); err != nil {
				return nil, nil, err
			}
		}
	default:
		o, _ := strictEqFunc(c, operand{arg: v})
		own = append(own, o)
	}
	return own, keys, nil
}

// nested compiles a key.
func (c *strictCompiler) nested(key string, arg document.Value, lv level) (*strictOp, error) {
	var own []*strictOp
	if holdsOperator(arg) {
		var keys []*strictOp
		var err error
		if own, keys, err = c.parts(arg, valueLevel, key); err != nil {
			return nil, err
		}
		if len(keys) > 0 {
			return nil, c.fail("operators cannot stand beside the names of fields")
		}
	} else {
		o, _ := strictEqFunc(c, operand{arg: arg})
		own = []*strictOp{o}
	}
	o := c.op(strictNested, own...)
	if lv == documentLevel {
		o.keyed = newKeyed(key, false, nil)
	} else {
		o.path = splitPath(key)
	}
	return o, nil
}

func holdsOperator(v document.Value) bool {
	if kindOf(v) == document.Object {
		for key := range v.Fields() {
			if strings.HasPrefix(key, "$") {
				return true
			}
		}
	}
	return false
}

func (c *strictCompiler) tested(t valueTest) (*strictOp, error) {
	o := c.op(strictTest)
	o.test = t
	return o, nil
}

type strictEqTest struct{ operand document.Value }

func (t *strictEqTest) holds(_ *strictRun, v document.Value) bool { return strictEqual(t.operand, v) }

func strictEqFunc(c *strictCompiler, o operand) (*strictOp, error) {
	return c.tested(&strictEqTest{o.arg})
}

func strictNeFunc(c *strictCompiler, o operand) (*strictOp, error) {
	op := c.op(strictNe)
	op.operands = []document.Value{o.arg}
	return op, nil
}

// strictOrderTest orders values of the operand's JavaScript type; null, lists and objects are
// of one type.
type strictOrderTest struct {
	relation relation
	operand  document.Value
	class    document.Kind
}

// strictClass names the JavaScript type of a value; absent counts as null.
func strictClass(v document.Value) document.Kind {
	switch k := kindOf(v); k {
	case document.Bool, document.Number, document.String:
		return k
	}
	return document.Object
}

func strictOrder(rel relation) strictFunc {
	return func(c *strictCompiler, o operand) (*strictOp, error) {
		return c.tested(&strictOrderTest{rel, o.arg, strictClass(o.arg)})
	}
}

func (t *strictOrderTest) holds(_ *strictRun, v document.Value) bool {
	if strictClass(v) != t.class {
		return false
	}
	if kindOf(v) <= document.Null {
		if t.relation == greaterThan || t.relation == lessThan {
			return false
		}
		v = null
	}
	x, ok := relate(v, t.operand)
	return ok && t.relation.holds(float64(x), 0)
}

func strictList(kind strictKind) strictFunc {
	return func(c *strictCompiler, o operand) (*strictOp, error) {
		op := c.op(kind)
		if o.arg.Kind() != document.Array {
			op.operands = []document.Value{o.arg}
		} else {
			for i := range o.arg.Len() {
				op.operands = append(op.operands, o.arg.At(i))
			}
		}
		for i, m := range op.operands {
			if !holdsOperator(m) {
				continue
			}
			c.push(strconv.Itoa(i))
			if _, _, err := c.parts(m, valueLevel, ""); err != nil { // name what is unknown
				return nil, err
			}
			return nil, c.fail("operators cannot stand inside a list of values")
		}
		return op, nil
	}
}

func (c *strictCompiler) queries(o operand, lv level) ([]*strictOp, error) {
	if err := c.list(o); err != nil {
		return nil, err
	}
	ops := make([]*strictOp, o.arg.Len())
	for i := range ops {
		c.push(strconv.Itoa(i))
		var err error
		if ops[i], err = c.query(o.arg.At(i), lv); err != nil {
			return nil, err
		}
		c.pop()
	}
	return ops, nil
}

func strictAllFunc(c *strictCompiler, o operand) (*strictOp, error) {
	ops, err := c.queries(o, valueLevel)
	return c.op(strictGroup, ops...), err
}

func strictLogic(kind strictKind) strictFunc {
	return func(c *strictCompiler, o operand) (*strictOp, error) {
		ops, err := c.queries(o, o.level)
		if err == nil && len(ops) == 0 {
			err = c.fail("%s needs a list with members", c.path[len(c.path)-1])
		}
		return c.op(kind, ops...), err
	}
}

func strictNotFunc(c *strictCompiler, o operand) (*strictOp, error) {
	child, err := c.query(o.arg, o.level)
	if err != nil {
		return nil, err
	}
	return c.op(strictNot, child), nil
}

func strictSizeFunc(c *strictCompiler, o operand) (*strictOp, error) {
	op := c.op(strictSize)
	op.size = -1
	if o.arg.Kind() == document.Number {
		op.size = o.arg.Float()
	}
	return op, nil
}

func strictExistsFunc(c *strictCompiler, o operand) (*strictOp, error) {
	op := c.op(strictExists)
	op.want = truthy(o.arg)
	return op, nil
}

type strictTypeTest struct{ kind document.Kind }

func (t *strictTypeTest) holds(_ *strictRun, v document.Value) bool {
	return t.kind != document.Absent && kindOf(v) == t.kind
}

// strictTypes are the names that $type knows. No value of JSON is a timestamp.
var strictTypes = map[string]document.Kind{
	"number": document.Number, "string": document.String, "bool": document.Bool,
	"array": document.Array, "null": document.Null, "timestamp": document.Absent,
}

func strictTypeFunc(c *strictCompiler, o operand) (*strictOp, error) {
	if o.arg.Kind() != document.String {
		return c.tested(&strictTypeTest{})
	}
	kind, ok := strictTypes[o.arg.Str()]
	if !ok {
		return nil, c.fail("$type takes number, string, bool, array, null or timestamp")
	}
	return c.tested(&strictTypeTest{kind})
}

type strictModTest struct {
	divisor, remainder float64
	ok                 bool
}

func strictModFunc(c *strictCompiler, o operand) (*strictOp, error) {
	t := &strictModTest{}
	switch o.arg.Kind() {
	case document.Null:
		return nil, c.fail("$mod needs a list of a divisor and a remainder")
	case document.Array:
		t.divisor, t.ok = number(o.arg.At(0))
		t.ok = t.ok && o.arg.At(1).Kind() == document.Number
		t.remainder = o.arg.At(1).Float()
	}
	return c.tested(t)
}

func (t *strictModTest) holds(_ *strictRun, v document.Value) bool {
	if !t.ok {
		return false
	}
	f, ok := number(v)
	return ok && remainder(f, t.divisor) == t.remainder
}

type strictRegexTest struct{ expr *expression }

func strictRegexFunc(c *strictCompiler, o operand) (*strictOp, error) {
	n, err := compileRegex(c.compiler, o)
	if err != nil {
		return nil, err
	}
	return c.tested(&strictRegexTest{n.(*regex).expr})
}

func (t *strictRegexTest) holds(run *strictRun, v document.Value) bool {
	if kindOf(v) != document.String {
		return false
	}
	a := t.expr.on(run.record, v.Str())
	run.failed = run.failed || a == failed
	return a == yes
}

func strictElemFunc(c *strictCompiler, o operand) (*strictOp, error) {
	if o.arg.Kind() != document.Object && o.arg.Kind() != document.Array {
		return nil, c.fail("$elemMatch needs an object")
	}
	child, err := c.query(o.arg, valueLevel)
	if err != nil {
		return nil, err
	}
	return c.op(strictElem, child), nil
}

func refuseStrictWhere(c *strictCompiler, o operand) (*strictOp, error) {
	_, err := refuseWhere(c.compiler, o)
	return nil, err
}

func strictFiltersFunc(c *strictCompiler, o operand) (*strictOp, error) {
	n, err := compileFilters(c.compiler, o)
	if err != nil {
		return nil, err
	}
	op := c.op(strictFilters)
	op.filters = n
	return op, nil
}
