package query

import (
	"slices"
	"strconv"

	"github.com/siftdb/siftdb/internal/document"
)

// in is $in: a list of values, and of operands to be passed.
type in struct {
	null     bool // null is a member
	nullText bool // a member's text is "null", which null columns match
	// Loose members, for a column that is no list.
	texts   textSet   // strings, and lists by their text
	numbers numberSet // numbers and booleans
	digits  numberSet // those, and texts that read as a number
	// Strict members, for the elements of a list.
	ownTexts          textSet
	ownNumbers        numberSet
	ownTrue, ownFalse bool
	nodes             []node // operand objects, last first
}

func compileIn(c *compiler, o operand) (node, error) {
	n := &in{}
	if o.arg.Kind() != document.Array {
		return n, n.add(c, o.arg, "")
	}
	list, err := c.spliced(o.arg)
	if err != nil {
		return nil, err
	}
	return n, n.addAll(c, list)
}

// addAll adds the members of a list.
func (n *in) addAll(c *compiler, list document.Value) error {
	for i := range list.Len() {
		if err := n.add(c, list.At(i), strconv.Itoa(i)); err != nil {
			return err
		}
	}
	slices.Reverse(n.nodes)
	return nil
}

func compileNin(c *compiler, o operand) (node, error) {
	n, err := compileIn(c, o)
	return &not{n}, err
}

func (n *in) add(c *compiler, v document.Value, at string) error {
	k := newConstant(v)
	switch kindOf(v) {
	case document.Absent: // a session value that equals nothing
		return nil
	case document.Object:
		if at != "" {
			c.push(at)
			defer c.pop()
		}
		c.inList++
		m, err := c.operand(v, valueLevel)
		c.inList--
		if err != nil {
			return err
		}
		n.nodes = append(n.nodes, m)
		return nil
	case document.Null:
		n.null, n.nullText = true, true
		return nil
	case document.String:
		n.ownTexts.add(k.text)
	case document.Number:
		n.ownNumbers.add(k.num)
	case document.Bool:
		n.ownTrue = n.ownTrue || v.Bool()
		n.ownFalse = n.ownFalse || !v.Bool()
	}
	switch k.kind {
	case isText:
		n.texts.add(k.text)
		n.nullText = n.nullText || k.text == "null"
	case isNumber:
		n.numbers.add(k.num)
	}
	if k.numOK {
		n.digits.add(k.num)
	}
	return nil
}

func (n *in) test(r *Record, v document.Value, at place) verdict {
	switch kindOf(v) {
	case document.Array:
		for i := range v.Len() {
			if n.own(v.At(i)) {
				return yes
			}
		}
		return no
	case document.Object:
		return no
	}
	if n.loose(v) {
		return yes
	}
	for _, m := range n.nodes {
		if a := m.test(r, v, at); a != no {
			return a
		}
	}
	return no
}

// loose reports whether a value that is no list or object equals a member.
func (n *in) loose(v document.Value) bool {
	switch kindOf(v) {
	case document.Absent:
		return n.null
	case document.Null:
		return n.nullText
	case document.Bool:
		return n.digits.has(boolNumber(v.Bool()))
	case document.Number:
		return n.digits.has(v.Float())
	case document.String:
		s := v.Str()
		if n.texts.has(s) {
			return true
		}
		if n.numbers.len() > 0 {
			f, ok := toNumber(s)
			return ok && n.numbers.has(f)
		}
	}
	return false
}

// own reports whether an element of a list is strictly equal to a member.
func (n *in) own(v document.Value) bool {
	switch kindOf(v) {
	case document.Null:
		return n.null
	case document.Bool:
		return v.Bool() && n.ownTrue || !v.Bool() && n.ownFalse
	case document.Number:
		return n.ownNumbers.has(v.Float())
	case document.String:
		return n.ownTexts.has(v.Str())
	}
	return false
}

// fewMembers is how many members are compared one by one.
const fewMembers = 8

// textSet is a set of texts.
type textSet struct {
	list []string
	set  map[string]struct{} // once there are more than a few
}

func (s *textSet) add(text string) {
	s.list = append(s.list, text)
	if s.set != nil {
		s.set[text] = struct{}{}
	} else if len(s.list) > fewMembers {
		s.set = make(map[string]struct{}, 2*len(s.list))
		for _, m := range s.list {
			s.set[m] = struct{}{}
		}
	}
}

func (s *textSet) has(text string) bool {
	if s.set != nil {
		_, ok := s.set[text]
		return ok
	}
	for _, m := range s.list {
		if m == text {
			return true
		}
	}
	return false
}

// numberSet is a set of numbers.
type numberSet struct {
	list []float64
	set  map[float64]struct{}
}

func (s *numberSet) len() int { return len(s.list) }

func (s *numberSet) add(f float64) {
	s.list = append(s.list, f)
	if s.set != nil {
		s.set[f] = struct{}{}
	} else if len(s.list) > fewMembers {
		s.set = make(map[float64]struct{}, 2*len(s.list))
		for _, m := range s.list {
			s.set[m] = struct{}{}
		}
	}
}

func (s *numberSet) has(f float64) bool {
	if s.set != nil {
		_, ok := s.set[f]
		return ok
	}
	for _, m := range s.list {
		if m == f {
			return true
		}
	}
	return false
}
