package query

// Folded returns the bounds of a ProbePath among folded texts, as an index that ignores case
// holds them: the key of AppendFolded of the text of each value and of each element, nested
// ones included; null and absent, and objects, have their own key. They are never exact.
func (p *Probe) Folded() Bounds {
	b := foldedOf(p.node)
	b.Exact = false
	b.merge()
	return b
}

func pointOfFolded(s string) Range { return pointOfText(string(AppendFolded(nil, bytesOf(s)))) }

func foldedOf(n node) Bounds {
	switch n := n.(type) {
	case *eq:
		return n.folded()
	case *in:
		return n.folded()
	case *and:
		best := Bounds{All: true}
		for _, m := range n.nodes {
			if b := foldedOf(m); b.Cost() < best.Cost() {
				best = b
			}
		}
		return best
	case *or:
		b := Bounds{}
		for _, m := range n.nodes {
			b.add(foldedOf(m))
		}
		return b
	case *elemMatch:
		return foldedOf(n.node)
	case *like:
		if n.isWhole && n.present && n.whole.pieces[0] != "" {
			return Bounds{Values: []Range{textsFrom(string(AppendFolded(nil, bytesOf(n.whole.pieces[0]))))}}
		}
	case *filterEqual:
		switch {
		case n.not:
		case n.never:
			return Bounds{}
		default:
			return Bounds{Values: []Range{pointOfFolded(n.text)}}
		}
	case *filterEmpty:
		if !n.not {
			return Bounds{Values: []Range{pointOf(nil), pointOf(""), pointOf(D{})}}
		}
	case *exists:
		if !n.want {
			return Bounds{Values: []Range{pointOf(nil)}}
		}
	case never:
		return Bounds{}
	}
	return Bounds{All: true}
}

// foldedNumber adds the folded text of a number that a text equals, and of the boolean.
func (b *Bounds) foldedNumber(f float64) {
	b.Values = append(b.Values, pointOfFolded(string(appendNumber(nil, f))))
	switch f {
	case 0:
		b.Values = append(b.Values, pointOfFolded("false"))
	case 1:
		b.Values = append(b.Values, pointOfFolded("true"))
	}
}

func (n *eq) folded() Bounds {
	b := Bounds{}
	switch n.kind {
	case isNull:
		b.Values = []Range{pointOf(nil)}
	case isNumber:
		return Bounds{All: true} // many texts read as the number
	case isText:
		b.Values = []Range{pointOfFolded(n.text)}
		if n.numOK {
			b.foldedNumber(n.num)
		}
	case isEmpty:
		b.Values = []Range{pointOf("")}
	}
	if n.deep {
		b.Values = append(b.Values, pointOfFolded(string(appendText(nil, n.operand))))
	}
	return b
}

func (n *in) folded() Bounds {
	if n.numbers.len() > 0 {
		return Bounds{All: true}
	}
	b := Bounds{}
	for _, text := range n.texts.list {
		b.Values = append(b.Values, pointOfFolded(text))
	}
	for _, f := range n.digits.list {
		b.foldedNumber(f)
	}
	if n.null || n.nullText {
		b.Values = append(b.Values, pointOf(nil))
	}
	for _, m := range n.nodes {
		b.add(foldedOf(m))
	}
	return b
}
