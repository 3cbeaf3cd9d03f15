package query

import (
	"strings"

	"github.com/siftdb/siftdb/internal/document"
)

// EqualsText reports whether the probe is the whole of its where, and says that what one path
// leads to equals a text. Then the same where with another text has the same probe, but for the
// text: where without a session nothing looks at the text before AppendTextKey does.
func (p *Probe) EqualsText() bool {
	if p.Kind != ProbePath || !p.Whole {
		return false
	}
	n, ok := p.node.(*eq)
	return ok && n.kind == isText && !n.constant.list && !n.deep
}

// AppendTextKey appends the one key that a value has which equals a text in the Sift dialect. ok
// is false when values of more than one key do: numbers and booleans equal a text that reads as
// a number.
func AppendTextKey(dst []byte, s string) (key []byte, ok bool) {
	if _, isNumber := toNumber(s); isNumber {
		return dst, false
	}
	return document.AppendStringKey(dst, s), true
}

// NameOfEquality reports whether a key of a where may stand for a path, and not for an operator.
func NameOfEquality(key string) bool { return key != "" && !strings.HasPrefix(key, "$") }
