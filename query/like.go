package query

import "github.com/siftdb/siftdb/internal/document"

// like is $like or $iLike.
type like struct {
	needle needle
	// whole is a pattern for the whole value; only a data source has them.
	whole   pattern
	isWhole bool
	// present says that null and objects never pass.
	present bool
}

func compileLike(fold bool) compileFunc {
	return func(c *compiler, o operand) (node, error) {
		n := &like{present: c.data}
		text := string(appendText(nil, o.arg))
		if c.data {
			n.whole, text, n.isWhole = newPattern(text, fold)
		}
		if !n.isWhole {
			n.needle = newNeedle(text, fold)
		}
		return n, nil
	}
}

func (n *like) test(_ *Record, v document.Value, _ place) verdict {
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

func (n *like) one(v document.Value) bool {
	switch kindOf(v) {
	case document.Absent:
		return false
	case document.Null, document.Object:
		if n.present {
			return false
		}
	}
	var room [64]byte
	text := textOf(v, room[:0])
	if n.isWhole {
		return n.whole.matches(text)
	}
	return n.needle.in(text)
}
