package aggregate

import "maps"

// operatorFunc evaluates an operator on its arguments, which it must not keep.
type operatorFunc func(c *call, e *env, a []Value) Value

// operator is a line in a table of expression operators. Exactly one way of taking arguments
// applies: compile by itself; named, an object with these keys ("input chars?", a question
// mark for those that may be left out); list, one list; else a list of min to max arguments
// (-1 is any number), of which one may stand alone.
type operator struct {
	min, max int
	named    string
	list     bool
	whole    bool // a list of another length than max is the one argument
	fn       operatorFunc
	compile  func(c *compiler, arg Value) expr
}

// allOperators joins the tables of the files. It is a function because some operators compile
// expressions themselves.
func allOperators() map[string]operator {
	all := map[string]operator{}
	for _, t := range []map[string]operator{
		arithOperators, trigOperators, bitOperators, compareOperators, typeOperators, stringOperators, regexOperators,
		arrayOperators, setOperators, objectOperators, dateOperators, datePartOperators,
		statOperators, lazyOperators, bindingOperators, sortingOperators,
	} {
		maps.Copy(all, t)
	}
	return all
}
